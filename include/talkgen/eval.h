/* talkgen eval: measures of pictures, lips and motion, and a finished person measured against the
 * recording it was trained from.
 */
#ifndef TALKGEN_EVAL_H
#define TALKGEN_EVAL_H

#include "talkgen/dataset.h"
#include "talkgen/render.h"

#ifdef __cplusplus
extern "C" {
#endif

/* ==== picture measures ============================================================== */

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

/* ==== head and lids ================================================================= */

/* How heads and lids of a corpus move, or a model's for the same sound. Speaking and silent: where
 * the mean activity of 1 s is above 0.6, below 0.15. */
typedef struct {
    double speed_speaking, speed_silent; /* degrees per second, RMS of the head's rotation */
    double median_silent;                /* their median */
    double accel_speaking, accel_silent; /* degrees per second squared, RMS */
    double nods_speaking, nods_silent;   /* a minute: 0.7 degrees below the mean of 1.2 s around */
    double nod_speaking, nod_silent;     /* degrees below it */
    double range[3];    /* degrees between percentiles 2.5 and 97.5: nod, turn, tilt */
    double energy_corr; /* of the log of the speed over 0.6 s with the activity over 1 s */
    double blinks_speaking, blinks_silent; /* a minute */
    double blink_s, blink_sd;              /* seconds: mean and deviation of their length */
    double between[3];  /* seconds from one to the next: percentiles 10, 50 and 90 */
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

/* ==== end of head and lids ========================================================== */

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
/* How motion lies beside a person's own, as two clouds of landmarks. */
typedef struct {
    double mean_mm;    /* distance of the mean faces, RMS over points */
    double covariance; /* Frobenius distance of the covariances over the norm of the person's */
    double variance;   /* all of it over the person's */
} tg_domain_figures;
typedef struct {
    int64_t frames;      /* held-out frames compared with the truth */
    double mouth_mm;     /* temperature 0: RMS distance of points 48-67 from the true ones */
    double mean_face_mm; /* the same of a mouth that never moves: what must be beaten */
    double gap_corr;     /* temperature 0: correlation of the inner lips' gap with the truth */
    double diversity_mm; /* temperature 1, four seeds: RMS deviation of the mouth between them */
    double jitter;       /* temperature 0.3: mean second difference of the mouth, mm per frame^2 */
    double true_jitter;  /* of the recording */
    double gap_ratio;    /* temperature 0.3: deviation of the gap over the recording's */
    tg_domain_figures domain;     /* temperature 0.3, held-out frames against the true ones */
    tg_domain_figures raw_domain; /* the same without the postnet, if there is one */
    tg_domain_figures own_domain; /* the recording's second half against its first: what the other
                                     two cannot be expected to beat with other words */
    bool has_lipsync, has_sync, has_postnet;
    tg_lipsync_score lipsync;        /* temperature 0.3, whole recording */
    tg_sync_figures sync, true_sync; /* the same; and of the true lips */
} tg_spoken_score;
typedef struct {
    const char *phones; /* JSON of the recording's phones, or NULL: no lip-sync score */
    const char *sync; /* the voice's sync expert, NULL = the one in the voice file if it is there */
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
tg_status tg_report_write(tg_context *ctx, const struct tg_identity *identity,
                          const tg_report_options *options, char path[1024]);

/* ==== end of a finished identity ==================================================== */

#ifdef __cplusplus
}
#endif
#endif
