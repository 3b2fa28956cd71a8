/* Cloth: which faces are drawn, and regions of other colour. */
#include "studio/features.h"

#include "studio/hair.h"

#include <math.h>
#include <string.h>

static const float CROP_Y = 4.3f;  /* a little lower than the skin */
static const float UPPER_Y = 5.0f; /* trousers and shoes do not reach above this */
enum { COARSE_FACES = 2500 };      /* below this many faces cloth is smoothed twice */

/* A tie painted on a shirt: |x| < width(y) below a height, on the unmorphed fit. */
typedef struct {
    bool used;
    float below, soft;
    int points;
    float y[8], width[8];
} tie_shape;

static float tie_cover(const tie_shape *tie, const float p[3]) {
    if (!tie->used || p[1] >= tie->below) {
        return 0.0f;
    }
    float inside = tg_interpolate(p[1], tie->y, tie->width, tie->points) - fabsf(p[0]);
    return 1.0f / (1.0f + expf(-inside / tie->soft));
}

static tg_status read_tie(tg_context *ctx, const tg_json *v, tie_shape *tie) {
    const tg_json *width = tg_json_get(v, "width");
    tie->points = tg_json_count(width);
    tie->below = (float)tg_json_number(tg_json_get(v, "below"), NAN);
    tie->soft = (float)tg_json_number(tg_json_get(v, "soft"), NAN);
    bool good = tie->points >= 2 && tie->points <= 8 && isfinite(tie->below) && tie->soft > 0.0f;
    for (int i = 0; good && i < tie->points; i++) {
        tie->y[i] = (float)tg_json_number(tg_json_at(tg_json_at(width, i), 0), NAN);
        tie->width[i] = (float)tg_json_number(tg_json_at(tg_json_at(width, i), 1), NAN);
        good =
            isfinite(tie->width[i]) && isfinite(tie->y[i]) && (i == 0 || tie->y[i] > tie->y[i - 1]);
    }
    tie->used = good;
    return good ? TG_OK
                : tg_fail(ctx, TG_EINPUT,
                          "cloth_regions.json: a tie is not readable\n"
                          "  expected: below, soft and 2..8 pairs [y, width]\n"
                          "  try: restore the file from the talkgen distribution");
}

/* in_shirt[face] = 1 for faces on the UV islands that hold the seeds. */
static tg_status mark_shirt(tg_context *ctx, const tg_json *seeds, const tg_obj *mesh,
                            uint8_t *in_shirt) {
    memset(in_shirt, 0, (size_t)mesh->faces);
    if (mesh->uvs == 0) {
        return TG_OK;
    }
    int32_t *island = tg_alloc((size_t)(mesh->uvs + 1) * sizeof *island);
    if (!island ||
        tg_components(mesh->uvs, (const int32_t(*)[4])mesh->face_uv, mesh->faces, island) < 0) {
        tg_free(island);
        return tg_fail(ctx, TG_ENOMEM, "cloth: out of memory");
    }
    for (const tg_json *s = tg_json_first(seeds); s; s = tg_json_next(s)) {
        double seed = tg_json_number(s, -1.0);
        for (int f = 0; seed >= 0 && seed < mesh->uvs && f < mesh->faces; f++) {
            in_shirt[f] |= island[mesh->face_uv[f][0]] == island[(int)seed];
        }
    }
    tg_free(island);
    return TG_OK;
}

/* Faces of the upper garment inside the picture. */
static int choose_faces(const tg_piece *piece, const tg_fitting *f, uint8_t *shown) {
    const tg_obj *mesh = &piece->proxy.mesh;
    int count = 0;
    for (int i = 0; i < mesh->faces; i++) {
        float top = -INFINITY;
        for (int k = 0; k < 4; k++) {
            top = fmaxf(top, piece->rest[mesh->face[i][k]][1]);
        }
        shown[i] = top > CROP_Y;
    }
    for (int part = 0; part < f->parts; part++) {
        float top = -INFINITY;
        for (int v = 0; v < mesh->vertices; v++) {
            top = f->label[v] == part ? fmaxf(top, piece->rest[v][1]) : top;
        }
        for (int i = 0; top <= UPPER_Y && i < mesh->faces; i++) {
            shown[i] = f->label[mesh->face[i][0]] == part ? 0 : shown[i];
        }
    }
    for (int i = 0; i < mesh->faces; i++) {
        count += shown[i];
    }
    return count;
}

