/* Features in, motion out, piece by piece: a window slides over the features, keeps as much context
 * on both sides as the networks see, and gives out its middle. */
#include "talkgen/motion.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

/* Frames a piece delivers; a multiple of the VAE's stride. Fixed, so that rounding does not depend
 * on how rows arrive. */
enum { PIECE = 256, POSTNET_CONTEXT = 7, UNVOICED = 1 };

struct tg_motion_stream {
    tg_vae *vae;
    tg_postnet *postnet;
    tg_tape *tape;
    int features, latent;
    int64_t frames; /* to come out in all */
    int context;    /* frames of context on each side, a multiple of the stride */
    float temperature;
    tg_rng rng;
    const float *given; /* [given_frames, latent] or NULL */
    int64_t given_frames;

    float *rows;      /* window of rows, two per frame */
    int32_t *bins;    /* their coarse F0 */
    int64_t first;    /* frame of rows[0] */
    int64_t have;     /* rows in the window */
    int64_t capacity; /* rows it can hold */
    bool finished;

    float *ready; /* [PIECE, 204] computed, waiting to be pulled */
    int64_t ready_first, ready_count;
    int64_t next; /* frame to be delivered next */
};

int tg_motion_context(const tg_vae *vae) {
    const tg_vae_config *c = tg_vae_config_of(vae);
    /* Half-widths: condition convolutions 2, decoder (k-1)/2 per layer, flow the same per layer at
     * a quarter of the rate in every coupling, g_pre_net and the latent grid 4 + 4, postnet 7. */
    int decoder = c->dec_n_layers * (c->kernel_size / 2);
    int flow = TG_VAE_STRIDE * c->glow_n_blocks * TG_FLOW_LAYERS * (c->glow_kernel_size / 2);
    int all = 2 + decoder + flow + 2 * TG_VAE_STRIDE + POSTNET_CONTEXT;
    return (all + TG_VAE_STRIDE - 1) / TG_VAE_STRIDE * TG_VAE_STRIDE;
}

tg_status tg_motion_stream_open(tg_context *ctx, tg_vae *vae, tg_postnet *postnet,
                                const tg_motion_sampling *sampling, int64_t frames,
                                tg_motion_stream **out) {
    *out = NULL;
    const tg_vae_config *c = tg_vae_config_of(vae);
    tg_motion_stream *s = calloc(1, sizeof *s);
    if (!s)
        return tg_fail(ctx, TG_ENOMEM, "out of memory for the motion model");
    s->vae = vae;
    s->postnet = postnet;
    s->frames = frames;
    s->features = c->mel_in_dim;
    s->latent = c->latent_size;
    s->context = tg_motion_context(vae);
    s->temperature = sampling->temperature;
    s->rng = tg_rng_make(sampling->seed, sampling->clip_id ? sampling->clip_id : "", "vae.z");
    s->given = sampling->latent;
    s->given_frames = sampling->latent_frames;
    s->capacity = 2 * (PIECE + 2 * (int64_t)s->context);
    s->rows = tg_alloc((size_t)s->capacity * (size_t)s->features * sizeof(float));
    s->bins = tg_alloc((size_t)s->capacity * sizeof *s->bins);
    s->ready = tg_alloc((size_t)PIECE * TG_MOTION_DIM * sizeof(float));
    s->tape = tg_tape_create(ctx, false);
    if (!s->rows || !s->bins || !s->ready || !s->tape) {
        tg_motion_stream_close(&s);
        return tg_fail(ctx, TG_ENOMEM, "out of memory for the motion model");
    }
    *out = s;
    return TG_OK;
}

void tg_motion_stream_close(tg_motion_stream **stream) {
    if (!stream || !*stream)
        return;
    tg_tape_destroy(&(*stream)->tape);
    tg_free((*stream)->rows);
    tg_free((*stream)->bins);
    tg_free((*stream)->ready);
    free(*stream);
    *stream = NULL;
}

/* Frames [begin, end) that the next piece delivers. */
static int64_t piece_end(const tg_motion_stream *s, int64_t begin) {
    return begin + PIECE < s->frames ? begin + PIECE : s->frames;
}

/* Last frame (exclusive, whole latent steps) of the window that the piece at `begin` needs. */
static int64_t window_end(const tg_motion_stream *s, int64_t begin) {
    int64_t all = (s->frames + TG_VAE_STRIDE - 1) / TG_VAE_STRIDE * TG_VAE_STRIDE;
    int64_t want = begin + PIECE + s->context;
    return want < all ? want : all;
}

static int64_t window_begin(const tg_motion_stream *s, int64_t begin) {
    return begin > s->context ? begin - s->context : 0;
}

/* What the postnet hears of the pitch, [1,t,dim]: its embedding of every even row's bin. */
static tg_tensor *postnet_pitch(tg_motion_stream *s, int64_t t) {
    int64_t dim = tg_postnet_config_of(s->postnet)->pitch_dim;
    if (dim == 0)
        return NULL;
    const float *table = tg_postnet_pitch_table(s->postnet);
    tg_tensor *out = tg_input(s->tape, 3, (int64_t[]){1, t, dim}, NULL);
    for (int64_t i = 0; tg_tape_status(s->tape) == TG_OK && i < t; i++)
        memcpy(out->data + i * dim, table + s->bins[2 * i] * dim, (size_t)dim * sizeof *table);
    return out;
}

