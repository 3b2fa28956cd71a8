#include "train/sync_expert.h"

#include "train/state.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { BATCH = TG_SYNC_BATCH, NEAR = 5, FAR_FROM = 2 };
static const float peak_lr = 5e-4f;

/* One window: features of frame e, mouth of frame e + shift of the same clip. Half of the windows
 * are in time; of the others 3 in 8 are near (2 to 5 frames off), the rest anywhere in the clip. */
static bool draw_window(const tg_motion_data *d, tg_draws *draws, float *features, float *mouth) {
    int i;
    int64_t last;
    do {
        int64_t at = (int64_t)(tg_draw(draws) * (double)d->frames);
        for (i = 0; i + 1 < d->count && at >= d->clip[i].frames; i++)
            at -= d->clip[i].frames;
        last = d->clip[i].frames - TG_SYNC_FRAMES - 1;
    } while (last < 2 * NEAR);
    int64_t e = (int64_t)(tg_draw(draws) * (double)(last + 1)), m = e;
    bool in_time = tg_draw_chance(draws, 0.5);
    while (!in_time && llabs(m - e) < FAR_FROM) {
        if (tg_draw_chance(draws, 0.375))
            m = e + (int64_t)(tg_draw(draws) * (2 * NEAR + 1)) - NEAR;
        else
            m = (int64_t)(tg_draw(draws) * (double)(last + 1));
        if (m < 0 || m > last)
            m = e;
    }
    tg_motion_rows(d, i, tg_draw_chance(draws, 0.5), 2 * e, TG_SYNC_ROWS, features);
    for (int f = 0; f < TG_SYNC_FRAMES; f++)
        memcpy(mouth + f * TG_SYNC_MOUTH,
               d->clip[i].motion + (m + f) * TG_MOTION_DIM + TG_SYNC_FIRST,
               TG_SYNC_MOUTH * sizeof *mouth);
    return in_time;
}

static tg_tensor *cosine_of(tg_tape *tape, tg_syncnet *net, int64_t n, int64_t dim,
                            const float *features, const float *mouth) {
    tg_tensor *f = tg_borrow(tape, 3, (int64_t[]){n, TG_SYNC_ROWS, dim}, features);
    tg_tensor *m = tg_borrow(tape, 3, (int64_t[]){n, TG_SYNC_FRAMES, TG_SYNC_MOUTH}, mouth);
    return tg_syncnet_cosine(tape, tg_syncnet_audio(tape, net, f), tg_syncnet_mouth(tape, net, m));
}

typedef struct {
    float cosine, label;
} judged;

static int by_cosine(const void *a, const void *b) {
    float x = ((const judged *)a)->cosine, y = ((const judged *)b)->cosine;
    return (x > y) - (x < y);
}

double tg_sync_accuracy(tg_context *ctx, tg_syncnet *net, const tg_motion_data *data,
                        int64_t windows, uint64_t seed) {
    int dim = data->feature_dim;
    float *features = tg_alloc((size_t)(BATCH * TG_SYNC_ROWS * dim) * sizeof *features);
    float *mouth = tg_alloc(BATCH * TG_SYNC_FRAMES * TG_SYNC_MOUTH * sizeof *mouth);
    judged *all = malloc((size_t)(windows + BATCH) * sizeof *all);
    tg_tape *tape = tg_tape_create(ctx, false);
    double best = -1;
    if (features && mouth && all && tape) {
        int64_t n = 0, positive = 0;
        tg_status s = TG_OK;
        for (uint64_t step = 0; n < windows && s == TG_OK; step++) {
            for (int i = 0; i < BATCH; i++) {
                tg_draws draws = tg_draws_make(seed, step, (uint64_t)i);
                all[n + i].label = draw_window(data, &draws, features + i * TG_SYNC_ROWS * dim,
                                               mouth + i * TG_SYNC_FRAMES * TG_SYNC_MOUTH);
            }
            tg_tape_reset(tape);
            tg_tensor *c = cosine_of(tape, net, BATCH, dim, features, mouth);
            s = tg_tape_status(tape);
            for (int i = 0; s == TG_OK && i < BATCH; i++, n++) {
                all[n].cosine = c->data[i];
                positive += all[n].label > 0;
            }
        }
        qsort(all, (size_t)n, sizeof *all, by_cosine);
        int64_t right = positive; /* threshold below everything: all judged in time */
        for (int64_t i = 0; s == TG_OK && i <= n; i++) {
            best = fmax(best, (double)right / (double)n);
            if (i < n)
                right += all[i].label > 0 ? -1 : 1;
        }
    }
    tg_tape_destroy(&tape);
    free(all);
    tg_free(features);
    tg_free(mouth);
    return best;
}

tg_status tg_sync_steps_done(tg_context *ctx, tg_syncnet *net, const char *state, int64_t *steps) {
    tg_state_place place = {0};
    tg_state_part part = {"sync", tg_syncnet_params(net), NULL, NULL, NULL};
    tg_status s = tg_state_load(ctx, state, "sync", &part, 1, &place);
    *steps = place.step;
    return s;
}

