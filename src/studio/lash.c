/* Eyelashes: roots along the outer lid margin, tips on the free border of the lash mesh. */
#include "studio/hair.h"

#include "studio/dice.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

enum { LASH_POINTS = 7, LIDS = 4, UPPER_HAIRS = 85, LOWER_HAIRS = 36 };

/* Vertices in order of their distance from the face's middle on the unmorphed face. */
typedef struct {
    float x;
    int32_t row; /* of the control points */
} line_point;
typedef struct {
    int count;
    line_point *at;
} row_line;

static int compare_x(const void *a, const void *b) {
    float l = ((const line_point *)a)->x, r = ((const line_point *)b)->x;
    return (l > r) - (l < r);
}

/* Two neighbours of the line around x, and the share of the second. */
static void line_at(const row_line *line, float x, int32_t row[2], float *share) {
    int i = 0;
    while (i < line->count - 2 && line->at[i + 1].x < x) {
        i++;
    }
    float span = line->at[i + 1].x - line->at[i].x;
    row[0] = line->at[i].row;
    row[1] = line->at[i + 1].row;
    *share = tg_clampf((x - line->at[i].x) / fmaxf(span, 1e-6f), 0.0f, 1.0f);
}

/* The upper or lower half of the lash line of one eye. */
static void lid_line(const tg_grower *grower, int eye, bool upper, row_line *line) {
    const int32_t *loop = grower->actor->lid[eye];
    const float(*rest)[3] = (const float(*)[3])grower->actor->base.position;
    float side = eye ? -1.0f : 1.0f;
    int32_t inner = loop[0], outer = loop[0];
    for (int i = 1; i < TG_LID_LOOP; i++) {
        inner = side * rest[loop[i]][0] < side * rest[inner][0] ? loop[i] : inner;
        outer = side * rest[loop[i]][0] > side * rest[outer][0] ? loop[i] : outer;
    }
    float begin = side * rest[inner][0], span = side * rest[outer][0] - begin;
    line->count = 0;
    for (int i = 0; i < TG_LID_LOOP; i++) {
        const float *p = rest[loop[i]];
        /* height over the line between the corners, which belong to both halves */
        float middle =
            rest[inner][1] + (rest[outer][1] - rest[inner][1]) * (side * p[0] - begin) / span;
        float over = upper ? p[1] - middle : middle - p[1];
        if (over > -1e-4f) {
            line->at[line->count].x = side * p[0];
            line->at[line->count++].row = grower->body->base_row[loop[i]];
        }
    }
    qsort(line->at, (size_t)line->count, sizeof *line->at, compare_x);
}

static float distance_to_line(const tg_grower *grower, const row_line *line, const float p[3]) {
    float best = INFINITY;
    for (int i = 0; i + 1 < line->count; i++) {
        int32_t v0 = grower->body->base_vertex[line->at[i].row];
        int32_t v1 = grower->body->base_vertex[line->at[i + 1].row];
        const float *a = grower->actor->base.position[v0], *b = grower->actor->base.position[v1];
        float ab = 0.0f, ap = 0.0f, d = 0.0f;
        for (int k = 0; k < 3; k++) {
            ab += (b[k] - a[k]) * (b[k] - a[k]);
            ap += (b[k] - a[k]) * (p[k] - a[k]);
        }
        float t = tg_clampf(ap / fmaxf(ab, 1e-12f), 0.0f, 1.0f);
        for (int k = 0; k < 3; k++) {
            float e = p[k] - a[k] - t * (b[k] - a[k]);
            d += e * e;
        }
        best = fminf(best, d);
    }
    return sqrtf(best);
}

static int compare_floats(const void *a, const void *b) {
    float l = *(const float *)a, r = *(const float *)b;
    return (l > r) - (l < r);
}

/* The outer rows of one lash component: its vertices that are farthest from the lid. */
static tg_status tip_line(tg_context *ctx, const tg_grower *grower, const tg_piece *piece,
                          const int32_t *label, int32_t component, float side,
                          const row_line *roots, row_line *line) {
    static const float FAR_SHARE = 0.62f; /* three of eight rows of the mesh */
    int n = piece->proxy.mesh.vertices, members = 0;
    float *away = tg_alloc((size_t)n * 2 * sizeof *away);
    if (!away) {
        return tg_fail(ctx, TG_ENOMEM, "lashes: out of memory");
    }
    float *sorted = away + n;
    for (int i = 0; i < n; i++) {
        away[i] = label[i] == component ? distance_to_line(grower, roots, piece->rest[i]) : -1.0f;
        if (away[i] >= 0.0f) {
            sorted[members++] = away[i];
        }
    }
    qsort(sorted, (size_t)members, sizeof *sorted, compare_floats);
    float limit = members ? sorted[(int)(FAR_SHARE * (float)(members - 1))] : 0.0f;
    line->count = 0;
    for (int i = 0; i < n; i++) {
        if (away[i] > limit) {
            line->at[line->count].x = side * piece->rest[i][0];
            line->at[line->count++].row = piece->first + i;
        }
    }
    qsort(line->at, (size_t)line->count, sizeof *line->at, compare_x);
    tg_free(away);
    return TG_OK;
}

