/* Behaviour training on a small corpus of people who turn their heads while they hum: it learns
 * that, stops, resumes to the same weights, and tells what is wrong with a corpus. */
#include "io_test.h"
#include "dataset_scene.h"
#include "train_runs.h"

#include "talkgen/eval.h"
#include "talkgen/systems.h"
#include "talkgen/train.h"

#include <math.h>

enum { CLIPS = 6, SECONDS = 24, FRAMES = 25 * SECONDS };

/* Hums two seconds of four; the head turns with 1.25 Hz meanwhile and nods once by 2 degrees, and
 * the eyes close in the middle of the silence. */
static void write_clip(int number) {
    static float x[SECONDS * 16000], lm[FRAMES][68][3], c2w[FRAMES][16];
    char name[3][32];
    tg_rng rng = tg_rng_make((uint64_t)number, "", "clip");
    for (int i = 0; i < SECONDS * 16000; i++)
        x[i] = i % 64000 < 32000 ? 0.3f * sinf(6.2831853f * 150 / 16000 * (float)i) : 0;
    for (int f = 0; f < FRAMES; f++) {
        double t = f / 25.0, in = fmod(t, 4);
        double rise = fmin(1, fmin(in, fmax(0, 2 - in)) / 0.3);
        double yaw = 0.05 * rise * sin(6.2831853 * 1.25 * in) +
                     0.002 * (double)tg_rng_normal(&rng, (uint64_t)f);
        float closure = tg_blink_closure(in - 3, 0.3);
        double nod = fabs(in - 1) < 0.25 ? 0.5 + 0.5 * cos(M_PI * (in - 1) / 0.25) : 0;
        float cy = cosf((float)yaw), sy = sinf((float)yaw);
        float cx = cosf((float)(0.035 * nod)), sx = sinf((float)(0.035 * nod));
        /* (Ry Rx)^-1, the camera 1.4 in front */
        const float m[16] = {
            cy,      0,   -sy,     -1.4f * sy,     sx * sy, cx, sx * cy, 1.4f * sx * cy,
            cx * sy, -sx, cx * cy, 1.4f * cx * cy, 0,       0,  0,       1};
        memcpy(c2w[f], m, sizeof m);
        for (int p = 0; p < 68; p++) {
            int k = (p - 36) % 6;
            bool eye = p >= 36 && p < 48, corner = k == 0 || k == 3;
            lm[f][p][0] = eye ? (p < 42 ? -0.3f : 0.3f) + 0.05f * (float)(k < 4 ? k : 6 - k) : 0;
            lm[f][p][1] = eye && !corner ? (k < 3 ? 0.05f : -0.05f) * (1 - 0.95f * closure) : 0;
            lm[f][p][2] = 0.1f;
        }
    }
    snprintf(name[0], sizeof name[0], "%05d.flac", number);
    snprintf(name[1], sizeof name[1], "%05d.npy", number);
    snprintf(name[2], sizeof name[2], "%05d.pose.npy", number);
    assert_ok(tg_audio_write(ctx, in_folder(name[0]), x, SECONDS * 16000, 1, 16000));
    assert_ok(tg_npy_write(ctx, in_folder(name[1]), 3, (int64_t[]){FRAMES, 68, 3}, &lm[0][0][0]));
    assert_ok(tg_npy_write(ctx, in_folder(name[2]), 3, (int64_t[]){FRAMES, 4, 4}, &c2w[0][0]));
    snprintf(name[0], sizeof name[0], "%05d.json", number);
    put_file(in_folder(name[0]), number < 3 ? "{\"speaker\": 0}" : "{\"speaker\": 1}", 14);
}

static int set_up(void **state) {
    if (start(state) != 0)
        return -1;
    char text[64];
    for (int i = 0; i < CLIPS; i++)
        write_clip(i);
    int n = snprintf(text, sizeof text, "{\"clips\": %d, \"speakers\": 2}", CLIPS);
    put_file(in_folder("corpus.json"), text, (size_t)n);
    return 0;
}

static tg_train_behaviour_result train(const char *work, int64_t steps) {
    tg_train_behaviour_options o = {
        .corpus = folder, .held_out = folder, .state = work, .steps = steps, .seed = 3};
    tg_train_behaviour_result r;
    assert_ok(tg_train_behaviour(ctx, &o, &r));
    assert_int_equal(r.steps, steps);
    return r;
}

static void remove_work(const char *work) {
    char command[800];
    snprintf(command, sizeof command, "rm -rf '%s'", work);
    assert_int_equal(system(command), 0);
}

static void learns(void **state) {
    (void)state;
    const char *work = "behaviour_work";
    remove_work(work);
    tg_train_behaviour_result r = train(work, 800);
    tg_behaviour_score s;
    assert_ok(tg_eval_behaviour(ctx, r.model, folder, 1, &s));
    /* the truth: quick while there is sound, still after, one blink each 4 s, all in the silence */
    assert_true(s.truth.speed_speaking > 3 * s.truth.speed_silent);
    assert_true(s.truth.energy_corr > 0.6);
    assert_true(s.truth.blinks_silent > 20);
    assert_true(fabs(s.truth.blink_s - 0.3) < 0.05);
    assert_true(fabs(s.truth.nods_speaking - 30) < 6 && s.truth.nods_silent == 0);
    assert_true(fabs(s.truth.nod_speaking - 2) < 0.6);
    assert_true(s.truth.accel_speaking > s.truth.accel_silent);
    assert_true(fabs(s.truth.between[1] - 4) < 0.1 && s.truth.between[2] < 4.2);
    /* what was learnt */
    assert_true(s.made.speed_speaking > 2 * s.made.speed_silent);
    assert_true(s.made.energy_corr > 0.5);
    assert_true(s.made.blinks_silent > 10);
    assert_true(s.made.blinks_silent > 2 * s.made.blinks_speaking);
    assert_true(fabs(s.made.blink_s - 0.3) < 0.08);
    remove_work(work);
}

