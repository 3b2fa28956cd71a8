/* Skeleton, pose units and skin weights of the MakeHuman rig. */
#ifndef TG_STUDIO_RIG_H
#define TG_STUDIO_RIG_H

#include "studio/actor.h"
#include "studio/sparse.h"

#include "talkgen/io.h"

enum { TG_MAX_BONES = 256 };

typedef struct {
    int bone;
    float rotation[3]; /* axis * angle in radians at weight 1, model axes */
} tg_unit_turn;

typedef struct {
    int bones;
    char (*name)[32];
    int *parent;          /* [bones] smaller than the own index; -1 = none */
    int32_t *joint_start; /* [bones + 1] into joint */
    int32_t *joint;       /* base vertices whose mean is the head of a bone */
    char (*unit_name)[32];
    int unit_start[TG_POSE_UNITS + 1]; /* into turn */
    tg_unit_turn *turn;
    /* bones that states move besides the units */
    int eye[2], clavicle[2], neck02, neck03, head, spine01, spine02;
} tg_rig;

/* From facerig.json; `path` is for messages, `vertices` the size of the base mesh. */
tg_status tg_rig_load(tg_context *ctx, const char *path, int vertices, tg_rig *out);
void tg_rig_free(tg_rig *rig);
int tg_rig_find(const tg_rig *rig, const char *bone); /* -1 when absent */
/* Weights of default_weights.mhw: one row per base vertex, columns bones, sum 1. */
tg_status tg_rig_load_weights(tg_context *ctx, const tg_rig *rig, const char *path, int vertices,
                              tg_sparse *out);

/* Matrices of `n` bones in ascending order, parents included: S[bone] row major 3 x 4. `head` are
 * the joint positions [bones][3] in the morphed mesh; only listed bones are read and written. */
void tg_rig_pose(const tg_rig *rig, const int *bone, int n, const float (*head)[3],
                 const tg_face_state *state, float (*s)[12]);

/* 3 x 4 rigid maps. */
void tg_rigid_multiply(const float a[12], const float b[12], float out[12]);
void tg_rigid_inverse(const float a[12], float out[12]);
void tg_rigid_apply(const float a[12], const float p[3], float out[3]);

#endif