/* Computes the piece that starts at s->next; its rows are in the window. */
static tg_status compute(tg_context *ctx, tg_motion_stream *s) {
    int64_t begin = s->next, end = piece_end(s, begin);
    int64_t w0 = window_begin(s, begin), w1 = window_end(s, begin), t = w1 - w0;
    assert(w0 == s->first && s->have >= 2 * t);
    tg_tape_reset(s->tape);
    tg_tensor *x = tg_borrow(s->tape, 3, (int64_t[]){1, 2 * t, s->features}, s->rows);
    tg_tensor *z = tg_input(s->tape, 3, (int64_t[]){1, s->latent, t / TG_VAE_STRIDE}, NULL);
    if (tg_tape_status(s->tape) != TG_OK)
        return tg_fail(ctx, TG_ENOMEM, "out of memory for the motion model");
    for (int64_t k = 0; k < t / TG_VAE_STRIDE; k++)
        for (int c = 0; c < s->latent; c++) {
            int64_t latent_frame = w0 / TG_VAE_STRIDE + k;
            float value = 0;
            if (s->given)
                value = latent_frame < s->given_frames ? s->given[latent_frame * s->latent + c] : 0;
            else if (s->temperature > 0)
                value = s->temperature *
                        tg_rng_normal(&s->rng, (uint64_t)(latent_frame * s->latent + c));
            z->data[c * (t / TG_VAE_STRIDE) + k] = value;
        }
    tg_tensor *y = tg_vae_sample(s->tape, s->vae, tg_vae_condition(s->tape, s->vae, x, s->bins), z,
                                 NULL, NULL);
    if (s->postnet)
        y = tg_postnet_forward(s->tape, s->postnet, y, postnet_pitch(s, t));
    if (tg_tape_status(s->tape) != TG_OK)
        return tg_fail(ctx, tg_tape_status(s->tape), "out of memory for the motion model");
    s->ready_first = begin;
    s->ready_count = end - begin;
    memcpy(s->ready, y->data + (begin - w0) * TG_MOTION_DIM,
           (size_t)s->ready_count * TG_MOTION_DIM * sizeof(float));
    tg_tape_reset(s->tape);

    /* Forget what the next piece does not need. */
    int64_t keep_from = window_begin(s, end), drop = 2 * (keep_from - s->first);
    drop = drop < s->have ? drop : s->have;
    memmove(s->rows, s->rows + drop * s->features,
            (size_t)((s->have - drop) * s->features) * sizeof(float));
    memmove(s->bins, s->bins + drop, (size_t)(s->have - drop) * sizeof *s->bins);
    s->have -= drop;
    s->first += drop / 2;
    return TG_OK;
}

/* True when the window holds all rows of the piece at s->next. */
static bool can_compute(const tg_motion_stream *s) {
    return s->next < s->frames && s->ready_count == 0 &&
           s->have >= 2 * (window_end(s, s->next) - window_begin(s, s->next));
}

int64_t tg_motion_stream_push(tg_motion_stream *s, const float *rows, const int32_t *bins,
                              int64_t n) {
    /* Rows beyond the last frame have no picture; they are taken and dropped. */
    int64_t all = 2 * ((s->frames + TG_VAE_STRIDE - 1) / TG_VAE_STRIDE * TG_VAE_STRIDE);
    int64_t left = all - (2 * s->first + s->have), room = s->capacity - s->have;
    if (left <= 0)
        return n;
    int64_t take = n < room ? n : room;
    take = take < left ? take : left;
    memcpy(s->rows + s->have * s->features, rows, (size_t)(take * s->features) * sizeof(float));
    for (int64_t i = 0; i < take; i++) {
        int32_t bin = bins ? bins[i] : UNVOICED;
        s->bins[s->have + i] = bin >= 0 && bin < TG_PITCH_BINS ? bin : UNVOICED;
    }
    s->have += take;
    return take;
}

void tg_motion_stream_finish(tg_motion_stream *stream) {
    stream->finished = true;
}

/* After the end: repeat the last row as often as the window needs. */
static void fill_tail(tg_motion_stream *s) {
    int64_t need = 2 * (window_end(s, s->next) - window_begin(s, s->next));
    while (s->have < need && s->have < s->capacity) {
        float *row = s->rows + s->have * s->features;
        if (s->have > 0)
            memcpy(row, row - s->features, (size_t)s->features * sizeof(float));
        else
            memset(row, 0, (size_t)s->features * sizeof(float));
        s->bins[s->have] = s->have > 0 ? s->bins[s->have - 1] : UNVOICED;
        s->have++;
    }
}

tg_status tg_motion_stream_pull(tg_context *ctx, tg_motion_stream *s, float *out, int64_t most,
                                int64_t *n) {
    *n = 0;
    while (*n < most && s->next < s->frames) {
        if (s->ready_count == 0) {
            if (s->finished)
                fill_tail(s);
            if (!can_compute(s))
                return TG_OK;
            tg_status status = compute(ctx, s);
            if (status != TG_OK)
                return status;
        }
        int64_t take = most - *n < s->ready_count ? most - *n : s->ready_count;
        int64_t offset = s->next - s->ready_first;
        memcpy(out + *n * TG_MOTION_DIM, s->ready + offset * TG_MOTION_DIM,
               (size_t)take * TG_MOTION_DIM * sizeof(float));
        s->next += take;
        s->ready_count -= take;
        *n += take;
    }
    return TG_OK;
}
