/* One frame: state -> morphs, bones, control points, surfaces and strands of a scene. */
#include "studio/body.h"

#include <math.h>
#include <string.h>

/* Scratch of one scene. Bone matrices are kept as four columns, so that a skinned point needs no
 * sum across a register. */
typedef struct tg_pose {
    float (*x)[3];              /* [base vertices] morphed */
    tg_v4 (*bone)[4];           /* [bones] columns of S */
    tg_v4 *control;             /* [controls] posed */
    tg_surface_scratch surface; /* shared by all surfaces */
    int all_bones[TG_MAX_BONES];
} tg_pose;

static void scene_free(tg_scene *scene) {
    for (int i = 0; scene->mesh && i < scene->meshes; i++) {
        tg_free(scene->mesh[i].position);
        tg_free(scene->mesh[i].normal);
    }
    for (int i = 0; scene->strands && i < scene->strand_sets; i++) {
        tg_free(scene->strands[i].point);
        tg_free(scene->strands[i].normal);
    }
    tg_pose *pose = scene->internal;
    if (pose) {
        for (int i = 0; i <= TG_MAX_LEVELS; i++) {
            tg_free(pose->surface.point[i]);
        }
        tg_free(pose->surface.area);
        tg_free(pose->control);
        tg_free(pose->bone);
        tg_free(pose->x);
        tg_free(pose);
    }
    tg_free(scene->mesh);
    tg_free(scene->strands);
    tg_free(scene);
}

static bool allocate_outputs(const tg_body *body, tg_scene *scene) {
    bool good = true;
    for (int i = 0; i < body->surfaces; i++) {
        tg_mesh *mesh = &scene->mesh[i];
        *mesh = body->surface[i].mesh;
        mesh->position = tg_calloc((size_t)mesh->vertices * 3 * sizeof(float));
        mesh->normal = tg_calloc((size_t)mesh->vertices * 3 * sizeof(float));
        good = good && mesh->position && mesh->normal;
    }
    for (int i = 0; i < body->strand_sets; i++) {
        const tg_strand_set *set = &body->strands[i];
        size_t n = (size_t)set->strands;
        scene->strands[i] =
            (tg_strands){.kind = set->kind,
                         .strands = set->strands,
                         .points = set->points,
                         .point = tg_calloc(n * (size_t)set->points * 3 * sizeof(float)),
                         .normal = tg_calloc(n * 3 * sizeof(float)),
                         .radius = set->radius,
                         .scale = set->scale,
                         .albedo = set->albedo,
                         .random = set->random,
                         .shade = set->shade};
        good = good && scene->strands[i].point && scene->strands[i].normal;
    }
    return good;
}

static bool allocate_scratch(const tg_person *person, tg_pose *pose) {
    const tg_body *body = person->body;
    size_t size[TG_MAX_LEVELS + 2] = {0};
    for (int i = 0; i < body->surfaces; i++) {
        tg_surface_sizes(&body->surface[i], size);
    }
    bool good = true;
    for (int i = 0; i <= TG_MAX_LEVELS; i++) {
        pose->surface.point[i] = tg_alloc(size[i] * sizeof(tg_v4));
        good = good && pose->surface.point[i];
    }
    pose->surface.area = tg_alloc(size[TG_MAX_LEVELS + 1] * sizeof(tg_v4));
    pose->control = tg_alloc((size_t)body->controls * sizeof *pose->control);
    pose->bone = tg_alloc((size_t)person->actor->rig.bones * sizeof *pose->bone);
    pose->x = tg_alloc(TG_BASE_VERTICES * sizeof *pose->x);
    for (int b = 0; b < TG_MAX_BONES; b++) {
        pose->all_bones[b] = b;
    }
    return good && pose->surface.area && pose->control && pose->bone && pose->x;
}

