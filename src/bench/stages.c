/* The stages of a person, each for itself: encoder, VAE, postnet, renderer, video. */
#include "bench/bench.h"
#include "bench/person.h"
#include "systems/condition.h"
#include "systems/painter.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* ---- speech and motion, 10 s ---- */

enum { SECONDS = 10, AUDIO = SECONDS * TG_SPEECH_RATE, FRAMES = 25 * SECONDS };

typedef struct {
    tg_context *ctx;
    const tg_identity *person;
    tg_tape *tape;
    float *samples; /* speech would take as long */
    float *features, *noise, *motion;
} speech_job;

static tg_status run_encoder(void *arg) {
    speech_job *j = arg;
    tg_wave16k *wave = NULL;
    float *rows = NULL;
    int64_t n;
    tg_status s = tg_wave16k_borrow(j->ctx, j->samples, AUDIO, &wave);
    if (s == TG_OK)
        s = tg_features_read_all(j->ctx, j->person->hubert, wave, &rows, &n);
    tg_wave16k_close(&wave);
    TG_BENCH_KEEP(rows);
    tg_free(rows);
    return s;
}

enum { LATENT_FRAMES = 252 / TG_VAE_STRIDE, PIECE = LATENT_FRAMES * TG_VAE_STRIDE };

static tg_status run_vae(void *arg) {
    speech_job *j = arg;
    const tg_vae_config *c = tg_vae_config_of(j->person->vae);
    tg_tape_reset(j->tape);
    tg_tensor *x = tg_borrow(j->tape, 3, (int64_t[]){1, 2 * PIECE, c->mel_in_dim}, j->features);
    tg_tensor *z = tg_borrow(j->tape, 3, (int64_t[]){1, c->latent_size, LATENT_FRAMES}, j->noise);
    int32_t unvoiced[2 * PIECE];
    for (int i = 0; i < 2 * PIECE; i++)
        unvoiced[i] = 1;
    tg_tensor *condition = tg_vae_condition(j->tape, j->person->vae, x, c->pitch ? unvoiced : NULL);
    const tg_tensor *y = tg_vae_sample(j->tape, j->person->vae, condition, z, NULL, NULL);
    TG_BENCH_KEEP(y->data);
    return tg_tape_status(j->tape);
}

static tg_status run_postnet(void *arg) {
    speech_job *j = arg;
    const int64_t pitch = tg_postnet_config_of(j->person->postnet)->pitch_dim;
    tg_tape_reset(j->tape);
    tg_tensor *x = tg_borrow(j->tape, 3, (int64_t[]){1, PIECE, TG_MOTION_DIM}, j->motion);
    tg_tensor *p = pitch > 0 ? tg_input(j->tape, 3, (int64_t[]){1, PIECE, pitch}, NULL) : NULL;
    const tg_tensor *y = tg_postnet_forward(j->tape, j->person->postnet, x, p);
    TG_BENCH_KEEP(y->data);
    return tg_tape_status(j->tape);
}

typedef enum { ENCODER, VAE, POSTNET } speech_stage;

static tg_status measure_speech(bench *b, const bench_entry *entry) {
    const speech_stage stage = (speech_stage)entry->kind;
    tg_status s = tg_bench_person(b, entry, true);
    const tg_identity *person = b->person;
    if (s != TG_OK || !person)
        return s;
    const bool there[] = {person->hubert != NULL, person->vae != NULL, person->postnet != NULL};
    if (!there[stage])
        return tg_bench_left_out(b, entry, "the person has no such stage");
    tg_context *ctx = tg_bench_context(b, entry);
    speech_job j = {.ctx = ctx, .person = person, .tape = tg_tape_create(ctx, false)};
    const size_t width = person->vae ? (size_t)tg_vae_config_of(person->vae)->mel_in_dim : 1;
    const size_t latent = person->vae ? (size_t)tg_vae_config_of(person->vae)->latent_size : 1;
    j.samples = tg_bench_noise(AUDIO, "audio", 0.1f);
    j.features = tg_bench_noise(2 * PIECE * width, "features", 1);
    j.noise = tg_bench_noise(LATENT_FRAMES * latent, "noise", 0.3f);
    j.motion = tg_bench_noise(PIECE * TG_MOTION_DIM, "motion", 1);
    if (!j.tape || !j.samples || !j.features || !j.noise || !j.motion)
        s = tg_bench_no_memory(b);
    if (s == TG_OK) {
        static bench_fn *const run[] = {run_encoder, run_vae, run_postnet};
        bench_plan plan = {PIECE, TG_BENCH_FRAME, CEILING_NONE, 0, false};
        if (stage == ENCODER) {
            plan = (bench_plan){FRAMES, TG_BENCH_FRAME, CEILING_FMA, 0, false};
            plan.cost = SECONDS * tg_hubert_flop_per_second(tg_hubert_config_of(person->hubert));
        }
        s = tg_bench_time(b, entry, &plan, run[stage], &j);
    }
    tg_tape_destroy(&j.tape);
    tg_free(j.samples);
    tg_free(j.features);
    tg_free(j.noise);
    tg_free(j.motion);
    return s;
}

