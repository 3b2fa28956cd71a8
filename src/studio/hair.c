#include "studio/hair.h"

#include "studio/dice.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

static const float TWO_PI = 6.2831853f;

enum { HAIR_POINTS = 14, MAX_STEPS = 200 };

/* ---- drawing faces ------------------------------------------------------------------- */

tg_status tg_lottery_create(tg_context *ctx, const float (*position)[3], const int32_t (*face)[4],
                            int faces, const uint8_t *skip, tg_face_lottery *out) {
    out->faces = faces;
    out->sum = tg_alloc((size_t)faces * sizeof *out->sum);
    if (!out->sum) {
        return tg_fail(ctx, TG_ENOMEM, "hair: out of memory for %d faces", faces);
    }
    double total = 0.0;
    for (int f = 0; f < faces; f++) {
        const float *a = position[face[f][0]], *b = position[face[f][1]];
        const float *c = position[face[f][2]], *d = position[face[f][3]];
        float u[3], v[3];
        for (int k = 0; k < 3; k++) {
            u[k] = c[k] - a[k];
            v[k] = d[k] - b[k];
        }
        float x = u[1] * v[2] - u[2] * v[1], y = u[2] * v[0] - u[0] * v[2];
        float z = u[0] * v[1] - u[1] * v[0];
        total += skip && skip[f] ? 0.0 : 0.5 * sqrt((double)(x * x + y * y + z * z));
        out->sum[f] = (float)total;
    }
    return TG_OK;
}

void tg_lottery_free(tg_face_lottery *lottery) {
    tg_free(lottery->sum);
    lottery->sum = NULL;
}

int tg_lottery_draw(const tg_face_lottery *lottery, float number) {
    float wanted = number * lottery->sum[lottery->faces - 1];
    int low = 0, high = lottery->faces - 1;
    while (low < high) {
        int middle = (low + high) / 2;
        if (lottery->sum[middle] > wanted) {
            high = middle;
        } else {
            low = middle + 1;
        }
    }
    return low;
}

float tg_interpolate(float t, const float *x, const float *y, int n) {
    if (t <= x[0]) {
        return y[0];
    }
    for (int i = 1; i < n; i++) {
        if (t < x[i]) {
            return y[i - 1] + (y[i] - y[i - 1]) * (t - x[i - 1]) / (x[i] - x[i - 1]);
        }
    }
    return y[n - 1];
}

/* ---- walking over the hair mesh --------------------------------------------------------- */

typedef struct {
    int32_t a, b, face, side;
} shared_edge;

static int compare_edges(const void *left, const void *right) {
    const shared_edge *l = left, *r = right;
    if (l->a != r->a) {
        return l->a < r->a ? -1 : 1;
    }
    if (l->b != r->b) {
        return l->b < r->b ? -1 : 1;
    }
    return l->face != r->face ? (l->face < r->face ? -1 : 1) : l->side - r->side;
}

/* The hair mesh with its flow. */
typedef struct {
    const tg_obj *mesh;
    const float (*position)[3];
    float (*normal)[3];
    int8_t *exit;       /* [faces] -1 = triangle */
    int32_t (*next)[4]; /* [faces] face * 4 + side across each edge, -1 = border */
    tg_face_lottery lottery;
} hair_field;

static tg_status link_faces(tg_context *ctx, hair_field *field) {
    int faces = field->mesh->faces, n = 0;
    shared_edge *edge = tg_alloc((size_t)faces * 4 * sizeof *edge);
    field->next = tg_alloc((size_t)faces * sizeof *field->next);
    if (!edge || !field->next) {
        tg_free(edge);
        return tg_fail(ctx, TG_ENOMEM, "hair: out of memory for %d faces", faces);
    }
    memset(field->next, -1, (size_t)faces * sizeof *field->next);
    for (int f = 0; f < faces; f++) {
        for (int k = 0; field->exit[f] >= 0 && k < 4; k++) {
            int32_t a = field->mesh->face[f][k], b = field->mesh->face[f][(k + 1) % 4];
            edge[n++] = (shared_edge){a < b ? a : b, a < b ? b : a, f, k};
        }
    }
    qsort(edge, (size_t)n, sizeof *edge, compare_edges);
    for (int i = 1; i < n; i++) {
        shared_edge *l = &edge[i - 1], *r = &edge[i];
        if (l->a == r->a && l->b == r->b && l->face != r->face) {
            if (field->next[l->face][l->side] < 0) {
                field->next[l->face][l->side] = r->face * 4 + r->side;
            }
            field->next[r->face][r->side] = l->face * 4 + l->side;
        }
    }
    tg_free(edge);
    return TG_OK;
}

