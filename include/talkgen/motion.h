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
/* Random layers whose correction starts at zero. */
void tg_postnet_init(tg_postnet *postnet, uint64_t seed);
/* x [B,T,204], pitch [B,T,pitch_dim] or NULL -> [B,T,204]. Frames that are exactly zero stay zero.
 */
tg_tensor *tg_postnet_forward(tg_tape *tape, tg_postnet *postnet, tg_tensor *x, tg_tensor *pitch);

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

#ifdef __cplusplus
}
#endif
#endif