static void add_lash(const row_line *roots, const row_line *tips, bool upper, tg_dice *dice,
                     tg_strand_set *out) {
    float q = tg_roll(dice), jitter = tg_roll_normal(dice, 0.012f);
    q = upper ? q : 0.15f + 0.85f * q; /* none at the inner end of the lower lid */
    float length = upper ? tg_roll_between(dice, 0.75f, 1.05f) : tg_roll_between(dice, 0.45f, 0.7f);
    float first = roots->at[0].x, span = roots->at[roots->count - 1].x - first;
    float tip_first = tips->at[0].x, tip_span = tips->at[tips->count - 1].x - tip_first;
    int32_t root[2], tip[2];
    float root_share, tip_share;
    line_at(roots, first + span * (0.06f + 0.92f * q), root, &root_share);
    float tip_at = tg_clampf(0.03f + 0.95f * q + jitter, 0.0f, 1.0f);
    line_at(tips, tip_first + tip_span * tip_at, tip, &tip_share);
    int i = out->strands++;
    for (int p = 0; p < LASH_POINTS; p++) {
        size_t at = (size_t)i * LASH_POINTS + (size_t)p;
        float u = (float)p / (float)(LASH_POINTS - 1), s = length * u;
        float bow = 0.012f * sinf(3.14159265f * u);
        for (int k = 0; k < 2; k++) {
            out->corner[at][k] = (uint16_t)root[k];
            out->corner[at][2 + k] = (uint16_t)tip[k];
            out->weight[at][k] = (1.0f - s) * (k ? root_share : 1.0f - root_share);
            out->weight[at][2 + k] = s * (k ? tip_share : 1.0f - tip_share);
        }
        out->offset[at][1] = upper ? -bow : 0.5f * bow;
        out->offset[at][2] = bow;
    }
    static const float albedo[3] = {0.012f, 0.009f, 0.008f};
    out->normal[i][2] = 1.0f;
    memcpy(out->albedo + 3 * i, albedo, sizeof albedo);
    out->scale[i] = upper ? 1.0f : 0.0016f / 0.0026f;
    out->random[i] = 0.5f;
    out->shade[i] = 1.0f;
}

tg_status tg_lashes_grow(tg_context *ctx, const tg_grower *grower, const tg_piece *piece,
                         tg_strand_set *out) {
    const tg_obj *mesh = &piece->proxy.mesh;
    float density = grower->recipe->lash_density;
    int most = 2 * (int)((float)(UPPER_HAIRS + LOWER_HAIRS) * density) + LIDS;
    int32_t *label = tg_alloc((size_t)mesh->vertices * sizeof *label);
    row_line roots = {0}, tips = {0};
    roots.at = tg_alloc(TG_LID_LOOP * sizeof *roots.at);
    tips.at = tg_alloc((size_t)mesh->vertices * sizeof *tips.at);
    tg_status status = label && roots.at && tips.at
                           ? tg_strands_create(ctx, TG_STRANDS_LASH, most, LASH_POINTS, out)
                           : tg_fail(ctx, TG_ENOMEM, "lashes: out of memory");
    int lids = status == TG_OK ? tg_components(mesh->vertices, (const int32_t(*)[4])mesh->face,
                                               mesh->faces, label)
                               : 0;
    tg_dice dice = tg_dice_make(grower->recipe->seed, grower->recipe->name, "lash");
    for (int lid = 0; status == TG_OK && lid < lids; lid++) {
        float mean[3] = {0.0f, 0.0f, 0.0f};
        for (int i = 0, n = 0; i < mesh->vertices; i++) {
            n += label[i] == lid;
            for (int k = 0; label[i] == lid && k < 3; k++) {
                mean[k] += (piece->rest[i][k] - mean[k]) / (float)n;
            }
        }
        int eye = mean[0] < 0.0f;
        bool upper = mean[1] > 7.275f; /* between the lids of the unmorphed face */
        lid_line(grower, eye, upper, &roots);
        status = tip_line(ctx, grower, piece, label, lid, eye ? -1.0f : 1.0f, &roots, &tips);
        int hairs = (int)((float)(upper ? UPPER_HAIRS : LOWER_HAIRS) * density);
        bool usable = roots.count > 1 && tips.count > 1;
        for (int i = 0; usable && status == TG_OK && i < hairs && out->strands < most; i++) {
            add_lash(&roots, &tips, upper, &dice, out);
        }
    }
    for (int p = 0; status == TG_OK && p < LASH_POINTS; p++) {
        out->radius[p] = 0.0026f * (1.0f - 0.75f * (float)p / (float)(LASH_POINTS - 1));
    }
    tg_free(label);
    tg_free(roots.at);
    tg_free(tips.at);
    return status;
}
