#include "studio/body.h"

#include "studio/features.h"
#include "studio/hair.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

/* Portraits end below the shoulders: base faces without a vertex above this height are left out. */
static const float CROP_Y = 4.6f;
enum { SKIN_LEVELS = 2, MAX_CONTROLS = 65535 };

static tg_status no_memory(tg_context *ctx) {
    return tg_fail(ctx, TG_ENOMEM, "person: out of memory");
}

/* Work of one tg_body_create. */
typedef struct {
    tg_context *ctx;
    const tg_actor *actor;
    const tg_recipe *recipe;
    tg_body *body;
    float (*mask)[TG_ATTR];  /* [base vertices] paint of this person */
    float *region;           /* [base vertices] */
    int32_t (*skin_face)[4]; /* visible faces of the base */
    int skin_faces;
    float (*neutral)[3];         /* [controls] */
    int hair, brow, lash, cloth; /* pieces, -1 = not worn */
} tailor;

/* ---- pieces ------------------------------------------------------------------------------ */

static tg_status wear(tailor *t, int *index, const char *format, const char *name) {
    char path[4096], file[1024];
    *index = -1;
    int size = snprintf(file, sizeof file, format, name, name);
    int total = snprintf(path, sizeof path, "%s/%s", t->actor->data_dir, file);
    if (size >= (int)sizeof file || total >= (int)sizeof path) {
        return tg_fail(t->ctx, TG_EINPUT,
                       "%.64s...: path too long\n  expected: at most 4095 bytes\n"
                       "  try: a shorter directory name",
                       path);
    }
    tg_piece *piece = &t->body->piece[t->body->pieces];
    tg_status status = tg_proxy_load(t->ctx, path, TG_BASE_VERTICES, &piece->proxy);
    if (status != TG_OK) {
        return status;
    }
    *index = t->body->pieces++;
    size_t n = (size_t)piece->proxy.mesh.vertices;
    piece->rest = tg_alloc(n * sizeof *piece->rest);
    piece->neutral = tg_alloc(n * sizeof *piece->neutral);
    if (!piece->rest || !piece->neutral) {
        return no_memory(t->ctx);
    }
    tg_proxy_fit(&piece->proxy, (const float(*)[3])t->actor->base.position, piece->rest);
    tg_proxy_fit(&piece->proxy, (const float(*)[3])t->body->x, piece->neutral);
    return tg_proxy_skin(t->ctx, &piece->proxy, &t->actor->skin, &piece->skin);
}

static tg_status wear_all(tailor *t, int *eyes, int *teeth, int *tongue) {
    tg_status status = wear(t, eyes, "eyes/%s/%s.mhclo", "high-poly");
    if (status == TG_OK) {
        status = wear(t, teeth, "teeth/%s/%s.mhclo", "teeth_base");
    }
    if (status == TG_OK) {
        status = wear(t, tongue, "tongue/%s/%s.mhclo", "tongue01");
    }
    if (status == TG_OK) {
        status = wear(t, &t->brow, "eyebrows/%s/%s.mhclo", "eyebrow001");
    }
    if (status == TG_OK) {
        status = wear(t, &t->lash, "eyelashes/%s/%s.mhclo", "eyelashes01");
    }
    t->hair = t->cloth = -1;
    if (status == TG_OK && t->recipe->hair) {
        status = wear(t, &t->hair, "hair/%s/%s.mhclo", t->recipe->hair);
    }
    if (status == TG_OK && t->recipe->cloth) {
        status = wear(t, &t->cloth, "clothes/%s/%s.mhclo", t->recipe->cloth);
    }
    return status;
}

/* ---- skin ---------------------------------------------------------------------------------- */

static tg_status choose_skin(tailor *t) {
    const tg_obj *base = &t->actor->base;
    const uint8_t *hides = t->cloth >= 0 ? t->body->piece[t->cloth].proxy.hides : NULL;
    int skin = tg_obj_group(base, "body");
    t->skin_face = tg_alloc((size_t)base->faces * sizeof *t->skin_face);
    if (!t->skin_face) {
        return no_memory(t->ctx);
    }
    for (int f = 0; f < base->faces; f++) {
        const int32_t *v = base->face[f];
        float top = -INFINITY;
        bool hidden = hides != NULL;
        for (int k = 0; k < 4; k++) {
            top = fmaxf(top, base->position[v[k]][1]);
            hidden = hidden && hides[v[k]];
        }
        if (base->face_group[f] == skin && !hidden && top > CROP_Y) {
            memcpy(t->skin_face[t->skin_faces++], v, sizeof *t->skin_face);
        }
    }
    return t->skin_faces ? TG_OK
                         : tg_fail(t->ctx, TG_EINPUT,
                                   "base.obj: no visible face in group \"body\"\n"
                                   "  expected: the MakeHuman base mesh hm08\n"
                                   "  try: fetch the file again");
}