tg_status tg_sync_train(tg_context *ctx, tg_syncnet *net, const tg_sync_options *o, int64_t *steps,
                        double *accuracy) {
    tg_params *params = tg_syncnet_params(net);
    tg_adam *adam = tg_adam_create(ctx, params, tg_adam_defaults());
    tg_tape *tape = tg_tape_create(ctx, true);
    int dim = tg_syncnet_config_of(net)->hubert_dim;
    float *features = tg_alloc((size_t)(BATCH * TG_SYNC_ROWS * dim) * sizeof *features);
    float *mouth = tg_alloc(BATCH * TG_SYNC_FRAMES * TG_SYNC_MOUTH * sizeof *mouth);
    float label[BATCH];
    tg_state_place place = {0};
    tg_state_part part = {"sync", params, adam, NULL, NULL};
    tg_status s = adam && tape && features && mouth
                      ? TG_OK
                      : tg_fail(ctx, TG_ENOMEM, "out of memory for the sync expert");
    if (s == TG_OK) {
        tg_syncnet_init(net, o->seed);
        s = tg_state_load(ctx, o->state, "sync", &part, 1, &place);
        tg_tape_set_training(tape, true);
    }
    if (s == TG_OK) {
        s = tg_log_trim(ctx, o->log, place.step);
    }
    double last = tg_now_s(), saved = last;
    double share;
    while (s == TG_OK && (share = tg_state_share(&place, o->steps, o->time_s)) < 1 &&
           (s = tg_cancelled(ctx)) == TG_OK) {
        if (o->feed->supply)
            s = tg_motion_feed_block(ctx, o->feed, place.step / TG_SYNC_BLOCK_STEPS);
        if (s != TG_OK)
            break;
        for (int i = 0; i < BATCH; i++) {
            tg_draws draws = tg_draws_make(o->seed, (uint64_t)place.step, (uint64_t)i);
            label[i] = draw_window(o->feed->data, &draws, features + i * TG_SYNC_ROWS * dim,
                                   mouth + i * TG_SYNC_FRAMES * TG_SYNC_MOUTH);
        }
        tg_tape_reset(tape);
        s = tg_params_zero_grad(ctx, params);
        tg_tensor *loss = tg_bce(tape, cosine_of(tape, net, BATCH, dim, features, mouth), label);
        tg_backward(tape, loss);
        if (s == TG_OK)
            s = tg_tape_status(tape);
        if (s != TG_OK)
            break;
        tg_params_clip_grad(params, 1);
        tg_adam_step(adam, peak_lr * (float)(0.5 + 0.5 * cos(3.14159265358979 * share)));
        place.step++;
        place.loss =
            place.step == 1 ? loss->data[0] : place.loss + 0.02 * (loss->data[0] - place.loss);
        double now = tg_now_s();
        place.time_s += now - last;
        last = now;
        char text[64], line[128];
        snprintf(text, sizeof text, "loss %.4f", place.loss);
        tg_progress(ctx, "sync expert", tg_state_share(&place, o->steps, o->time_s), 1, text);
        if (place.step % 20 == 0) {
            snprintf(line, sizeof line, "%lld,%.1f,%.5f", (long long)place.step, place.time_s,
                     place.loss);
            s = tg_log_line(ctx, o->log, "step,time_s,loss", line);
        }
        if (s == TG_OK && now - saved > o->save_every_s) {
            s = tg_state_save(ctx, o->state, "sync", &part, 1, &place);
            saved = now;
        }
    }
    bool stopped = s == TG_ESTOPPED || s == TG_EINTR;
    if (s == TG_OK || stopped) {
        tg_status saved_status = tg_state_save(ctx, o->state, "sync", &part, 1, &place);
        s = saved_status != TG_OK ? saved_status : s;
    }
    *steps = place.step;
    *accuracy =
        s == TG_OK && o->held_out ? tg_sync_accuracy(ctx, net, o->held_out, 4096, o->seed + 1) : -1;
    tg_adam_destroy(&adam);
    tg_tape_destroy(&tape);
    tg_free(features);
    tg_free(mouth);
    return s;
}

tg_tensor *tg_sync_loss(tg_tape *tape, tg_syncnet *net, tg_tensor *motion, const float *features,
                        int64_t feature_dim, int64_t windows, tg_draws *draws) {
    int64_t batch = motion->dim[0], frames = motion->dim[1];
    tg_tensor *flat =
        tg_reshape(tape, tg_slice(tape, motion, 2, TG_SYNC_FIRST, TG_SYNC_FIRST + TG_SYNC_MOUTH), 2,
                   (int64_t[]){batch * frames, TG_SYNC_MOUTH});
    int32_t *rows =
        tg_arena_alloc(tg_tape_arena(tape), (size_t)(windows * TG_SYNC_FRAMES) * sizeof *rows);
    float *heard = tg_arena_alloc(tg_tape_arena(tape),
                                  (size_t)(windows * TG_SYNC_ROWS * feature_dim) * sizeof *heard);
    float *label = tg_arena_alloc(tg_tape_arena(tape), (size_t)windows * sizeof *label);
    if (!rows || !heard || !label)
        return tg_sum(tape, motion);
    for (int64_t w = 0; w < windows; w++) {
        int64_t b = w % batch;
        int64_t e = (int64_t)(tg_draw(draws) * (double)(frames - TG_SYNC_FRAMES));
        for (int f = 0; f < TG_SYNC_FRAMES; f++)
            rows[w * TG_SYNC_FRAMES + f] = (int32_t)(b * frames + e + f);
        memcpy(heard + w * TG_SYNC_ROWS * feature_dim,
               features + (b * 2 * frames + 2 * e) * feature_dim,
               (size_t)(TG_SYNC_ROWS * feature_dim) * sizeof *heard);
        label[w] = 1;
    }
    tg_tensor *mouth = tg_reshape(tape, tg_gather_rows(tape, flat, rows, windows * TG_SYNC_FRAMES),
                                  3, (int64_t[]){windows, TG_SYNC_FRAMES, TG_SYNC_MOUTH});
    tg_tensor *audio = tg_borrow(tape, 3, (int64_t[]){windows, TG_SYNC_ROWS, feature_dim}, heard);
    tg_tensor *cosine = tg_syncnet_cosine(tape, tg_syncnet_audio(tape, net, audio),
                                          tg_syncnet_mouth(tape, net, mouth));
    return tg_bce(tape, cosine, label);
}
