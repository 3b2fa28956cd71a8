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
    float *landmarks; /* [frames,68,3] head coordinates, dm, 25 fps */
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

/* ==== a person's recording ======================================================== */

/* A recording as the RAD-NeRF family lays it out (what talkgen studio films):
 *
 *     transforms_train.json, transforms_val.json  focal_len, cx, cy, frames[img_id, c2w]
 *     gt_imgs/N.jpg     the frame over the static background
 *     parsing/N.png     head blue, neck green, torso red, background white
 *     torso_imgs/N.png  RGBA: torso and neck, grown upwards under the head
 *     bc.jpg            background
 *     landmarks.npy     [T,68,3] head coordinates, dm; row = img_id
 *
 * Without landmarks.npy the motion is taken from trainval_dataset.npy (GeneFace; placed by the .lms
 * files), else lifted from the 2-D landmarks ori_imgs/N.lms by the head poses.
 *
 * Pictures are kept decoded, as bytes. A .png may stand for a .jpg and the other way round. */
enum {
    TG_COND_DIM = 204,  /* 68 landmarks x 3 */
    TG_COND_WINDOW = 5, /* frames around the one shown */
    /* Bits of a pixel of the parsing plane: a class, and regions derived from the classes. */
    TG_PIXEL_CLASS = 3,
    TG_PIXEL_BACKGROUND = 0,
    TG_PIXEL_HEAD = 1,
    TG_PIXEL_NECK = 2,
    TG_PIXEL_TORSO = 3,
    TG_PIXEL_HEAD_REGION = 16,   /* within size/64 of the head: the region of picture measures */
    TG_PIXEL_HEAD_NEAR = 32,     /* within 2 pixels of the head */
    TG_PIXEL_HEAD_CORE = 64,     /* head, more than 2 pixels from anything else */
    TG_PIXEL_TORSO_REGION = 128, /* within size/64 of torso or neck */
    /* Which pictures to decode. */
    TG_LOAD_FRAMES = 1, /* gt_imgs */
    TG_LOAD_BEHIND = 2, /* torso_imgs over bc: what lies behind the head */
    TG_LOAD_TORSO = 4,  /* torso_imgs as RGBA */
    TG_LOAD_PARSING = 8,
    /* The recording is still being filmed: frames that lack a picture are not ready yet. */
    TG_LOAD_GROWING = 16
};
/* Coordinates that hardly move would be blown up to noise by their own deviation. Motion space,
 * that is 1 mm. */
#define TG_MIN_DEVIATION 0.1f

typedef struct {
    int left, top, right, bottom; /* pixels; right and bottom exclusive */
} tg_box;

typedef enum { TG_FROM_LANDMARKS, TG_FROM_GENEFACE, TG_FROM_LMS } tg_motion_origin;
const char *tg_motion_origin_name(tg_motion_origin origin); /* of the file */

typedef struct {
    int width, height;
    float focal, cx, cy;
    int64_t frames;       /* training frames first */
    int64_t train_frames; /* frames [train_frames, frames) are held out */
    int64_t *image_id;    /* [frames] N of the files, row of landmarks */
    float *c2w;           /* [frames,4,4] */
    tg_motion_origin motion_origin;
    int64_t landmark_rows;
    float *landmarks;             /* [landmark_rows,68,3] */
    float mean[TG_COND_DIM];      /* M: mean over the training frames, head coordinates (dm) */
    float deviation[TG_COND_DIM]; /* of 10 (P - M), at least TG_MIN_DEVIATION */
    uint8_t *background;          /* [height,width,3] */
    /* Frames whose pictures are decoded, ascending: all of them unless the recording grows. */
    int64_t *ready_train, *ready_held_out;
    int64_t ready_trains, ready_held_outs;
    /* NULL unless asked for: */
    uint8_t *frame_rgb;  /* [frames,height,width,3] */
    uint8_t *behind_rgb; /* [frames,height,width,3] */
    uint8_t *torso_rgba; /* [frames,height,width,4] */
    uint8_t *parsing;    /* [frames,height,width], bits above */
    char directory[1024];
    int pictures; /* what was asked for */
} tg_dataset;

/* pictures: TG_LOAD_*. limit: at most that many training and held-out frames together, evenly
 * spread over the recording (0 = all). TG_EINPUT names the first file that is missing, unreadable
 * or misshapen. */
tg_status tg_dataset_open(tg_context *ctx, const char *directory, int pictures, int64_t limit,
                          tg_dataset **out);
