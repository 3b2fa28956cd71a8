/* Grid or vanilla: whichever renderer the identity holds. */
#include "systems/painter.h"

#include <stdlib.h>

struct tg_painter {
    tg_renderer *grid;
    tg_vanilla_renderer *vanilla;
};

tg_status tg_painter_open(tg_context *ctx, const tg_identity *id, const tg_painter_options *o,
                          tg_painter **out) {
    *out = NULL;
    if (!id->nerf && o->device != TG_DEVICE_CPU)
        return tg_fail(ctx, TG_EUSAGE,
                       "--device cuda: '%s' is a vanilla NeRF, which is rendered on the CPU\n"
                       "  expected: a person of the grid renderer\n  try: --device cpu",
                       id->name);
    tg_painter *p = calloc(1, sizeof *p);
    if (!p)
        return tg_fail(ctx, TG_ENOMEM, "out of memory for a renderer");
    tg_status s;
    if (id->nerf) {
        tg_renderer_options r = tg_renderer_defaults(o->width, o->height, o->focal);
        r.cx = o->cx;
        r.cy = o->cy;
        r.background = o->background;
        r.device = o->device;
        tg_renderer_options_march(&r, o->march);
        s = tg_renderer_create(ctx, id->nerf, &r, &p->grid);
    } else {
        tg_vanilla_options v = tg_vanilla_options_defaults(o->width, o->height, o->focal);
        v.cx = o->cx;
        v.cy = o->cy;
        v.background = o->background;
        v.torso_c2w = id->torso_pose;
        s = tg_vanilla_renderer_create(ctx, id->head, id->torso, &v, &p->vanilla);
    }
    if (s != TG_OK)
        tg_painter_close(&p);
    *out = p;
    return s;
}

void tg_painter_close(tg_painter **painter) {
    if (!painter || !*painter)
        return;
    tg_renderer_destroy(&(*painter)->grid);
    tg_vanilla_renderer_destroy(&(*painter)->vanilla);
    free(*painter);
    *painter = NULL;
}

tg_status tg_painter_frame(tg_context *ctx, tg_painter *p, const float *windows,
                           const float *torso_windows, float eye_area, const float c2w[16],
                           const tg_picture *picture) {
    if (p->vanilla)
        return tg_vanilla_renderer_frame(ctx, p->vanilla, windows, torso_windows, c2w, picture);
    tg_renderer_set_eye(p->grid, eye_area);
    return tg_renderer_frame(ctx, p->grid, windows, c2w, picture);
}

bool tg_painter_overlaps(const tg_painter *p) {
    return p->grid && tg_renderer_overlaps(p->grid);
}

tg_status tg_painter_begin(tg_context *ctx, tg_painter *p, const float *windows, float eye_area,
                           const float c2w[16], bool floats) {
    tg_renderer_set_eye(p->grid, eye_area);
    return tg_renderer_begin(ctx, p->grid, windows, c2w, floats);
}

tg_status tg_painter_finish(tg_context *ctx, tg_painter *p, const tg_picture *picture) {
    return tg_renderer_finish(ctx, p->grid, picture);
}
