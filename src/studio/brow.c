/* Eyebrow hairs: roots on the brow mesh inside a painted outline, combed outwards. */
#include "studio/hair.h"

#include "studio/dice.h"

#include <math.h>
#include <string.h>

enum { BROW_POINTS = 6, MAX_TRIES = 40 };

/* Outline on the unmorphed fit: t runs from the nose (0) to the temple (1), |x| 0.097 to 0.601;
 * centre line and half width in dm. */
typedef struct {
    float center[4], half_width[6];
} brow_outline;

static const brow_outline outline_of[2] = {
    {{7.398f, 7.418f, 7.428f, 7.385f}, {0.007f, 0.013f, 0.015f, 0.011f, 0.005f, 0.003f}},
    {{7.392f, 7.408f, 7.416f, 7.375f}, {0.010f, 0.019f, 0.022f, 0.017f, 0.008f, 0.004f}}};

/* A root on the brow mesh. */
typedef struct {
    int32_t corner[4];
    float weight[4];
    float along, across; /* t, and the distance from the centre line in half widths */
    float side;          /* +1 left (+x), -1 right */
    float normal[3];
} brow_root;

static bool draw_root(const tg_piece *piece, const tg_face_lottery *lottery,
                      const float (*normal)[3], const brow_outline *outline, tg_dice *dice,
                      brow_root *root) {
    static const float at_center[4] = {0.0f, 0.3f, 0.65f, 1.0f};
    static const float at_width[6] = {0.0f, 0.05f, 0.25f, 0.65f, 0.95f, 1.0f};
    const int32_t *face = piece->proxy.mesh.face[tg_lottery_draw(lottery, tg_roll(dice))];
    float u = tg_roll(dice), v = tg_roll(dice), luck = tg_roll(dice), rest[3] = {0, 0, 0};
    memcpy(root->corner, face, sizeof root->corner);
    if (face[2] == face[3] && u + v > 1.0f) {
        u = 1.0f - u;
        v = 1.0f - v;
    }
    float quad[4] = {(1 - u) * (1 - v), u * (1 - v), u * v, (1 - u) * v};
    float triangle[4] = {1 - u - v, u, v, 0.0f};
    memcpy(root->weight, face[2] == face[3] ? triangle : quad, sizeof root->weight);
    memset(root->normal, 0, sizeof root->normal);
    for (int k = 0; k < 4; k++) {
        for (int i = 0; i < 3; i++) {
            rest[i] += root->weight[k] * piece->rest[face[k]][i];
            root->normal[i] += root->weight[k] * normal[face[k]][i];
        }
    }
    root->side = rest[0] < 0.0f ? -1.0f : 1.0f;
    root->along = (fabsf(rest[0]) - 0.097f) / 0.504f;
    if (root->along > 1.02f) {
        return false;
    }
    float center = tg_interpolate(root->along, at_center, outline->center, 4);
    float width = tg_interpolate(root->along, at_width, outline->half_width, 6);
    root->across = (rest[1] - center) / width;
    float density = (1.0f - 0.35f * root->across * root->across) *
                    tg_clampf(9.0f * root->along + 0.25f, 0.0f, 1.0f);
    return fabsf(root->across) < 1.0f && luck < density;
}

/* Unit vector in the skin plane at `angle` above the outward horizontal. */
static void comb(const brow_root *root, float angle, float direction[3]) {
    float t = tg_clampf(root->along, 0.0f, 1.0f), dot = 0.0f, size = 0.0f;
    const float *n = root->normal;
    float d[3] = {root->side * cosf(angle), sinf(angle), -0.35f * t - 0.05f};
    for (int k = 0; k < 3; k++) {
        dot += d[k] * n[k];
    }
    for (int k = 0; k < 3; k++) {
        d[k] -= dot * n[k];
        size += d[k] * d[k];
    }
    for (int k = 0; k < 3; k++) {
        direction[k] = d[k] / fmaxf(sqrtf(size), 1e-9f);
    }
}

