/* talkgen studio: the actor. A CC0 MakeHuman character (native files, given by the user) with our
 * own tables (models/actor) becomes a person whose face is driven by weights.
 *
 *     tg_actor_load(ctx, "makehuman/data", "models/actor", &actor);
 *     tg_person_create(ctx, actor, &(tg_person_options){.character = "ben", .pictures = true},
 * &ben); tg_scene_create(ctx, ben, &scene); tg_face_state state = {0};
 *     tg_shape_add(tg_actor_viseme(actor, tg_actor_find_viseme(actor, "AA")), 1.0f, &state);
 *     tg_person_landmarks(ben, &state, lm);
 *     tg_person_pose(ben, &state, tg_context_pool(ctx), scene);
 *
 * Units: 1 = 1 dm. World axes: right-handed, y up, the face looks to +z, +x is the subject's left.
 * Colours are linear RGB albedos. Angles are degrees.
 *
 * Head coordinates: the motion of the head bone removed (S_head^-1 applied), origin
 * O = landmark 27 of the person at rest + (0, 0.10, -0.90).
 *
 * Threads: an actor and a person are constant once created and may be shared by any number of
 * threads; everything that changes per frame lives in the tg_scene (one per thread) or on the
 * stack.
 */
#ifndef TG_STUDIO_ACTOR_H
#define TG_STUDIO_ACTOR_H

#include "talkgen/core.h"

