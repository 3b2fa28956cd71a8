/* talkgen tensor: float32 arrays, network operations with reverse-mode gradients, optimizers.
 *
 * A tape runs every operation at once and, when it records, remembers how to run it backwards.
 * Values and gradients live in the tape's arena until tg_tape_reset, so a training step is
 *
 *     tg_tape_reset(tape);
 *     tg_tensor *x = tg_input(tape, 3, (int64_t[]){B, C, T}, data);
 *     tg_tensor *loss = tg_mse(tape, model_forward(tape, &model, x), target, NULL);
 *     tg_backward(tape, loss);              // adds to the gradients of parameters
 *     if (tg_tape_status(tape) != TG_OK) ...
 *     tg_adam_step(adam, lr);
 *
 * Errors are sticky, as in cairo: an operation that cannot run (memory, or shapes that do not fit,
 * which is a mistake of the caller and answered with TG_EINTERNAL and a message naming operation
 * and shapes) poisons the tape; later operations return one harmless tensor of a single element,
 * tg_tape_status says what happened. Operations never return NULL. Look at the status before
 * reading data.
 *
 * Shape letters: B batch, T time, C channel, H heads, K kernel, O outputs. All tensors are
 * contiguous, last dimension fastest. Results do not depend on the number of threads.
 */
#ifndef TALKGEN_TENSOR_H
#define TALKGEN_TENSOR_H

#include "talkgen/core.h"

