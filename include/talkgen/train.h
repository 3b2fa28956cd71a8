/* talkgen train: one loop per stage. Every loop can be killed at any time and continues from its
 * state directory when it is called again with the same options; it reports through tg_progress,
 * stops at tg_cancelled, and appends its losses to a CSV file there.
 */
#ifndef TALKGEN_TRAIN_H
#define TALKGEN_TRAIN_H

#include "talkgen/core.h"
#include "talkgen/io.h"
#include "talkgen/render.h"
#include "talkgen/tensor.h"

#ifdef __cplusplus
extern "C" {
#endif

/* ==== takes ==================================================================== */

/* Speech and what the face did: one speaker with a face of their own, for about half a minute. The
 * arrays come from tg_alloc. */
typedef struct {
    float *samples; /* [count] 16 kHz mono, full scale 1 */
    int64_t count;
    float *landmarks; /* [frames,68,3] head coordinates, dm, 25 fps; NULL where only sound is
                         wanted (tg_train_postnet) */
    int64_t frames;
    const char **phone; /* [phones] ARPAbet, "SIL" for silence; static names */
    float (*times)[2];  /* [phones] start and end in seconds */
    int phones;
} tg_train_take;

/* Who makes takes while they are trained on, instead of a stored corpus: take `index` is a function
 * of (held_out, index), a stream gives them in order without end. next is called from a thread of
 * its own and returns when its context is cancelled. */
typedef struct {
    tg_status (*open)(tg_context *ctx, void *user, bool held_out, uint64_t first, void **stream);
    tg_status (*next)(tg_context *ctx, void *stream, tg_train_take *out);
    void (*close)(void *stream);
    void *user;
} tg_train_takes;

/* ==== end of takes ============================================================== */

/* ==== speech encoder ============================================================ */

/* Trains a small HuBERT to tell phones apart, 50 times a second, on a voice corpus (corpus.json,
 * NNNNN.flac, NNNNN.json with phones, NNNNN.npy with landmarks) or on takes. A linear head on
 * last_hidden_state classifies the phone at the centre of each row, a second one regresses lip gap
 * and mouth width; both heads live in the training state only. */
typedef struct {
    const char *corpus;          /* directory; looked through again at each epoch */
    const char *held_out;        /* directory of voices never trained on, NULL = none */
    const tg_train_takes *takes; /* instead of both: every second is heard once; NULL = a corpus */
    double hours;                /* of takes: the schedule ends with them */
    const char *state;           /* directory for state, log and result; made if absent */
    const char *init;     /* encoder to start from (state/encoder.safetensors), NULL = random */
    double time_s;        /* training time of all runs together; the schedule is fitted to it. With
                             hours: when to stop for now */
    int64_t steps;        /* 0 = as many as the time allows; otherwise the schedule ends here */
    double step_audio_s;  /* seconds of audio per step, 0 = 24 */
    float lr;             /* peak learning rate, 0 = 8e-4, with init 3e-4 */
    double save_every_s;  /* 0 = 180 */
    double check_every_s; /* held-out evaluation, 0 = 300 */
    uint64_t seed;
} tg_train_speech_options;
typedef struct {
    int64_t steps;
    double audio_s;           /* seconds of audio trained on, in all runs */
    double time_s;            /* seconds trained, in all runs */
    double loss;              /* smoothed cross entropy */
    double held_out_accuracy; /* of rows, clean; -1 = not measured */
    double held_out_silence;  /* balanced accuracy of silence against speech; -1 = not measured */
    char encoder[1024];       /* averaged weights: safetensors, prefix "speech." */
} tg_train_speech_result;
/* TG_ESTOPPED or TG_EINTR when cancelled: the state is saved, call again to go on. */
tg_status tg_train_speech(tg_context *ctx, const tg_train_speech_options *options,
                          tg_train_speech_result *result);

/* ==== end of speech encoder ===================================================== */

/* ==== renderer ===================================================================== */

/* Held-out frames with their true landmarks and poses, rendered over what lies behind the head. */
typedef struct {
    int64_t frames;
    double head_psnr, head_ssim;   /* head region */
    double mouth_psnr, mouth_ssim; /* mouth region */
    double control_psnr;           /* mouth region, landmarks of one second later */
    double frame_psnr, frame_ssim; /* whole picture */
} tg_head_score;

typedef struct {
    const char *dataset;  /* directory of the recording */
    const char *state;    /* directory for state, log, contact sheets and result; made if absent */
    const char *init;     /* model file to start from (state/head.safetensors), NULL = random */
    double time_s;        /* training time of all runs together; the schedule is fitted to it */
    int64_t steps;        /* > 0: the schedule ends at this step instead */
    int rays;             /* per step, a multiple of 64; 0 = 4096 */
    int frames_per_step;  /* that the rays come from; 0 = 8 */
    int hidden;           /* width of the networks; 0 = 64 */
    float lr;             /* of the networks, the grids take ten times as much; 0 = default */
    double save_every_s;  /* 0 = 180 */
    double check_every_s; /* contact sheet and score on a few held-out frames; 0 = 300 */
    int64_t limit;        /* frames of the recording to use, 0 = all */
    bool growing;         /* start with the frames there are and look for more at every check */
    uint64_t seed;
} tg_train_head_options;

typedef struct {
    int64_t steps;
    double time_s;      /* trained, in all runs */
    double rays_psnr;   /* smoothed, of the training rays */
    double samples_ray; /* samples per ray of the last steps */
    tg_head_score score;
    char model[1024]; /* safetensors, prefix "render.head.", config in "talkgen.config" */
} tg_train_head_result;
/* TG_ESTOPPED or TG_EINTR when cancelled: the state is saved, call again to go on. */
tg_status tg_train_head(tg_context *ctx, const tg_train_head_options *options,
                        tg_train_head_result *result);

typedef struct {
    const char *dataset, *state, *init; /* as above; the model is state/torso.safetensors */
    double time_s;
    int64_t steps;
    int pixels; /* per step, a multiple of 64; 0 = 16384 */
    float lr;
    double save_every_s, check_every_s;
    int64_t limit;
    bool growing;
    uint64_t seed;
} tg_train_torso_options;

typedef struct {
    int64_t steps;
    double time_s;
    double torso_psnr, torso_ssim; /* held-out frames: torso over background, torso region */
    char model[1024];              /* prefix "render.torso." */
} tg_train_torso_result;
tg_status tg_train_torso(tg_context *ctx, const tg_train_torso_options *options,
                         tg_train_torso_result *result);

/* Copies the tensors of trained model files into an identity that is being written (grids and nets
 * as F16, occupancy as bits) and sets the renderer's part of its configuration. torso NULL: head
 * alone. */
tg_status tg_train_export_nerf(tg_context *ctx, const char *head, const char *torso,
                               tg_st_writer *writer, tg_json *config);

/* ==== end of renderer ============================================================== */

/* ==== motion ======================================================================== */

/* The many-speaker motion model: encoder features of a voice corpus (kept in the state directory),
 * a sync expert on them, then the flow VAE. Its loss is GeneFace's (mse + 3 continuity + kl + 0.01
 * sync) and three terms on samples of the prior, which is what is used afterwards: error of the
 * mean, gap between the lips (closed lips count more), natural scatter. */
typedef struct {
    const char *corpus, *held_out; /* held_out NULL = none */
    const tg_train_takes *takes;   /* instead of both: the networks hear every second once, the sync
                                      expert its first part four times; NULL = a corpus */
    double hours;                  /* of takes: the schedule ends with them */
    const char *encoder;           /* file with the speech encoder (prefix "speech.") */
    const char *state;             /* directory for state, log and results; made if absent */
    const char *init;              /* voice file whose VAE to start from, NULL = random */
    double time_s;     /* training time of all runs together, without making the features */
    double sync_share; /* of it for the sync expert, 0 = 0.2 */
    int64_t sync_steps,
        steps;  /* 0 = as many as the time allows; otherwise the schedules end here */
    int clips;  /* of the corpus to use, evenly spread; 0 = all */
    int hidden; /* width of the VAE's WaveNets, 0 = 128 */
    double save_every_s, check_every_s; /* 0 = 180, 240 */
    uint64_t seed;
} tg_train_motion_options;
typedef struct {
    int64_t sync_steps, steps;
    double time_s;
    double
        sync_accuracy;  /* held-out windows judged right, in time against shifted; -1 unmeasured */
    double mouth_error; /* held-out RMS error of the mouth at temperature 0, motion space */
    double mouth_deviation; /* RMS of the truth itself */
    double gap_corr;        /* held-out correlation of the inner lips' gap */
    double scatter;   /* RMS of samples at temperature 1 about that: near mouth_error when they
                         differ as the truth does from what can be heard of it */
    char sync[1024];  /* expert: safetensors, tensors "sync.", metadata "talkgen.sync" */
    char voice[1024]; /* encoder, VAE and expert: a voice file */
} tg_train_motion_result;
/* TG_ESTOPPED or TG_EINTR when cancelled: the state is saved, call again to go on. */
tg_status tg_train_motion(tg_context *ctx, const tg_train_motion_options *options,
                          tg_train_motion_result *result);

/* Adapts the motion to one person: adversarial and sync terms on many voices, mse on the person's
 * own recording (GeneFace 3.3), and of ours there the lips' gap, mean and covariance, and for the
 * other voices lips that stay closed; RMSprop. The result is the last step's, centred: what the
 * whole recording, made from its own sound, lies beside the truth is taken off the last layer's
 * bias. The held-out tenth is only told about. */
typedef struct {
    const char *dataset; /* the person's recording: aud.wav, landmarks.npy */
    const char *corpus;
    const tg_train_takes *takes; /* instead of a corpus, of which only the sound is used */
    const char *voice, *sync; /* results of tg_train_motion; sync NULL = the expert in the voice */
    const char *cache;        /* its features (state/features.safetensors), NULL = made again */
    const char *state;
    double time_s;
    int64_t steps; /* 0 = as many as the time allows; otherwise the schedule ends here */
    double save_every_s, check_every_s; /* 0 = 120, 30 */
    uint64_t seed;
} tg_train_postnet_options;
typedef struct {
    int64_t steps;
    double time_s;
    double raw_error, error; /* held-out RMS error of the mouth before and after, motion space */
    double raw_gap_corr, gap_corr;
    double sync;        /* sync loss on corpus windows after the postnet */
    char postnet[1024]; /* safetensors, tensors "motion.postnet.", metadata "talkgen.postnet" */
} tg_train_postnet_result;
tg_status tg_train_postnet(tg_context *ctx, const tg_train_postnet_options *options,
                           tg_train_postnet_result *result);

/* ==== end of motion ================================================================== */

/* ==== behaviour ===================================================================== */

/* Head pose and blinks from how something is said: the autoregressive flow of motion.h, on a corpus
 * with head poses and long pauses (talkgen studio corpus --conversation), and a person's recording
 * if there is one. The averaged weights of the check with the smallest held-out loss are kept. */
typedef struct {
    const char *corpus, *held_out; /* held_out NULL = checks on the training data */
    const char *dataset;           /* a person's recording beside the corpus, NULL = none */
    const char *state;             /* directory for state, log and result; made if absent */
    double time_s;                 /* training time of all runs together */
    int64_t steps;       /* 0 = as many as the time allows; otherwise the schedule ends here */
    double save_every_s; /* 0 = 60 */
    uint64_t seed;
} tg_train_behaviour_options;
typedef struct {
    int64_t steps, best_step;
    double time_s, hours; /* hours: of the corpus */
    double motion;        /* held-out negative log-likelihood per number, steps in deviations */
    char model[1024]; /* safetensors, tensors "motion.behaviour.", metadata "talkgen.behaviour" */
} tg_train_behaviour_result;
/* TG_ESTOPPED or TG_EINTR when cancelled: the state is saved, call again to go on. */
tg_status tg_train_behaviour(tg_context *ctx, const tg_train_behaviour_options *options,
                             tg_train_behaviour_result *result);

/* ==== end of behaviour =============================================================== */

/* ==== a person ====================================================================== */

/* Puts a person together: head and torso models (torso may be NULL), the postnet's file (NULL =
 * none) and, from the recording, geometry, background, poses, landmark statistics and blinks. The
 * voice file is named by hash. `init` is a person that is there already: without a dataset only
 * voice and postnet are taken from the options, the rest from that file; with one, that file gives
 * the postnet when the options have none. */
typedef struct {
    const char *name, *dataset, *head, *torso, *postnet, *voice, *init;
} tg_assemble_options;
tg_status tg_assemble_identity(tg_context *ctx, const tg_assemble_options *options,
                               const char *path);

/* ==== end of a person =============================================================== */

#ifdef __cplusplus
}
#endif
#endif
