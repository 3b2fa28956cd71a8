#include "cli/train_person.h"

#include "cli/postnet.h"
#include "cli/recording.h"
#include "cli/shipped.h"

#include "talkgen/eval.h"
#include "talkgen/systems.h"
#include "talkgen/train.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { PATH_SIZE = 1100 };

/* Without --time, seconds on two cores; of a given time the stages get this share, the rest is for
 * reading, looking and the report. */
static const double default_s[] = {900, 3600, 1800};
static const double training_share = 0.9;

typedef enum { POSTNET, HEAD, TORSO, STAGES } stage_kind;
static const char *const stage_names[STAGES] = {"postnet", "head", "torso"};
static const int shares[STAGES] = {1, 4, 2};

typedef struct {
    tg_context *ctx;
    cli_args *args; /* with the defaults filled in */
    bool wanted[STAGES];
    double time_s[STAGES];
    char work[STAGES][PATH_SIZE], model[STAGES][PATH_SIZE];
    char folder[PATH_SIZE], voice[CLI_PATH];
    tg_train_postnet_options adapt;
    cli_postnet adapt_keep;
} person_plan;

/* Where things are kept when the command line does not say, and whether the result may be written.
 */
static tg_status fill_in(person_plan *p) {
    cli_args *args = p->args;
    if (!args->voice)
        args->voice = cli_shipped_model("voice.safetensors", p->voice);
    if (!args->work) {
        snprintf(p->folder, sizeof p->folder, "%s/training", args->data);
        args->work = p->folder;
    }
    tg_status s = cli_need(p->ctx, args->voice, "voice", "the voice file");
    if (s == TG_OK)
        s = cli_need(p->ctx, args->output, "output", "the identity");
    return s == TG_OK ? cli_new_file(p->ctx, args->output, args->overwrite) : s;
}

/* A postnet needs voices and a judge of them; without, the shared motion is used as it is, and its
 * part of the time is the others'. */
static tg_status make_plan(person_plan *p) {
    tg_train_postnet_options *o = &p->adapt;
    bool asked = p->args->corpus || p->args->init || p->args->sync;
    tg_status s = cli_postnet_options(p->ctx, p->args, &p->adapt_keep, o);
    if (s == TG_EUSAGE && !asked)
        tg_note(p->ctx, "no postnet, the shared motion is used as it is: %s", tg_message(p->ctx));
    else if (s != TG_OK)
        return s;
    int parts = 0;
    for (int k = 0; k < STAGES; k++) {
        p->wanted[k] = k != POSTNET || s == TG_OK;
        parts += p->wanted[k] ? shares[k] : 0;
        snprintf(p->work[k], PATH_SIZE, "%.1000s/%s", p->args->work, stage_names[k]);
        snprintf(p->model[k], PATH_SIZE, "%.1000s/%s/%s.safetensors", p->args->work, stage_names[k],
                 stage_names[k]);
    }
    for (int k = 0; k < STAGES; k++)
        p->time_s[k] = p->args->time_s > 0 ? training_share * p->args->time_s * shares[k] / parts
                                           : default_s[k];
    return TG_OK;
}

/* ---- stages ---------------------------------------------------------------------------------
 */

/* "done" in a stage's folder holds the training time it is done for. */
static void done_path(const person_plan *p, stage_kind k, char path[PATH_SIZE + 8]) {
    snprintf(path, PATH_SIZE + 8, "%s/done", p->work[k]);
}

static bool is_done(const person_plan *p, stage_kind k) {
    char path[PATH_SIZE + 8], *text = NULL;
    size_t bytes;
    done_path(p, k, path);
    if (!tg_file_exists(p->model[k]) || !tg_file_exists(path) ||
        tg_file_read(p->ctx, path, 64, &text, &bytes) != TG_OK)
        return false;
    bool enough = strtod(text, NULL) >= p->time_s[k] - 1;
    tg_free(text);
    return enough;
}

static tg_status mark_done(const person_plan *p, stage_kind k) {
    char path[PATH_SIZE + 8], text[32];
    done_path(p, k, path);
    int n = snprintf(text, sizeof text, "%.1f\n", p->time_s[k]);
    return tg_file_write(p->ctx, path, text, (size_t)n);
}

static tg_status train_postnet(person_plan *p, double save_s, double check_s) {
    tg_train_postnet_result r;
    tg_train_postnet_options *o = &p->adapt;
    o->dataset = p->args->data;
    o->voice = p->args->voice;
    o->state = p->work[POSTNET];
    o->time_s = p->time_s[POSTNET];
    o->save_every_s = save_s;
    o->check_every_s = fmin(30, check_s);
    tg_status s = tg_train_postnet(p->ctx, o, &r);
    if (s == TG_OK)
        printf("postnet: %lld steps, held-out mouth error %.3f (raw %.3f), gap correlation %.3f\n",
               (long long)r.steps, r.error, r.raw_error, r.gap_corr);
    return s;
}