#ifdef __cplusplus
extern "C" {
#endif

enum {
    TG_LANDMARKS = 68,
    TG_LIP_RING = 8,            /* inner lips, landmarks 60..67 */
    TG_POSE_UNITS = 60,         /* bone-driven face units (index 0 is "Rest" and does nothing) */
    TG_EXPRESSION_TARGETS = 34, /* morph-driven expression units */
    TG_CHANNELS = TG_POSE_UNITS + TG_EXPRESSION_TARGETS
};

/* ---- actor: files shared by all people ------------------------------------------ */

typedef struct tg_actor tg_actor;

/* data_dir: MakeHuman's `data` folder in its native formats; tables_dir: models/actor.
 * Missing or damaged files: TG_EINPUT naming file and line. Takes about 0.2 s. */
tg_status tg_actor_load(tg_context *ctx, const char *data_dir, const char *tables_dir,
                        tg_actor **out);
void tg_actor_destroy(tg_actor **actor);

/* Channels of a face: 0..59 pose units in framemapping order, 60..93 expression targets.
 * Names as in the files: "JawDrop", "mouth-pursing". -1 / NULL when there is no such. */
int tg_actor_find_channel(const tg_actor *actor, const char *name);
const char *tg_actor_channel_name(const tg_actor *actor, int channel);

/* Path of the iris texture (RGBA, 1024 x 1024), borrowed. */
const char *tg_actor_eye_texture(const tg_actor *actor);

/* ---- what a face does ---------------------------------------------------------------- */

/* Everything that moves. All zero = the neutral face. */
typedef struct {
    float channel[TG_CHANNELS]; /* weights, about 0..1; shapes add */
    float gaze_yaw, gaze_pitch; /* eyes in the head; + = subject's left, up; keep within 25, 18 */
    float head_yaw, head_pitch, head_roll; /* Ry(yaw) Rx(pitch) Rz(roll): + = to the subject's
                                              left, down, towards the subject's right shoulder */
    float head_shift[3]; /* dm, spread over neck02, neck03, head; keep below 0.15 */
    float torso_yaw, torso_pitch,
        torso_roll;      /* upper spine, carries the head along; keep below 4 */
    float shoulder_lift; /* degrees of both clavicles, + = up (breathing: 0.5..1.5) */
} tg_face_state;

/* A named sparse weight vector: viseme or expression. */
typedef struct {
    int channel;
    float weight;
} tg_channel_weight;
typedef struct {
    const char *name;
    float dominance; /* suggested weight for coarticulation; 1 for expressions */
    float jaw_deg;   /* jaw opening that the units contain, for information */
    int count;
    const tg_channel_weight *weight; /* [count] */
} tg_shape;

int tg_actor_viseme_count(const tg_actor *actor); /* 22 */
const tg_shape *tg_actor_viseme(const tg_actor *actor, int index);
int tg_actor_find_viseme(const tg_actor *actor, const char *name); /* -1 when absent */
int tg_actor_expression_count(const tg_actor *actor);              /* 8: blink, idle, smile, ... */
const tg_shape *tg_actor_expression(const tg_actor *actor, int index);
int tg_actor_find_expression(const tg_actor *actor, const char *name);
/* state->channel += weight * shape. */
void tg_shape_add(const tg_shape *shape, float weight, tg_face_state *state);

typedef enum { TG_PHONES_ARPABET, TG_PHONES_ESPEAK, TG_PHONES_IPA } tg_phone_set;
/* Visemes of a phoneme in time order: writes up to 3 viseme indices and returns how many, 0 when
 * the symbol is unknown (keep the previous shape). Stress digits and case (arpabet), stress and
 * length marks (espeak, ipa) are removed when the symbol is not listed as it is. */
int tg_actor_phone(const tg_actor *actor, tg_phone_set set, const char *symbol, int viseme[3]);

/* ---- people ---------------------------------------------------------------------------- */

int tg_actor_character_count(const tg_actor *actor);
const char *tg_actor_character_name(const tg_actor *actor, int index);

typedef enum { TG_GENDER_ANY = 0, TG_GENDER_FEMALE = 1, TG_GENDER_MALE = 2 } tg_gender;

typedef struct {
    const char *character; /* name in characters.json, or NULL for a random person */
    uint64_t seed;         /* of the random person, and of the places of hairs */
    tg_gender gender;      /* of the random person */
    bool pictures;         /* false: landmarks and head matrix only, a millisecond to create */
} tg_person_options;

typedef struct tg_person tg_person;
/* The actor is borrowed and must outlive the person. Unknown character: TG_EUSAGE. */
tg_status tg_person_create(tg_context *ctx, const tg_actor *actor, const tg_person_options *options,
                           tg_person **out);
void tg_person_destroy(tg_person **person);

/* Colours and such for the shader. */
/* Where somebody is filmed, linear RGB. A black key light stands for all of the default: a grey
 * backdrop, light from the subject's right. */
typedef struct {
    float key[3], key_from[3];      /* colour; towards the lamp, any length */
    float rim[3];                   /* colour of the lamp behind */
    float backdrop[3], vignette[3]; /* behind the head and at the picture's corners */
} tg_stage;

typedef struct {
    tg_gender gender;
    float skin_albedo[3], lip_albedo[3], lip_opacity;
    float beard, blush, freckles; /* 0..1 */
    float iris[3];
    float hair_albedo[3];
    float cloth_albedo[3];
    tg_stage stage;
} tg_look;
const tg_look *tg_person_look(const tg_person *person);
/* "ben", or "random-<seed>". */
const char *tg_person_name(const tg_person *person);
/* Mean of vertices 132 and 467 of the neutral person in world coordinates: where the portrait
 * camera looks (avatar recipe: eye at (0, p.y, p.z + 14.2), looking at (0, p.y - 0.12, p.z - 1)).
 */
void tg_person_anchor(const tg_person *person, float p[3]);
/* O: head coordinates = world of the unmoved head minus O. */
void tg_person_origin(const tg_person *person, float o[3]);

/* 68 landmarks in head coordinates (dm), and the rigid map from head coordinates to world, row
 * major 3 x 4. Read from the control mesh; about 10 microseconds, no allocation. */
void tg_person_landmarks(const tg_person *person, const tg_face_state *state,
                         float lm[TG_LANDMARKS][3]);
void tg_person_head_matrix(const tg_person *person, const tg_face_state *state, float m[12]);

/* ---- scene: what the renderer draws -------------------------------------------------------- */

typedef enum {
    TG_MATERIAL_SKIN,
    TG_MATERIAL_EYE,
    TG_MATERIAL_TEETH,
    TG_MATERIAL_TONGUE,
    TG_MATERIAL_CLOTH,
    TG_MATERIAL_HAIR /* the cap below the hair strands */
} tg_material;

/* Parsing parts. head = face, ears, hair, brows, eyes, mouth; neck = skin below the jaw line;
 * torso = cloth and the skin beside and below it. */
typedef enum { TG_PART_TORSO = 0, TG_PART_NECK = 1, TG_PART_HEAD = 2 } tg_part;
static inline tg_part tg_part_of(float region) {
    return region < 0.5f ? TG_PART_TORSO : region < 1.5f ? TG_PART_NECK : TG_PART_HEAD;
}

/* Per-vertex attributes, [V, TG_ATTR], by material (interpolate, then threshold per pixel):
 *   skin    paint masks in the order below
 *   eye     0 radius in units of the iris radius (1 = limbus)
 *   teeth   0..2 albedo, 4 gum (1) or enamel, 5 from the gum (0) to the biting edge (1)
 *   tongue  0..2 albedo
 *   cloth   0..2 albedo, 3 roughness, 4 highlight scale, 5 bump amplitude
 *   hair    0..2 albedo (0.55 of the hair albedo already in it)
 */
enum { TG_ATTR = 8 };
enum {
    TG_SKIN_LIPS,
    TG_SKIN_BLUSH,
    TG_SKIN_LID,
    TG_SKIN_SCALP, /* paint 0.72 * hair albedo */
    TG_SKIN_BEARD,
    TG_SKIN_INNER_MOUTH,
    TG_SKIN_RED,
    TG_SKIN_CAVITY
};

typedef struct {
    tg_material material;
    const char *name; /* "skin", "eye", "teeth", "tongue", "cloth", "cloth.shirt", "hair" */
    bool two_sided;   /* draw back faces with the normal turned */
    int vertices, triangles;
    float *position;         /* [V,3] world, per frame */
    float *normal;           /* [V,3] unit, per frame; eye: with the cornea's bulge */
    const float *rest;       /* [V,3] R: on the unmorphed base, same smoothing */
    const float *uv;         /* [V,2], origin bottom left */
    const float *attr;       /* [V,TG_ATTR] */
    const float *region;     /* [V] 0 torso .. 1 neck .. 2 head: interpolate, then tg_part_of */
    const int32_t *triangle; /* [T,3], counter-clockwise seen from outside */
} tg_mesh;

typedef enum { TG_STRANDS_HAIR, TG_STRANDS_BROW, TG_STRANDS_LASH } tg_strand_kind;
typedef struct {
    tg_strand_kind kind; /* part is always TG_PART_HEAD */
    int strands, points; /* N strands of P points, root first */
    float *point;        /* [N,P,3] world, per frame */
    float *normal;       /* [N,3] unit outward normal of the surface below, per frame */
    const float *radius; /* [P] dm; times scale[n] */
    const float *scale;  /* [N] */
    const float *albedo; /* [N,3] */
    const float *random; /* [N] 0..1 */
    const float *shade;  /* [N] constant factor on the shaded colour, 0.6..1 */
} tg_strands;

/* Buffers of one frame; static arrays are borrowed from the person, who must outlive it. */
typedef struct {
    int meshes;
    tg_mesh *mesh;
    int strand_sets;
    tg_strands *strands;
    float head[12];             /* head coordinates -> world, as tg_person_head_matrix */
    float eye_center[2][3];     /* world: subject's left (+x), right */
    float lips[TG_LIP_RING][3]; /* world: landmarks 60..67, where light enters the mouth */
    struct tg_pose *internal;   /* scratch */
} tg_scene;

/* The person must have been created with pictures = true (else TG_EUSAGE). */
tg_status tg_scene_create(tg_context *ctx, const tg_person *person, tg_scene **out);
void tg_scene_destroy(tg_scene **scene);
/* Fills the scene for one state; no allocation. pool may be NULL. The result does not depend on
 * the pool. */
void tg_person_pose(const tg_person *person, const tg_face_state *state, tg_pool *pool,
                    tg_scene *scene);

#ifdef __cplusplus
}
#endif
#endif
