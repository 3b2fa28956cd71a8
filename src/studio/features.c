#include "studio/features.h"

#include "studio/hair.h"

#include <math.h>
#include <string.h>

static tg_status no_memory(tg_context *ctx) {
    return tg_fail(ctx, TG_ENOMEM, "person: out of memory");
}

static void vertex_uv(const tg_obj *mesh, float (*uv)[2]) {
    memset(uv, 0, (size_t)mesh->vertices * sizeof *uv);
    for (int f = 0; mesh->uvs && f < mesh->faces; f++) {
        for (int k = 0; k < 4; k++) {
            memcpy(uv[mesh->face[f][k]], mesh->uv[mesh->face_uv[f][k]], sizeof *uv);
        }
    }
}

void tg_fitting_free(tg_fitting *f) {
    tg_free(f->row);
    tg_free(f->attr);
    tg_free(f->uv);
    tg_free(f->label);
    tg_free(f->face);
}

tg_status tg_fitting_create(tg_context *ctx, const tg_piece *piece, tg_fitting *f) {
    const tg_obj *mesh = &piece->proxy.mesh;
    size_t n = (size_t)mesh->vertices;
    *f = (tg_fitting){.row = tg_alloc(n * sizeof *f->row),
                      .attr = tg_calloc(n * sizeof *f->attr),
                      .uv = tg_alloc(n * sizeof *f->uv),
                      .label = tg_alloc(n * sizeof *f->label),
                      .face = tg_alloc((size_t)mesh->faces * sizeof *f->face)};
    if (!f->row || !f->attr || !f->uv || !f->label || !f->face) {
        return no_memory(ctx);
    }
    for (int i = 0; i < mesh->vertices; i++) {
        f->row[i] = piece->first + i;
    }
    vertex_uv(mesh, f->uv);
    memcpy(f->face, mesh->face, (size_t)mesh->faces * sizeof *f->face);
    f->parts =
        tg_components(mesh->vertices, (const int32_t(*)[4])mesh->face, mesh->faces, f->label);
    return f->parts > 0 ? TG_OK : no_memory(ctx);
}

tg_surface_plan tg_fitting_plan(const tg_piece *piece, const tg_fitting *f, tg_material material,
                                const char *name, int levels) {
    return (tg_surface_plan){.material = material,
                             .name = name,
                             .levels = levels,
                             .points = piece->proxy.mesh.vertices,
                             .face = (const int32_t(*)[4])f->face,
                             .faces = piece->proxy.mesh.faces,
                             .row = f->row,
                             .rest = (const float(*)[3])piece->rest,
                             .attr = (const float(*)[TG_ATTR])f->attr,
                             .part = TG_PART_HEAD,
                             .uv = (const float(*)[2])f->uv};
}

/* ---- eyes ------------------------------------------------------------------------------ */

/* The texture shows two irises; r = 1 is the limbus (avatar recipe). The cornea shells, which have
 * their own corner of the texture, are left out. */
tg_status tg_eyes_build(tg_context *ctx, const tg_piece *piece, tg_surface *out) {
    tg_fitting f;
    tg_status status = tg_fitting_create(ctx, piece, &f);
    tg_surface_plan plan = tg_fitting_plan(piece, &f, TG_MATERIAL_EYE, "eye", 0);
    plan.faces = 0;
    for (int i = 0; status == TG_OK && i < piece->proxy.mesh.faces; i++) {
        bool shell = true;
        for (int k = 0; k < 4; k++) {
            const float *uv = f.uv[f.face[i][k]];
            shell = shell && uv[0] > 0.85f && uv[1] < 0.15f;
        }
        if (!shell) {
            memmove(f.face[plan.faces++], f.face[i], sizeof *f.face);
        }
    }
    for (int i = 0; status == TG_OK && i < piece->proxy.mesh.vertices; i++) {
        bool first = f.uv[i][0] + f.uv[i][1] < 1.0f;
        float u = f.uv[i][0] - (first ? 0.293f : 0.705f);
        float v = f.uv[i][1] - (first ? 0.291f : 0.701f);
        f.attr[i][0] = sqrtf(u * u + v * v) / 0.1135f;
    }
    if (status == TG_OK) {
        status = tg_surface_build(ctx, &plan, out);
    }
    tg_fitting_free(&f);
    return status;
}