/* ---- pictures ---- */

enum {
    SHOWN = 5, /* frames of an execution, spread over the recording */
    STRIDE = 17
};

typedef struct {
    tg_context *ctx;
    tg_painter *painter;
    const float *windows, *torso; /* of one frame */
    float *condition, *torso_condition;
    float c2w[SHOWN][16];
    tg_nerf part; /* the person's renderer without a part of it */
    uint8_t *nothing;
    uint8_t *background, *rgb; /* rgb [SHOWN] pictures */
    size_t bytes;
    int width, height;
    tg_sink_options sink;
    char path[1024];
} picture_job;

static tg_status run_frames(void *arg) {
    picture_job *j = arg;
    tg_status s = TG_OK;
    for (int i = 0; i < SHOWN && s == TG_OK; i++) {
        const tg_picture picture = {.rgb8 = j->rgb + (size_t)i * j->bytes};
        s = tg_painter_frame(j->ctx, j->painter, j->windows, j->torso, 0.25f, j->c2w[i], &picture);
    }
    return s;
}

enum { ENCODED = 100 };

static tg_status run_video(void *arg) {
    picture_job *j = arg;
    tg_sink *sink = NULL;
    tg_status s = tg_sink_open(j->ctx, j->path, &j->sink, &sink);
    for (int i = 0; i < ENCODED && s == TG_OK; i++) /* to and fro, so that neighbours are alike */
        s = tg_sink_write(j->ctx, sink, j->rgb + (size_t)tg_mirror_index(i, SHOWN) * j->bytes);
    if (s == TG_OK)
        s = tg_sink_finish(j->ctx, &sink);
    tg_sink_abort(&sink);
    return s;
}

typedef enum { WHOLE, HEAD, TORSO, VIDEO } picture_stage;

/* A face at rest: the person's mean landmarks, or silence. */
static tg_status fill_conditions(bench *b, picture_job *j) {
    const tg_identity *person = b->person;
    int dim[3], torso[3];
    tg_condition_shape(person, dim);
    const size_t n = (size_t)dim[0] * (size_t)dim[1] * (size_t)dim[2];
    if (!(j->windows = j->condition = tg_calloc(n * sizeof(float))))
        return tg_bench_no_memory(b);
    if (!tg_condition_torso_shape(person, torso))
        return TG_OK;
    const size_t m = (size_t)torso[0] * (size_t)torso[1] * (size_t)torso[2];
    if (!(j->torso = j->torso_condition = tg_calloc(m * sizeof(float))))
        return tg_bench_no_memory(b);
    return TG_OK;
}

/* The person with a renderer that lacks the torso, or sees an empty volume. */
static tg_status take_part(bench *b, picture_stage stage, picture_job *j, tg_identity *part) {
    *part = *b->person;
    if (stage != HEAD && stage != TORSO)
        return TG_OK;
    j->part = *b->person->nerf;
    if (stage == HEAD) {
        j->part.config.torso = false;
    } else {
        j->nothing = tg_calloc(j->part.bitfield_bytes);
        if (!j->nothing)
            return tg_bench_no_memory(b);
        j->part.bitfield = j->nothing;
    }
    part->nerf = &j->part;
    return TG_OK;
}

