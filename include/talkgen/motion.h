/* talkgen motion: from what is heard to how the face moves.
 *
 * GeneFace's networks (Ye et al., ICLR 2023) with configurable widths: a flow-prior VAE turns
 * 50 Hz speech features into 25 fps landmarks of nobody in particular, a CNN postnet moves them
 * into the target person's domain, a SyncNet judges whether lips fit the sound while training.
 *
 * Motion space: x = 10 (P - M), P absolute landmarks (dm, head coordinates), M the person's mean;
 * 68 points x xyz flattened to 204 numbers per frame. All networks run on a tg_tape; the same
 * forward function serves inference and training. Parameter names are the published keys.
 *
 * Shape letters: B batch, T video frames (a multiple of 4), F features per row, C condition.
 */
#ifndef TALKGEN_MOTION_H
#define TALKGEN_MOTION_H

#include "talkgen/core.h"
#include "talkgen/io.h"
#include "talkgen/tensor.h"

#ifdef __cplusplus
extern "C" {
#endif

enum { TG_MOTION_DIM = 204, TG_MOTION_POINTS = 68 };

/* ---- VAE ------------------------------------------------------------------------ */

/* Keys as in GeneFace's yaml files and the golden config.json. */
typedef struct {
    int in_out_dim;       /* 204 */
    int hidden_channels;  /* 256 published */
    int kernel_size;      /* 5 */
    int enc_n_layers;     /* 8 */
    int dec_n_layers;     /* 4 */
    int glow_hidden;      /* 64 */
    int glow_kernel_size; /* 3 */
    int glow_n_blocks;    /* 4 couplings of 4 WaveNet layers */
    int latent_size;      /* 16 */
    int mel_in_dim;       /* width of the speech features, 1024 published */
    int mel_feat_dim;     /* 64 */
    bool pitch;           /* PitchContourVAEModel: F0 conditions too */
    int pitch_feat_dim;   /* 32; embedding of twice that */
    bool decoder_only;    /* without vae.encoder.*, the posterior, which only training asks for */
} tg_vae_config;

enum { TG_VAE_STRIDE = 4, TG_FLOW_LAYERS = 4, TG_PITCH_BINS = 300 };

tg_vae_config tg_vae_defaults(void); /* the published VAEModel */
/* Missing keys keep the defaults. TG_EMODEL when a value is out of range. */
tg_status tg_vae_config_parse(tg_context *ctx, const tg_json *json, const char *name,
                              tg_vae_config *out);
void tg_vae_config_write(const tg_vae_config *config, tg_json *object);
/* Sizes of the published tensors prefix + name. TG_EMODEL names the tensor that does not fit. */
tg_status tg_vae_config_from(tg_context *ctx, const tg_st *st, const char *prefix,
                             tg_vae_config *out);

typedef struct tg_vae tg_vae;
tg_status tg_vae_create(tg_context *ctx, const tg_vae_config *config, tg_vae **out);
void tg_vae_destroy(tg_vae **vae);
const tg_vae_config *tg_vae_config_of(const tg_vae *vae);
/* mel_encoder.*, pitch_embed.*, pitch_encoder.*, vae.* */
tg_params *tg_vae_params(tg_vae *vae);
void tg_vae_init(tg_vae *vae, uint64_t seed);

/* Condition [B,C,T] from features [B,2T,F]; f0_coarse [B*2T] bins or NULL. Every even row is used.
 */
tg_tensor *tg_vae_condition(tg_tape *tape, tg_vae *vae, tg_tensor *features,
                            const int32_t *f0_coarse);
/* Inference: noise z [B,16,T/4] (already times the temperature) through the reversed flow and the
 * decoder; frames where mask [B,T] (NULL: all ones) is 0 come out 0. Returns motion [B,T,204];
 * *z_p, unless NULL, receives the latent [B,T/4,16]. */
tg_tensor *tg_vae_sample(tg_tape *tape, tg_vae *vae, tg_tensor *condition, tg_tensor *z,
                         const tg_tensor *mask, tg_tensor **z_p);
/* Training pass, not of a decoder_only model: y [B,T,204], y_mask [B,T], eps [B,16,T/4] standard
 * normal. */
typedef struct {
    tg_tensor *pred;                       /* [B,T,204] */
    tg_tensor *m_q, *logs_q, *z_q, *z_p;   /* [B,16,T/4] */
    tg_tensor *loss_kl, *mse, *continuity; /* [1] */
} tg_vae_pass;
/* point_weight [204] weighs the coordinates of mse and continuity (NULL = all 1). */
tg_vae_pass tg_vae_train(tg_tape *tape, tg_vae *vae, tg_tensor *condition, tg_tensor *y,
                         tg_tensor *y_mask, tg_tensor *eps, const float *point_weight);

/* ---- postnet ------------------------------------------------------------------------ */

typedef struct {
    int in_out_dim; /* 204 */
    int widths[2];  /* 128 256 */
    int pitch_dim;  /* 0, or 64: PitchContourCNNPostNet */
} tg_postnet_config;
tg_postnet_config tg_postnet_defaults(void);
tg_status tg_postnet_config_parse(tg_context *ctx, const tg_json *json, const char *name,
                                  tg_postnet_config *out);
void tg_postnet_config_write(const tg_postnet_config *config, tg_json *object);
/* As tg_vae_config_from. */
tg_status tg_postnet_config_from(tg_context *ctx, const tg_st *st, const char *prefix,
                                 tg_postnet_config *out);
typedef struct tg_postnet tg_postnet;
tg_status tg_postnet_create(tg_context *ctx, const tg_postnet_config *config, tg_postnet **out);
void tg_postnet_destroy(tg_postnet **postnet);
const tg_postnet_config *tg_postnet_config_of(const tg_postnet *postnet);
tg_params *tg_postnet_params(tg_postnet *postnet); /* block1.*, block2.*, block3.* */
/* The embedding [TG_PITCH_BINS, pitch_dim] of coarse F0 that feeds `pitch` while streaming, zero
 * until it is filled; a table of its own beside the parameters, because it was trained with the VAE
 * and is frozen. NULL without pitch. */
float *tg_postnet_pitch_table(tg_postnet *postnet);
/* What the last layer adds to every frame, [in_out_dim]. */
float *tg_postnet_bias(tg_postnet *postnet);
/* Random layers whose correction starts at zero. */
void tg_postnet_init(tg_postnet *postnet, uint64_t seed);
/* x [B,T,204], pitch [B,T,pitch_dim] or NULL -> [B,T,204]. Frames that are exactly zero stay zero.
 */
tg_tensor *tg_postnet_forward(tg_tape *tape, tg_postnet *postnet, tg_tensor *x, tg_tensor *pitch);
/* The postnet alone in a file: tensors "motion.postnet.", configuration in metadata
 * "talkgen.postnet". TG_EMODEL: there is none in it, or not all of its tensors. */
tg_status tg_postnet_open(tg_context *ctx, const char *path, tg_postnet **out);
tg_status tg_postnet_write(tg_context *ctx, const tg_postnet *postnet, const char *path);

/* ---- SyncNet --------------------------------------------------------------------------- */

typedef struct {
    int hubert_dim;  /* 1024 */
    int lm_dim;      /* 60: mouth 48-67 */
    int widths[3];   /* 128 256 512 */
    int mouth_width; /* 96 */
} tg_syncnet_config;
tg_syncnet_config tg_syncnet_defaults(void);
tg_status tg_syncnet_config_parse(tg_context *ctx, const tg_json *json, const char *name,
                                  tg_syncnet_config *out);
void tg_syncnet_config_write(const tg_syncnet_config *config, tg_json *object);
typedef struct tg_syncnet tg_syncnet;
tg_status tg_syncnet_create(tg_context *ctx, const tg_syncnet_config *config, tg_syncnet **out);
void tg_syncnet_destroy(tg_syncnet **net);
const tg_syncnet_config *tg_syncnet_config_of(const tg_syncnet *net);
tg_params *tg_syncnet_params(tg_syncnet *net); /* hubert_encoder.*, mouth_encoder.* */
void tg_syncnet_init(tg_syncnet *net, uint64_t seed);
/* Unit-length embeddings [N,W]: 10 feature rows [N,10,F]; 5 frames of mouth landmarks [N,5,60]. */
tg_tensor *tg_syncnet_audio(tg_tape *tape, tg_syncnet *net, tg_tensor *features);
tg_tensor *tg_syncnet_mouth(tg_tape *tape, tg_syncnet *net, tg_tensor *mouth);
/* Cosine [N] of the two, in [0,1] because of the final ReLU. */
tg_tensor *tg_syncnet_cosine(tg_tape *tape, tg_tensor *audio, tg_tensor *mouth);
/* A window: 5 frames of lips (points 48-67, motion space) and the 10 rows of features they last. */
enum { TG_SYNC_FRAMES = 5, TG_SYNC_ROWS = 10, TG_SYNC_MOUTH = 60, TG_SYNC_FIRST = 48 * 3 };
/* The expert of a file, its own or a voice file: tensors "sync.", configuration in metadata
 * "talkgen.sync". hubert_dim: width of the features it shall judge. TG_EMODEL: there is none in it,
 * not all of its tensors, or it judges other windows. */
tg_status tg_syncnet_open(tg_context *ctx, const char *path, int hubert_dim, tg_syncnet **out);
bool tg_syncnet_within(const tg_st *st);
/* Alone in a file; or beside what the writer holds, false = no memory. */
tg_status tg_syncnet_write(tg_context *ctx, const tg_syncnet *net, const char *path);
bool tg_syncnet_store(tg_st_writer *w, const tg_syncnet *net, tg_dtype dtype);

/* ---- after the networks ------------------------------------------------------------------ */

/* Statistics of the target person, in motion space. */
typedef struct {
    float mean[TG_MOTION_DIM], std[TG_MOTION_DIM];
} tg_motion_stats;
/* Mean and population deviation over frames [n,204]; deviations below 1e-4 are raised to it. */
void tg_motion_stats_of(const float *motion, int64_t n, tg_motion_stats *out);
/* Normalise, clamp (jaw, nose, mouth +-s; brows and eyes x,y +-s/2, z +-s), in place, one frame. */
void tg_motion_normalize(const tg_motion_stats *stats, float clamp_std, float frame[TG_MOTION_DIM]);
/* Causal smoothing y_t = lambda y_{t-1} + (1 - lambda) x_t, y_{-1} = x_0; state starts with
 * started = false. */
typedef struct {
    bool started;
    float value[TG_MOTION_DIM];
} tg_motion_ema;
void tg_motion_smooth(tg_motion_ema *state, float lambda, float frame[TG_MOTION_DIM]);

/* Locally linear embedding (Roweis and Saul 2000): draws points 0-47 of a normalised frame towards
 * what its 10 nearest neighbours among the person's own frames can express, x <- (1-p) x + p sum
 * w_i n_i with the weights, of sum one, that come nearest to x. p 0 changes nothing. */
enum { TG_LLE_POINTS = 48, TG_LLE_DIM = 3 * TG_LLE_POINTS, TG_LLE_NEIGHBOURS = 10 };
/* set [n, TG_LLE_DIM], n >= 1, 0 <= p <= 1 */
void tg_motion_lle(const float *set, int64_t n, float p, float frame[TG_MOTION_DIM]);

/* ---- streaming -------------------------------------------------------------------------- */

/* Speech features in, landmarks in motion space out, in constant memory. Work goes in fixed pieces
 * with enough overlap on both sides that no piece shows; the noise of latent frame k, channel c is
 * random number 16 k + c, so a piece draws what the whole would draw. */
typedef struct {
    uint64_t seed;
    const char *clip_id; /* "" outside batch */
    float temperature;   /* 0 = the mean */
    const float *latent; /* [latent_frames,16] instead of random numbers, borrowed; NULL */
    int64_t latent_frames;
} tg_motion_sampling;
typedef struct tg_motion_stream tg_motion_stream;
/* Networks are borrowed; postnet may be NULL. frames: how many will come out in all. */
tg_status tg_motion_stream_open(tg_context *ctx, tg_vae *vae, tg_postnet *postnet,
                                const tg_motion_sampling *sampling, int64_t frames,
                                tg_motion_stream **out);
void tg_motion_stream_close(tg_motion_stream **stream);
/* Takes up to n rows [n,F] at 50 Hz; returns how many. 0 = the window is full, pull first. bins
 * [n]: coarse F0 of the rows for models with pitch, NULL = unvoiced. */
int64_t tg_motion_stream_push(tg_motion_stream *stream, const float *rows, const int32_t *bins,
                              int64_t n);
/* No more rows: the tail is filled by repeating the last one. */
void tg_motion_stream_finish(tg_motion_stream *stream);
/* Up to `most` finished frames [n,204]; *n = 0 when more rows are needed or all came out. */
tg_status tg_motion_stream_pull(tg_context *ctx, tg_motion_stream *stream, float *out, int64_t most,
                                int64_t *n);
/* Frame columns around a frame that influence it through all networks. */
int tg_motion_context(const tg_vae *vae);

/* ---- head pose ---------------------------------------------------------------------------- */

/* A head pose as six numbers: rotation vector (radians) and translation of the head, seen by a
 * camera that stands still, in the head's own axes at the person's mean pose. */
enum { TG_POSE_DIM = 6 };

/* How one person holds and moves the head, from a recording. Six numbers of variance one: the
 * rotation, and what of the translation the rotation does not explain (a head turns about its neck,
 * not about the origin). */
typedef struct {
    float mean[16];                            /* camera-to-world at the mean pose */
    float neck[9];                             /* [3,3] translation per rotation */
    float deviation[TG_POSE_DIM];              /* radians; units of the recording */
    float low[TG_POSE_DIM], high[TG_POSE_DIM]; /* what was seen: percentiles 0.5 and 99.5 */
    float reach; /* percentile 99.5 of the length of all six together */
} tg_pose_stats;
/* From camera-to-world matrices [n,4,4], n >= 1; every stride-th counts, 1 = all. false = out of
 * memory. */
bool tg_pose_stats_of(const float *c2w, int64_t n, tg_pose_stats *out);
/* A pose in that person's numbers. */
void tg_pose_numbers(const tg_pose_stats *stats, const float c2w[16], float out[TG_POSE_DIM]);
/* And back, kept softly inside what the recording has seen: a renderer knows no other pose. */
void tg_pose_c2w(const tg_pose_stats *stats, const float numbers[TG_POSE_DIM], float c2w[16]);
/* The numbers after that limit. The inner three quarters of what was
 * seen pass unchanged. */
void tg_pose_limit(const tg_pose_stats *stats, float numbers[TG_POSE_DIM]);

/* ---- eyelids ------------------------------------------------------------------------------- */

enum { TG_EYE_POINTS = 12, TG_EYE_DIM = 3 * TG_EYE_POINTS };

/* Height of both eyes over their width, mean, of points 36-47 [12,3] in any unit; 0 when an eye has
 * no width. */
float tg_eye_aperture(const float *points);

typedef struct {
    double onset, length; /* seconds: begin of the closing, until open again */
} tg_blink;

/* How one person's eyes open and close. */
typedef struct {
    float open;       /* aperture between blinks: median */
    float closed;     /* at the bottom of a blink */
    float deviation;  /* of the aperture between blinks */
    float per_minute; /* blinks; 0 = none was seen */
    float length;     /* seconds of a blink, geometric mean; 0 = none */
    bool seen;        /* whether the recording has a whole blink */
    bool follows; /* whether lids moved between blinks; if not, they shall by 1.5 % of the aperture
                   */
    float open_points[TG_EYE_DIM];   /* mean between blinks */
    float closed_points[TG_EYE_DIM]; /* at the bottom of blinks; without any, lids put together */
    float wide_points[TG_EYE_DIM];   /* change per unit of aperture between blinks */
} tg_eyelid_stats;
/* From points 36-47 [n,12,3], absolute (dm), 25 fps. false = out of memory. */
bool tg_eyelid_stats_of(const float *points, int64_t n, tg_eyelid_stats *out);
/* The blinks of points [n,12,3]: at most `most` into out, returns how many there are; closure [n],
 * 0 open to 1 closed, and lid [n], deviations of the aperture without blinks, may be NULL. */
int64_t tg_blinks_find(const tg_eyelid_stats *stats, const float *points, int64_t n, tg_blink *out,
                       int64_t most, float *closure, float *lid);
/* Points 36-47 of a lid position, in deviations, and a closure. */
void tg_eyelid_points(const tg_eyelid_stats *stats, float lid, float closure,
                      float out[TG_EYE_DIM]);
/* Closure of a blink at a time after its onset: closing in a third, a short rest, opening. */
float tg_blink_closure(double since, double length);

/* ---- behaviour: head and blinks from what is heard ---------------------------------------------
 *
 * An autoregressive conditional flow (after MoGlow, Henter et al. 2020, and FACIAL, Zhang et al.
 * 2021) draws, six times a second, the next control point of a cubic B-spline of head pose and lid
 * position, and whether a blink begins: from the sound around it, the control points before it and
 * noise. The spline makes motion smooth by construction; no windows are joined anywhere.
 *
 * Behind the flow lies a mixture of Gaussians (Bishop 1994; Graves 2013 draws handwriting that
 * way): a head that stands still and one that begins to nod are different answers to one question,
 * and a single Gaussian puts the answer between them. The past is given with noise whose size is an
 * input (noise conditioning augmentation, Ho et al. 2022); the same noise is put on what was drawn,
 * so the model is asked only for what it learnt.
 *
 * Shape letters: N steps, I inputs of a step. */
enum {
    TG_STEP_FRAMES = 4,   /* frames between control points */
    TG_HEARD_DIM = 6,     /* level, activity, voicing, pitch, activity of the last 1 s and 4 s */
    TG_HEARD_FRAMES = 24, /* around a step at frame f: [f - 8, f + 16) */
    TG_HEARD_BEFORE = 8,
    TG_DRAWN_DIM = TG_POSE_DIM + 1, /* head and lid, in the person's deviations */
    TG_PAST_STEPS = 8,              /* changes between control points that a step sees, at most */
    TG_BEHAVIOUR_INPUTS = TG_HEARD_FRAMES / 2 * 4 + 2 + TG_DRAWN_DIM * (TG_PAST_STEPS + 2) + 4
};

typedef struct {
    int hidden;   /* width of the two layers that look at the inputs, 128 */
    int layers;   /* couplings of the flow, 6 */
    int coupling; /* their width, 64 */
    int past;     /* changes between control points that a step sees, 8 */
    int mixture;  /* Gaussians behind the flow, 8 */
    float noise;  /* on the past, in deviations of a step, 0 = none and no input for it; 0.1 */
} tg_behaviour_config;
tg_behaviour_config tg_behaviour_defaults(void);
/* Missing keys: hidden, layers and coupling by default; past 4, one Gaussian and no noise, as files
 * had it before there were these. Any noise is taken for the default. TG_EMODEL when a value is out
 * of range. */
tg_status tg_behaviour_config_parse(tg_context *ctx, const tg_json *json, const char *name,
                                    tg_behaviour_config *out);
void tg_behaviour_config_write(const tg_behaviour_config *config, tg_json *object);

typedef struct tg_behaviour tg_behaviour;
tg_status tg_behaviour_create(tg_context *ctx, const tg_behaviour_config *config,
                              tg_behaviour **out);
void tg_behaviour_destroy(tg_behaviour **model);
const tg_behaviour_config *tg_behaviour_config_of(const tg_behaviour *model);
/* look.*, flow.*, blink.*; mixture.* when there is one; buffers scale.step [7] (deviation of a
 * step), scale.blink [2] (blinks a minute and geometric mean of their seconds, of the training
 * speakers), scale.input [I,2]. */
tg_params *tg_behaviour_params(tg_behaviour *model);
void tg_behaviour_init(tg_behaviour *model, uint64_t seed);

/* What came before a step. */
typedef struct {
    float
        past[(TG_PAST_STEPS + 1) * TG_DRAWN_DIM]; /* control points, the newest last, noise on it */
    float slow[TG_DRAWN_DIM];                     /* their mean over some 8 s */
    float since_blink;                            /* seconds since the last one began */
} tg_behaviour_past;
void tg_behaviour_advance(tg_behaviour_past *past, const float drawn[TG_DRAWN_DIM]);
int tg_behaviour_input_count(
    const tg_behaviour_config *config); /* I, at most TG_BEHAVIOUR_INPUTS */
/* Inputs [I] of one step: rows [TG_HEARD_FRAMES, TG_HEARD_DIM] around it, and how much noise is on
 * the past. The seven numbers of head and lid are from TG_PAST_AT on: the newest point, the changes
 * that led to it (oldest first), and how far the slow mean is from it. The noise is the last input.
 */
enum { TG_PAST_AT = TG_HEARD_FRAMES / 2 * 4 + 2 };
void tg_behaviour_inputs(const tg_behaviour_config *config, const tg_behaviour_past *past,
                         const float *rows, float noise, float *out);

/* A batch of steps. */
typedef struct {
    int64_t count;
    const float *inputs; /* [N,I] */
    const float *step;   /* [N,7] next control point minus the last one */
    const float *blink;  /* [N] 1 where a blink begins */
    const float *length; /* [N] log of its seconds; 0 elsewhere */
} tg_behaviour_batch;
typedef struct {
    tg_tensor *motion; /* negative log-likelihood of the steps, per number */
    tg_tensor *blink;  /* cross entropy of blinks */
    tg_tensor *length; /* negative log-likelihood of their lengths */
} tg_behaviour_terms;
tg_behaviour_terms tg_behaviour_loss(tg_tape *tape, tg_behaviour *model,
                                     const tg_behaviour_batch *batch);
/* One step drawn with noise z [7] and pick in [0, 1), which chooses the Gaussian: the change of the
 * control point, the probability that a blink begins within the step, and mean and deviation of the
 * log of its seconds. */
typedef struct {
    float step[TG_DRAWN_DIM], blink, length_mean, length_deviation;
} tg_behaviour_draw;
tg_status tg_behaviour_step(tg_tape *tape, tg_behaviour *model, const float *inputs,
                            const float z[TG_DRAWN_DIM], float pick, tg_behaviour_draw *out);

/* Control points [*n,7] of a uniform cubic B-spline that comes nearest to rows [frames,7]: point k
 * stands at frame (k - 1) TG_STEP_FRAMES. stiffness > 0 weighs second differences of the points
 * against the rows: 1e-5 decides only what the rows leave open, 0.03 keeps points from swinging
 * where rows jump. *out by tg_free; false = out of memory. */
bool tg_spline_fit(const float *rows, int64_t frames, const double stiffness[TG_DRAWN_DIM],
                   float **out, int64_t *n);
/* Value at `frame` from the four control points around it, [4,7], frame / TG_STEP_FRAMES + 0..3. */
void tg_spline_value(const float *points, int64_t frame, float out[TG_DRAWN_DIM]);

/* Motion of a clip in constant memory, frame by frame. */
typedef struct {
    uint64_t seed;
    const char *clip_id;
    float blink_rate;   /* factor on the probability of blinks, 1 */
    float blink_length; /* factor on their seconds, 1 */
    /* The next row of what is heard, 25 a second; *done at the end, whose last row then repeats. */
    tg_status (*hear)(tg_context *ctx, void *user, float row[TG_HEARD_DIM], bool *done);
    void *user;
} tg_behaviour_sampling;
typedef struct {
    float pose[TG_POSE_DIM], lid; /* deviations of a person */
    float closure;                /* 0 open, 1 closed */
} tg_behaviour_frame;
typedef struct tg_behaviour_stream tg_behaviour_stream;
/* model is borrowed. TG_EINPUT when there is no row. */
tg_status tg_behaviour_stream_open(tg_context *ctx, tg_behaviour *model,
                                   const tg_behaviour_sampling *sampling,
                                   tg_behaviour_stream **out);
void tg_behaviour_stream_close(tg_behaviour_stream **stream);
tg_status tg_behaviour_stream_next(tg_context *ctx, tg_behaviour_stream *stream,
                                   tg_behaviour_frame *out);

#ifdef __cplusplus
}
#endif
#endif
