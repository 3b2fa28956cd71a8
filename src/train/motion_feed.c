#include "train/motion_feed.h"

#include <string.h>

static tg_status fetch(tg_context *ctx, tg_supply *supply, tg_hubert *hubert, bool clean,
                       uint64_t seed, int64_t number, tg_motion_data **out) {
    tg_train_take takes[TG_BLOCK_TAKES] = {0};
    tg_status s = TG_OK;
    *out = NULL;
    for (int i = 0; i < TG_BLOCK_TAKES && s == TG_OK; i++)
        s = tg_supply_next(ctx, supply, &takes[i]);
    if (s == TG_OK)
        s = tg_motion_data_takes(ctx, takes, TG_BLOCK_TAKES, hubert, clean, seed, (uint64_t)number,
                                 out);
    for (int i = 0; i < TG_BLOCK_TAKES; i++)
        tg_train_take_free(&takes[i]);
    return s;
}

tg_status tg_motion_feed_open(tg_context *ctx, const tg_train_takes *takes, tg_hubert *hubert,
                              uint64_t seed, int64_t number, tg_motion_feed *out) {
    *out = (tg_motion_feed){.hubert = hubert, .seed = seed, .number = number - 1};
    return tg_supply_open(ctx, takes, false, (uint64_t)number * TG_BLOCK_TAKES, TG_BLOCK_TAKES,
                          &out->supply);
}

void tg_motion_feed_close(tg_motion_feed *feed) {
    tg_supply_close(&feed->supply);
    tg_motion_data_close(&feed->block);
    tg_free(feed->crops);
    *feed = (tg_motion_feed){0};
}

tg_status tg_motion_feed_block(tg_context *ctx, tg_motion_feed *feed, int64_t number) {
    while (feed->number < number) {
        tg_motion_data *next;
        tg_status s =
            fetch(ctx, feed->supply, feed->hubert, false, feed->seed, feed->number + 1, &next);
        if (s != TG_OK)
            return s;
        tg_motion_data_close(&feed->block);
        feed->data = feed->block = next;
        feed->number++;
        feed->crop_count = 0;
    }
    return TG_OK;
}

/* Crops side by side, from a random offset, in any order. */
static tg_status cut_up(tg_context *ctx, tg_motion_feed *feed, int64_t frames) {
    const tg_motion_data *data = feed->data;
    tg_draws d = tg_draws_make(feed->seed, (uint64_t)feed->number, UINT32_MAX - 2);
    tg_free(feed->crops);
    feed->crops = tg_alloc((size_t)(data->frames / frames + 1) * sizeof *feed->crops);
    if (!feed->crops)
        return tg_fail(ctx, TG_ENOMEM, "out of memory for takes");
    for (int c = 0; c < data->count; c++) {
        int64_t begin = (int64_t)(tg_draw(&d) * (double)(data->clip[c].frames % frames + 1));
        for (; begin + frames <= data->clip[c].frames; begin += frames)
            feed->crops[feed->crop_count++] = (tg_motion_crop){c, begin};
    }
    if (feed->crop_count == 0)
        return tg_motion_data_need(ctx, data, frames, "takes");
    for (int i = feed->crop_count - 1; i > 0; i--) {
        int j = (int)(tg_draw(&d) * (i + 1));
        tg_motion_crop swap = feed->crops[i];
        feed->crops[i] = feed->crops[j];
        feed->crops[j] = swap;
    }
    return TG_OK;
}

tg_status tg_motion_feed_batch(tg_context *ctx, tg_motion_feed *feed, int64_t step, tg_draws *draws,
                               int64_t frames, float *features, float *motion, float *closure) {
    if (!feed->supply) {
        tg_motion_batch(feed->data, draws, TG_FEED_BATCH, frames, features, motion, closure);
        return TG_OK;
    }
    tg_status s = tg_motion_feed_block(ctx, feed, step / TG_FEED_STEPS);
    if (s == TG_OK && feed->crop_count == 0)
        s = cut_up(ctx, feed, frames);
    for (int64_t b = 0; s == TG_OK && b < TG_FEED_BATCH; b++) {
        int64_t at = step % TG_FEED_STEPS * TG_FEED_BATCH + b;
        const tg_motion_crop *crop = &feed->crops[at % feed->crop_count];
        tg_motion_cut(feed->data, crop->clip, 0, crop->begin, frames,
                      features + b * 2 * frames * feed->data->feature_dim,
                      motion + b * frames * TG_MOTION_DIM, closure ? closure + b * frames : NULL);
    }
    return s;
}

tg_status tg_motion_feed_held_out(tg_context *ctx, const tg_train_takes *takes, tg_hubert *hubert,
                                  tg_motion_data **out) {
    tg_supply *supply;
    *out = NULL;
    tg_status s = tg_supply_open(ctx, takes, true, 0, 1, &supply);
    if (s == TG_OK)
        s = fetch(ctx, supply, hubert, true, 0, 0, out);
    tg_supply_close(&supply);
    return s;
}