/* Control rows 0 .. base_points: vertices of visible skin and of the lash lines. */
static tg_status choose_base_points(tailor *t) {
    tg_body *body = t->body;
    body->base_row = tg_alloc(TG_BASE_VERTICES * sizeof *body->base_row);
    body->base_vertex = tg_alloc(TG_BASE_VERTICES * sizeof *body->base_vertex);
    if (!body->base_row || !body->base_vertex) {
        return no_memory(t->ctx);
    }
    memset(body->base_row, -1, TG_BASE_VERTICES * sizeof *body->base_row);
    for (int f = 0; f < t->skin_faces; f++) {
        for (int k = 0; k < 4; k++) {
            body->base_row[t->skin_face[f][k]] = 0;
        }
    }
    for (int i = 0; i < 2 * TG_LID_LOOP; i++) {
        body->base_row[t->actor->lid[i / TG_LID_LOOP][i % TG_LID_LOOP]] = 0;
    }
    int entries = 0;
    const tg_sparse *skin = &t->actor->skin;
    for (int v = 0; v < TG_BASE_VERTICES; v++) {
        if (body->base_row[v] == 0) {
            body->base_row[v] = body->base_points;
            body->base_vertex[body->base_points++] = v;
            entries += skin->start[v + 1] - skin->start[v];
        }
    }
    tg_status status = tg_sparse_create(t->ctx, body->base_points, entries, &body->base_skin);
    for (int i = 0; status == TG_OK && i < body->base_points; i++) {
        int32_t from = skin->start[body->base_vertex[i]];
        int32_t to = body->base_skin.start[i];
        int32_t n = skin->start[body->base_vertex[i] + 1] - from;
        memcpy(body->base_skin.column + to, skin->column + from, (size_t)n * sizeof(int32_t));
        memcpy(body->base_skin.weight + to, skin->weight + from, (size_t)n * sizeof(float));
        body->base_skin.start[i + 1] = to + n;
    }
    return status;
}

static tg_status number_controls(tailor *t) {
    tg_body *body = t->body;
    body->controls = body->base_points;
    for (int i = 0; i < body->pieces; i++) {
        body->piece[i].first = body->controls;
        if (body->piece[i].proxy.mesh.vertices > MAX_CONTROLS - body->controls) {
            return tg_fail(t->ctx, TG_EINPUT,
                           "hair and cloth of \"%s\" have too many vertices\n"
                           "  expected: at most %d control points in one person\n"
                           "  try: other hair or cloth",
                           t->recipe->name, MAX_CONTROLS);
        }
        body->controls += body->piece[i].proxy.mesh.vertices;
    }
    t->neutral = tg_alloc((size_t)body->controls * sizeof *t->neutral);
    if (!t->neutral) {
        return no_memory(t->ctx);
    }
    for (int i = 0; i < body->base_points; i++) {
        memcpy(t->neutral[i], body->x[body->base_vertex[i]], sizeof *t->neutral);
    }
    for (int i = 0; i < body->pieces; i++) {
        memcpy(t->neutral[body->piece[i].first], body->piece[i].neutral,
               (size_t)body->piece[i].proxy.mesh.vertices * sizeof *t->neutral);
    }
    return TG_OK;
}

/* ---- surfaces -------------------------------------------------------------------------------- */

static tg_surface *next_surface(tailor *t) {
    return &t->body->surface[t->body->surfaces];
}

/* Counts the surface just built. */
static tg_status keep_surface(tailor *t, tg_status status) {
    t->body->surfaces += status == TG_OK;
    return status;
}

static tg_status add_skin(tailor *t) {
    tg_label_regions(t->actor, t->region);
    tg_surface_plan plan = {.material = TG_MATERIAL_SKIN,
                            .name = "skin",
                            .levels = SKIN_LEVELS,
                            .points = TG_BASE_VERTICES,
                            .face = (const int32_t(*)[4])t->skin_face,
                            .faces = t->skin_faces,
                            .row = t->body->base_row,
                            .rest = (const float(*)[3])t->actor->base.position,
                            .attr = (const float(*)[TG_ATTR])t->mask,
                            .region = t->region};
    return keep_surface(t, tg_surface_build(t->ctx, &plan, next_surface(t)));
}

/* ---- whole body --------------------------------------------------------------------------------
 */