static tg_status read_flow(tg_context *ctx, const tg_grower *grower, hair_field *field) {
    const tg_json *styles = tg_json_get(grower->actor->hairflow, "styles");
    const char *digits = tg_json_string(tg_json_get(styles, grower->recipe->hair), "");
    int faces = field->mesh->faces;
    if ((int)strlen(digits) != faces) {
        return tg_fail(ctx, TG_EINPUT,
                       "hairflow.json: %zu directions for hair \"%s\"\n  expected: %d, one for "
                       "each face of its mesh\n  try: another hair style, or restore the file",
                       strlen(digits), grower->recipe->hair, faces);
    }
    field->exit = tg_alloc((size_t)faces);
    uint8_t *skip = tg_alloc((size_t)faces);
    tg_status status = field->exit && skip
                           ? TG_OK
                           : tg_fail(ctx, TG_ENOMEM, "hair: out of memory for %d faces", faces);
    for (int f = 0; status == TG_OK && f < faces; f++) {
        bool quad = field->mesh->face[f][2] != field->mesh->face[f][3];
        field->exit[f] =
            quad && digits[f] >= '0' && digits[f] <= '3' ? (int8_t)(digits[f] - '0') : -1;
        skip[f] = field->exit[f] < 0;
    }
    if (status == TG_OK) {
        status = tg_lottery_create(ctx, field->position, (const int32_t(*)[4])field->mesh->face,
                                   faces, skip, &field->lottery);
    }
    if (status == TG_OK && !(faces > 0 && field->lottery.sum[faces - 1] > 0.0f)) {
        status = tg_fail(ctx, TG_EINPUT,
                         "hairflow.json: no face of hair \"%s\" has a direction\n"
                         "  expected: 0 to 3 for its quads\n"
                         "  try: another hair style, or restore the file",
                         grower->recipe->hair);
    }
    tg_free(skip);
    return status;
}

static tg_status field_create(tg_context *ctx, const tg_grower *grower, const tg_piece *piece,
                              hair_field *field) {
    *field =
        (hair_field){.mesh = &piece->proxy.mesh, .position = (const float(*)[3])piece->neutral};
    int n = field->mesh->vertices;
    field->normal = tg_alloc((size_t)n * sizeof *field->normal);
    if (!field->normal) {
        return tg_fail(ctx, TG_ENOMEM, "hair: out of memory for %d vertices", n);
    }
    tg_vertex_normals(n, field->position, (const int32_t(*)[4])field->mesh->face,
                      field->mesh->faces, field->normal);
    tg_status status = read_flow(ctx, grower, field);
    return status == TG_OK ? link_faces(ctx, field) : status;
}

static void field_free(hair_field *field) {
    tg_free(field->normal);
    tg_free(field->exit);
    tg_free(field->next);
    tg_lottery_free(&field->lottery);
}

/* A straight way through one face: from progress `tau` to its exit edge. */
typedef struct {
    int face, exit;
    float lateral, tau;
    float end; /* length of the walk at the exit edge */
} stretch;

/* Corners and weights of a point: lateral in [0,1] along the exit edge, tau 0 at the edge opposite
 * to it, 1 on it. */
static void corner_weights(const hair_field *field, const stretch *s, float tau, int32_t corner[4],
                           float weight[4]) {
    for (int k = 0; k < 4; k++) {
        corner[k] = field->mesh->face[s->face][(s->exit + k) % 4];
    }
    weight[0] = (1.0f - s->lateral) * tau;
    weight[1] = s->lateral * tau;
    weight[2] = s->lateral * (1.0f - tau);
    weight[3] = (1.0f - s->lateral) * (1.0f - tau);
}

static void blend(const float (*values)[3], const int32_t corner[4], const float weight[4],
                  float out[3]) {
    for (int i = 0; i < 3; i++) {
        out[i] = 0.0f;
        for (int k = 0; k < 4; k++) {
            out[i] += weight[k] * values[corner[k]][i];
        }
    }
}

static float distance(const float a[3], const float b[3]) {
    float x = a[0] - b[0], y = a[1] - b[1], z = a[2] - b[2];
    return sqrtf(x * x + y * y + z * z);
}

/* Against the flow to the border where hairs leave the skin. */
static void go_to_root(const hair_field *field, stretch *s) {
    for (int n = 0; n < MAX_STEPS; n++) {
        int entry = (s->exit + 2) % 4;
        int32_t across = field->next[s->face][entry];
        if (across < 0) {
            return;
        }
        int face = across / 4, side = across % 4;
        bool same_end =
            field->mesh->face[s->face][(entry + 1) % 4] == field->mesh->face[face][side];
        s->lateral = same_end ? s->lateral : 1.0f - s->lateral;
        s->face = face;
        s->exit = side;
    }
}

/* Walks from a random point (from a root with the probability `rooted`) until `length` or a border;
 * returns the number of stretches. */