#ifdef __cplusplus
extern "C" {
#endif

enum { TG_MAX_DIMS = 4 };

typedef struct tg_tensor {
    int ndim;
    int64_t dim[TG_MAX_DIMS];
    float *data;
    float *grad;     /* NULL when nobody asked for the gradient of this tensor */
    bool needs_grad; /* parameter that trains, or computed from one on a recording tape */
    bool in_set;     /* data and gradient belong to a tg_params set, not to a tape */
} tg_tensor;

int64_t tg_numel(const tg_tensor *t);

/* ---- tape ---------------------------------------------------------------- */

typedef struct tg_tape tg_tape;

/* record: false = inference (no gradients, no graph). The pool comes from ctx (borrowed). */
tg_tape *tg_tape_create(tg_context *ctx, bool record);
void tg_tape_destroy(tg_tape **tape);
void tg_tape_reset(tg_tape *tape); /* forgets all operations and tensors */
tg_status tg_tape_status(const tg_tape *tape);
tg_arena *tg_tape_arena(tg_tape *tape);
tg_context *tg_tape_context(tg_tape *tape);
/* Inference (or a paused tape) only: give back everything computed since the mark. */
tg_mark tg_tape_mark(tg_tape *tape);
void tg_tape_release(tg_tape *tape, tg_mark mark);
/* Training mode of batch norm and dropout (independent of recording). Default false. */
void tg_tape_set_training(tg_tape *tape, bool training);
bool tg_tape_training(const tg_tape *tape);
/* Stops (true) or resumes (false) recording: frozen networks inside a training step. */
void tg_tape_pause(tg_tape *tape, bool paused);
/* d loss / d everything, loss has one element. Gradients of parameters accumulate. */
void tg_backward(tg_tape *tape, tg_tensor *loss);

/* Tensor in the arena; data copied when not NULL, zero otherwise. */
tg_tensor *tg_input(tg_tape *tape, int ndim, const int64_t *dim, const float *data);
/* View of caller memory that must outlive the tape's next reset; no copy, no gradient. */
tg_tensor *tg_borrow(tg_tape *tape, int ndim, const int64_t *dim, const float *data);
/* Same values, no gradient flows. */
tg_tensor *tg_detach(tg_tape *tape, tg_tensor *x);

/* ---- parameters ----------------------------------------------------------- */

typedef enum { TG_INIT_ZERO, TG_INIT_ONE, TG_INIT_NORMAL, TG_INIT_UNIFORM } tg_init_kind;
/* normal: N(0, scale^2); uniform: U(-scale, scale). */
typedef struct {
    tg_init_kind kind;
    float scale;
} tg_init;
/* PyTorch's default for conv and linear layers (kaiming uniform, a = sqrt 5): U(+-1/sqrt fan_in).
 */
tg_init tg_init_fan_in(int64_t fan_in);

typedef struct {
    char name[128];   /* the published state_dict key */
    tg_tensor *value; /* owned by the set */
    bool trainable;   /* false: buffer such as running_mean */
    bool frozen;      /* trainable in principle, not now */
    bool borrowed;    /* value->data is read-only memory of somebody else (a mapped file) */
    float lr_scale;   /* multiplies the learning rate, 1 by default */
    tg_init init;
} tg_param;

/* Named parameters and buffers of one network. Values and gradients are blocks of the set. */
typedef struct tg_params tg_params;
tg_params *tg_params_create(void);
void tg_params_destroy(tg_params **set);
/* Registers a parameter; its data is allocated and zero until tg_params_init or a load. NULL when
 * out of memory or the name is taken. The tensor pointer stays valid for the life of the set. */
tg_tensor *tg_params_add(tg_params *set, const char *name, int ndim, const int64_t *dim,
                         tg_init init);
tg_tensor *tg_params_add_buffer(tg_params *set, const char *name, int ndim, const int64_t *dim,
                                float value);
/* Parameters added from now on have no memory (value->data is NULL) until they borrow or own some:
 * for sets whose values come from a file at once. */
void tg_params_defer(tg_params *set);
/* The value is `data`, read-only, which must stay until the set is destroyed (see tg_params_keep).
 * It takes no gradient and tg_params_zero_grad refuses the set unless it is frozen. */
void tg_params_borrow(tg_params *set, int index, const float *data);
/* release(owner) when the set is destroyed: what borrowed values need. false = no memory, and
 * nothing is kept. */
bool tg_params_keep(tg_params *set, void *owner, void (*release)(void *owner));
/* Memory of its own for value `index` (all values: -1): a copy when it was borrowed, zeros when it
 * had none. Afterwards it can train. */
tg_status tg_params_own(tg_context *ctx, tg_params *set, int index);
int tg_params_count(const tg_params *set);
tg_param *tg_params_at(tg_params *set, int index);
tg_param *tg_params_find(tg_params *set, const char *name); /* NULL when absent */
/* Draws initial values; value = f(seed, name, index). Buffers return to their initial value. */
void tg_params_init(tg_params *set, uint64_t seed);
/* Freezes or thaws all parameters whose name starts with prefix ("" = all). */
void tg_params_freeze(tg_params *set, const char *prefix, bool frozen);
/* Allocates gradients of everything trainable and not frozen, and zeroes them. TG_EINTERNAL when
 * one of these is borrowed. */
tg_status tg_params_zero_grad(tg_context *ctx, tg_params *set);
double tg_params_grad_norm(const tg_params *set);
/* Scales all gradients so that their global L2 norm is at most max_norm; returns the norm before.
 */
double tg_params_clip_grad(tg_params *set, double max_norm);
int64_t tg_params_numel(const tg_params *set, bool trainable_only);

/* ---- shape ----------------------------------------------------------------- */

tg_tensor *tg_reshape(tg_tape *tape, tg_tensor *x, int ndim, const int64_t *dim); /* shares data */
tg_tensor *tg_transpose(tg_tape *tape, tg_tensor *x); /* swaps the last two dimensions */
tg_tensor *tg_slice(tg_tape *tape, tg_tensor *x, int axis, int64_t begin, int64_t end);
/* every step-th element along axis, from begin (even-frame pick: step 2, begin 0) */
tg_tensor *tg_stride(tg_tape *tape, tg_tensor *x, int axis, int64_t begin, int64_t step);
tg_tensor *tg_concat(tg_tape *tape, tg_tensor *const *parts, int n, int axis);
tg_tensor *tg_flip(tg_tape *tape, tg_tensor *x, int axis);
tg_tensor *tg_gather_rows(tg_tape *tape, tg_tensor *x, const int32_t *rows, int64_t n); /* axis 0 */

/* ---- elementwise ------------------------------------------------------------ */

tg_tensor *tg_add(tg_tape *tape, tg_tensor *a, tg_tensor *b); /* same shape */
tg_tensor *tg_sub(tg_tape *tape, tg_tensor *a, tg_tensor *b);
tg_tensor *tg_mul(tg_tape *tape, tg_tensor *a, tg_tensor *b);
tg_tensor *tg_affine(tg_tape *tape, tg_tensor *x, float scale, float shift); /* x*scale + shift */
/* x [B,C,T] times mask [B,T] (or [B,1,T]); mask has no gradient */
tg_tensor *tg_mul_mask(tg_tape *tape, tg_tensor *x, const tg_tensor *mask);
/* x [..,C] + b [C] */
tg_tensor *tg_add_row(tg_tape *tape, tg_tensor *x, tg_tensor *b);
tg_tensor *tg_relu(tg_tape *tape, tg_tensor *x);
tg_tensor *tg_leaky_relu(tg_tape *tape, tg_tensor *x, float slope);
tg_tensor *tg_gelu(tg_tape *tape, tg_tensor *x); /* exact, with erf */
tg_tensor *tg_tanh(tg_tape *tape, tg_tensor *x);
tg_tensor *tg_sigmoid(tg_tape *tape, tg_tensor *x);
tg_tensor *tg_exp(tg_tape *tape, tg_tensor *x);
tg_tensor *tg_square(tg_tape *tape, tg_tensor *x);
tg_tensor *tg_softmax(tg_tape *tape, tg_tensor *x); /* over the last dimension */
/* WaveNet gate: a [B,2C,T] (+ g [B,2C,T] unless NULL) -> tanh(first half) * sigmoid(second half) */
tg_tensor *tg_gated(tg_tape *tape, tg_tensor *a, tg_tensor *g);
/* Zeroes with probability p and scales by 1/(1-p) when training, x itself otherwise; element i
 * uses index first+i. */
tg_tensor *tg_dropout(tg_tape *tape, tg_tensor *x, float p, const tg_rng *rng, uint64_t first);

/* ---- layers ------------------------------------------------------------------ */

/* x [..,I] w [O,I] b [O] or NULL -> [..,O] */
tg_tensor *tg_linear(tg_tape *tape, tg_tensor *x, tg_tensor *w, tg_tensor *b);
/* a [..,M,K] b [..,K,N] (transpose_b: [..,N,K]) -> [..,M,N]; leading dimensions equal */
tg_tensor *tg_matmul(tg_tape *tape, tg_tensor *a, tg_tensor *b, bool transpose_b);
/* x [B,C,T] w [O,C/groups,K] b [O] or NULL -> [B,O,(T+2 pad-K)/stride+1], zero padding */
tg_tensor *tg_conv1d(tg_tape *tape, tg_tensor *x, tg_tensor *w, tg_tensor *b, int stride, int pad,
                     int groups);
/* The same sum on rows of channels, without padding and groups, for networks that only run: x
 * [B,T,C] w [O,C,K] b [O] or NULL -> [B,(T-K)/stride+1,O]. The windows are rows of x as they lie in
 * memory, nothing is unfolded. No gradient: an error where one would be recorded. */
tg_tensor *tg_conv1d_rows(tg_tape *tape, tg_tensor *x, tg_tensor *w, tg_tensor *b, int stride);
/* True when an operation on this tape with x would be recorded. */
bool tg_tape_recording(const tg_tape *tape, const tg_tensor *x);
/* x [B,C,T] w [C,O,K] b [O] or NULL, stride -> [B,O,(T-1)*stride+K] */
tg_tensor *tg_conv_transpose1d(tg_tape *tape, tg_tensor *x, tg_tensor *w, tg_tensor *b, int stride);
/* Gain and bias of all norms may be NULL (1 and 0). Layer norm: over the last dimension of x
 * [..,C]. */
tg_tensor *tg_layer_norm(tg_tape *tape, tg_tensor *x, tg_tensor *gain, tg_tensor *bias, float eps);
/* over the channels of x [B,C,T], at each time */
tg_tensor *tg_channel_norm(tg_tape *tape, tg_tensor *x, tg_tensor *gain, tg_tensor *bias,
                           float eps);
/* x [B,C,T], each group of C/groups channels normalised over itself and time */
tg_tensor *tg_group_norm(tg_tape *tape, tg_tensor *x, tg_tensor *gain, tg_tensor *bias, int groups,
                         float eps);
/* x [B,C,T] or [B,C]. Training: batch statistics, running_* updated with momentum (unbiased
 * variance, as PyTorch); otherwise running statistics. */
tg_tensor *tg_batch_norm(tg_tape *tape, tg_tensor *x, tg_tensor *gain, tg_tensor *bias,
                         tg_tensor *running_mean, tg_tensor *running_var, float momentum,
                         float eps);
/* w = g * v / ||v||, norm over all dimensions but `axis`; g has size dim[axis] (shape of the
 * checkpoint: ones elsewhere). HuBERT's position conv uses axis 2, WaveNet axis 0. */
tg_tensor *tg_weight_norm(tg_tape *tape, tg_tensor *v, tg_tensor *g, int axis);
/* table [N,C], index[n] -> [n,C] */
tg_tensor *tg_embedding(tg_tape *tape, tg_tensor *table, const int32_t *index, int64_t n);
/* q [B,T,H*D], k,v [B,S,H*D] -> [B,T,H*D]: softmax(q k^T * scale) v per head, scale > 0. Memory is
 * O(T) in inference and in training: the backward pass computes the scores again. */
tg_tensor *tg_attention(tg_tape *tape, tg_tensor *q, tg_tensor *k, tg_tensor *v, int heads,
                        float scale);
/* rows of x [N,C] divided by max(||row||, eps) */
tg_tensor *tg_normalize_rows(tg_tape *tape, tg_tensor *x, float eps);

/* ---- reductions and losses (one element, shape [1]) ----------------------------- */

tg_tensor *tg_sum(tg_tape *tape, tg_tensor *x);
tg_tensor *tg_mean(tg_tape *tape, tg_tensor *x);
tg_tensor *tg_row_dot(tg_tape *tape, tg_tensor *a, tg_tensor *b); /* [N,C],[N,C] -> [N] */
/* mean (x-y)^2; with weight (same shape) sum w (x-y)^2 / sum w */
tg_tensor *tg_mse(tg_tape *tape, tg_tensor *x, tg_tensor *y, const tg_tensor *weight);
/* mean of -(y log p + (1-y) log(1-p)), logs clamped at -100 as PyTorch; p in [0,1] */
tg_tensor *tg_bce(tg_tape *tape, tg_tensor *p, const float *label);
/* logits [N,C], class[n] (-1 = ignore), optional weight per row -> mean cross entropy */
tg_tensor *tg_cross_entropy(tg_tape *tape, tg_tensor *logits, const int32_t *label,
                            const float *weight);
/* sum_i weight[i] * terms[i] for one-element tensors; NULL terms are skipped */
tg_tensor *tg_weighted_sum(tg_tape *tape, tg_tensor *const *terms, const float *weight, int n);

/* ---- optimizers ------------------------------------------------------------------ */

typedef struct {
    float beta1, beta2, eps, weight_decay; /* decoupled decay of all parameters, 0 by default */
} tg_adam_options;
tg_adam_options tg_adam_defaults(void); /* .9 .999 1e-8 0 */

/* State of Adam for all trainable parameters of a set (borrowed). */
typedef struct tg_adam tg_adam;
tg_adam *tg_adam_create(tg_context *ctx, tg_params *set, tg_adam_options options);
void tg_adam_destroy(tg_adam **adam);
/* One step with the gradients now in the set; frozen parameters and those without gradient stay. */
void tg_adam_step(tg_adam *adam, float lr);
/* Moments for checkpoints: arrays of the size of parameter `index`, NULL when it does not train. */
float *tg_adam_moment(tg_adam *adam, int index, int order);
int64_t *tg_adam_steps(tg_adam *adam);

typedef struct tg_rmsprop tg_rmsprop; /* alpha .99, eps 1e-8, as PyTorch */
tg_rmsprop *tg_rmsprop_create(tg_context *ctx, tg_params *set, float alpha, float eps);
void tg_rmsprop_destroy(tg_rmsprop **opt);
void tg_rmsprop_step(tg_rmsprop *opt, float lr);
float *tg_rmsprop_moment(tg_rmsprop *opt, int index);

/* Exponential moving average of all parameters and buffers: ema = decay*ema + (1-decay)*value. */
typedef struct tg_ema tg_ema;
tg_ema *tg_ema_create(tg_context *ctx, tg_params *set, float decay);
void tg_ema_destroy(tg_ema **ema);
void tg_ema_update(tg_ema *ema);
void tg_ema_swap(tg_ema *ema); /* exchanges averages and values; call again to undo */
float *tg_ema_value(tg_ema *ema, int index);

/* Learning rates as functions of the step, both linear from 0 over the first `warmup` steps:
 * lr 0.1^(step / decay_steps), never below floor; half a cosine from lr to final_lr at `total`. */
float tg_lr_warmup_exp(int64_t step, float lr, int64_t warmup, double decay_steps, float floor);
float tg_lr_cosine(int64_t step, float lr, int64_t warmup, int64_t total, float final_lr);

/* ---- plain kernels (no tape) -------------------------------------------------------- */

/* C [M,N] = alpha * op(A) op(B) + beta * C, row-major, on the pool and at the CPU level of ctx;
 * NULL = in the calling thread, at the detected level. With alpha or k 0, A and B are not read,
 * with beta 0 C is not. */
void tg_sgemm(tg_context *ctx, bool trans_a, bool trans_b, int64_t m, int64_t n, int64_t k,
              float alpha, const float *a, int64_t lda, const float *b, int64_t ldb, float beta,
              float *c, int64_t ldc);
uint16_t tg_f32_to_bf16(float x); /* round to nearest even */
float tg_bf16_to_f32(uint16_t x);
uint16_t tg_f32_to_f16(float x);
float tg_f16_to_f32(uint16_t x);

#ifdef __cplusplus
}
#endif
#endif
