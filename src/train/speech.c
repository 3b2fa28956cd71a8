/* Training of the speech encoder: supervised, on phones and lips, through noise and rooms. */
#include "talkgen/train.h"

#include "talkgen/speech.h"
#include "train/speech_feed.h"
#include "train/speech_net.h"
#include "train/state.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { WARMUP_STEPS = 250, HELD_OUT_CLIPS = 48, HELD_OUT_TAKES = 20 };
static const float lips_share = 0.5f; /* of the regression in the loss */
static const double longest_piece_s = 16;

typedef struct {
    tg_context *ctx;
    tg_train_speech_options o;
    tg_speech_net net;
    tg_speech_feed feed;
    tg_speech_corpus held_out;
    tg_augmenter *augmenter;
    tg_tape *tape;
    tg_adam *adam[2];
    tg_ema *ema[2];
    tg_params *params[2]; /* encoder, heads */
    tg_speech_example example;
    char state_path[1024], encoder_path[1024], log_path[1024];
    tg_state_place place; /* its score is the accuracy on held-out voices */
    /* of this run */
    double clock; /* when time_s was brought up to date */
    double next_save_s, next_check_s, next_scan_s;
    tg_speech_score recent; /* since the last line of the log */
    double recent_audio_s, recent_start_s;
    tg_speech_score held; /* last evaluation; rows 0 = none */
} trainer;

/* ---- state ------------------------------------------------------------------------ */

static void parts_of(const trainer *t, tg_state_part parts[2]) {
    static const char *const names[2] = {"encoder", "heads"};
    for (int s = 0; s < 2; s++)
        parts[s] = (tg_state_part){names[s], t->params[s], t->adam[s], NULL, t->ema[s]};
}

static tg_status save_encoder(trainer *t) {
    tg_st_writer *w = tg_st_writer_create();
    bool good = w != NULL;
    tg_ema_swap(t->ema[0]);
    good = good && tg_hubert_store(w, t->net.encoder, "speech.", TG_F32);
    tg_ema_swap(t->ema[0]);
    tg_status status = good ? tg_st_write(t->ctx, w, t->encoder_path)
                            : tg_fail(t->ctx, TG_ENOMEM, "%s: out of memory", t->encoder_path);
    tg_st_writer_destroy(&w);
    return status;
}

static tg_status save_state(trainer *t) {
    tg_state_part parts[2];
    parts_of(t, parts);
    t->place.block = t->feed.block;
    t->place.piece = t->feed.used;
    tg_status status = tg_state_save(t->ctx, t->state_path, "speech", parts, 2, &t->place);
    return status == TG_OK ? save_encoder(t) : status;
}

static tg_status load_state(trainer *t) {
    tg_state_part parts[2];
    parts_of(t, parts);
    tg_status status = tg_state_load(t->ctx, t->state_path, "speech", parts, 2, &t->place);
    if (t->place.step == 0)
        t->place.score = -1;
    t->feed.block = t->place.block;
    t->feed.used = t->place.piece;
    return status;
}

/* ---- one step ------------------------------------------------------------------------ */

/* Part of the schedule that is done, 0..1. */
static double progress(const trainer *t) {
    if (t->o.steps <= 0 && t->o.hours > 0)
        return fmin(1, t->place.heard_s / (3600 * t->o.hours));
    return tg_state_share(&t->place, t->o.steps, t->o.time_s);
}

static float learning_rate(const trainer *t) {
    double warm = fmin(1, (double)(t->place.step + 1) / WARMUP_STEPS);
    double done = progress(t);
    return (float)(t->o.lr * warm * (0.02 + 0.98 * 0.5 * (1 + cos(M_PI * done))));
}

