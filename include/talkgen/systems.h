/* talkgen systems: which blocks, in which order. A system turns audio and an identity into frames.
 *
 * GeneFace: 16 kHz audio -> HuBERT features (50 Hz) -> flow-prior VAE (25 fps landmarks) -> postnet
 * -> clamp and smooth -> head NeRF over torso over background.
 * RAD-NeRF, AD-NeRF: logits of a speech recogniser (50 Hz) -> windows of 16 around each frame ->
 * head NeRF over torso over background. Either renderer, grid or vanilla, serves every system.
 *
 *     tg_identity_open(ctx, "demo.ckpt", NULL, true, &person);
 *     tg_synth_options options = tg_synth_defaults();
 *     options.audio = "a.wav", options.output = "out.mp4";
 *     tg_synthesize(ctx, person, &options, &report);
 */
#ifndef TALKGEN_SYSTEMS_H
#define TALKGEN_SYSTEMS_H

#include "talkgen/core.h"
#include "talkgen/io.h"
#include "talkgen/motion.h"
#include "talkgen/render.h"
#include "talkgen/speech.h"

#ifdef __cplusplus
extern "C" {
#endif

/* Grows by one whenever the same audio, models, parameters and CPU level give other frames than
 * before; batches then render again what older versions made. */
#define TG_FRAMES_VERSION 3

/* ---- identity -------------------------------------------------------------------- */

#define TG_IDENTITY_FORMAT  "1"
#define TG_VAE_META         "talkgen.vae"       /* configuration of the shared motion model, JSON */
#define TG_BEHAVIOUR_META   "talkgen.behaviour" /* of the behaviour model, JSON */
#define TG_BEHAVIOUR_PREFIX "motion.behaviour."
#define TG_POSTNET_PITCH    "motion.postnet.pitch_embed.weight"

typedef enum { TG_SYSTEM_GENEFACE, TG_SYSTEM_RADNERF, TG_SYSTEM_ADNERF } tg_system;
const char *tg_system_name(tg_system system); /* "geneface", as in metadata talkgen.system */

/* A renderer that sees the gaze has it behind the 204 numbers of the landmarks, this many degrees
 * = 1. */
enum { TG_GAZE_DIM = 2 };
#define TG_GAZE_DEGREES 2.0f

/* One person: a checked safetensors file and the voice file it names. Constant once open; shared by
 * any number of threads except for the networks' tapes. Members are borrowed. */
typedef struct tg_identity {
    tg_system system;
    char name[64];
    int width, height;    /* of the recording */
    float focal, cx, cy;  /* pixels of that size */
    tg_nerf *nerf;        /* grid renderer: head, and torso when the file has one; or NULL and */
    tg_vanilla *head;     /* vanilla renderer; */
    tg_vanilla *torso;    /* NULL: the head over the background */
    float torso_pose[16]; /* [4,4] the vanilla torso's camera */
    tg_hubert *hubert;    /* NULL when the file has no speech part and names no voice file */
    tg_vae *vae;
    tg_postnet *postnet;          /* NULL: the many-speaker motion is used as it is */
    float lm_mean[TG_MOTION_DIM]; /* M, dm, head coordinates */
    tg_motion_stats stats;        /* of the person, motion space */
    bool idexp; /* nobody knows M: lm_mean is zero, landmark files hold displacements x / 10 */
    float clamp_std, smooth; /* 2.5 deviations, 0.2 */
    float *lle;              /* [lle_frames, TG_LLE_DIM] normalised, for tg_motion_lle; NULL */
    int64_t lle_frames;
    int64_t poses;   /* frames of the recording, at least 1 */
    float *recorded; /* [poses,4,4] camera-to-world */
    int pose_smooth; /* 7 frames for GeneFace, 1 for the audio-driven systems */
    float *pose;     /* [poses,4,4] smoothed over so many frames */
    float *eyes;     /* [poses,12,3] points 36-47, motion space, or NULL */
    float *eye_area; /* [poses] of both eyes, percent of the picture; NULL = unknown */
    float *gaze;     /* [poses, TG_GAZE_DIM] degrees in the head, to the subject's left and up; NULL
                        unless the renderer sees it */
    tg_image background;   /* [height,width,3] */
    char voice_path[1024]; /* where speech and motion came from; "" = embedded */
    tg_json *config;
    tg_st *file;
} tg_identity;

/* encoder: a voice file to use instead of the one that the identity names; NULL. An identity with a
 * motion model of its own takes only the speech encoder from it. A person can be
 * opened without any voice when need_voice is false (render from landmarks). */
tg_status tg_identity_open(tg_context *ctx, const char *path, const char *encoder, bool need_voice,
                           tg_identity **out);
void tg_identity_close(tg_identity **identity);
/* Driven by windows of logits, not by landmarks. */
bool tg_identity_hears(const tg_identity *identity);
/* What tg_identity_open leaves out without need_voice: the networks in front of the renderer. An
 * audio-driven person may have none. */
tg_status tg_identity_open_voice(tg_context *ctx, tg_identity *identity, const char *encoder);

/* What an identity file is made of; everything is borrowed. */
typedef struct {
    tg_system system;
    const char *name;
    int width, height;
    float focal, cx, cy;
    /* Adds tensors render.head.*, render.torso.* to the writer and their configuration to `config`
     * (the object "render" of the identity's configuration). */
    tg_status (*add_render)(tg_context *ctx, void *user, tg_st_writer *writer, tg_json *config);
    void *user;
    tg_postnet *postnet;  /* NULL = none */
    bool idexp;           /* M is not known */
    const float *lm_mean; /* [204]; NULL with idexp; stats too for the audio-driven systems */
    const tg_motion_stats *stats;
    float clamp_std;  /* 0 = 2.5 */
    float smooth;     /* 0 = 0.2, < 0 = none */
    const float *lle; /* [lle_frames, TG_LLE_DIM] or NULL */
    int64_t lle_frames;
    int64_t poses;
    const float *pose;       /* [poses,4,4] as recorded */
    const float *eyes;       /* [poses,12,3] or NULL */
    const float *eye_area;   /* [poses] or NULL */
    const float *gaze;       /* [poses, TG_GAZE_DIM] of a renderer that sees it, or NULL */
    const float *torso_pose; /* [4,4]: vanilla renderer with a torso; else NULL */
    int pose_smooth;         /* frames, odd; 0 = 7 for GeneFace, 1 for the others */
    const tg_image *background;
    tg_vae *vae; /* a motion model of this person's own, kept in float32 as the postnet then is;
                    NULL = that of the voice file */
    const char *voice_path; /* file named by hash and by its path relative to the identity; NULL */
    bool embed;             /* copied into the identity instead */
} tg_identity_parts;
tg_status tg_identity_write(tg_context *ctx, const char *path, const tg_identity_parts *parts);
/* The person of the file `identity` into the file `path` (which may be the same one), everything as
 * it is but the voice file that is named and the postnet (NULL: the same), stored in float16. */
tg_status tg_identity_revise(tg_context *ctx, const char *identity, const char *voice,
                             tg_postnet *postnet, const char *path);
/* What add_render does with a model: float32 tensors, one row of individual codes, and the
 * configuration. */
tg_status tg_identity_add_grid(tg_context *ctx, const tg_nerf *nerf, tg_st_writer *writer,
                               tg_json *config);
/* torso may be NULL. */
tg_status tg_identity_add_vanilla(tg_context *ctx, const tg_vanilla *head, const tg_vanilla *torso,
                                  tg_st_writer *writer, tg_json *config);

/* Voice file: speech encoder, many-speaker motion model and the sync expert that judges it; any may
 * be NULL. Stored in float16. */
tg_status tg_voice_write(tg_context *ctx, const char *path, tg_hubert *hubert, tg_vae *vae,
                         const tg_syncnet *sync);
/* Whether the file holds a sync expert, for tg_syncnet_open; fails when it cannot be read. */
tg_status tg_voice_has_sync(tg_context *ctx, const char *path, bool *has);
/* Also of a file with an encoder alone (talkgen convert hubert). Either may be NULL when not
 * wanted. TG_EMODEL when the file lacks what is wanted. Float32 parameters are used where the file
 * is mapped, so a model that shall train needs tg_params_own first. */
tg_status tg_voice_open(tg_context *ctx, const char *path, tg_hubert **hubert, tg_vae **vae);

/* The behaviour model of a file, from metadata and tensors above. TG_EMODEL when it has none. */
tg_status tg_behaviour_open(tg_context *ctx, const tg_st *st, tg_behaviour **out);
/* Metadata and tensors; false = no memory. */
bool tg_behaviour_store(tg_st_writer *w, tg_behaviour *model, tg_dtype dtype);
/* The voice file `voice` into the file `path` (which may be the same one) with another behaviour
 * model, stored in float16; everything else stays to the last bit. */
tg_status tg_voice_revise(tg_context *ctx, const char *voice, tg_behaviour *behaviour,
                          const char *path);

/* ---- motion of a clip -------------------------------------------------------------- */

/* Points 36-47: as recorded, open, as the motion model has them, or by the behaviour model. */
typedef enum { TG_EYES_REPLAY, TG_EYES_STILL, TG_EYES_MODEL, TG_EYES_AUTO } tg_eyes_mode;

typedef struct {
    const char *audio; /* the speech; with features only the sound */
    /* .npy instead of hearing: GeneFace [T50,D] of its encoder; audio-driven systems windows
     * [frames,16,C] as their preparation writes them (aud.npy, aud_eo.npy), or rows [T50,C] */
    const char *features;
    double start_s, duration_s;
    uint64_t seed;
    const char *clip_id;
    float temperature;
    const char *latent; /* .npy [T/4,16] instead of seeded noise, or NULL */
    tg_eyes_mode eyes;
    float blink_gain; /* TG_EYES_AUTO: factor on how often they close; 0 = 1, < 0 = never */
    bool raw;         /* without postnet */
    float clamp_std;  /* limit in deviations, INFINITY = none; 0 = as the identity says */
    float smooth;     /* share of the frame before, below 1; 0 = as the identity says, < 0 = none */
    float lle;        /* 0 to 1: how far points 0-47 are drawn into the recording's own motion */
} tg_motion_options;

/* "replay", "auto", "still" or "model", as --blink has them; TG_EUSAGE for others. */
tg_status tg_eyes_named(tg_context *ctx, const char *name, tg_eyes_mode *out);

/* Landmarks of a clip, frame by frame, in constant memory. */
typedef struct tg_motion_source tg_motion_source;
tg_status tg_motion_source_open(tg_context *ctx, const tg_identity *identity,
                                const tg_motion_options *options, tg_motion_source **out);
/* Landmarks from a file [T,68,3] or [T,204], absolute, used as they are. */
tg_status tg_motion_source_file(tg_context *ctx, const char *path, tg_motion_source **out);
void tg_motion_source_close(tg_motion_source **source);
int64_t tg_motion_source_frames(const tg_motion_source *source);
/* The next frame: absolute landmarks [68,3] in dm, displacements for an idexp identity. *done at
 * the end. */
tg_status tg_motion_source_next(tg_context *ctx, tg_motion_source *source,
                                float landmarks[TG_MOTION_DIM], bool *done);

/* ---- head pose ------------------------------------------------------------------------ */

/* Camera path of a recording (transforms_train.json and its kind, of the NeRF family). */
typedef struct {
    double focal, cx, cy; /* pixels; cx, cy NaN when not told */
    int64_t frames;       /* at least 1 */
    float *c2w;           /* [frames,4,4] */
    int64_t *image_id;    /* [frames], -1 when not told */
} tg_transforms;
/* TG_EINPUT: missing, no frames, a matrix that is not 4x4 finite numbers. */
tg_status tg_transforms_read(tg_context *ctx, const char *path, tg_transforms *out);
void tg_transforms_free(tg_transforms *transforms);

enum { TG_MAX_SMOOTH = 101 }; /* frames of a moving average */

/* What head and blinks are made from. */
typedef struct {
    const char *audio;
    double start_s, duration_s;
    uint64_t seed;
    const char *clip_id;
    float pose_gain, blink_gain; /* factors; 0 = 1, < 0 = none */
} tg_behaviour_options;

typedef struct {
    /* "replay" (recorded poses, forward and backward), "auto" (made from the speech by the voice
     * file's behaviour model, in this person's manner and range), "still", "orbit" or a file whose
     * last pose holds when it is short: .npy [T,4,4] or a transforms_*.json */
    const char *spec;
    int smooth; /* frames that recorded poses are averaged over, odd; 0 = as the identity says */
    tg_behaviour_options behaviour; /* for "auto" */
    /* Where eyes look, for people who have scene.gaze: "pose" (or NULL: as recorded with recorded
     * poses, made with others), "replay" (recorded), "auto" (made, which is against the head's
     * turns and from rest to rest), "still" (where the recorded ones looked on average) or a file
     * .npy [T,2], degrees in the head to the subject's left and up, whose last row holds when it is
     * short.
     */
    const char *gaze;
} tg_pose_options;
typedef struct tg_pose_source tg_pose_source;
tg_status tg_pose_source_open(tg_context *ctx, const tg_identity *identity,
                              const tg_pose_options *options, tg_pose_source **out);
void tg_pose_source_close(tg_pose_source **source);
/* Any frame; made poses are cheap only when asked for in order. */
tg_status tg_pose_source_at(tg_context *ctx, tg_pose_source *source, int64_t frame, float c2w[16]);
/* Whether options without audio are usable with this person. */
tg_status tg_pose_check(tg_context *ctx, const tg_identity *identity,
                        const tg_pose_options *options);
/* TG_EUSAGE when gaze is none of those above, or when somebody (NULL = nobody yet) without
 * scene.gaze is to take one from a file or, with wanted, to write it. */
tg_status tg_gaze_check(tg_context *ctx, const tg_identity *identity, const char *gaze,
                        bool wanted);
/* A gaze from a file as above, of so many rows, 0 = any. out by tg_npy_free. */
tg_status tg_gaze_read(tg_context *ctx, const char *path, int64_t rows, tg_npy *out);
/* Writes where the eyes of somebody with scene.gaze look in frames [first,end) of a head with these
 * poses, a file as above. */
tg_status tg_gaze_write(tg_context *ctx, const tg_identity *identity, const tg_pose_options *pose,
                        int64_t first, int64_t end, const char *path);
/* The same of eyes. */
tg_status tg_eyes_check(tg_context *ctx, const tg_identity *identity, tg_eyes_mode eyes);

/* ---- synthesis ---------------------------------------------------------------------------- */

enum { TG_PART_GOP = 50 }; /* frames, 2 s */

typedef struct {
    const char *output;
    int width, height; /* 0 = as recorded; the aspect of the recording */
    const char *pose;
    float pose_gain; /* pose "auto": factor on the head's movement; 0 = 1, < 0 = none */
    /* "dataset", a picture, "#rrggbb", or "transparent": a PNG sequence with straight alpha */
    const char *background;
    int pose_smooth;     /* as tg_pose_options */
    const char *gaze;    /* likewise */
    float eye_area;      /* eye control: percent of the picture; < 0 = as recorded, else 0.25 */
    int eye_smooth;      /* frames that recorded areas are averaged over, odd; 0 = 1 */
    tg_march_rule march; /* grid renderer */
    tg_device device;    /* likewise */
    const char *torso_features; /* logits of a vanilla torso that hears, for a head that does not */
    int crf;
    bool overwrite;
    const char *pose_out; /* .npy of the poses used, or NULL */
    const char *gaze_out; /* and of the gaze */
    /* A part of the clip for tg_movie_join: frames [first, end), end 0 = to its end, without sound;
     * in movies on the grid of TG_PART_GOP. Everything before it is heard, not painted, so that the
     * frames are those of the whole. */
    bool part;
    int64_t first, end;
    const char *job; /* what the output says of itself: 32 hex digits, NULL = nothing */
    uint64_t seed;   /* the same, and of "auto"; these four tg_synthesize fills in */
    const char *clip_id;
    tg_eyes_mode eyes; /* TG_EYES_AUTO drives the eye control of a person who has one */
    float blink_gain;
    tg_sink_ready_fn *ready; /* as tg_sink_options has it */
    void *ready_user;
    const char *tmp_dir; /* the same */
} tg_portrait_options;

typedef struct {
    tg_motion_options motion;
    tg_portrait_options portrait;
} tg_synth_options;
tg_synth_options tg_synth_defaults(void);

typedef struct {
    int64_t frames;
    double audio_s, wall_s;
    /* of wall_s: hearing and moving, painting, waiting for the encoder */
    double motion_s, render_s, encode_s;
    char frame_hash[33];
} tg_synth_report;

/* Audio to video, by the system of the identity. */
tg_status tg_synthesize(tg_context *ctx, const tg_identity *identity,
                        const tg_synth_options *options, tg_synth_report *report);
/* Landmarks to video (GeneFace); audio (NULL = silent) is muxed. A path ending in .npy writes
 * float32 frames [T,H,W,3] instead. */
tg_status tg_render_motion(tg_context *ctx, const tg_identity *identity, tg_motion_source *motion,
                           const tg_portrait_options *options, const char *audio, double start_s,
                           double duration_s, tg_synth_report *report);

/* What the grid renderer's fast rules leave out, and what that saves: frames of a motion rendered
 * fast (by options->device) and exhaustively (by the CPU). Head: where its opacity in the
 * exhaustive picture is above a half. */
typedef struct {
    double seconds;                                            /* of all frames together */
    double rays, density_samples, color_samples, torso_pixels; /* of a frame, mean */
} tg_march_cost;
typedef struct {
    int64_t frames;
    double head_psnr, all_psnr, worst_head_psnr; /* dB: of all frames together, of the worst one */
    tg_march_cost fast, exhaustive;
} tg_march_score;
/* At most `limit` (0 = all) frames, evenly spread. Size and pose as options->width, height, pose,
 * pose_smooth say; the background is the recording's. */
tg_status tg_compare_march(tg_context *ctx, const tg_identity *identity, tg_motion_source *motion,
                           const tg_portrait_options *options, int64_t limit, tg_march_score *out);

#ifdef __cplusplus
}
#endif
#endif