static void add_hair(const tg_grower *grower, const tg_piece *piece, const brow_root *root,
                     tg_dice *dice, tg_strand_set *out) {
    static const float at_angle[5] = {0.0f, 0.15f, 0.4f, 0.7f, 1.0f};
    static const float angles[5] = {1.25f, 0.85f, 0.45f, 0.10f, -0.25f};
    static const float at_length[4] = {0.0f, 0.3f, 0.8f, 1.0f};
    static const float lengths[4] = {0.045f, 0.060f, 0.055f, 0.04f};
    int i = out->strands++;
    float angle = tg_interpolate(root->along, at_angle, angles, 5) - 0.22f * root->across +
                  tg_roll_normal(dice, 0.13f);
    float length = tg_interpolate(root->along, at_length, lengths, 4);
    length *= tg_roll_between(dice, 0.7f, 1.15f);
    float direction[3];
    comb(root, angle, direction);
    const float bend[3] = {0.175f * root->side, -0.1925f, 0.0f}; /* outwards and down */
    for (int p = 0; p < BROW_POINTS; p++) {
        size_t at = (size_t)i * BROW_POINTS + (size_t)p;
        float u = (float)p / (float)(BROW_POINTS - 1);
        float above = 0.004f + 0.012f * sinf(0.8f * 3.14159265f * u);
        for (int k = 0; k < 4; k++) {
            out->corner[at][k] = (uint16_t)(piece->first + root->corner[k]);
            out->weight[at][k] = root->weight[k];
        }
        for (int k = 0; k < 3; k++) {
            out->offset[at][k] =
                (direction[k] * u + bend[k] * u * u) * length + root->normal[k] * above;
        }
    }
    memcpy(out->normal[i], root->normal, sizeof out->normal[i]);
    float shade = tg_roll_between(dice, 0.7f, 1.2f);
    for (int k = 0; k < 3; k++) {
        out->albedo[3 * i + k] = grower->recipe->look.hair_albedo[k] * shade;
    }
    out->scale[i] = 1.0f;
    out->random[i] = tg_roll(dice);
    out->shade[i] = 0.85f;
}

tg_status tg_brows_grow(tg_context *ctx, const tg_grower *grower, const tg_piece *piece,
                        tg_strand_set *out) {
    const tg_obj *mesh = &piece->proxy.mesh;
    int wanted = (int)(1100.0f * grower->recipe->brow_density);
    tg_face_lottery lottery = {0};
    float(*normal)[3] = tg_alloc((size_t)mesh->vertices * sizeof *normal);
    tg_status status = normal ? TG_OK : tg_fail(ctx, TG_ENOMEM, "brows: out of memory");
    if (status == TG_OK) {
        tg_vertex_normals(mesh->vertices, (const float(*)[3])piece->neutral,
                          (const int32_t(*)[4])mesh->face, mesh->faces, normal);
        status = tg_lottery_create(ctx, (const float(*)[3])piece->neutral,
                                   (const int32_t(*)[4])mesh->face, mesh->faces, NULL, &lottery);
    }
    if (status == TG_OK) {
        status = tg_strands_create(ctx, TG_STRANDS_BROW, wanted, BROW_POINTS, out);
    }
    const brow_outline *outline = &outline_of[grower->recipe->look.gender == TG_GENDER_MALE];
    tg_dice dice = tg_dice_make(grower->recipe->seed, grower->recipe->name, "brow");
    for (int i = 0; status == TG_OK && i < wanted * MAX_TRIES && out->strands < wanted; i++) {
        brow_root root;
        if (draw_root(piece, &lottery, (const float(*)[3])normal, outline, &dice, &root)) {
            add_hair(grower, piece, &root, &dice, out);
        }
    }
    for (int p = 0; status == TG_OK && p < BROW_POINTS; p++) {
        out->radius[p] = 0.0026f * (1.0f - 0.7f * (float)p / (float)(BROW_POINTS - 1));
    }
    tg_free(normal);
    tg_lottery_free(&lottery);
    return status;
}
