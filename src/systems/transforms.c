/* The camera path of a recording, as the NeRF family keeps it. */
#include "talkgen/systems.h"

#include <math.h>
#include <string.h>

enum { MAX_FRAMES = 1 << 22 };

static tg_status read_frame(tg_context *ctx, const char *path, const tg_json *frame, int64_t index,
                            float c2w[16], int64_t *image_id) {
    const tg_json *rows = tg_json_get(frame, "transform_matrix");
    bool good = tg_json_count(rows) == 4;
    for (int r = 0; good && r < 4; r++)
        for (int c = 0; good && c < 4; c++) {
            const tg_json *value = tg_json_at(tg_json_at(rows, r), c);
            c2w[4 * r + c] = (float)tg_json_number(value, NAN);
            good = isfinite(c2w[4 * r + c]);
        }
    if (!good)
        return tg_fail(ctx, TG_EINPUT,
                       "%s: frames[%lld] has no transform_matrix of 4x4 finite numbers\n"
                       "  expected: {\"transform_matrix\": [[..4],..4]}\n"
                       "  try: tracking the recording again",
                       path, (long long)index);
    double id = tg_json_number(tg_json_get(frame, "img_id"), -1);
    *image_id = id >= 0 && id < MAX_FRAMES ? (int64_t)id : -1;
    return TG_OK;
}

tg_status tg_transforms_read(tg_context *ctx, const char *path, tg_transforms *out) {
    memset(out, 0, sizeof *out);
    tg_json *json = NULL;
    tg_status s = tg_json_read(ctx, path, &json);
    if (s != TG_OK)
        return s;
    const tg_json *frames = tg_json_get(json, "frames");
    int64_t n = tg_json_is_array(frames) ? tg_json_count(frames) : 0;
    if (n < 1 || n > MAX_FRAMES)
        s = tg_fail(ctx, TG_EINPUT,
                    "%s: it has no frames\n  expected: a camera path, {\"focal_len\": F, "
                    "\"frames\": [{\"transform_matrix\": ..}]}\n"
                    "  try: transforms_train.json of a recording",
                    path);
    if (s == TG_OK) {
        out->c2w = tg_alloc((size_t)n * 16 * sizeof *out->c2w);
        out->image_id = tg_alloc((size_t)n * sizeof *out->image_id);
        if (!out->c2w || !out->image_id)
            s = tg_fail(ctx, TG_ENOMEM, "%s: out of memory for %lld poses", path, (long long)n);
    }
    out->focal = tg_json_number(tg_json_get(json, "focal_len"), NAN);
    out->cx = tg_json_number(tg_json_get(json, "cx"), NAN);
    out->cy = tg_json_number(tg_json_get(json, "cy"), NAN);
    const tg_json *frame = tg_json_first(frames);
    for (int64_t i = 0; s == TG_OK && i < n; i++, frame = tg_json_next(frame))
        s = read_frame(ctx, path, frame, i, out->c2w + 16 * i, &out->image_id[i]);
    out->frames = n;
    tg_json_destroy(&json);
    if (s != TG_OK)
        tg_transforms_free(out);
    return s;
}

void tg_transforms_free(tg_transforms *transforms) {
    tg_free(transforms->c2w);
    tg_free(transforms->image_id);
    memset(transforms, 0, sizeof *transforms);
}
