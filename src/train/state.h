/* Training state on disk: networks, optimizers, averages and the place in the schedule, written
 * whole or not at all. */
#ifndef TALKGEN_TRAIN_STATE_H
#define TALKGEN_TRAIN_STATE_H

#include "talkgen/core.h"
#include "talkgen/io.h"
#include "talkgen/tensor.h"

/* One network with what trains it; members other than name and params may be NULL. */
typedef struct {
    const char *name;
    tg_params *params;
    tg_adam *adam;
    tg_rmsprop *rmsprop;
    tg_ema *ema;
} tg_state_part;

typedef struct {
    int64_t step;
    double time_s; /* trained, in all runs */
    double loss;   /* smoothed */
    double score;  /* of the last or best check, stage by stage its own */
    int64_t best;  /* step of the best check, where a stage keeps the best */
    /* Of the speech encoder, which hears every second of its takes once: */
    double heard_s; /* trained on, in all runs */
    int64_t block;  /* of takes, and pieces of it that are done */
    int piece;
} tg_state_place;

/* Part of the schedule that is over, 1 = all: by steps if `steps` says how many, else by time. */
double tg_state_share(const tg_state_place *place, int64_t steps, double time_s);

/* kind: names the stage, checked when loading. */
tg_status tg_state_save(tg_context *ctx, const char *path, const char *kind,
                        const tg_state_part *parts, int count, const tg_state_place *place);
/* No file: place is all zero and the networks stay as they are. TG_EMODEL: another stage or shape.
 */
tg_status tg_state_load(tg_context *ctx, const char *path, const char *kind,
                        const tg_state_part *parts, int count, tg_state_place *place);

/* Appends a line to a CSV file, with `header` before the first. */
tg_status tg_log_line(tg_context *ctx, const char *path, const char *header, const char *line);
/* Drops the lines after `step` (the first column), which a run wrote that was killed before it
 * saved its state, and a last line that was cut off: training goes on from there and writes them
 * again. No file is fine. */
tg_status tg_log_trim(tg_context *ctx, const char *path, int64_t step);

#endif