static tg_status train_head(person_plan *p, double save_s, double check_s) {
    tg_train_head_result r;
    tg_train_head_options o = {.dataset = p->args->data,
                               .state = p->work[HEAD],
                               .time_s = p->time_s[HEAD],
                               .hidden = p->args->hidden,
                               .save_every_s = save_s,
                               .check_every_s = check_s,
                               .seed = p->args->seed};
    tg_status s = tg_train_head(p->ctx, &o, &r);
    if (s == TG_OK)
        printf("head: %lld steps, held-out head %.2f dB, mouth %.2f dB (control %.2f dB)\n",
               (long long)r.steps, r.score.head_psnr, r.score.mouth_psnr, r.score.control_psnr);
    return s;
}

static tg_status train_torso(person_plan *p, double save_s, double check_s) {
    tg_train_torso_result r;
    tg_train_torso_options o = {.dataset = p->args->data,
                                .state = p->work[TORSO],
                                .time_s = p->time_s[TORSO],
                                .save_every_s = save_s,
                                .check_every_s = check_s,
                                .seed = p->args->seed};
    tg_status s = tg_train_torso(p->ctx, &o, &r);
    if (s == TG_OK)
        printf("torso: %lld steps, held-out torso %.2f dB\n", (long long)r.steps, r.torso_psnr);
    return s;
}

static tg_status train_stage(person_plan *p, stage_kind k) {
    /* Short budgets are saved and looked at more often. */
    double save_s = fmin(180, fmax(5, p->time_s[k] / 20));
    double check_s = fmin(300, fmax(10, p->time_s[k] / 6));
    if (is_done(p, k)) {
        printf("%s: trained already\n", stage_names[k]);
        return TG_OK;
    }
    int minutes = (int)(p->time_s[k] / 60), seconds = (int)fmod(p->time_s[k], 60);
    printf("%s: %d:%02d of training, losses and contact sheets in %s\n", stage_names[k], minutes,
           seconds, p->work[k]);
    fflush(stdout);
    tg_status s = k == POSTNET ? train_postnet(p, save_s, check_s)
                  : k == HEAD  ? train_head(p, save_s, check_s)
                               : train_torso(p, save_s, check_s);
    return s == TG_OK ? mark_done(p, k) : s;
}

/* ---- identity and report ------------------------------------------------------------------- */

static tg_status write_report(tg_context *ctx, const char *identity, const cli_args *args,
                              const char *encoder) {
    tg_identity *person = NULL;
    tg_report_options o = {
        .dataset = args->data, .work = args->work, .sync = args->sync, .seed = args->seed};
    char page[1024];
    tg_status s = tg_identity_open(ctx, identity, encoder, true, &person);
    if (s == TG_OK)
        s = tg_report_write(ctx, person, &o, page);
    if (s == TG_OK)
        printf("%s\n", page);
    tg_identity_close(&person);
    return s;
}

/* The identity gets its name last: while it is missing, the same command has something to do. */
static tg_status finish(person_plan *p) {
    const cli_args *args = p->args;
    char draft[PATH_SIZE];
    tg_assemble_options o = {.name = args->character ? args->character : "person",
                             .dataset = args->data,
                             .head = p->model[HEAD],
                             .torso = p->model[TORSO],
                             .postnet = p->wanted[POSTNET] ? p->model[POSTNET] : NULL,
                             .voice = args->voice};
    snprintf(draft, sizeof draft, "%.1000s/draft.ckpt", args->work);
    tg_status s = tg_assemble_identity(p->ctx, &o, draft);
    if (s == TG_OK)
        s = write_report(p->ctx, draft, args, NULL);
    if (s == TG_OK)
        s = tg_assemble_identity(p->ctx, &o, args->output);
    if (s == TG_OK) {
        remove(draft);
        printf("%s\n", args->output);
    }
    return s;
}

tg_status cli_train_person(tg_context *ctx, const cli_args *given) {
    person_plan *p = tg_calloc(sizeof *p);
    cli_args *args = tg_alloc(sizeof *args); /* with its words it is too large for a stack */
    tg_status s = p && args ? cli_need(ctx, given->data, "data", "the person's recording")
                            : tg_fail(ctx, TG_ENOMEM, "out of memory");
    if (s == TG_OK) {
        *args = *given;
        p->ctx = ctx;
        p->args = args;
        s = args->dry_run ? TG_OK : fill_in(p);
    }
    if (s == TG_OK)
        s = cli_check_recording(ctx, args->data, NULL, false);
    if (s == TG_OK && !args->dry_run) {
        s = make_plan(p);
        for (stage_kind k = 0; k < STAGES && s == TG_OK; k++)
            if (p->wanted[k])
                s = train_stage(p, k);
        if (s == TG_OK)
            s = finish(p);
    }
    tg_free(args);
    tg_free(p);
    return s;
}

tg_status cli_train_report(tg_context *ctx, const cli_args *args) {
    tg_status s = cli_need(ctx, args->data, "data", "the person's recording");
    if (s == TG_OK)
        s = cli_need(ctx, args->work, "work", "the work folder");
    if (s == TG_OK)
        s = cli_need(ctx, args->identity, "identity", "the person");
    return s == TG_OK ? write_report(ctx, args->identity, args, args->encoder) : s;
}
