/* What an actor holds. Inside the studio only. */
#ifndef TG_STUDIO_ACTOR_DATA_H
#define TG_STUDIO_ACTOR_DATA_H

#include "studio/actor.h"
#include "studio/mesh.h"
#include "studio/rig.h"
#include "studio/shapes.h"
#include "studio/target.h"

#include "talkgen/io.h"

enum {
    TG_ETHNICITIES = 3,
    TG_LID_LOOP = 28, /* vertices of an edge loop around an eye */
    TG_BASE_VERTICES = 19158
};

/* A morph target by its path below targets/, without ".target". */
typedef struct {
    char name[112];
    tg_target whole;
    tg_target face; /* on the slots of tg_face_subset */
} tg_named_target;

/* The few base vertices that landmarks depend on: the landmarks themselves and the joints of the
 * bones that move them. Landmarks of thousands of people need nothing else of the mesh. */
typedef struct {
    int vertices;
    int32_t *vertex; /* [vertices] base vertex of a slot */
    int32_t *slot;   /* [base vertices] -1 = not in the subset */
    int bones;
    int bone[TG_MAX_BONES];         /* ascending, parents included */
    int head_chain[TG_MAX_BONES];   /* root .. head */
    int head_bones;                 /* in head_chain */
    int32_t *joint;                 /* slots, in the layout of tg_rig.joint; -1 = bone unused */
    int32_t landmark[TG_LANDMARKS]; /* slots */
    int32_t lip;                    /* slot of vertex 467 */
    tg_sparse skin;                 /* [TG_LANDMARKS] rows of bone weights */
} tg_face_subset;

struct tg_actor {
    char *data_dir;
    char *eye_texture;
    tg_obj base;
    tg_rig rig;
    tg_sparse skin;
    tg_named_target *target; /* sorted by name */
    int targets;
    int expression[TG_ETHNICITIES][TG_EXPRESSION_TARGETS]; /* into target */
    tg_shapes shapes;
    float (*mask)[TG_ATTR];         /* [base vertices] paint masks, TG_SKIN_... */
    int32_t lid[2][TG_LID_LOOP];    /* lash line of the left (+x) and right eye */
    int32_t landmark[TG_LANDMARKS]; /* base vertices */
    tg_face_subset face;
    tg_json *characters, *crowd, *hairflow, *cloth_regions;
};

extern const char *const tg_ethnicity_name[TG_ETHNICITIES];
extern const char *const tg_expression_target_name[TG_EXPRESSION_TARGETS];

/* Index of a target by name with or without ".target"; -1 when it was not loaded. */
int tg_actor_find_target(const tg_actor *actor, const char *name);

#endif
