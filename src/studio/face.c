#include "studio/face.h"

#include <string.h>

enum {
    NOSE_ROOT = 27,   /* landmark that fixes the origin of head coordinates */
    LIP_VERTEX = 467, /* with vertex 132 it fixes the portrait camera */
    MAX_FACE_VERTICES = 2048
};

static tg_status no_memory(tg_context *ctx) {
    return tg_fail(ctx, TG_ENOMEM, "landmarks: out of memory");
}

static int32_t take_slot(tg_face_subset *face, int32_t vertex) {
    if (face->slot[vertex] < 0) {
        face->slot[vertex] = face->vertices;
        face->vertex[face->vertices++] = vertex;
    }
    return face->slot[vertex];
}

/* Marks bones with weight on landmarks, the head, and all their parents. */
static void choose_bones(const tg_actor *actor, tg_face_subset *face) {
    bool needed[TG_MAX_BONES] = {false};
    const tg_rig *rig = &actor->rig;
    needed[rig->head] = true;
    for (int i = 0; i < TG_LANDMARKS; i++) {
        int32_t v = actor->landmark[i];
        for (int32_t j = actor->skin.start[v]; j < actor->skin.start[v + 1]; j++) {
            needed[actor->skin.column[j]] = true;
        }
    }
    for (int b = rig->bones - 1; b > 0; b--) {
        if (needed[b] && rig->parent[b] >= 0) {
            needed[rig->parent[b]] = true;
        }
    }
    for (int b = 0; b < rig->bones; b++) {
        if (needed[b]) {
            face->bone[face->bones++] = b;
        }
    }
    bool above[TG_MAX_BONES] = {false};
    for (int b = rig->head; b >= 0; b = rig->parent[b]) {
        above[b] = true;
    }
    for (int b = 0; b < rig->bones; b++) {
        if (above[b]) {
            face->head_chain[face->head_bones++] = b;
        }
    }
}

static tg_status copy_skin(tg_context *ctx, const tg_actor *actor, tg_face_subset *face) {
    int entries = 0;
    for (int i = 0; i < TG_LANDMARKS; i++) {
        int32_t v = actor->landmark[i];
        entries += actor->skin.start[v + 1] - actor->skin.start[v];
    }
    tg_status status = tg_sparse_create(ctx, TG_LANDMARKS, entries, &face->skin);
    int32_t next = 0;
    for (int i = 0; status == TG_OK && i < TG_LANDMARKS; i++) {
        int32_t v = actor->landmark[i];
        for (int32_t j = actor->skin.start[v]; j < actor->skin.start[v + 1]; j++) {
            face->skin.column[next] = actor->skin.column[j];
            face->skin.weight[next++] = actor->skin.weight[j];
        }
        face->skin.start[i + 1] = next;
    }
    return status;
}

static tg_status choose_vertices(tg_context *ctx, const tg_actor *actor, tg_face_subset *face) {
    const tg_rig *rig = &actor->rig;
    int joints = rig->joint_start[rig->bones];
    face->vertex = tg_alloc((size_t)(TG_LANDMARKS + 1 + joints) * sizeof *face->vertex);
    face->slot = tg_alloc(TG_BASE_VERTICES * sizeof *face->slot);
    face->joint = tg_alloc((size_t)joints * sizeof *face->joint);
    if (!face->vertex || !face->slot || !face->joint) {
        return no_memory(ctx);
    }
    memset(face->slot, -1, TG_BASE_VERTICES * sizeof *face->slot);
    memset(face->joint, -1, (size_t)joints * sizeof *face->joint);
    for (int i = 0; i < TG_LANDMARKS; i++) {
        face->landmark[i] = take_slot(face, actor->landmark[i]);
    }
    face->lip = take_slot(face, LIP_VERTEX);
    for (int i = 0; i < face->bones; i++) {
        int b = face->bone[i];
        for (int32_t j = rig->joint_start[b]; j < rig->joint_start[b + 1]; j++) {
            face->joint[j] = take_slot(face, rig->joint[j]);
        }
    }
    /* the evaluation keeps the subset on the stack */
    return face->vertices <= MAX_FACE_VERTICES
               ? TG_OK
               : tg_fail(ctx, TG_EINPUT,
                         "facerig.json: joints with %d vertices\n  expected: at most %d\n"
                         "  try: restore the file from the talkgen distribution",
                         face->vertices, MAX_FACE_VERTICES);
}

tg_status tg_face_subset_create(tg_context *ctx, tg_actor *actor) {
    tg_face_subset *face = &actor->face;
    choose_bones(actor, face);
    tg_status status = choose_vertices(ctx, actor, face);
    if (status == TG_OK) {
        status = copy_skin(ctx, actor, face);
    }
    for (int i = 0; status == TG_OK && i < actor->targets; i++) {
        status = tg_target_select(ctx, &actor->target[i].whole, face->slot, &actor->target[i].face);
    }
    return status;
}