/* ---- mouth ------------------------------------------------------------------------------- */

static void set_albedo(float attr[TG_ATTR], float r, float g, float b) {
    attr[0] = r;
    attr[1] = g;
    attr[2] = b;
}

/* Label of the component with most vertices, -1 when out of memory. */
static int largest_part(const tg_fitting *f, int vertices) {
    int *size = tg_calloc((size_t)f->parts * sizeof *size);
    if (!size) {
        return -1;
    }
    int best = 0;
    for (int i = 0; i < vertices; i++) {
        size[f->label[i]]++;
    }
    for (int p = 1; p < f->parts; p++) {
        best = size[p] > size[best] ? p : best;
    }
    tg_free(size);
    return best;
}

/* A tooth's low and high end and the middle of its outline on the unmorphed face. */
typedef struct {
    float low[3], high[3];
} tooth_box;

static float middle_of(const tooth_box *t, int axis) {
    return 0.5f * (t->low[axis] + t->high[axis]);
}

/* Whether a tooth stands higher than the mean of those around it. */
static bool is_upper(const tooth_box *tooth, int teeth, int own, int gum) {
    float sum = 0.0f;
    int n = 0;
    for (int p = 0; p < teeth; p++) {
        bool near = fabsf(middle_of(&tooth[p], 0) - middle_of(&tooth[own], 0)) < 0.06f &&
                    fabsf(middle_of(&tooth[p], 2) - middle_of(&tooth[own], 2)) < 0.09f;
        if (p != gum && near) {
            sum += middle_of(&tooth[p], 1);
            n++;
        }
    }
    return middle_of(&tooth[own], 1) * (float)n > sum;
}

/* Attribute 5 of the teeth: 0 at the gum, 1 at the biting edge, by the height of each tooth. */
static bool measure_teeth(const tg_piece *piece, const tg_fitting *f, int gum) {
    int n = piece->proxy.mesh.vertices;
    tooth_box *tooth = tg_alloc((size_t)f->parts * sizeof *tooth);
    for (int p = 0; tooth && p < f->parts; p++) {
        for (int k = 0; k < 3; k++) {
            tooth[p].low[k] = INFINITY;
            tooth[p].high[k] = -INFINITY;
        }
    }
    for (int i = 0; tooth && i < n; i++) {
        tooth_box *t = &tooth[f->label[i]];
        for (int k = 0; k < 3; k++) {
            t->low[k] = fminf(t->low[k], piece->rest[i][k]);
            t->high[k] = fmaxf(t->high[k], piece->rest[i][k]);
        }
    }
    for (int i = 0; tooth && i < n; i++) {
        const tooth_box *t = &tooth[f->label[i]];
        float up = (piece->rest[i][1] - t->low[1]) / fmaxf(t->high[1] - t->low[1], 1e-6f);
        bool upper = is_upper(tooth, f->parts, f->label[i], gum);
        f->attr[i][5] = f->label[i] == gum ? 0.0f : upper ? 1.0f - up : up;
    }
    tg_free(tooth);
    return tooth != NULL;
}

