/* talkgen render: the grid NeRF of the RAD-NeRF family (head volume over a 2-D torso field over a
 * background), its cameras and its renderer.
 *
 * Networks follow RAD-NeRF (Tang et al. 2022) and GeneFace (Ye et al. 2023); parameter names are
 * the published state_dict keys, so a converted checkpoint is a rename away. Coordinates: "c2w" is
 * an OpenGL camera-to-world matrix (looks down -z), row-major [4,4]; "ngp pose" is the same camera
 * with axes permuted, y and z turned and the translation scaled, whose camera looks down +z and
 * whose volume is the box [-b,b] x [-b/2,b/2] x [-b,b]. Angles in radians.
 *
 *     tg_nerf *nerf;
 *     tg_nerf_load(ctx, st, "render.head.", "render.torso.", &config, &nerf);
 *     tg_renderer_create(ctx, nerf, &options, &renderer);
 *     for (each frame)
 *         tg_renderer_frame(ctx, renderer, windows, c2w, &picture);
 *
 * A tg_nerf is constant while a renderer uses it; after changing its parameters or occupancy call
 * tg_renderer_update.
 */
#ifndef TALKGEN_RENDER_H
#define TALKGEN_RENDER_H

#include "talkgen/core.h"
#include "talkgen/io.h"
#include "talkgen/tensor.h"