void tg_dataset_close(tg_dataset **dataset);
/* Looks again for frames that were not ready. *added counts those that are now. */
tg_status tg_dataset_grow(tg_context *ctx, tg_dataset *dataset, int64_t *added);
/* 10 (P - M) / deviation of the TG_COND_WINDOW frames around a row of landmarks (ends repeated):
 * out [TG_COND_WINDOW, TG_COND_DIM], what the head network sees. */
void tg_dataset_window(const tg_dataset *dataset, int64_t row, float *out);
/* Pixel position of a point in head coordinates (dm); false behind the camera. */
bool tg_dataset_project(const tg_dataset *dataset, int64_t frame, const float point[3],
                        float pixel[2]);
/* Bounding box of landmarks first..last of a frame, its sides grown by `grow` about its centre,
 * clipped to the picture. */
tg_box tg_dataset_box(const tg_dataset *dataset, int64_t frame, int first, int last, float grow);
/* The mouth region of picture measures: landmarks 48..67 grown by 25 %. */
tg_box tg_dataset_mouth(const tg_dataset *dataset, int64_t frame);

/* ---- is a recording fit to train from? ------------------------------------------------ */

/* One kind of mistake, and the files, frames or values that have it. */
typedef struct {
    const char *what; /* constant, "gt_imgs: pictures are missing" */
    const char *todo; /* constant, what to do about it */
    char names[680];  /* the first few, separated by commas; "" = it speaks for itself */
    int64_t times;
    bool note; /* worth knowing, no reason to stop */
} tg_finding;
enum { TG_MAX_FINDINGS = 48 };
typedef struct {
    int count, wrong; /* wrong: those that are no notes */
    tg_finding entry[TG_MAX_FINDINGS];
} tg_findings;
/* "gt_imgs: pictures are missing: gt_imgs/3.jpg, gt_imgs/9.jpg and 4 more" */
void tg_finding_text(const tg_finding *finding, char *out, size_t size);

typedef struct {
    int width, height;            /* 0 = not known */
    int64_t frames, train_frames; /* of the transforms */
    double audio_s;               /* 0 = no sound */
    bool has_motion;
    tg_motion_origin motion; /* and, lifted from pictures: */
    double noise_px, turn_deg;
    float *landmarks; /* [rows,68,3] what training would see, or NULL */
    int64_t rows;
    tg_findings findings;
} tg_dataset_report;
/* Looks at everything training will read, every picture included, and lists all that is wrong at
 * once: files that are missing or unreadable, sizes that differ, parsing in other colours, poses
 * that are no poses, landmarks that do not lie on the head, sound or video of another length or
 * rate than 25 frames per second. TG_OK whatever was found; out is the caller's to free. */
tg_status tg_dataset_check(tg_context *ctx, const char *directory, tg_dataset_report *out);
void tg_dataset_report_free(tg_dataset_report *report);

/* ---- picture measures --------------------------------------------------------------- */

/* Sums over the pixels of a region in any number of frames. */
typedef struct {
    double squared_error; /* of values in [0,1], all channels */
    double ssim;
    int64_t pixels;
} tg_region_score;

/* SSIM (Wang et al. 2004) of every pixel: 11 x 11 Gaussian window of sigma 1.5, renormalised at the
 * borders, K 0.01 and 0.03, mean over the channels. a, b [height,width,3], map [height,width]. */
tg_status tg_ssim_map(tg_context *ctx, int width, int height, const uint8_t *a, const uint8_t *b,
                      float *map);
/* Adds the pixels inside box (NULL = all) whose mask has one of `bits` (mask NULL = all). */
void tg_region_add(tg_region_score *score, int width, int height, const uint8_t *a,
                   const uint8_t *b, const float *ssim_map, const uint8_t *mask, int bits,
                   const tg_box *box);
double tg_region_psnr(const tg_region_score *score); /* pooled error in dB; NaN without pixels */
double tg_region_ssim(const tg_region_score *score);

/* Pyramid distance of every pixel: how much detail is lost or misplaced. Like LPIPS it compares
 * normalised features at several scales, but the features are fixed and nothing is learned, so the
 * figures are not those of LPIPS. At 4 scales (each the 1 4 6 4 1 smoothing of the one before,
 * halved) and for brightness, Cb and Cr (weights 1/2, 1/4, 1/4): the root of |ga - gb|^2 /
 * 2 (|ga|^2 + |gb|^2 + 0.012^2) of the gradients g of both pictures (Sobel), numerator and
 * denominator averaged with 1 4 6 4 1; the mean over the scales. 0 for the same details, 0.71 where
 * they are missing or others, 1 for the contrary; blind to a change of brightness. a, b
 * [height,width,3], map [height,width]. */