static tg_status train_piece(trainer *t, int index, const tg_speech_piece *piece, double share) {
    tg_speech_example *e = &t->example;
    int64_t rows = piece->rows;
    e->rows = rows;
    e->n = (rows - 1) * TG_SPEECH_HOP + tg_hubert_field(tg_hubert_config_of(t->net.encoder));
    tg_draws draws = tg_draws_make(t->o.seed, (uint64_t)t->place.step, (uint64_t)index);
    const tg_speech_corpus *corpus = &t->feed.corpus;
    tg_status status =
        piece->cut.clip < 0
            ? tg_speech_example_make(t->ctx, t->augmenter, corpus, draws, true, e)
            : tg_speech_example_cut(t->ctx, t->augmenter, corpus, &piece->cut, draws, e);
    if (status != TG_OK)
        return status;
    tg_tape_reset(t->tape);
    tg_speech_answer answer = tg_speech_net_forward(t->tape, &t->net, e);
    double known = 0, lips = 0;
    for (int64_t j = 0; j < rows; j++) {
        known += e->phone[j] >= 0;
        lips += e->lip_weight[j * TG_LIPS];
    }
    float *importance = tg_arena_alloc(tg_tape_arena(t->tape), sizeof(float) * (size_t)rows);
    if (importance == NULL)
        return tg_fail(t->ctx, TG_ENOMEM, "out of memory for a training example");
    for (int64_t j = 0; j < rows; j++)
        importance[j] = tg_phone_importance(e->phone[j]);
    tg_tensor *terms[2] = {NULL, NULL};
    const float weight[2] = {(float)share, (float)(share * lips_share * lips / (double)rows)};
    int64_t shape[2] = {rows, TG_LIPS};
    if (known > 0)
        terms[0] = tg_cross_entropy(t->tape, answer.logits, e->phone, importance);
    if (lips > 0)
        terms[1] = tg_mse(t->tape, answer.lips, tg_borrow(t->tape, 2, shape, e->lips),
                          tg_borrow(t->tape, 2, shape, e->lip_weight));
    if (known + lips > 0)
        tg_backward(t->tape, tg_weighted_sum(t->tape, terms, weight, 2));
    status = tg_tape_status(t->tape);
    if (status == TG_OK)
        tg_speech_score_add(&t->recent, &answer, e);
    return status;
}

static tg_status train_step(trainer *t) {
    tg_speech_piece piece[TG_STEP_PIECES];
    int pieces;
    int64_t total;
    tg_status status = tg_speech_feed_step(t->ctx, &t->feed, t->place.step, piece, &pieces, &total);
    for (int s = 0; s < 2 && status == TG_OK; s++)
        status = tg_params_zero_grad(t->ctx, t->params[s]);
    double loss_before = t->recent.loss, rows_before = t->recent.rows;
    for (int i = 0; i < pieces && status == TG_OK; i++)
        status = train_piece(t, i, &piece[i], (double)piece[i].rows / (double)total);
    if (status != TG_OK)
        return status;
    float lr = learning_rate(t);
    double loss = (t->recent.loss - loss_before) / fmax(t->recent.rows - rows_before, 1);
    double norm = tg_params_clip_grad(t->params[0], 1);
    tg_params_clip_grad(t->params[1], 1);
    if (!isfinite(norm) || !isfinite(loss))
        return tg_fail(t->ctx, TG_EINTERNAL,
                       "speech: the loss is not finite at step %lld\n"
                       "  expected: a loss that falls\n  try: a lower learning rate",
                       (long long)t->place.step);
    for (int s = 0; s < 2; s++) {
        tg_adam_step(t->adam[s], lr);
        tg_ema_update(t->ema[s]);
    }
    t->place.loss = t->place.step == 0 ? loss : 0.98 * t->place.loss + 0.02 * loss;
    t->place.step++;
    t->place.heard_s += (double)total / 50;
    t->recent_audio_s += (double)total / 50;
    return TG_OK;
}

/* ---- log --------------------------------------------------------------------------- */

static tg_status write_log(trainer *t) {
    char line[400], held[200] = ",,,,";
    const tg_speech_score *r = &t->recent, *h = &t->held;
    if (h->rows > 0)
        snprintf(held, sizeof held, ",%.4f,%.4f,%.4f,%.4f", h->loss / h->rows,
                 tg_speech_score_accuracy(h), tg_speech_score_silence(h), tg_speech_score_gap(h));
    snprintf(line, sizeof line, "%lld,%.1f,%.0f,%d,%.3g,%.4f,%.4f,%.4f,%.4f,%.1f%s",
             (long long)t->place.step, t->place.time_s, t->place.heard_s, t->feed.corpus.count,
             learning_rate(t), r->loss / fmax(r->rows, 1), tg_speech_score_accuracy(r),
             tg_speech_score_silence(r), tg_speech_score_gap(r),
             t->recent_audio_s / fmax(t->place.time_s - t->recent_start_s, 1e-3), held);
    t->recent = (tg_speech_score){0};
    t->recent_audio_s = 0;
    t->recent_start_s = t->place.time_s;
    return tg_log_line(t->ctx, t->log_path,
                       "step,time_s,audio_s,clips,lr,loss,accuracy,silence,gap_r,audio_per_s,"
                       "held_loss,held_accuracy,held_silence,held_gap_r",
                       line);
}

static tg_status check(trainer *t) {
    tg_status status = TG_OK;
    if (t->held_out.count == 0 && t->o.held_out != NULL && tg_file_exists(t->o.held_out))
        status = tg_speech_corpus_scan(t->ctx, &t->held_out, HELD_OUT_CLIPS);
    if (status != TG_OK || t->held_out.count == 0)
        return status;
    for (int s = 0; s < 2; s++)
        tg_ema_swap(t->ema[s]);
    status = tg_speech_net_evaluate(t->ctx, &t->net, &t->held_out, &t->held);
    for (int s = 0; s < 2; s++)
        tg_ema_swap(t->ema[s]);
    if (status == TG_OK)
        t->place.score = tg_speech_score_accuracy(&t->held);
    return status;
}

