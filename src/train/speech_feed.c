#include "train/speech_feed.h"

#include "talkgen/speech.h"

#include <string.h>

/* Takes that are mixed with each other: about ten minutes of as many speakers. */
enum { BLOCK_TAKES = 20, ROWS_PER_S = 50 };

/* Length of a piece in rows: mostly 3 to 5 s, some as long as a window is in use. */
static int64_t draw_rows(tg_draws *d) {
    static const double length_s[4] = {2.5, 4, 6, 14}, chance[4] = {0.3, 0.75, 0.95, 1};
    double which = tg_draw(d);
    int k = 0;
    while (which >= chance[k])
        k++;
    return (int64_t)(length_s[k] * tg_draw_between(d, 40, 57));
}

static tg_status add_piece(tg_context *ctx, tg_speech_feed *f, const tg_speech_piece *piece) {
    if (f->piece_count == f->piece_capacity) {
        int capacity = 2 * f->piece_capacity + 256;
        tg_speech_piece *grown = tg_alloc(sizeof *grown * (size_t)capacity);
        if (grown == NULL)
            return tg_fail(ctx, TG_ENOMEM, "out of memory for takes");
        if (f->piece_count > 0)
            memcpy(grown, f->pieces, sizeof *grown * (size_t)f->piece_count);
        tg_free(f->pieces);
        f->pieces = grown;
        f->piece_capacity = capacity;
    }
    f->pieces[f->piece_count++] = *piece;
    return TG_OK;
}

/* Every second of the block into one piece, the pieces in any order. */
static tg_status cut_up(tg_context *ctx, tg_speech_feed *f) {
    tg_draws d = tg_draws_make(f->seed, (uint64_t)f->block, UINT32_MAX - 1);
    tg_status status = TG_OK;
    f->piece_count = 0;
    for (int c = 0; c < f->corpus.count && status == TG_OK; c++) {
        /* Some of the silence around a take belongs to it. */
        int64_t at = -(int64_t)(tg_draw(&d) * 0.3 * TG_SPEECH_RATE);
        while (at < f->corpus.clips[c].n && status == TG_OK) {
            tg_speech_piece p = {draw_rows(&d), {c, at, tg_draw_speed(&d)}};
            at += p.rows * TG_SPEECH_HOP * p.cut.percent / 100;
            /* A piece with less than a second of the take's end is nearly all silence. */
            if (at - f->corpus.clips[c].n < (p.rows - ROWS_PER_S) * TG_SPEECH_HOP)
                status = add_piece(ctx, f, &p);
        }
    }
    for (int i = f->piece_count - 1; i > 0; i--) {
        int j = (int)(tg_draw(&d) * (i + 1));
        tg_speech_piece swap = f->pieces[i];
        f->pieces[i] = f->pieces[j];
        f->pieces[j] = swap;
    }
    return status;
}

static tg_status fetch(tg_context *ctx, tg_supply *supply, int count, tg_speech_corpus *out) {
    tg_train_take takes[BLOCK_TAKES] = {0};
    tg_status status = TG_OK;
    int n = 0;
    while (n < count && status == TG_OK)
        status = tg_supply_next(ctx, supply, &takes[n++]);
    if (status == TG_OK)
        status = tg_speech_corpus_take(ctx, out, takes, n);
    for (int i = 0; i < n; i++)
        tg_train_take_free(&takes[i]);
    return status;
}

static tg_status next_block(tg_context *ctx, tg_speech_feed *f) {
    tg_status status = fetch(ctx, f->supply, BLOCK_TAKES, &f->corpus);
    if (status != TG_OK)
        return status;
    f->block++;
    f->used = 0;
    return cut_up(ctx, f);
}

tg_status tg_speech_feed_open(tg_context *ctx, tg_speech_feed *f, const tg_train_takes *takes,
                              int64_t block, int used) {
    tg_status status =
        tg_supply_open(ctx, takes, false, (uint64_t)block * BLOCK_TAKES, BLOCK_TAKES, &f->supply);
    f->block = block - 1;
    if (status == TG_OK)
        status = next_block(ctx, f);
    f->used = used;
    return status;
}

/* Pieces of a stored corpus: their lengths, not where they come from. */
static void draw_pieces(const tg_speech_feed *f, int64_t step, tg_speech_piece *out, int *count,
                        int64_t *rows) {
    tg_draws d = tg_draws_make(f->seed, (uint64_t)step, UINT32_MAX);
    int64_t left = (int64_t)(f->step_audio_s * ROWS_PER_S);
    while (left > 0 && *count < TG_STEP_PIECES) {
        int64_t want = draw_rows(&d);
        if (want > left)
            want = left > ROWS_PER_S ? left : ROWS_PER_S;
        out[(*count)++] = (tg_speech_piece){want, {-1, 0, 100}};
        left -= want;
        *rows += want;
    }
}

tg_status tg_speech_feed_step(tg_context *ctx, tg_speech_feed *f, int64_t step,
                              tg_speech_piece out[TG_STEP_PIECES], int *count, int64_t *rows) {
    *count = 0;
    *rows = 0;
    if (f->supply == NULL) {
        draw_pieces(f, step, out, count, rows);
        return TG_OK;
    }
    tg_status status = f->used >= f->piece_count ? next_block(ctx, f) : TG_OK;
    if (status != TG_OK)
        return status;
    /* What is left of a block is a step of its own, or the last pieces of a long one. */
    while (f->used < f->piece_count && *count < TG_STEP_PIECES &&
           (double)*rows < f->step_audio_s * ROWS_PER_S) {
        out[*count] = f->pieces[f->used++];
        *rows += out[(*count)++].rows;
    }
    return TG_OK;
}

void tg_speech_feed_close(tg_speech_feed *f) {
    tg_supply_close(&f->supply);
    tg_speech_corpus_free(&f->corpus);
    tg_free(f->pieces);
    f->pieces = NULL;
    f->piece_count = f->piece_capacity = 0;
}

tg_status tg_speech_feed_held_out(tg_context *ctx, const tg_train_takes *takes, int count,
                                  tg_speech_corpus *out) {
    tg_supply *supply;
    tg_status status = tg_supply_open(ctx, takes, true, 0, 1, &supply);
    if (status == TG_OK)
        status = fetch(ctx, supply, count < BLOCK_TAKES ? count : BLOCK_TAKES, out);
    tg_supply_close(&supply);
    return status;
}