/* Gums are the largest component. */
tg_status tg_teeth_build(tg_context *ctx, const tg_piece *piece, tg_surface *out) {
    tg_fitting f;
    tg_status status = tg_fitting_create(ctx, piece, &f);
    int n = piece->proxy.mesh.vertices;
    int gum = status == TG_OK ? largest_part(&f, n) : -1;
    if (status == TG_OK && (gum < 0 || !measure_teeth(piece, &f, gum))) {
        status = no_memory(ctx);
    }
    for (int i = 0; status == TG_OK && i < n; i++) {
        bool is_gum = f.label[i] == gum;
        if (is_gum) {
            set_albedo(f.attr[i], 0.40f, 0.13f, 0.12f);
        } else {
            set_albedo(f.attr[i], 0.80f, 0.74f, 0.645f);
        }
        f.attr[i][4] = is_gum ? 1.0f : 0.0f;
    }
    if (status == TG_OK) {
        tg_surface_plan plan = tg_fitting_plan(piece, &f, TG_MATERIAL_TEETH, "teeth", 0);
        status = tg_surface_build(ctx, &plan, out);
    }
    tg_fitting_free(&f);
    return status;
}

tg_status tg_tongue_build(tg_context *ctx, const tg_piece *piece, tg_surface *out) {
    tg_fitting f;
    tg_status status = tg_fitting_create(ctx, piece, &f);
    for (int i = 0; status == TG_OK && i < piece->proxy.mesh.vertices; i++) {
        set_albedo(f.attr[i], 0.46f, 0.17f, 0.16f);
    }
    if (status == TG_OK) {
        tg_surface_plan plan = tg_fitting_plan(piece, &f, TG_MATERIAL_TONGUE, "tongue", 1);
        status = tg_surface_build(ctx, &plan, out);
    }
    tg_fitting_free(&f);
    return status;
}

/* ---- hair ----------------------------------------------------------------------------------- */

/* border[vertices]: 1 where the faces around a vertex leave a gap. */
static bool mark_border(const tg_obj *mesh, uint8_t *border) {
    int64_t *turn = tg_calloc((size_t)mesh->vertices * sizeof *turn);
    for (int f = 0; turn && f < mesh->faces; f++) {
        const int32_t *c = mesh->face[f];
        int corners = c[2] == c[3] ? 3 : 4;
        for (int k = 0; k < corners; k++) /* neighbours ahead and behind cancel in a closed fan */
            turn[c[k]] += c[(k + 1) % corners] - c[(k + corners - 1) % corners];
    }
    for (int i = 0; turn && i < mesh->vertices; i++)
        border[i] = turn[i] != 0;
    tg_free(turn);
    return turn != NULL;
}

tg_status tg_cap_build(tg_context *ctx, const tg_recipe *recipe, const tg_piece *piece,
                       tg_surface *out) {
    static const float DARKER = 0.55f; /* than the strands over it */
    static const float CROWN_Y = 8.2f; /* rims above it part the hair, those below end on skin */
    tg_fitting f;
    tg_status status = tg_fitting_create(ctx, piece, &f);
    uint8_t *border = tg_alloc((size_t)piece->proxy.mesh.vertices);
    if (status == TG_OK && (!border || !mark_border(&piece->proxy.mesh, border))) {
        status = no_memory(ctx);
    }
    const float *hair = recipe->look.hair_albedo;
    for (int i = 0; status == TG_OK && i < piece->proxy.mesh.vertices; i++) {
        set_albedo(f.attr[i], DARKER * hair[0], DARKER * hair[1], DARKER * hair[2]);
    }
    if (status == TG_OK) {
        tg_surface_plan plan = tg_fitting_plan(piece, &f, TG_MATERIAL_HAIR, "hair", 0);
        plan.two_sided = true;
        plan.faces = 0;
        for (int i = 0; i < piece->proxy.mesh.faces; i++) {
            const int32_t *c = f.face[i];
            bool rim = border[c[0]] || border[c[1]] || border[c[2]] || border[c[3]];
            if (!rim || piece->rest[c[0]][1] > CROWN_Y) {
                memmove(f.face[plan.faces++], f.face[i], sizeof *f.face);
            }
        }
        status = tg_surface_build(ctx, &plan, out);
    }
    tg_free(border);
    tg_fitting_free(&f);
    return status;
}