/* ---- loop -------------------------------------------------------------------------- */

static void bring_clock_up(trainer *t) {
    double now = tg_now_s();
    t->place.time_s += now - t->clock;
    t->clock = now;
}

static bool finished(const trainer *t) {
    return (t->o.steps > 0 && t->place.step >= t->o.steps) ||
           (t->o.hours > 0 && t->place.heard_s >= 3600 * t->o.hours) ||
           (t->o.time_s > 0 && t->place.time_s >= t->o.time_s);
}

static tg_status loop(trainer *t) {
    tg_status status = TG_OK;
    t->clock = tg_now_s();
    t->recent_start_s = t->place.time_s;
    t->next_save_s = t->place.time_s + t->o.save_every_s;
    t->next_check_s = t->place.time_s + fmin(60, t->o.check_every_s);
    t->next_scan_s = t->place.time_s + 60;
    double epoch_end_s = t->place.heard_s + (double)t->feed.corpus.samples / TG_SPEECH_RATE;
    bool stored = t->o.takes == NULL;
    while (!finished(t)) {
        status = tg_cancelled(t->ctx);
        if (status != TG_OK)
            break;
        status = train_step(t);
        if (status != TG_OK)
            break;
        bring_clock_up(t);
        /* A corpus that is still growing is looked through more often than once an epoch. */
        if (stored && (t->place.heard_s >= epoch_end_s || t->place.time_s >= t->next_scan_s)) {
            status = tg_speech_corpus_scan(t->ctx, &t->feed.corpus, 0);
            epoch_end_s = t->place.heard_s + (double)t->feed.corpus.samples / TG_SPEECH_RATE;
            t->next_scan_s = t->place.time_s + 60;
        }
        if (status == TG_OK && t->place.time_s >= t->next_check_s) {
            status = check(t);
            t->next_check_s = t->place.time_s + t->o.check_every_s;
        }
        if (status == TG_OK && t->place.step % 50 == 0)
            status = write_log(t);
        if (status == TG_OK && t->place.time_s >= t->next_save_s) {
            status = save_state(t);
            t->next_save_s = t->place.time_s + t->o.save_every_s;
        }
        if (status != TG_OK)
            break;
        char text[128];
        snprintf(text, sizeof text, "loss %.3f, held-out rows right %.1f %%", t->place.loss,
                 100 * t->place.score);
        if (t->o.steps > 0)
            tg_progress(t->ctx, "speech", (double)t->place.step, (double)t->o.steps, text);
        else if (t->o.hours > 0)
            tg_progress(t->ctx, "speech", t->place.heard_s, 3600 * t->o.hours, text);
        else
            tg_progress(t->ctx, "speech", t->place.time_s, t->o.time_s, text);
    }
    if (status != TG_OK && status != TG_ESTOPPED && status != TG_EINTR)
        return status;
    tg_status saved = status == TG_OK ? check(t) : TG_OK;
    if (saved == TG_OK && t->recent.rows > 0)
        saved = write_log(t);
    bring_clock_up(t);
    if (saved == TG_OK)
        saved = save_state(t);
    return saved != TG_OK ? saved : status;
}

static tg_status start_from(trainer *t, const char *path) {
    tg_st *st = NULL;
    tg_status status = tg_st_open(t->ctx, path, &st);
    if (status == TG_OK)
        status = tg_hubert_load(t->ctx, t->net.encoder, st, "speech.");
    tg_st_close(&st);
    return status;
}