static tg_status open_pictures(bench *b, const bench_entry *entry, int scale, picture_job *j) {
    const tg_identity *person = b->person;
    const picture_stage stage = (picture_stage)entry->kind;
    tg_identity part;
    j->width = person->width * scale;
    j->height = person->height * scale;
    j->bytes = (size_t)j->width * (size_t)j->height * 3;
    j->background = tg_calloc(j->bytes);
    j->rgb = tg_calloc(SHOWN * j->bytes);
    if (!j->background || !j->rgb)
        return tg_bench_no_memory(b);
    memset(j->background, 96, j->bytes);
    tg_status s = fill_conditions(b, j);
    if (s == TG_OK)
        s = take_part(b, stage, j, &part);
    const tg_painter_options size = {.width = j->width,
                                     .height = j->height,
                                     .focal = person->focal * (float)scale,
                                     .cx = person->cx * (float)scale,
                                     .cy = person->cy * (float)scale,
                                     .background = j->background};
    if (s == TG_OK)
        s = tg_bench_passed(b, j->ctx, tg_painter_open(j->ctx, &part, &size, &j->painter));
    for (int i = 0; i < SHOWN; i++)
        memcpy(j->c2w[i], person->pose + 16 * tg_mirror_index((int64_t)i * STRIDE, person->poses),
               sizeof j->c2w[i]);
    return s;
}

static void close_pictures(picture_job *j) {
    tg_painter_close(&j->painter);
    tg_free(j->condition);
    tg_free(j->torso_condition);
    tg_free(j->nothing);
    tg_free(j->background);
    tg_free(j->rgb);
}

/* Pictures as they are, with the sound of the recording when there is one, into an MP4. */
static tg_status time_video(bench *b, const bench_entry *entry, picture_job *j) {
    tg_status s = tg_bench_passed(b, j->ctx, run_frames(j));
    if (s == TG_OK)
        s = tg_bench_path(b, "video.mp4", j->path, sizeof j->path);
    j->sink = (tg_sink_options){.width = j->width,
                                .height = j->height,
                                .fps_num = 25,
                                .fps_den = 1,
                                .audio_path = b->options->audio,
                                .overwrite = true};
    const bench_plan plan = {ENCODED, TG_BENCH_FRAME, CEILING_NONE, 0, false};
    if (s == TG_OK)
        s = tg_bench_time(b, entry, &plan, run_video, j);
    remove(j->path);
    return s;
}

/* entry->shape: "2" = twice the size of the recording. */
static tg_status measure_pictures(bench *b, const bench_entry *entry) {
    const picture_stage stage = (picture_stage)entry->kind;
    tg_status s = tg_bench_person(b, entry, false);
    if (s != TG_OK || !b->person)
        return s;
    if ((stage == HEAD || stage == TORSO) && !b->person->nerf)
        return tg_bench_left_out(b, entry, "a vanilla renderer is measured as a whole");
    if (stage == TORSO && !b->person->nerf->config.torso)
        return tg_bench_left_out(b, entry, "the person has no torso");
    picture_job j = {.ctx = tg_bench_context(b, entry)};
    s = open_pictures(b, entry, entry->shape ? 2 : 1, &j);
    if (s == TG_OK && stage == VIDEO) {
        s = time_video(b, entry, &j);
    } else if (s == TG_OK) {
        const bench_plan plan = {SHOWN, TG_BENCH_FRAME, CEILING_NONE, 0, false};
        s = tg_bench_time(b, entry, &plan, run_frames, &j);
    }
    close_pictures(&j);
    return s;
}

const bench_entry tg_bench_stages[] = {
    {"stage/encoder", measure_speech, ENCODER, false, NULL},
    {"stage/vae", measure_speech, VAE, false, NULL},
    {"stage/postnet", measure_speech, POSTNET, false, NULL},
    {"stage/head", measure_pictures, HEAD, false, NULL},
    {"stage/torso", measure_pictures, TORSO, false, NULL},
    {"stage/render/1", measure_pictures, WHOLE, true, NULL},
    {"stage/render/all", measure_pictures, WHOLE, false, NULL},
    {"stage/render-2x/all", measure_pictures, WHOLE, false, "2"},
    {"stage/video", measure_pictures, VIDEO, false, NULL},
    {NULL, NULL, 0, false, NULL},
};