tg_status tg_pyramid_map(tg_context *ctx, int width, int height, const uint8_t *a, const uint8_t *b,
                         float *map);

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
    char voice[1024]; /* encoder and VAE: a voice file */
} tg_train_motion_result;
/* TG_ESTOPPED or TG_EINTR when cancelled: the state is saved, call again to go on. */
tg_status tg_train_motion(tg_context *ctx, const tg_train_motion_options *options,
                          tg_train_motion_result *result);

/* Adapts the motion to one person: adversarial and sync terms on the corpus, mse and lip gap on the
 * person's own recording (GeneFace 3.3), RMSprop. The weights of the check with the smallest
 * held-out error^2 + 0.1 sync are kept. */
typedef struct {
    const char *dataset; /* the person's recording: aud.wav, landmarks.npy */
    const char *corpus;
    const char *voice, *sync; /* results of tg_train_motion */
    const char *cache;        /* its features (state/features.safetensors), NULL = made again */
    const char *state;
    double time_s;
    int64_t steps; /* 0 = as many as the time allows; otherwise the schedule ends here */
    double save_every_s, check_every_s; /* 0 = 120, 30 */
    uint64_t seed;
} tg_train_postnet_options;
typedef struct {
    int64_t steps, best_step;
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

/* How heads and lids of a corpus move, or a model's for the same sound. Speaking and silent: where
 * the mean activity of 1 s is above 0.6, below 0.15. */
typedef struct {
    double speed_speaking, speed_silent; /* degrees per second, RMS of the head's rotation */
    double range[3];    /* degrees between percentiles 2.5 and 97.5: nod, turn, tilt */
    double energy_corr; /* of the log of the speed over 0.6 s with the activity over 1 s */
    double blinks_speaking, blinks_silent; /* a minute */
    double blink_s, blink_sd;              /* seconds: mean and deviation of their length */
    double repeat;      /* largest |autocorrelation| of the turn at lags of 10 s to 2 min */
    double border_jerk; /* RMS third difference across every 256th frame over that elsewhere */
} tg_behaviour_figures;
typedef struct {
    double seconds;
    tg_behaviour_figures truth, made;
} tg_behaviour_score;
/* voice: a voice file or the result of tg_train_behaviour. */
tg_status tg_eval_behaviour(tg_context *ctx, const char *voice, const char *corpus, uint64_t seed,
                            tg_behaviour_score *out);

/* ==== end of behaviour =============================================================== */

/* ==== lip-sync score ================================================================ */

/* Articulatory lip-sync score of landmarks against the phones of a recording. The gap is the mean
 * distance of landmarks 61-67, 62-66, 63-65, scaled per clip to 0 at min(p2, 0.05 p95) and 1 at
 * p95. Figures are pooled over all clips; NaN where nothing could be counted. */
typedef struct {
    const char *motion; /* .npy [T,68,3] or [T,204], absolute landmarks in head coordinates */
    const char *phones; /* JSON [[name, start_s, end_s], ...], ARPAbet, SIL */
    const char *audio;
    const float *landmarks; /* [rows,204] instead of the file, or NULL */
    int64_t rows;
} tg_lipsync_clip;
typedef struct {
    double close;   /* share of P/B/M whose smallest gap is <= 0.15 */
    double open;    /* share of open vowels whose largest gap is >= 0.30 */
    double silent;  /* share of silences whose median gap is <= 0.20 */
    double round_d; /* width of spread against rounded vowels, in standard deviations */
    double phone_corr, corr, lag_ms; /* gap against expected aperture, loudness regressed out */
    double jitter;
    int64_t n_close, n_open, n_silent;
} tg_lipsync_figures;
typedef struct {
    tg_lipsync_figures motion;
    tg_lipsync_figures envelope, sine; /* controls: a mouth driven by loudness, a 4 Hz swing */
    double gap95_over_eyes;            /* 95th percentile of the gap over the eye distance */
} tg_lipsync_score;
tg_status tg_lipsync(tg_context *ctx, const tg_lipsync_clip *clips, int count, double fps,
                     tg_lipsync_score *out);

/* ==== end of lip-sync score ========================================================= */

/* ==== a finished identity =========================================================== */

/* Held-out frames of a recording, rendered whole (head, torso, background) from their true
 * landmarks and poses. Regions: head, mouth and torso as in the picture measures above; face and
 * hair divide the head (what is outside the outline of the 68 landmarks with the forehead: hair,
 * ears, the head's border). */
typedef enum {
    TG_REGION_HEAD,
    TG_REGION_FACE,
    TG_REGION_HAIR,
    TG_REGION_MOUTH,
    TG_REGION_TORSO,
    TG_REGION_ALL,
    TG_REGIONS
} tg_region;
const char *tg_region_name(tg_region region);
typedef struct {
    double psnr, ssim;
    double pyramid; /* mean of tg_pyramid_map: 0 the same, 1 the contrary */
    double flicker; /* change from frame to frame over that of the truth, summed absolute
                       differences; NaN without consecutive frames */
} tg_region_figures;
typedef struct {
    int64_t frames, pairs; /* pairs: of consecutive frames, for flicker */
    tg_region_figures region[TG_REGIONS];
    double control_psnr; /* mouth region, landmarks of one second later */
    /* How far the picture around each projected landmark lies from where the truth has it, found by
     * matching patches of width/32: mean over points 17-67 and 48-67, pixels. The control is the
     * mouth with landmarks of one second later, eyes the distance of points 36 and 45. */
    double landmark_px, mouth_px, control_mouth_px, eyes_px;
} tg_portrait_score;
struct tg_identity;
/* limit: at most so many frames, evenly spread; 0 = all. */
tg_status tg_eval_portrait(tg_context *ctx, const struct tg_identity *identity, const char *dataset,
                           int64_t limit, tg_march_rule march, tg_portrait_score *out);

/* Motion made from the recording's own sound. Cosines of the sync expert: sound against lips. */
typedef struct {
    double cosine;     /* mean, lips where they are */
    double confidence; /* best of shifts by up to 15 frames minus their median (SyncNet's, of
                          cosines) */
    double offset_ms;  /* of the best; > 0: the lips come late */
} tg_sync_figures;
typedef struct {
    int64_t frames;      /* held-out frames compared with the truth */
    double mouth_mm;     /* temperature 0: RMS distance of points 48-67 from the true ones */
    double mean_face_mm; /* the same of a mouth that never moves: what must be beaten */
    double gap_corr;     /* temperature 0: correlation of the inner lips' gap with the truth */
    double diversity_mm; /* temperature 1, four seeds: RMS deviation of the mouth between them */
    double jitter;       /* temperature 0.3: mean second difference of the mouth, mm per frame^2 */
    double true_jitter;  /* of the recording */
    double gap_ratio;    /* temperature 0.3: deviation of the gap over the recording's */
    bool has_lipsync, has_sync;
    tg_lipsync_score lipsync;        /* temperature 0.3, whole recording */
    tg_sync_figures sync, true_sync; /* the same; and of the true lips */
} tg_spoken_score;
typedef struct {
    const char *phones; /* JSON of the recording's phones, or NULL: no lip-sync score */
    const char *sync;   /* the voice's sync expert, or NULL: no confidence */
    uint64_t seed;
} tg_spoken_options;
/* The identity is open with its voice. The sound is aud.wav of the recording. */
tg_status tg_eval_spoken(tg_context *ctx, const struct tg_identity *identity, const char *dataset,
                         const tg_spoken_options *options, tg_spoken_score *out);

/* The gap of the inner lips read from pictures (ridge regression from the mouth's pixels, fitted on
 * the recording's training frames) against the landmarks that drove a video. */
typedef struct {
    int64_t frames;    /* of the video */
    double true_corr;  /* on the recording's held-out frames: how well the reading works at all */
    double video_corr; /* on the video */
} tg_lips_score;
/* motion [T,68,3] and poses [T,4,4]: what `talkgen motion --pose-out` wrote for the video's audio.
 */
tg_status tg_eval_lips(tg_context *ctx, const char *dataset, const char *video, const char *motion,
                       const char *poses, tg_lips_score *out);

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

/* A page without outside parts, work/report.html: figures and pictures of held-out frames, charts
 * of the CSV files that training left in work/head, torso and postnet, and a film that plays in it:
 * recording | true motion | motion from the sound (also work/comparison.mp4, H.264 and AAC). */
typedef struct {
    const char *dataset, *work;
    const char *sync; /* the voice's sync expert, or NULL */
    int64_t limit;    /* held-out frames to measure, 0 = all */
    uint64_t seed;
} tg_report_options;
/* The identity should be open with its voice; without one the motion is left out. path: where the
 * page is. */
tg_status tg_train_report(tg_context *ctx, const struct tg_identity *identity,
                          const tg_report_options *options, char path[1024]);

/* ==== end of a finished identity ==================================================== */

#ifdef __cplusplus
}
#endif
#endif