typedef struct {
    tg_context *ctx;
    const tg_recipe *recipe;
    const tg_piece *piece;
    tg_fitting fitting;
    const uint8_t *shown, *in_shirt;
    int levels;
    tie_shape tie;
} cutter;

static tg_status build_part(cutter *c, bool shirt, tg_surface *out, int *made) {
    const tg_obj *mesh = &c->piece->proxy.mesh;
    tg_surface_plan plan = tg_fitting_plan(c->piece, &c->fitting, TG_MATERIAL_CLOTH,
                                           shirt ? "cloth.shirt" : "cloth", c->levels);
    plan.two_sided = true;
    plan.part = TG_PART_TORSO;
    plan.uv = NULL;
    plan.faces = 0;
    for (int f = 0; f < mesh->faces; f++) {
        if (c->shown[f] && (c->in_shirt[f] != 0) == shirt) {
            memcpy(c->fitting.face[plan.faces++], mesh->face[f], sizeof *mesh->face);
        }
    }
    if (plan.faces == 0) {
        return TG_OK;
    }
    const float *color = shirt ? c->recipe->shirt_albedo : c->recipe->look.cloth_albedo;
    for (int v = 0; v < mesh->vertices; v++) {
        float *attr = c->fitting.attr[v];
        memcpy(attr, color, 3 * sizeof *attr);
        attr[3] = 0.75f;                 /* roughness */
        attr[4] = 0.5f;                  /* highlight scale */
        attr[5] = shirt ? 0.10f : 0.35f; /* folds */
    }
    tg_status status = tg_surface_build(c->ctx, &plan, out);
    *made += status == TG_OK;
    /* on the smoothed points, since the tie is narrower than the faces of the shirt */
    for (int v = 0; status == TG_OK && shirt && v < out->mesh.vertices; v++) {
        float cover = tie_cover(&c->tie, out->rest + 3 * v);
        for (int k = 0; k < 3; k++) {
            float *a = &out->attr[TG_ATTR * v + k];
            *a += cover * (c->recipe->tie_albedo[k] - *a);
        }
    }
    return status;
}

tg_status tg_cloth_build(tg_context *ctx, const tg_actor *actor, const tg_recipe *recipe,
                         const tg_piece *piece, tg_surface *out, int room, int *made) {
    const tg_obj *mesh = &piece->proxy.mesh;
    const tg_json *regions = tg_json_get(actor->cloth_regions, recipe->cloth);
    const tg_json *shirt = tg_json_get(regions, "shirt"), *tie = tg_json_get(regions, "tie");
    cutter c = {.ctx = ctx, .recipe = recipe, .piece = piece};
    uint8_t *shown = tg_calloc((size_t)mesh->faces), *in_shirt = tg_calloc((size_t)mesh->faces);
    *made = 0;
    tg_status status = shown && in_shirt ? TG_OK : tg_fail(ctx, TG_ENOMEM, "cloth: out of memory");
    if (status == TG_OK) {
        status = tg_fitting_create(ctx, piece, &c.fitting);
    }
    if (status == TG_OK && shirt && recipe->has_shirt) {
        status = mark_shirt(ctx, tg_json_get(shirt, "seed_vt"), mesh, in_shirt);
    }
    if (status == TG_OK && tie && recipe->has_tie) {
        status = read_tie(ctx, tie, &c.tie);
    }
    if (status == TG_OK) {
        c.levels = choose_faces(piece, &c.fitting, shown) < COARSE_FACES ? 2 : 1;
        c.shown = shown;
        c.in_shirt = in_shirt;
    }
    for (int part = 0; status == TG_OK && part < 2 && *made < room; part++) {
        status = build_part(&c, part == 1, &out[*made], made);
    }
    tg_fitting_free(&c.fitting);
    tg_free(shown);
    tg_free(in_shirt);
    return status;
}