void tg_face_subset_free(tg_actor *actor) {
    tg_free(actor->face.vertex);
    tg_free(actor->face.slot);
    tg_free(actor->face.joint);
    tg_sparse_free(&actor->face.skin);
    memset(&actor->face, 0, sizeof actor->face);
}

tg_status tg_face_create(tg_context *ctx, const tg_recipe *recipe, tg_person *person) {
    const tg_actor *actor = person->actor;
    const tg_face_subset *face = &actor->face;
    person->face = tg_alloc((size_t)face->vertices * sizeof *person->face);
    if (!person->face) {
        return no_memory(ctx);
    }
    for (int i = 0; i < face->vertices; i++) {
        memcpy(person->face[i], actor->base.position[face->vertex[i]], sizeof *person->face);
    }
    for (int i = 0; i < recipe->ingredients; i++) {
        tg_target_apply(&actor->target[recipe->ingredient[i].target].face,
                        recipe->ingredient[i].weight, person->face);
    }
    const float *nose = person->face[face->landmark[NOSE_ROOT]], *lip = person->face[face->lip];
    for (int k = 0; k < 3; k++) {
        person->anchor[k] = 0.5f * (nose[k] + lip[k]);
        person->origin[k] = nose[k] + (float[3]){0.0f, 0.10f, -0.90f}[k];
    }
    return TG_OK;
}

/* ---- per frame -------------------------------------------------------------------------- */

/* Morphed subset and joints of `n` bones for a state. */
static void morph_face(const tg_person *person, const tg_face_state *state, const int *bone, int n,
                       float (*x)[3], float (*head)[3]) {
    const tg_actor *actor = person->actor;
    const tg_face_subset *face = &actor->face;
    const tg_rig *rig = &actor->rig;
    memcpy(x, person->face, (size_t)face->vertices * sizeof *x);
    for (int t = 0; t < TG_EXPRESSION_TARGETS; t++) {
        float w = state->channel[TG_POSE_UNITS + t];
        for (int e = 0; w != 0.0f && e < TG_ETHNICITIES; e++) {
            if (person->ethnicity[e] != 0.0f) {
                tg_target_apply(&actor->target[actor->expression[e][t]].face,
                                w * person->ethnicity[e], x);
            }
        }
    }
    for (int i = 0; i < n; i++) {
        int b = bone[i];
        float sum[3] = {0.0f, 0.0f, 0.0f};
        for (int32_t j = rig->joint_start[b]; j < rig->joint_start[b + 1]; j++) {
            for (int k = 0; k < 3; k++) {
                sum[k] += x[face->joint[j]][k];
            }
        }
        float scale = 1.0f / (float)(rig->joint_start[b + 1] - rig->joint_start[b]);
        for (int k = 0; k < 3; k++) {
            head[b][k] = sum[k] * scale;
        }
    }
}

void tg_person_landmarks(const tg_person *person, const tg_face_state *state,
                         float lm[TG_LANDMARKS][3]) {
    const tg_actor *actor = person->actor;
    const tg_face_subset *face = &actor->face;
    float x[MAX_FACE_VERTICES][3], head[TG_MAX_BONES][3], s[TG_MAX_BONES][12];
    morph_face(person, state, face->bone, face->bones, x, head);
    tg_rig_pose(&actor->rig, face->bone, face->bones, (const float(*)[3])head, state, s);
    float inverse[12];
    tg_rigid_inverse(s[actor->rig.head], inverse);
    for (int i = 0; i < TG_LANDMARKS; i++) {
        float blend[12] = {0.0f}, world[3];
        for (int32_t j = face->skin.start[i]; j < face->skin.start[i + 1]; j++) {
            const float *m = s[face->skin.column[j]];
            for (int k = 0; k < 12; k++) {
                blend[k] += face->skin.weight[j] * m[k];
            }
        }
        tg_rigid_apply(blend, x[face->landmark[i]], world);
        tg_rigid_apply(inverse, world, lm[i]);
        for (int k = 0; k < 3; k++) {
            lm[i][k] -= person->origin[k];
        }
    }
}

void tg_person_head_matrix(const tg_person *person, const tg_face_state *state, float m[12]) {
    const tg_actor *actor = person->actor;
    const tg_face_subset *face = &actor->face;
    float x[MAX_FACE_VERTICES][3], head[TG_MAX_BONES][3], s[TG_MAX_BONES][12];
    morph_face(person, state, face->head_chain, face->head_bones, x, head);
    tg_rig_pose(&actor->rig, face->head_chain, face->head_bones, (const float(*)[3])head, state, s);
    memcpy(m, s[actor->rig.head], 12 * sizeof *m);
    for (int k = 0; k < 3; k++) {
        m[4 * k + 3] += m[4 * k] * person->origin[0] + m[4 * k + 1] * person->origin[1] +
                        m[4 * k + 2] * person->origin[2];
    }
}