static tg_status set_up(trainer *t) {
    const tg_train_speech_options *o = &t->o;
    tg_hubert_config config = tg_hubert_small();
    tg_status status = tg_make_dirs(t->ctx, o->state);
    snprintf(t->state_path, sizeof t->state_path, "%.900s/state.safetensors", o->state);
    snprintf(t->encoder_path, sizeof t->encoder_path, "%.900s/encoder.safetensors", o->state);
    snprintf(t->log_path, sizeof t->log_path, "%.900s/speech.csv", o->state);
    t->feed.corpus.dir = (char *)o->corpus;
    t->feed.seed = o->seed;
    t->feed.step_audio_s = o->step_audio_s;
    t->held_out.dir = (char *)o->held_out;
    if (status == TG_OK && o->takes == NULL)
        status = tg_speech_corpus_scan(t->ctx, &t->feed.corpus, 0);
    if (status == TG_OK && o->takes == NULL && t->feed.corpus.count == 0)
        status = tg_fail(t->ctx, TG_EINPUT,
                         "%s: no clips\n  expected: a voice corpus (00000.flac, .json, .npy, ...)\n"
                         "  try: talkgen studio corpus",
                         o->corpus);
    if (status == TG_OK)
        status = tg_speech_net_create(t->ctx, &config, o->seed, &t->net);
    if (status != TG_OK)
        return status;
    if (o->init != NULL && !tg_file_exists(t->state_path))
        status = start_from(t, o->init);
    int64_t most = (int64_t)(longest_piece_s * 50) + 1;
    int64_t room = (most - 1) * TG_SPEECH_HOP + tg_hubert_field(&config);
    t->example =
        (tg_speech_example){.samples = tg_alloc(sizeof(float) * (size_t)room),
                            .phone = tg_alloc(sizeof(int32_t) * (size_t)most),
                            .lips = tg_alloc(sizeof(float) * TG_LIPS * (size_t)most),
                            .lip_weight = tg_alloc(sizeof(float) * TG_LIPS * (size_t)most)};
    t->augmenter = tg_augmenter_create();
    t->tape = tg_tape_create(t->ctx, true);
    t->params[0] = tg_hubert_params(t->net.encoder);
    t->params[1] = t->net.heads;
    tg_adam_options adam = tg_adam_defaults();
    adam.beta2 = 0.98f;
    adam.weight_decay = 0.01f;
    bool good = t->augmenter != NULL && t->tape != NULL && t->example.samples != NULL &&
                t->example.phone != NULL && t->example.lips != NULL &&
                t->example.lip_weight != NULL;
    for (int s = 0; s < 2 && good; s++) {
        t->adam[s] = tg_adam_create(t->ctx, t->params[s], adam);
        t->ema[s] = tg_ema_create(t->ctx, t->params[s], 0.997f);
        good = t->adam[s] != NULL && t->ema[s] != NULL;
    }
    if (status == TG_OK && !good)
        status = tg_fail(t->ctx, TG_ENOMEM, "out of memory for training the speech encoder");
    if (status == TG_OK)
        status = load_state(t);
    if (status == TG_OK)
        status = tg_log_trim(t->ctx, t->log_path, t->place.step);
    if (status == TG_OK && o->takes != NULL)
        status = tg_speech_feed_held_out(t->ctx, o->takes, HELD_OUT_TAKES, &t->held_out);
    if (status == TG_OK && o->takes != NULL)
        status = tg_speech_feed_open(t->ctx, &t->feed, o->takes, t->feed.block, t->feed.used);
    return status;
}

static void tear_down(trainer *t) {
    for (int s = 0; s < 2; s++) {
        tg_adam_destroy(&t->adam[s]);
        tg_ema_destroy(&t->ema[s]);
    }
    tg_free(t->example.samples);
    tg_free(t->example.phone);
    tg_free(t->example.lips);
    tg_free(t->example.lip_weight);
    tg_tape_destroy(&t->tape);
    tg_augmenter_destroy(&t->augmenter);
    tg_speech_net_destroy(&t->net);
    tg_speech_feed_close(&t->feed);
    tg_speech_corpus_free(&t->held_out);
}

tg_status tg_train_speech(tg_context *ctx, const tg_train_speech_options *options,
                          tg_train_speech_result *result) {
    *result = (tg_train_speech_result){.held_out_accuracy = -1, .held_out_silence = -1};
    if (options->time_s <= 0 && options->steps <= 0 && options->hours <= 0)
        return tg_fail(ctx, TG_EUSAGE,
                       "train speech: no end given\n  expected: a time or a number of steps\n"
                       "  try: --time 50m");
    trainer *t = tg_calloc(sizeof *t);
    if (t == NULL)
        return tg_fail(ctx, TG_ENOMEM, "out of memory for training the speech encoder");
    t->ctx = ctx;
    t->o = *options;
    if (t->o.step_audio_s <= 0)
        t->o.step_audio_s = 24;
    if (t->o.lr <= 0)
        t->o.lr = t->o.init != NULL ? 3e-4f : 8e-4f;
    if (t->o.save_every_s <= 0)
        t->o.save_every_s = 180;
    if (t->o.check_every_s <= 0)
        t->o.check_every_s = 300;
    tg_status status = set_up(t);
    if (status == TG_OK)
        status = loop(t);
    result->steps = t->place.step;
    result->audio_s = t->place.heard_s;
    result->time_s = t->place.time_s;
    result->loss = t->place.loss;
    result->held_out_accuracy = t->place.score;
    result->held_out_silence = tg_speech_score_silence(&t->held);
    snprintf(result->encoder, sizeof result->encoder, "%s", t->encoder_path);
    tear_down(t);
    tg_free(t);
    return status;
}
