/* talkgen train behaviour and talkgen eval behaviour: head and blinks from speech. */
#include "cli/behaviour.h"

#include "cli/commands.h"
#include "talkgen/eval.h"
#include "talkgen/systems.h"
#include "talkgen/train.h"

#include <math.h>
#include <stdio.h>

enum { BEHAVIOUR_S = 600 };

/* The behaviour model of the file `model` beside what a voice file has. */
static tg_status into_voice(tg_context *ctx, const cli_args *args, const char *model) {
    tg_st *st = NULL;
    tg_behaviour *behaviour = NULL;
    tg_status s = tg_st_open(ctx, model, &st);
    if (s == TG_OK)
        s = tg_behaviour_open(ctx, st, &behaviour);
    if (s == TG_OK)
        s = tg_voice_revise(ctx, args->voice, behaviour, args->output);
    tg_behaviour_destroy(&behaviour);
    tg_st_close(&st);
    if (s == TG_OK)
        printf("%s: %s with this behaviour\n", args->output, args->voice);
    return s;
}

tg_status cli_train_behaviour(tg_context *ctx, const cli_args *args) {
    tg_train_behaviour_options o = {.corpus = args->corpus,
                                    .held_out = args->heldout,
                                    .dataset = args->data,
                                    .state = args->work,
                                    .time_s = args->time_s > 0 ? args->time_s : BEHAVIOUR_S,
                                    .seed = args->seed};
    tg_train_behaviour_result r;
    /* What was trained for another voice file serves any: it hears prosody, not the encoder. */
    bool train = args->corpus || !args->init;
    tg_status s = TG_OK;
    if (train)
        s = cli_need(ctx, args->corpus, "corpus", "the corpus of people who talk and listen");
    if (s == TG_OK)
        s = train ? cli_need(ctx, args->work, "work", "the work folder")
                  : cli_need(ctx, args->output, "output", "the new voice file");
    if (s == TG_OK && args->output)
        s = cli_need(ctx, args->voice, "voice", "the voice file");
    if (s == TG_OK)
        s = cli_new_file(ctx, args->output, args->overwrite);
    if (s == TG_OK && !train)
        return into_voice(ctx, args, args->init);
    if (s == TG_OK)
        s = tg_train_behaviour(ctx, &o, &r);
    if (s == TG_OK)
        printf("%s: %lld steps on %.1f hours, best at %lld, %s log-likelihood %.3f\n", r.model,
               (long long)r.steps, r.hours, (long long)r.best_step,
               args->heldout ? "held-out" : "training", -r.motion);
    return s == TG_OK && args->output ? into_voice(ctx, args, r.model) : s;
}

/* ---- eval ---------------------------------------------------------------------------------- */

typedef struct {
    const char *name, *unit;
    double truth, made;
} row;

enum { ROWS = 22 };

static void rows_of(const tg_behaviour_score *s, row rows[ROWS]) {
    const tg_behaviour_figures *t = &s->truth, *m = &s->made;
    const row all[ROWS] = {
        {"speed_speaking", "degrees/s", t->speed_speaking, m->speed_speaking},
        {"speed_silent", "degrees/s", t->speed_silent, m->speed_silent},
        {"median_silent", "degrees/s", t->median_silent, m->median_silent},
        {"accel_speaking", "degrees/s^2", t->accel_speaking, m->accel_speaking},
        {"accel_silent", "degrees/s^2", t->accel_silent, m->accel_silent},
        {"nods_speaking", "a minute", t->nods_speaking, m->nods_speaking},
        {"nods_silent", "a minute", t->nods_silent, m->nods_silent},
        {"nod_speaking", "degrees", t->nod_speaking, m->nod_speaking},
        {"nod_silent", "degrees", t->nod_silent, m->nod_silent},
        {"range_nod", "degrees", t->range[0], m->range[0]},
        {"range_turn", "degrees", t->range[1], m->range[1]},
        {"range_tilt", "degrees", t->range[2], m->range[2]},
        {"energy_corr", "motion with speech", t->energy_corr, m->energy_corr},
        {"blinks_speaking", "a minute", t->blinks_speaking, m->blinks_speaking},
        {"blinks_silent", "a minute", t->blinks_silent, m->blinks_silent},
        {"blink_length", "s", t->blink_s, m->blink_s},
        {"blink_deviation", "s", t->blink_sd, m->blink_sd},
        {"between_p10", "s between blinks", t->between[0], m->between[0]},
        {"between_p50", "s", t->between[1], m->between[1]},
        {"between_p90", "s", t->between[2], m->between[2]},
        {"repeat", "10 s to 2 min", t->repeat, m->repeat},
        {"border_jerk", "every 256 frames", t->border_jerk, m->border_jerk},
    };
    for (int i = 0; i < ROWS; i++)
        rows[i] = all[i];
}

tg_status cli_eval_behaviour(tg_context *ctx, const cli_args *args) {
    tg_behaviour_score score;
    tg_status s = cli_need(ctx, args->voice, "voice", "the voice file");
    if (s == TG_OK)
        s = cli_need(ctx, args->heldout, "heldout", "the corpus to compare with");
    if (s == TG_OK)
        s = tg_eval_behaviour(ctx, args->voice, args->heldout, args->seed, &score);
    if (s != TG_OK)
        return s;
    row rows[ROWS];
    rows_of(&score, rows);
    if (!args->json) {
        printf("%.0f s of held-out talk\n%-16s %8s %8s\n", score.seconds, "", "truth", "made");
        for (int i = 0; i < ROWS; i++)
            printf("%-16s %8.3f %8.3f  %s\n", rows[i].name, rows[i].truth, rows[i].made,
                   rows[i].unit);
        return TG_OK;
    }
    tg_json *root = tg_json_new_object();
    tg_json_set_number(root, "seconds", score.seconds);
    for (int k = 0; k < 2; k++) {
        tg_json *o = tg_json_set_object(root, k ? "made" : "truth");
        for (int i = 0; i < ROWS; i++) {
            double value = k ? rows[i].made : rows[i].truth;
            if (isfinite(value))
                tg_json_set_number(o, rows[i].name, value);
        }
    }
    return cli_print_json(ctx, root);
}