tg_status tg_scene_create(tg_context *ctx, const tg_person *person, tg_scene **out) {
    *out = NULL;
    const tg_body *body = person->body;
    if (!body) {
        return tg_fail(ctx, TG_EUSAGE,
                       "person \"%s\" was created for landmarks only\n"
                       "  expected: a person with pictures\n"
                       "  try: tg_person_options.pictures = true",
                       person->name);
    }
    tg_scene *scene = tg_calloc(sizeof *scene);
    if (scene) {
        scene->meshes = body->surfaces;
        scene->strand_sets = body->strand_sets;
        scene->mesh = tg_calloc((size_t)body->surfaces * sizeof *scene->mesh);
        scene->strands = tg_calloc((size_t)body->strand_sets * sizeof *scene->strands);
        scene->internal = tg_calloc(sizeof *scene->internal);
    }
    if (!scene || !scene->mesh || !scene->strands || !scene->internal ||
        !allocate_outputs(body, scene) || !allocate_scratch(person, scene->internal)) {
        tg_scene_destroy(&scene);
        return tg_fail(ctx, TG_ENOMEM, "scene of \"%s\": out of memory", person->name);
    }
    *out = scene;
    return TG_OK;
}

void tg_scene_destroy(tg_scene **scene) {
    if (scene && *scene) {
        scene_free(*scene);
        *scene = NULL;
    }
}

const tg_v4 *tg_scene_controls(const tg_scene *scene) {
    return scene->internal->control;
}

/* ---- steps of a frame -------------------------------------------------------------------- */

static void morph(const tg_person *person, const tg_face_state *state, float (*x)[3]) {
    const tg_actor *actor = person->actor;
    memcpy(x, person->body->x, TG_BASE_VERTICES * sizeof *x);
    for (int t = 0; t < TG_EXPRESSION_TARGETS; t++) {
        float w = state->channel[TG_POSE_UNITS + t];
        for (int e = 0; w != 0.0f && e < TG_ETHNICITIES; e++) {
            if (person->ethnicity[e] != 0.0f) {
                tg_target_apply(&actor->target[actor->expression[e][t]].whole,
                                w * person->ethnicity[e], x);
            }
        }
    }
}

static void pose_bones(const tg_person *person, const tg_face_state *state, tg_pose *pose,
                       tg_scene *scene) {
    const tg_rig *rig = &person->actor->rig;
    float joint[TG_MAX_BONES][3], s[TG_MAX_BONES][12];
    for (int b = 0; b < rig->bones; b++) {
        float sum[3] = {0.0f, 0.0f, 0.0f};
        int32_t begin = rig->joint_start[b], end = rig->joint_start[b + 1];
        for (int32_t j = begin; j < end; j++) {
            for (int k = 0; k < 3; k++) {
                sum[k] += pose->x[rig->joint[j]][k];
            }
        }
        for (int k = 0; k < 3; k++) {
            joint[b][k] = sum[k] / (float)(end - begin);
        }
    }
    tg_rig_pose(rig, pose->all_bones, rig->bones, (const float(*)[3])joint, state, s);
    for (int b = 0; b < rig->bones; b++) {
        for (int k = 0; k < 4; k++) {
            pose->bone[b][k] = (tg_v4){s[b][k], s[b][4 + k], s[b][8 + k], 0.0f};
        }
    }
    const float origin[12] = {1, 0, 0, person->origin[0], 0, 1, 0, person->origin[1],
                              0, 0, 1, person->origin[2]};
    tg_rigid_multiply(s[rig->head], origin, scene->head);
}

typedef struct {
    const tg_body *body;
    tg_pose *pose;
    const tg_piece *piece; /* NULL = base points */
    float scale[3];
} skin_job;

static tg_v4 skin_point(const tg_sparse *skin, int64_t row, const tg_v4 (*bone)[4],
                        const float p[3]) {
    tg_v4 column[4] = {0};
    for (int32_t j = skin->start[row]; j < skin->start[row + 1]; j++) {
        tg_v4 w = tg_v4_splat(skin->weight[j]);
        const tg_v4 *from = bone[skin->column[j]];
        for (int k = 0; k < 4; k++) {
            column[k] += w * from[k];
        }
    }
    return column[0] * tg_v4_splat(p[0]) + column[1] * tg_v4_splat(p[1]) +
           column[2] * tg_v4_splat(p[2]) + column[3];
}