static int walk(const hair_field *field, tg_dice *dice, float length, float rooted,
                stretch way[MAX_STEPS]) {
    stretch s = {.face = tg_lottery_draw(&field->lottery, tg_roll(dice))};
    s.exit = field->exit[s.face];
    s.lateral = tg_roll(dice);
    s.tau = tg_roll(dice);
    if (rooted > 0.0f && tg_roll(dice) < rooted) {
        go_to_root(field, &s);
        s.tau *= s.tau; /* denser at the line, not cut off by it */
    }
    int32_t corner[4];
    float weight[4], from[3], to[3];
    for (int n = 0; n < MAX_STEPS; n++) {
        corner_weights(field, &s, s.tau, corner, weight);
        blend(field->position, corner, weight, from);
        corner_weights(field, &s, 1.0f, corner, weight);
        blend(field->position, corner, weight, to);
        s.end += distance(from, to);
        way[n] = s;
        int32_t across = field->next[s.face][s.exit];
        if (s.end >= length || across < 0) {
            return n + 1;
        }
        int face = across / 4, side = across % 4;
        /* usually the shared edge runs the other way round; then the lateral coordinate, which is
         * counted from the end that follows the entry edge, stays */
        bool same_end =
            field->mesh->face[face][(side + 1) % 4] == field->mesh->face[s.face][s.exit];
        s.lateral = same_end ? s.lateral : 1.0f - s.lateral;
        s.face = face;
        s.exit = (side + 2) % 4;
        s.tau = 0.0f;
    }
    return MAX_STEPS;
}

/* ---- one strand ---------------------------------------------------------------------------- */

/* A resampled walk: points on the mesh, normals there, and how far each is beyond its border. */
typedef struct {
    int32_t corner[HAIR_POINTS][4];
    float weight[HAIR_POINTS][4];
    float point[HAIR_POINTS][3], normal[HAIR_POINTS][3];
    float beyond[HAIR_POINTS];
} guide;

static void resample(const hair_field *field, const stretch *way, int stretches, float length,
                     const float center[3], guide *g) {
    float inside = way[stretches - 1].end;
    for (int i = 0, at = 0; i < HAIR_POINTS; i++) {
        float t = length * (float)i / (float)(HAIR_POINTS - 1);
        g->beyond[i] = t > inside ? t - inside : 0.0f;
        t = t > inside ? inside : t;
        while (at < stretches - 1 && t > way[at].end) {
            at++;
        }
        float begin = at ? way[at - 1].end : 0.0f, span = way[at].end - begin;
        float part = span > 1e-9f ? (t - begin) / span : 0.0f;
        corner_weights(field, &way[at], way[at].tau + part * (1.0f - way[at].tau), g->corner[i],
                       g->weight[i]);
        blend(field->position, g->corner[i], g->weight[i], g->point[i]);
        float *n = g->normal[i];
        blend((const float(*)[3])field->normal, g->corner[i], g->weight[i], n);
        float size = sqrtf(n[0] * n[0] + n[1] * n[1] + n[2] * n[2]), side = 0.0f;
        for (int k = 0; k < 3; k++) {
            side += (g->point[i][k] - center[k]) * n[k];
        }
        /* hair meshes are shells with either orientation: normals are turned away from the skull */
        float scale = (side < 0.0f ? -1.0f : 1.0f) / fmaxf(size, 1e-9f);
        for (int k = 0; k < 3; k++) {
            n[k] *= scale;
        }
    }
}

/* Unit direction of the last two points on the mesh. */
static void last_direction(const guide *g, float direction[3]) {
    int last = HAIR_POINTS - 1;
    while (last > 1 && g->beyond[last] > 0.0f) {
        last--;
    }
    float size = fmaxf(distance(g->point[last], g->point[last - 1]), 1e-9f);
    for (int k = 0; k < 3; k++) {
        direction[k] = (g->point[last][k] - g->point[last - 1][k]) / size;
    }
}

static void sideways(const guide *g, int i, float b[3]) {
    const float *n = g->normal[i];
    const float *from = g->point[i ? i - 1 : 0];
    const float *to = g->point[i < HAIR_POINTS - 1 ? i + 1 : i];
    float t[3] = {to[0] - from[0], to[1] - from[1], to[2] - from[2]};
    b[0] = n[1] * t[2] - n[2] * t[1];
    b[1] = n[2] * t[0] - n[0] * t[2];
    b[2] = n[0] * t[1] - n[1] * t[0];
    float size = fmaxf(sqrtf(b[0] * b[0] + b[1] * b[1] + b[2] * b[2]), 1e-9f);
    for (int k = 0; k < 3; k++) {
        b[k] /= size;
    }
}