/* Stopped after 30 of 60 steps and called again: the weights of 60 without a stop. */
typedef struct {
    tg_context *ctx;
    int calls;
} watch;

static void stop_at_30(void *user, const char *stage, double done, double total, const char *text) {
    watch *w = user;
    (void)stage;
    (void)done;
    (void)total;
    (void)text;
    if (++w->calls == 30)
        tg_cancel(w->ctx, TG_ESTOPPED);
}

static void resumes(void **state) {
    (void)state;
    remove_work("behaviour_once");
    remove_work("behaviour_twice");
    train("behaviour_once", 60);
    tg_train_behaviour_options o = {
        .corpus = folder, .held_out = folder, .state = "behaviour_twice", .steps = 60, .seed = 3};
    tg_train_behaviour_result r;
    tg_context *other = tg_context_create(1);
    watch w = {other, 0};
    tg_context_set_progress(other, stop_at_30, &w);
    assert_int_equal(tg_train_behaviour(other, &o, &r), TG_ESTOPPED);
    assert_int_equal(r.steps, 30);
    tg_context_destroy(&other);
    train("behaviour_twice", 60);
    char *a, *b;
    size_t n, m, most = 1 << 24;
    assert_ok(tg_file_read(ctx, "behaviour_once/behaviour.safetensors", most, &a, &n));
    assert_ok(tg_file_read(ctx, "behaviour_twice/behaviour.safetensors", most, &b, &m));
    assert_int_equal(n, m);
    assert_memory_equal(a, b, n);
    tg_free(a);
    tg_free(b);
    /* a check that was logged and not saved is forgotten */
    spoil_log("behaviour_twice/behaviour_check.csv", 70);
    train("behaviour_twice", 80);
    assert_int_equal(assert_steps_ascend("behaviour_twice/behaviour_check.csv", 80), 2);
    remove_work("behaviour_once");
    remove_work("behaviour_twice");
}

/* A person's own recording beside the corpus: its training frames are learnt from, a quarter of the
 * time; one without sound is named. */
static void learns_a_person(void **state) {
    (void)state;
    const scene person = {16, 150, 136};
    static float sound[150 * 640];
    char data[700];
    tg_train_behaviour_result r;
    snprintf(data, sizeof data, "%s", in_folder("person"));
    assert_ok(scene_write(ctx, &person, data));
    tg_train_behaviour_options o = {
        .corpus = folder, .dataset = data, .state = "behaviour_person", .steps = 40, .seed = 3};
    remove_work(o.state);
    assert_int_equal(tg_train_behaviour(ctx, &o, &r), TG_EINPUT);
    assert_message("aud.wav");
    for (int i = 0; i < 150 * 640; i++)
        sound[i] = 0.3f * sinf(6.2831853f * 150 / 16000 * (float)i);
    assert_ok(tg_audio_write(ctx, in_folder("person/aud.wav"), sound, 150 * 640, 1, 16000));
    assert_ok(tg_train_behaviour(ctx, &o, &r));
    assert_int_equal(r.steps, 40);
    assert_true(fabs(r.hours * 3600 * 25 - CLIPS * FRAMES - 136) < 0.5);
    double with = r.motion;
    o.dataset = NULL;
    o.state = "behaviour_alone";
    remove_work(o.state);
    assert_ok(tg_train_behaviour(ctx, &o, &r));
    assert_true(r.motion != with);
    remove_work(data);
    remove_work("behaviour_person");
    remove_work("behaviour_alone");
}

static void refuses(void **state) {
    (void)state;
    tg_train_behaviour_options o = {.corpus = folder, .state = "behaviour_none", .steps = 1};
    tg_train_behaviour_result r;
    remove(in_folder("00002.pose.npy"));
    assert_int_equal(tg_train_behaviour(ctx, &o, &r), TG_EINPUT);
    assert_message("00002.pose.npy");
    assert_message("--conversation");
    write_clip(2);
    const float few[16] = {1, 0, 0, 0, 0, 1, 0, 0, 0, 0, 1, 0, 0, 0, 0, 1};
    assert_ok(tg_npy_write(ctx, in_folder("00001.pose.npy"), 3, (int64_t[]){1, 4, 4}, few));
    assert_int_equal(tg_train_behaviour(ctx, &o, &r), TG_EINPUT);
    assert_message("belong together");
    write_clip(1);
    put_file(in_folder("00001.json"), "{\"speaker\": -7}", 15);
    assert_int_equal(tg_train_behaviour(ctx, &o, &r), TG_EINPUT);
    assert_message("speaker");
    write_clip(1);
    /* a judge of 24 s has less than a batch to say */
    char command[3200], few_clips[700];
    snprintf(few_clips, sizeof few_clips, "%s", in_folder("few"));
    snprintf(command, sizeof command,
             "mkdir -p '%s' && cp '%s'/00000.* '%s' && "
             "echo '{\"clips\": 1, \"speakers\": 2}' >'%s/corpus.json'",
             few_clips, folder, few_clips, few_clips);
    assert_int_equal(system(command), 0);
    o.held_out = few_clips;
    assert_int_equal(tg_train_behaviour(ctx, &o, &r), TG_EINPUT);
    assert_message("few: ");
    assert_message("steps are too few");
    remove_work(few_clips);
    remove_work("behaviour_none");
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(learns),
        cmocka_unit_test(resumes),
        cmocka_unit_test(learns_a_person),
        cmocka_unit_test(refuses),
    };
    return cmocka_run_group_tests_name("train behaviour", tests, set_up, stop);
}