static void run_skin(void *arg, int64_t begin, int64_t end, int worker) {
    (void)worker;
    const skin_job *job = arg;
    const float(*x)[3] = (const float(*)[3])job->pose->x;
    const tg_v4(*bone)[4] = (const tg_v4(*)[4])job->pose->bone;
    for (int64_t i = begin; i < end; i++) {
        if (job->piece) {
            float p[3];
            tg_proxy_point(&job->piece->proxy, (int)i, x, job->scale, p);
            job->pose->control[job->piece->first + i] = skin_point(&job->piece->skin, i, bone, p);
        } else {
            job->pose->control[i] =
                skin_point(&job->body->base_skin, i, bone, x[job->body->base_vertex[i]]);
        }
    }
}

/* Normals of the eyes: those of a sphere about the centre, and in front about a point moved towards
 * the iris, which makes the highlight that of a cornea. */
static void bulge_eyes(const tg_person *person, const tg_pose *pose, tg_scene *scene) {
    static const float BULGE = 0.055f;
    const tg_eyeballs *eyes = &person->body->eyes;
    tg_mesh *mesh = &scene->mesh[eyes->surface];
    float mean[2][3] = {{0}}, axis[2][3];
    int count[2] = {0, 0};
    for (int i = 0; i < mesh->vertices; i++) {
        count[eyes->side[i]]++;
        for (int k = 0; k < 3; k++) {
            mean[eyes->side[i]][k] += mesh->position[3 * i + k];
        }
    }
    for (int side = 0; side < 2; side++) {
        const tg_v4 *column = pose->bone[person->actor->rig.eye[side]];
        for (int k = 0; k < 3; k++) {
            float center = mean[side][k] / (float)(count[side] ? count[side] : 1);
            axis[side][k] = 0.0f;
            for (int j = 0; j < 3; j++) {
                center += column[j][k] * eyes->center[side][j];
                axis[side][k] += column[j][k] * eyes->axis[side][j];
            }
            scene->eye_center[side][k] = center;
        }
    }
    for (int i = 0; i < mesh->vertices; i++) {
        int side = eyes->side[i];
        float front = 3.0f * (1.25f - mesh->attr[TG_ATTR * i]), n[3], size = 0.0f;
        front = front < 0.0f ? 0.0f : front > 1.0f ? 1.0f : front;
        for (int k = 0; k < 3; k++) {
            n[k] = mesh->position[3 * i + k] - scene->eye_center[side][k] -
                   BULGE * front * axis[side][k];
            size += n[k] * n[k];
        }
        for (int k = 0; k < 3; k++) {
            mesh->normal[3 * i + k] = n[k] / fmaxf(sqrtf(size), 1e-9f);
        }
    }
}

void tg_person_pose(const tg_person *person, const tg_face_state *state, tg_pool *pool,
                    tg_scene *scene) {
    enum { GRAIN = 512 };
    const tg_body *body = person->body;
    tg_pose *pose = scene->internal;
    morph(person, state, pose->x);
    pose_bones(person, state, pose, scene);
    skin_job job = {.body = body, .pose = pose};
    tg_pool_run(pool, body->base_points, GRAIN, run_skin, &job);
    for (int i = 0; i < body->pieces; i++) {
        job.piece = &body->piece[i];
        tg_proxy_scale(&job.piece->proxy, (const float(*)[3])pose->x, job.scale);
        tg_pool_run(pool, job.piece->proxy.mesh.vertices, GRAIN, run_skin, &job);
    }
    for (int i = 0; i < body->surfaces; i++) {
        tg_surface_evaluate(&body->surface[i], pose->control, pool, &pose->surface,
                            &scene->mesh[i]);
    }
    bulge_eyes(person, pose, scene);
    for (int i = 0; i < TG_LIP_RING; i++) {
        int32_t row = body->base_row[person->actor->landmark[60 + i]];
        if (row >= 0) { /* the lips are skin that no cloth hides */
            tg_v4_store3(scene->lips[i], pose->control[row]);
        }
    }
    for (int i = 0; i < body->strand_sets; i++) {
        tg_strands_evaluate(&body->strands[i], pose->control, scene->head, pool,
                            &scene->strands[i]);
    }
}