/* Offsets from the mesh: lift, waviness, spread and flick, as in the avatar recipe. */
static void shape_strand(const guide *g, const tg_hair_style *style, tg_dice *dice,
                         float (*offset)[3]) {
    float lift = style->lift * powf(tg_roll(dice), 1.5f);
    float wave = tg_roll_normal(dice, style->wave);
    float turns = TWO_PI * style->wave_frequency * tg_roll_between(dice, 0.5f, 1.2f);
    float phase = TWO_PI * tg_roll(dice);
    float spread = tg_roll_normal(dice, style->spread) * style->length;
    float flick = fabsf(tg_roll_normal(dice, style->flick));
    float direction[3];
    last_direction(g, direction);
    for (int i = 0; i < HAIR_POINTS; i++) {
        float u = (float)i / (float)(HAIR_POINTS - 1), b[3];
        sideways(g, i, b);
        float along_normal =
            0.006f + lift * sinf(0.5f * TWO_PI * (0.9f * u + 0.08f)) + flick * u * u;
        float along_side = wave * sinf(turns * u + phase) + spread * u;
        for (int k = 0; k < 3; k++) {
            offset[i][k] =
                direction[k] * g->beyond[i] + g->normal[i][k] * along_normal + b[k] * along_side;
        }
    }
}

/* A slow pattern over the roots, so that neighbouring hairs share their shade. */
static float clump_of(float direction[3][3], const float root[3]) {
    float sum = 0.0f;
    for (int i = 0; i < 3; i++) {
        sum +=
            sinf(direction[i][0] * root[0] + direction[i][1] * root[1] + direction[i][2] * root[2]);
    }
    return sum / 3.0f;
}

static void add_strand(const tg_grower *grower, const tg_piece *piece, const guide *g, float clump,
                       tg_dice *dice, tg_strand_set *out) {
    enum { NORMAL_POINT = 5 };
    int i = out->strands++;
    size_t first = (size_t)i * HAIR_POINTS;
    shape_strand(g, &grower->recipe->style, dice, out->offset + first);
    for (int p = 0; p < HAIR_POINTS; p++) {
        for (int k = 0; k < 4; k++) {
            out->corner[first + (size_t)p][k] = (uint16_t)(piece->first + g->corner[p][k]);
            out->weight[first + (size_t)p][k] = g->weight[p][k];
        }
    }
    memcpy(out->normal[i], g->normal[NORMAL_POINT], sizeof out->normal[i]);
    float shade = tg_roll_normal(dice, 1.0f);
    for (int k = 0; k < 3; k++) {
        out->albedo[3 * i + k] =
            grower->recipe->look.hair_albedo[k] * expf(0.18f * shade + 0.22f * clump);
    }
    out->scale[i] = 1.0f;
    out->random[i] = tg_roll(dice);
    out->shade[i] = tg_clampf(1.0f - 0.10f * fabsf(shade), 0.6f, 1.0f);
}

tg_status tg_hair_grow(tg_context *ctx, const tg_grower *grower, const tg_piece *piece,
                       tg_strand_set *out) {
    const tg_recipe *recipe = grower->recipe;
    const tg_hair_style *style = &recipe->style;
    hair_field field;
    tg_status status = field_create(ctx, grower, piece, &field);
    if (status == TG_OK) {
        status = tg_strands_create(ctx, TG_STRANDS_HAIR, recipe->strands, HAIR_POINTS, out);
    }
    tg_dice dice = tg_dice_make(recipe->seed, recipe->name, "hair");
    const float *nose = grower->body->x[grower->actor->landmark[27]];
    float center[3] = {0.0f, nose[1] + 0.1f, 0.35f}; /* inside the skull */
    float pattern[3][3];
    for (int k = 0; k < 9; k++) {
        pattern[k / 3][k % 3] = tg_roll_normal(&dice, 9.0f);
    }
    for (int i = 0; status == TG_OK && i < recipe->strands; i++) {
        stretch way[MAX_STEPS];
        guide g;
        float wish = style->length * tg_roll_between(&dice, 0.55f, 1.2f);
        int stretches = walk(&field, &dice, wish, style->rooted, way);
        float length = fminf(way[stretches - 1].end, wish);
        length += fminf(wish - length, style->free * tg_roll(&dice));
        if (length >= style->min_share * wish && length > 1e-4f) {
            resample(&field, way, stretches, length, center, &g);
            add_strand(grower, piece, &g, clump_of(pattern, g.point[0]), &dice, out);
        }
    }
    for (int i = 0; status == TG_OK && i < HAIR_POINTS; i++) {
        float u = (float)i / (float)(HAIR_POINTS - 1);
        out->radius[i] = style->width * (1.0f - 0.6f * u * u);
    }
    field_free(&field);
    return status;
}