static tg_status grow_hairs(tailor *t) {
    tg_body *body = t->body;
    tg_grower grower = {.actor = t->actor,
                        .recipe = t->recipe,
                        .body = body,
                        .neutral = (const float(*)[3])t->neutral};
    tg_status status = TG_OK;
    if (t->hair >= 0) {
        tg_strand_set *set = &body->strands[body->strand_sets];
        status = tg_hair_grow(t->ctx, &grower, &body->piece[t->hair], set);
        body->strand_sets += status == TG_OK;
        if (status == TG_OK) {
            status = tg_scalp_paint(t->ctx, &grower, set, t->mask);
        }
    }
    if (status == TG_OK) {
        status = tg_brows_grow(t->ctx, &grower, &body->piece[t->brow],
                               &body->strands[body->strand_sets]);
        body->strand_sets += status == TG_OK;
    }
    if (status == TG_OK) {
        status = tg_lashes_grow(t->ctx, &grower, &body->piece[t->lash],
                                &body->strands[body->strand_sets]);
        body->strand_sets += status == TG_OK;
    }
    return status;
}

static tg_status add_cloth(tailor *t) {
    tg_body *body = t->body;
    int room = TG_MAX_SURFACES - body->surfaces, made = 0;
    tg_status status = tg_cloth_build(t->ctx, t->actor, t->recipe, &body->piece[t->cloth],
                                      next_surface(t), room, &made);
    body->surfaces += made;
    return status;
}

static tg_status make_body(tailor *t) {
    tg_body *body = t->body;
    size_t n = TG_BASE_VERTICES;
    body->x = tg_alloc(n * sizeof *body->x);
    t->mask = tg_alloc(n * sizeof *t->mask);
    t->region = tg_alloc(n * sizeof *t->region);
    if (!body->x || !t->mask || !t->region) {
        return no_memory(t->ctx);
    }
    memcpy(body->x, t->actor->base.position, n * sizeof *body->x);
    memcpy(t->mask, t->actor->mask, n * sizeof *t->mask);
    for (int i = 0; i < t->recipe->ingredients; i++) {
        tg_target_apply(&t->actor->target[t->recipe->ingredient[i].target].whole,
                        t->recipe->ingredient[i].weight, body->x);
    }
    int eyes, teeth, tongue;
    tg_status status = wear_all(t, &eyes, &teeth, &tongue);
    tg_status (*const steps[])(tailor *) = {choose_skin, choose_base_points, number_controls,
                                            grow_hairs, add_skin};
    for (size_t i = 0; status == TG_OK && i < sizeof steps / sizeof *steps; i++) {
        status = steps[i](t);
    }
    if (status == TG_OK) {
        body->eyes.surface = body->surfaces;
        status = tg_eyes_build(t->ctx, &body->piece[eyes], next_surface(t));
        status = keep_surface(t, status);
    }
    if (status == TG_OK) {
        status = tg_eyeballs_measure(t->ctx, &body->surface[body->eyes.surface],
                                     (const float(*)[3])t->neutral, &body->eyes);
    }
    if (status == TG_OK) {
        status = tg_teeth_build(t->ctx, &body->piece[teeth], next_surface(t));
        status = keep_surface(t, status);
    }
    if (status == TG_OK) {
        status = tg_tongue_build(t->ctx, &body->piece[tongue], next_surface(t));
        status = keep_surface(t, status);
    }
    if (status == TG_OK && t->hair >= 0) {
        status = tg_cap_build(t->ctx, t->recipe, &body->piece[t->hair], next_surface(t));
        status = keep_surface(t, status);
    }
    return status == TG_OK && t->cloth >= 0 ? add_cloth(t) : status;
}

tg_status tg_body_create(tg_context *ctx, const tg_recipe *recipe, const tg_person *person,
                         tg_body **out) {
    tailor t = {.ctx = ctx, .actor = person->actor, .recipe = recipe};
    *out = t.body = tg_calloc(sizeof *t.body);
    if (!t.body) {
        return no_memory(ctx);
    }
    t.body->eyes.surface = -1;
    tg_status status = make_body(&t);
    tg_free(t.mask);
    tg_free(t.region);
    tg_free(t.skin_face);
    tg_free(t.neutral);
    if (status != TG_OK) {
        tg_body_destroy(out);
    }
    return status;
}

void tg_body_destroy(tg_body **body) {
    tg_body *b = body ? *body : NULL;
    if (!b) {
        return;
    }
    for (int i = 0; i < TG_MAX_PIECES; i++) {
        tg_proxy_free(&b->piece[i].proxy);
        tg_sparse_free(&b->piece[i].skin);
        tg_free(b->piece[i].rest);
        tg_free(b->piece[i].neutral);
    }
    for (int i = 0; i < b->surfaces; i++) {
        tg_surface_free(&b->surface[i]);
    }
    for (int i = 0; i < b->strand_sets; i++) {
        tg_strands_free(&b->strands[i]);
    }
    tg_free(b->x);
    tg_free(b->base_vertex);
    tg_free(b->base_row);
    tg_sparse_free(&b->base_skin);
    tg_free(b->eyes.side);
    tg_free(b);
    *body = NULL;
}