#ifdef __cplusplus
extern "C" {
#endif

/* ---- cameras -------------------------------------------------------------------- */

/* c2w [4,4] -> ngp pose [4,4]: rows (1,2,0), columns 1 and 2 negated, translation * scale + offset.
 * offset NULL = 0. in and out may be the same. */
void tg_pose_to_ngp(const float c2w[16], float scale, const float offset[3], float out[16]);
/* Angles a, b, c with R = Rx(a) Ry(b) Rz(c), then the translation: what the torso sees. */
void tg_pose_vector(const float ngp[16], float out[6]);
/* R [3,3] = Rx(a) Ry(b) Rz(c). */
void tg_pose_matrix(const float angles[3], float r[9]);
/* Angles with R = Rz(c) Ry(b) Rx(a) (extrinsic xyz): the vanilla torso's condition. */
void tg_euler_extrinsic(const float pose[16], float out[3]);
/* The angles of the original AD-NeRF's code, for its checkpoints. */
void tg_euler_adnerf(const float pose[16], float out[3]);
/* Centred moving average over `window` (odd) poses; shorter windows at the ends. Translations are
 * averaged, rotations by the chordal L2 mean. poses, out [n,4,4], different arrays. */
void tg_poses_smooth(const float *poses, int64_t n, int window, float *out);
/* Frame of a recording of n >= 1 frames that plays at time i >= 0, forwards and backwards with the
 * turning points played once: 0 1 .. n-1 n-2 .. 1 0 1 .. */
int64_t tg_mirror_index(int64_t i, int64_t n);

/* Unit direction in the volume of the ray through pixel centre (col + 0.5, row + 0.5); the origin
 * is the translation of the ngp pose. */
void tg_ray_ngp(const float ngp[16], float focal, float cx, float cy, float col, float row,
                float d[3]);
/* Direction of AD-NeRF's ray (not unit, integer pixel coordinates, looks down -z). */
void tg_ray_adnerf(const float c2w[16], float focal, float cx, float cy, float col, float row,
                   float d[3]);
/* Screen coordinate of row (or column) k of `size`: k / (size - 1) * 2 - 1. */
float tg_screen_coord(int k, int size);

/* ---- encoders ---------------------------------------------------------------------- */

enum { TG_GRID_MAX_LEVELS = 24, TG_GRID_MAX_DIMS = 3 };

/* Table layout of a multi-resolution grid (instant-ngp's, as RAD-NeRF's gridencoder computes it).
 * At level l a coordinate u in [0,1] is at p = u * scale[l] + 0.5, cell floor(p), and a corner c
 * (unsigned) has the row
 *     offset[l] + (sum_d c[d] * stride[l][d]) & mask[l]             dense and tiled levels
 *     offset[l] + (xor_d c[d] * prime[d])     & mask[l]             hashed[l]
 * with uint32 arithmetic. stride 0 means that the level ignores the axis: in the published tiled
 * grid the index loop stops once a stride exceeds the table, so fine levels drop the last axis. */
typedef struct {
    int dims;        /* 2 or 3 */
    int levels;      /* 16 */
    bool smoothstep; /* interpolation weights f*f*(3-2f) instead of f */
    float scale[TG_GRID_MAX_LEVELS];
    uint32_t resolution[TG_GRID_MAX_LEVELS];
    uint32_t stride[TG_GRID_MAX_LEVELS][TG_GRID_MAX_DIMS];
    uint32_t mask[TG_GRID_MAX_LEVELS]; /* 0xffffffff where no index can leave the table */
    bool hashed[TG_GRID_MAX_LEVELS];
    uint32_t offset[TG_GRID_MAX_LEVELS + 1]; /* offset[levels] = rows in total */
} tg_grid;

extern const uint32_t tg_grid_primes[TG_GRID_MAX_DIMS];
enum { TG_GRID_FEATURES = 2 }; /* floats per row */

/* dims 2 or 3; log2_rows 3..24 caps the rows of a level; finest resolution > base. */
void tg_grid_init(tg_grid *grid, int dims, int levels, int base_resolution, int finest_resolution,
                  int log2_rows, bool hash, bool smoothstep);
/* table [rows,2], u [n,dims] in [0,1] (a point outside gives zeros) -> out [n, levels*2], level
 * major. The portable oracle. */
void tg_grid_encode(const tg_grid *grid, const float *table, const float *u, int64_t n, float *out);

/* Real spherical harmonics to degree 4 of (x,y,z): 16 values, signs and order of RAD-NeRF. */
void tg_sh_encode(const float d[3], float out[16]);
/* [x, sin x, cos x, sin 2x, cos 2x, ...]: n dims, `octaves` octaves, n*(1+2*octaves) values.
 * RAD-NeRF's cosine is sin(2^k x + pi/2) in float32; AD-NeRF's is a true cosine. */
void tg_freq_encode_rad(const float *x, int n, int octaves, float *out);
void tg_freq_encode_ad(const float *x, int n, int octaves, float *out);

/* ---- model ------------------------------------------------------------------------------ */

enum { TG_NERF_MAX_LAYERS = 6 };

/* Names and defaults are those of GeneFace's lm3d_radnerf yaml files where they exist there. */
typedef struct {
    /* condition: smo_win_size windows of cond_win_size frames of cond_dim numbers */
    int cond_dim;      /* 204 landmarks, 29 DeepSpeech logits, 44 */
    int cond_win_size; /* 1 2 3 4 5 8 16 */
    int smo_win_size;  /* 5 or 8 */
    int cond_out_dim;  /* 64 */
    bool with_att;
    /* head */
    int hidden_dim_ambient, num_layers_ambient, ambient_out_dim; /* 128 3 2 */
    int hidden_dim_sigma, num_layers_sigma, geo_feat_dim;        /* 128 3 128 */
    int hidden_dim_color, num_layers_color;                      /* 128 2 */
    int individual_embedding_num, individual_embedding_dim;      /* 13000 4 */
    int eye_dim; /* 0, or 1: RAD-NeRF's exp_eye, how open the eyes are */
    /* grids */
    bool grid_hash;       /* grid_type: "hashgrid" or "tiledgrid" */
    bool grid_smoothstep; /* grid_interpolation_type: "smoothstep" or "linear" */
    int num_levels, base_resolution, desired_resolution; /* 16 16 2048, times bound in 3-D */
    int log2_hashmap_size;                               /* 16 */
    /* volume and marching */
    float bound;                                        /* 1; box [-b,b] x [-b/2,b/2] x [-b,b] */
    int grid_size;                                      /* 128 */
    int max_steps;                                      /* 16 */
    float dt_gamma, min_near, density_thresh, T_thresh; /* 1/256 .05 10 1e-4 */
    float camera_scale, camera_offset[3];               /* 4, 0 */
    /* torso */
    bool torso, torso_head_aware;
    int torso_individual_embedding_num, torso_individual_embedding_dim; /* 13000 8 */
    int torso_log2_hashmap_size;                                        /* 16 */
    int torso_hidden_deform, torso_hidden_canonical;                    /* 64 32 */
    float torso_shrink, density_thresh_torso, mean_density_torso;       /* .8 .01 0 */
} tg_nerf_config;

tg_nerf_config tg_nerf_config_defaults(void); /* the published head without torso */
/* Reads what is there over the values already in *config; unknown keys are ignored. Out of range:
 * TG_EMODEL with the key. `torso` becomes true when the object says "torso": true. */
tg_status tg_nerf_config_read(tg_context *ctx, const tg_json *object, tg_nerf_config *config);
void tg_nerf_config_write(const tg_nerf_config *config, tg_json *object);
/* Replaces what the shapes of the tensors head_prefix + name and torso_prefix + name tell: widths,
 * layers, grid levels and table sizes, volume, torso. What they do not tell stays: kinds of the
 * grids, resolutions, steps, thresholds, cond_win_size; with_att can only turn off what is there.
 * TG_EMODEL names the tensor that does not fit. */
tg_status tg_nerf_config_from(tg_context *ctx, const tg_st *st, const char *head_prefix,
                              const char *torso_prefix, tg_nerf_config *config);
/* Whether any tensor of a torso is there: one that lacks a part is damaged, not a head alone. */
bool tg_nerf_has_torso(const tg_st *st, const char *torso_prefix);
/* TG_EMODEL with the name of the first value out of range. */
tg_status tg_nerf_config_check(tg_context *ctx, const tg_nerf_config *config);

typedef struct tg_nerf {
    tg_nerf_config config;
    tg_params *params; /* head and torso, published names; "torso" or "head_color" prefix = torso */
    tg_grid position_grid, ambient_grid, torso_grid;
    int cascades; /* 1 + ceil(log2(bound)) */
    float aabb[6];

    /* Borrowed from params. Weights are [out,in], bias-free. */
    tg_tensor *position_embeddings, *ambient_embeddings; /* [rows,2] */
    tg_tensor *individual_embeddings;                    /* [num,dim]; row 0 is used to render */
    tg_tensor *ambient_net[TG_NERF_MAX_LAYERS];          /* in: [position 32, condition] */
    tg_tensor *sigma_net[TG_NERF_MAX_LAYERS]; /* in: [position 32, ambient 32 (, eye)]; 1 + geo */
    tg_tensor *color_net[TG_NERF_MAX_LAYERS]; /* in: [SH 16, geo, individual code]; out 3 */
    tg_tensor *torso_embeddings, *torso_codes;
    tg_tensor *torso_deform_net[3];    /* in: [freq(x) 42, freq(pose) 54, code (, head 16)] */
    tg_tensor *torso_canonical_net[3]; /* in: [grid 32, the above]; out alpha, rgb */
    tg_tensor *head_encoder_w[3], *head_encoder_b[3]; /* head-aware only: 4 -> 16 -> 32 -> 16 */

    /* Occupancy (owned, not in params). density_grid [cascades, grid_size^3] in Morton order, all
     * zero when the file had only bits; bit i % 8 of bitfield[i / 8]; torso grid [grid_size^2],
     * index column*grid_size + row, NULL without torso. */
    float *density_grid;
    size_t cells; /* cascades * grid_size^3 */
    uint8_t *bitfield;
    size_t bitfield_bytes;
    float *density_grid_torso;
} tg_nerf;

/* Parameters drawn from seed as GeneFace initialises them; every cell occupied. lr_scale is 10 for
 * the grids, 5 for the attention, 1 for the rest. */
tg_status tg_nerf_create(tg_context *ctx, const tg_nerf_config *config, uint64_t seed,
                         tg_nerf **out);
/* Tensors head_prefix + name and torso_prefix + name (may be equal; "" and "" for a published
 * state_dict). Numbers of individual codes follow from the file, not from the config; a stored
 * offsets tensor must agree with the layout. Whether there is a torso (and a head-aware one)
 * follows from the file too. Occupancy: density_bitfield, else packed from density_grid; of a
 * torso density_grid_torso. Missing or misshapen: TG_EMODEL. */
tg_status tg_nerf_load(tg_context *ctx, const tg_st *st, const char *head_prefix,
                       const char *torso_prefix, const tg_nerf_config *config, tg_nerf **out);
/* Adds all parameters as dtype (grids and nets), the bitfield as U8 and, when with_grid, the
 * density grid. Individual codes: the first `codes` rows (0 = all). false = no memory. */
bool tg_nerf_store(const tg_nerf *nerf, tg_st_writer *w, const char *head_prefix,
                   const char *torso_prefix, tg_dtype dtype, bool with_grid, int codes);
void tg_nerf_destroy(tg_nerf **nerf);

/* Condition of one frame on a tape (gradients reach cond_prenet and cond_att_net): windows
 * [smo_win_size, cond_win_size, cond_dim] -> [1, cond_out_dim]. Without attention the middle window
 * alone counts. */
tg_tensor *tg_nerf_condition(tg_tape *tape, const tg_nerf *nerf, tg_tensor *windows);

/* ---- occupancy and marching --------------------------------------------------------------- */

uint32_t tg_morton3(uint32_t x, uint32_t y, uint32_t z); /* x in bit 0; < 1024 each */
void tg_morton3_inverse(uint32_t code, uint32_t out[3]);
/* bit = density > min(mean(max(density,0)), density_thresh); returns that mean. */
float tg_nerf_pack_occupancy(tg_nerf *nerf);

/* Where samples of a ray lie: t = near + k dt, only in occupied cells. With the published
 * max_steps 16 the step is constant, 2 sqrt 3 / grid_size. */
typedef struct {
    const uint8_t *bitfield; /* borrowed */
    int grid_size, cascades;
    float bound, dt_min, dt_max, dt_gamma;
} tg_march;
tg_march tg_nerf_march(const tg_nerf *nerf);
/* near = max(entry, min_near) and far of the ray in the box; both FLT_MAX when it misses. */
void tg_ray_box(const float aabb[6], float min_near, const float o[3], const float d[3],
                float *near, float *far);
/* Up to max samples from *t on; xyz [max,3], delta [max,2] = (dt, t after the step). Returns the
 * number of samples and leaves *t after the last one (beyond far when the ray ended). */
int tg_march_ray(const tg_march *march, const float o[3], const float d[3], float far, float *t,
                 int max, float *xyz, float *delta);

/* Torso occupancy at screen point (row, col) in [-1,1]: bilinear, aligned corners, zero outside. */
float tg_nerf_torso_occupancy(const tg_nerf *nerf, float row, float col);

/* ---- renderer -------------------------------------------------------------------------------- */

/* Which samples of a ray a picture is made of. */
typedef enum {
    TG_MARCH_FAST,      /* those that show */
    TG_MARCH_REFERENCE, /* the published schedule, in full precision */
    TG_MARCH_EXHAUSTIVE /* all, in full precision */
} tg_march_rule;

/* What draws. CUDA is there in builds with -DTALKGEN_CUDA=ON. */
typedef enum { TG_DEVICE_CPU, TG_DEVICE_CUDA } tg_device;
/* For people: what the device is, or why it cannot draw. Cut to `size` bytes. */
void tg_device_describe(tg_device device, char *text, size_t size);

typedef struct {
    tg_device device;
    int width, height;         /* of the picture, 1..8192 */
    float focal, cx, cy;       /* in pixels of that picture */
    const uint8_t *background; /* [height,width,3], copied; NULL = black */
    /* true: samples per ray follow GeneFace's schedule over the whole picture (16 to 23, depending
     * on how many rays are alive), for parity. false: each ray for itself, at most max_samples. */
    bool reference_schedule;
    /* true: nothing is left out. Every occupied sample of every ray is coloured and the torso is
     * seen everywhere: what the fast rules are measured against. Not with reference_schedule. */
    bool exhaustive;
    int max_samples;         /* 0 = max_steps + 8 */
    float min_weight;        /* samples lighter than this get no colour; < 0 = default 1/2048 */
    float min_transmittance; /* a ray ends below it; < 0 = default: 1e-3, with the reference
                                schedule the model's T_thresh */
    float max_contrast;      /* pixels between neighbours that differ by less in colour and opacity
                                are interpolated; 0 = every ray is followed, and from its start;
                                < 0 = default. Not with the two schedules above, nor on a GPU */
    bool full_precision;     /* keep float32 where bf16 kernels, or fp16 tensor cores, exist */
} tg_renderer_options;
tg_renderer_options tg_renderer_defaults(int width, int height, float focal);
/* Sets reference_schedule, exhaustive and full_precision. */
void tg_renderer_options_march(tg_renderer_options *options, tg_march_rule rule);

/* Where a frame goes; NULL members are not written. */
typedef struct {
    uint8_t *rgb8;  /* [height,width,3], truncated as the published code does (x * 255) */
    float *rgb;     /* [height,width,3] in [0,1], over the background */
    float *alpha;   /* [height,width] opacity of head and torso together */
    float *depth;   /* [height,width] expected distance of the head, (t - near) / (far - near), NaN
                       where a ray misses the box */
    float *weights; /* [height,width] opacity of the head alone */
} tg_picture;

typedef struct tg_renderer tg_renderer;
/* The model is borrowed. Work memory for all threads of ctx's pool is taken here, none later.
 * TG_EUSAGE when the device is not there, or not in this build. */
tg_status tg_renderer_create(tg_context *ctx, const tg_nerf *nerf,
                             const tg_renderer_options *options, tg_renderer **out);
void tg_renderer_destroy(tg_renderer **renderer);
/* After the parameters or the occupancy of the model changed. */
tg_status tg_renderer_update(tg_context *ctx, tg_renderer *renderer);
/* [height,width,3]; NULL = black. */
void tg_renderer_set_background(tg_renderer *renderer, const uint8_t *background);
/* Area of both eyes in percent of the picture, for the frames to come; 0 at first. Models with
 * eye_dim 0 do not see it. */
void tg_renderer_set_eye(tg_renderer *renderer, float area);
/* One frame: windows [smo_win_size, cond_win_size, cond_dim] normalised condition, c2w [4,4]. The
 * torso's pose is that of c2w. TG_EINPUT when a number is not finite or c2w is no rotation. ctx may
 * have fewer threads than at creation, not more. */
tg_status tg_renderer_frame(tg_context *ctx, tg_renderer *renderer, const float *windows,
                            const float c2w[16], const tg_picture *picture);
/* A device that draws while the CPU goes on (not TG_DEVICE_CPU): frames are begun, two at most
 * before the first of them is finished, and finished in that order. floats: whether the picture
 * will have more than rgb8. Statuses as tg_renderer_frame. */
bool tg_renderer_overlaps(const tg_renderer *renderer);
tg_status tg_renderer_begin(tg_context *ctx, tg_renderer *renderer, const float *windows,
                            const float c2w[16], bool floats);
tg_status tg_renderer_finish(tg_context *ctx, tg_renderer *renderer, const tg_picture *picture);
/* What the last frame cost: samples whose density, and whose colour was evaluated, torso pixels. */
typedef struct {
    int64_t rays, density_samples, color_samples, torso_pixels;
} tg_render_counts;
tg_render_counts tg_renderer_counts(const tg_renderer *renderer);

/* ---- vanilla NeRF -------------------------------------------------------------------------- */

/* The renderer of AD-NeRF (Guo et al. 2021) and of GeneFace's paper (lm3d_nerf): a coarse and a
 * fine multilayer perceptron per stage, head and, with a camera of its own, torso. Every ray costs
 * n_samples_per_ray coarse and n_samples_per_ray + n_samples_per_ray_fine fine evaluations.
 * Parameter names are GeneFace's (model_coarse.density_linears.0.weight, aud_net., lm_encoder.);
 * widths and numbers of layers are those of the tensors. */
enum { TG_VANILLA_MAX_LAYERS = 16 };

typedef struct {
    /* not to be seen in the tensors; names of GeneFace's yaml files where they exist there */
    int cond_win_size;          /* 16 for audio, 1 for landmarks; 1 2 3 4 5 8 16 */
    bool with_att;              /* false also where the file has no attention */
    int position_octaves;       /* 10 */
    float near, far;            /* .3 .9, in lengths of the (not unit) ray direction */
    int n_samples_per_ray;      /* 64 */
    int n_samples_per_ray_fine; /* 128 more */
    /* torso: AD-NeRF's own file (.tar) is conditioned by the head's audio code and by AD-NeRF's
     * angles; GeneFace's by its own audio network and extrinsic angles. */
    bool cond_from_head, adnerf_angles;
    /* from the tensors, whatever was given */
    int cond_dim;     /* 204 landmarks, 29 DeepSpeech logits */
    int smo_win_size; /* windows under the attention: 5 or 8; 1 without */
    int cond_out_dim; /* 64: the code of a frame */
    int view_octaves; /* 4 */
    int pose_octaves; /* of angles and translation: 6, 3 (AD-NeRF); 0 = not conditioned, a head */
    int color_dim;    /* code of the head's pixel, 16; 0 = not conditioned by it */
} tg_vanilla_config;

tg_vanilla_config tg_vanilla_config_defaults(void); /* GeneFace's lm3d_nerf */
/* As tg_nerf_config_read. */
tg_status tg_vanilla_config_read(tg_context *ctx, const tg_json *object, tg_vanilla_config *config);
void tg_vanilla_config_write(const tg_vanilla_config *config, tg_json *object);

/* One perceptron; weights [out,in], borrowed. Trunk input: position, code, angles, translation,
 * head colour. */
typedef struct {
    int layers, color_layers;
    int skip; /* the layer that gets the trunk input before the activations; 0 = none */
    tg_tensor *density_w[TG_VANILLA_MAX_LAYERS], *density_b[TG_VANILLA_MAX_LAYERS];
    tg_tensor *density_out_w, *density_out_b; /* [1,h] */
    tg_tensor *color_w[TG_VANILLA_MAX_LAYERS], *color_b[TG_VANILLA_MAX_LAYERS];
    tg_tensor *color_out_w, *color_out_b; /* [3,h] */
} tg_vanilla_mlp;

typedef struct tg_vanilla {
    tg_vanilla_config config;
    tg_params *params;
    tg_vanilla_mlp coarse, fine;
    tg_tensor *color_encoder_w[3], *color_encoder_b[3]; /* 3 -> 16 -> 32 -> 16, with color_dim */
    bool landmarks; /* its condition network is called lm_encoder, not aud_net */
} tg_vanilla;

/* One stage from tensors prefix + name. Missing or misshapen: TG_EMODEL. */
tg_status tg_vanilla_load(tg_context *ctx, const tg_st *st, const char *prefix,
                          const tg_vanilla_config *config, tg_vanilla **out);
/* false = no memory */
bool tg_vanilla_store(const tg_vanilla *model, tg_st_writer *w, const char *prefix, tg_dtype dtype);
void tg_vanilla_destroy(tg_vanilla **model);
/* Code of a frame: windows [S, cond_win_size, cond_dim] -> [1, cond_out_dim]. With S = smo_win_size
 * all windows through the attention; with S = 1 that window alone. */
tg_tensor *tg_vanilla_condition(tg_tape *tape, const tg_vanilla *model, tg_tensor *windows);

typedef struct {
    int width, height;         /* of the picture, 1..8192 */
    float focal, cx, cy;       /* in pixels of that picture */
    const uint8_t *background; /* [height,width,3], copied; NULL = black */
    const float *torso_c2w;    /* [4,4], copied: the torso's camera, that of the first training
                                  frame; needed with a torso */
} tg_vanilla_options;
tg_vanilla_options tg_vanilla_options_defaults(int width, int height, float focal);

typedef struct tg_vanilla_renderer tg_vanilla_renderer;
/* The models are borrowed and must not change; torso NULL = head over background. Work memory for
 * all threads of ctx's pool is taken here. TG_EMODEL when the models do not fit each other. */
tg_status tg_vanilla_renderer_create(tg_context *ctx, const tg_vanilla *head,
                                     const tg_vanilla *torso, const tg_vanilla_options *options,
                                     tg_vanilla_renderer **out);
void tg_vanilla_renderer_destroy(tg_vanilla_renderer **renderer);
/* [height,width,3]; NULL = black. */
void tg_vanilla_renderer_set_background(tg_vanilla_renderer *renderer, const uint8_t *background);
/* One frame: windows [smo_win_size, cond_win_size, cond_dim] of the head; torso_windows likewise
 * of the torso, NULL where they are the same (never read with cond_from_head). Samples are not
 * jittered: same input, same picture, at any thread count. picture->alpha is what head and torso
 * cover of the background, weights what the head covers, depth the head's expected distance as
 * (z - near) / (far - near). TG_EINPUT as tg_renderer_frame; asks tg_cancelled some times a
 * second. */
tg_status tg_vanilla_renderer_frame(tg_context *ctx, tg_vanilla_renderer *renderer,
                                    const float *windows, const float *torso_windows,
                                    const float c2w[16], const tg_picture *picture);

#ifdef __cplusplus
}
#endif
#endif
