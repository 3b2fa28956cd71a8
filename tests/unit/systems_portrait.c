/* From speech to frames with a tiny person: head poses, backgrounds, motion from files, and that
 * the whole equals its stages, whatever the number of threads. */
#include "systems_person.h"

#include "systems/background.h"
#include "talkgen/talkgen.h"

static tg_identity *id;

static int open_person(void **state) {
    if (start(state) != 0) {
        return -1;
    }
    person_write(true);
    return tg_identity_open(ctx, in_folder("person.ckpt"), NULL, true, &id) == TG_OK ? 0 : -1;
}

static int close_person(void **state) {
    tg_identity_close(&id);
    return stop(state);
}

/* ---- head pose ---- */

static void pose_of(const char *spec, int64_t frame, float c2w[16]) {
    tg_pose_source *poses;
    assert_ok(tg_pose_source_open(ctx, id, &(tg_pose_options){.spec = spec}, &poses));
    assert_ok(tg_pose_source_at(ctx, poses, frame, c2w));
    tg_pose_source_close(&poses);
    assert_null(poses);
}

static tg_status refused(const char *spec) {
    tg_pose_source *poses;
    tg_status s = tg_pose_source_open(ctx, id, &(tg_pose_options){.spec = spec}, &poses);
    assert_null(poses);
    return s;
}

static void poses_replay(void **state) {
    (void)state;
    /* five recorded poses: forward, backward, forward, the turning points once */
    const int expected[] = {0, 1, 2, 3, 4, 3, 2, 1, 0, 1, 2, 3};
    float c2w[16];
    for (int i = 0; i < 12; i++) {
        pose_of("replay", i, c2w);
        assert_memory_equal(c2w, id->pose + 16 * expected[i], sizeof c2w);
    }
    pose_of("replay", INT64_C(1) << 40, c2w);
    assert_true(c2w[15] == 1);
    pose_of("still", 7, c2w);
    assert_memory_equal(c2w, id->pose, sizeof c2w);
}

/* The camera keeps its distance and keeps looking at the origin, and comes back after 8 s. */
static void poses_orbit(void **state) {
    (void)state;
    float c2w[16], first[16];
    double distance = 0, moved = 0;
    pose_of("orbit", 0, first);
    assert_memory_equal(first, id->pose, sizeof first);
    for (int i = 0; i < 200; i += 13) {
        pose_of("orbit", i, c2w);
        double d = 0, towards = 0;
        for (int k = 0; k < 3; k++) {
            d += (double)c2w[4 * k + 3] * c2w[4 * k + 3];
            towards += (double)c2w[4 * k + 3] * c2w[4 * k + 2];
            moved = fmax(moved, fabs((double)c2w[4 * k + 3] - first[4 * k + 3]));
        }
        distance = distance > 0 ? distance : sqrt(d);
        assert_true(fabs(sqrt(d) - distance) < 1e-5);
        assert_true(fabs(towards - distance) < 1e-5);
    }
    assert_true(moved > 0.05);
    pose_of("orbit", 200, c2w);
    for (int k = 0; k < 16; k++) {
        assert_true(fabsf(c2w[k] - first[k]) < 1e-5f);
    }
}

static void poses_file(void **state) {
    (void)state;
    float file[2 * 16], c2w[16];
    person_c2w(0.3f, file);
    person_c2w(-0.3f, file + 16);
    const char *path = in_folder("pose.npy");
    assert_ok(tg_npy_write(ctx, path, 3, (int64_t[]){2, 4, 4}, file));
    pose_of(path, 0, c2w);
    assert_memory_equal(c2w, file, sizeof c2w);
    pose_of(path, 99, c2w); /* the last one holds */
    assert_memory_equal(c2w, file + 16, sizeof c2w);

    assert_int_equal(refused("nowhere"), TG_EUSAGE);
    assert_message("nowhere");
    assert_int_equal(refused(in_folder("none.npy")), TG_EINPUT);
    assert_ok(tg_npy_write(ctx, path, 2, (int64_t[]){2, 16}, file));
    assert_int_equal(refused(path), TG_EINPUT);
    file[5] = NAN;
    assert_ok(tg_npy_write(ctx, path, 3, (int64_t[]){2, 4, 4}, file));
    assert_int_equal(refused(path), TG_EINPUT);
    assert_message("head poses");
}

/* ---- background ---- */

static void backgrounds(void **state) {
    (void)state;
    enum { W = 20, H = 10 };
    uint8_t rgb[W * H * 3];
    assert_ok(tg_background_make(ctx, id, "#10A0ff", W, H, rgb));
    for (int i = 0; i < W * H; i++) {
        assert_memory_equal(rgb + 3 * i, "\x10\xa0\xff", 3);
    }
    static const char *const wrong[] = {"#12345", "#1234567", "#12345g", "#-12345", "#"};
    for (size_t i = 0; i < sizeof wrong / sizeof wrong[0]; i++) {
        assert_int_equal(tg_background_make(ctx, id, wrong[i], W, H, rgb), TG_EUSAGE);
        assert_message(wrong[i]);
    }
    assert_int_equal(tg_background_make(ctx, id, in_folder("none.png"), W, H, rgb), TG_EINPUT);

    uint8_t same[PERSON_SIZE * PERSON_SIZE * 3];
    assert_ok(tg_background_make(ctx, id, "dataset", PERSON_SIZE, PERSON_SIZE, same));
    assert_memory_equal(same, id->background.data, sizeof same);

    /* A wide picture, left half dark, right half light, covers: its middle stays, its ends go. */
    enum { PW = 80, PH = 20 };
    static uint8_t picture[PW * PH * 3];
    for (int i = 0; i < PW * PH * 3; i++) {
        picture[i] = i / 3 % PW < PW / 2 ? 40 : 200;
    }
    assert_ok(tg_image_write(ctx, in_folder("wide.png"), PW, PH, 3, picture));
    assert_ok(tg_background_make(ctx, id, in_folder("wide.png"), W, H, rgb));
    for (int y = 0; y < H; y++) {
        assert_int_equal(rgb[3 * (y * W)], 40);
        assert_int_equal(rgb[3 * (y * W + W / 2 - 2)], 40);
        assert_int_equal(rgb[3 * (y * W + W / 2 + 1)], 200);
        assert_int_equal(rgb[3 * (y * W + W - 1)], 200);
    }
    /* enlarged: flat stays flat */
    memset(picture, 77, sizeof picture);
    assert_ok(tg_image_write(ctx, in_folder("flat.png"), 3, 2, 3, picture));
    assert_ok(tg_background_make(ctx, id, in_folder("flat.png"), W, H, rgb));
    for (size_t i = 0; i < sizeof rgb; i++) {
        assert_int_equal(rgb[i], 77);
    }
}

/* ---- motion ---- */

static void motion_files(void **state) {
    (void)state;
    enum { T = 3 };
    float lm[T * TG_MOTION_DIM], frame[TG_MOTION_DIM];
    for (int i = 0; i < T * TG_MOTION_DIM; i++) {
        lm[i] = 0.01f * (float)i;
    }
    tg_motion_source *source;
    bool done;
    for (int ndim = 2; ndim <= 3; ndim++) {
        int64_t dim[] = {T, ndim == 2 ? TG_MOTION_DIM : TG_MOTION_POINTS, 3};
        assert_ok(tg_npy_write(ctx, in_folder("lm.npy"), ndim, dim, lm));
        assert_ok(tg_motion_source_file(ctx, in_folder("lm.npy"), &source));
        assert_int_equal(tg_motion_source_frames(source), T);
        for (int i = 0; i < T; i++) {
            assert_ok(tg_motion_source_next(ctx, source, frame, &done));
            assert_false(done);
            assert_memory_equal(frame, lm + i * TG_MOTION_DIM, sizeof frame);
        }
        assert_ok(tg_motion_source_next(ctx, source, frame, &done));
        assert_true(done);
        tg_motion_source_close(&source);
    }
    assert_ok(tg_npy_write(ctx, in_folder("lm.npy"), 2, (int64_t[]){T * 2, 102}, lm));
    assert_int_equal(tg_motion_source_file(ctx, in_folder("lm.npy"), &source), TG_EINPUT);
    assert_null(source);
    assert_message("[6,102]");
    lm[250] = NAN;
    assert_ok(tg_npy_write(ctx, in_folder("lm.npy"), 2, (int64_t[]){T, TG_MOTION_DIM}, lm));
    assert_int_equal(tg_motion_source_file(ctx, in_folder("lm.npy"), &source), TG_EINPUT);
    assert_message("250");
}

/* A voice-like sound: a gliding saw with pauses, 16 kHz. */
static void write_sound(const char *path, double seconds) {
    int64_t n = (int64_t)(16000 * seconds);
    float *x = tg_alloc((size_t)n * sizeof *x);
    assert_non_null(x);
    double phase = 0;
    for (int64_t i = 0; i < n; i++) {
        double t = (double)i / 16000;
        phase += (120 + 40 * sin(5 * t)) / 16000;
        x[i] = (float)((phase - floor(phase) - 0.5) * 0.4 * fmax(0, sin(9 * t)));
    }
    assert_ok(tg_audio_write(ctx, path, x, n, 1, 16000));
    tg_free(x);
}

static float *motion_of(const tg_motion_options *options, int64_t *frames) {
    tg_motion_source *source;
    assert_ok(tg_motion_source_open(ctx, id, options, &source));
    *frames = tg_motion_source_frames(source);
    float *out = tg_alloc((size_t)*frames * TG_MOTION_DIM * sizeof *out);
    bool done;
    for (int64_t i = 0; i < *frames; i++) {
        assert_ok(tg_motion_source_next(ctx, source, out + i * TG_MOTION_DIM, &done));
        assert_false(done);
    }
    float rest[TG_MOTION_DIM];
    assert_ok(tg_motion_source_next(ctx, source, rest, &done));
    assert_true(done);
    tg_motion_source_close(&source);
    return out;
}

static double difference(const float *a, const float *b, int64_t frames) {
    double most = 0;
    for (int64_t i = 0; i < frames * TG_MOTION_DIM; i++) {
        most = fmax(most, fabs((double)a[i] - b[i]));
    }
    return most;
}

static void motion_of_speech(void **state) {
    (void)state;
    write_sound(in_folder("a.wav"), 3.33);
    tg_motion_options o = tg_synth_defaults().motion;
    o.audio = in_folder("a.wav");
    int64_t n, m;
    float *base = motion_of(&o, &n), *other;
    assert_int_equal(n, 83); /* round(25 * 3.33) */
    for (int64_t i = 0; i < n * TG_MOTION_DIM; i++) {
        assert_true(isfinite(base[i]));
    }
    /* recorded blinks, forward and backward */
    for (int64_t i = 0; i < n; i++) {
        const float *eyes = id->eyes + tg_mirror_index(i, id->poses) * PERSON_EYES;
        for (int k = 0; k < PERSON_EYES; k++) {
            const float expected = id->lm_mean[3 * 36 + k] + eyes[k] / 10;
            assert_true(base[i * TG_MOTION_DIM + 3 * 36 + k] == expected);
        }
    }
    other = motion_of(&o, &m);
    assert_memory_equal(base, other, (size_t)n * TG_MOTION_DIM * sizeof *base);
    tg_free(other);
    o.seed = 43;
    other = motion_of(&o, &m);
    assert_true(difference(base, other, n) > 1e-4);
    tg_free(other);
    o.seed = 42;
    o.clip_id = "b";
    other = motion_of(&o, &m);
    assert_true(difference(base, other, n) > 1e-4);
    tg_free(other);
    o.clip_id = "";
    o.temperature = 0;
    other = motion_of(&o, &m);
    assert_true(difference(base, other, n) > 1e-4);
    /* the mean does not depend on the seed */
    o.seed = 43;
    float *mean = motion_of(&o, &m);
    assert_memory_equal(mean, other, (size_t)n * TG_MOTION_DIM * sizeof *mean);
    tg_free(mean);
    tg_free(other);
    /* part of the sound */
    o.start_s = 1;
    o.duration_s = 0.5;
    other = motion_of(&o, &m);
    assert_int_equal(m, 13);
    tg_free(other);
    tg_free(base);
    o.start_s = 60;
    tg_motion_source *source;
    assert_int_equal(tg_motion_source_open(ctx, id, &o, &source), TG_EINPUT);
    assert_null(source);
}

/* Features from a file are the features of the sound. */
static void motion_of_features(void **state) {
    (void)state;
    write_sound(in_folder("a.wav"), 2.03);
    tg_motion_options o = tg_synth_defaults().motion;
    o.audio = in_folder("a.wav");
    int64_t n, m, rows;
    float *base = motion_of(&o, &n), *features;
    tg_wave16k *wave;
    assert_ok(tg_wave16k_open(ctx, o.audio, NULL, &wave));
    assert_ok(tg_features_read_all(ctx, id->hubert, wave, &features, &rows));
    tg_wave16k_close(&wave);
    assert_ok(tg_npy_write(ctx, in_folder("f.npy"), 2, (int64_t[]){rows, 16}, features));
    tg_free(features);
    o.audio = NULL;
    o.features = in_folder("f.npy");
    float *other = motion_of(&o, &m);
    assert_int_equal(n, m);
    assert_memory_equal(base, other, (size_t)n * TG_MOTION_DIM * sizeof *base);
    tg_free(base);
    tg_free(other);
    assert_ok(tg_npy_write(ctx, in_folder("f.npy"), 2, (int64_t[]){2, 17}, (float[34]){0}));
    tg_motion_source *source;
    assert_int_equal(tg_motion_source_open(ctx, id, &o, &source), TG_EINPUT);
    assert_message("[2,17]");
}

/* ---- frames ---- */

static tg_synth_report synthesize(tg_context *c, const char *output, const tg_synth_options *base) {
    tg_synth_options o = *base;
    o.portrait.output = output;
    tg_synth_report report;
    tg_status s = tg_synthesize(c, id, &o, &report);
    if (s != TG_OK) {
        print_error("%s\n", tg_message(c));
    }
    assert_int_equal(s, TG_OK);
    return report;
}

static void frames_are_repeatable(void **state) {
    (void)state;
    write_sound(in_folder("a.wav"), 0.5);
    tg_synth_options o = tg_synth_defaults();
    o.motion.audio = in_folder("a.wav");
    tg_synth_report one = synthesize(ctx, "null:", &o);
    assert_int_equal(one.frames, 13); /* round(12.5) away from zero */
    tg_context *three = tg_context_create(3);
    tg_synth_report again = synthesize(three, "null:", &o);
    tg_context_destroy(&three);
    assert_string_equal(one.frame_hash, again.frame_hash);
    o.motion.seed = 7;
    again = synthesize(ctx, "null:", &o);
    assert_string_not_equal(one.frame_hash, again.frame_hash);
}

/* Motion and poses as files, rendered, are the frames of the whole. */
static void stages_equal_the_whole(void **state) {
    (void)state;
    write_sound(in_folder("a.wav"), 0.5);
    tg_synth_options o = tg_synth_defaults();
    o.motion.audio = in_folder("a.wav");
    o.portrait.pose_out = in_folder("p.npy");
    tg_synth_report whole = synthesize(ctx, "null:", &o);
    int64_t n;
    float *lm = motion_of(&o.motion, &n);
    assert_ok(tg_npy_write(ctx, in_folder("lm.npy"), 3, (int64_t[]){n, 68, 3}, lm));
    tg_free(lm);
    tg_motion_source *source;
    assert_ok(tg_motion_source_file(ctx, in_folder("lm.npy"), &source));
    tg_portrait_options portrait = tg_synth_defaults().portrait;
    portrait.output = "null:";
    portrait.pose = in_folder("p.npy");
    tg_synth_report stages;
    assert_ok(tg_render_motion(ctx, id, source, &portrait, NULL, 0, 0, &stages));
    tg_motion_source_close(&source);
    assert_string_equal(whole.frame_hash, stages.frame_hash);
}

/* The fast rules take fewer samples and give nearly the same picture, at any size. */
static void marches(void **state) {
    (void)state;
    enum { T = 7 };
    float lm[T * TG_MOTION_DIM];
    for (int i = 0; i < T * TG_MOTION_DIM; i++) {
        lm[i] = id->lm_mean[i % TG_MOTION_DIM];
    }
    assert_ok(tg_npy_write(ctx, in_folder("lm.npy"), 2, (int64_t[]){T, TG_MOTION_DIM}, lm));
    for (int scale = 1; scale <= 2; scale++) {
        tg_motion_source *source;
        assert_ok(tg_motion_source_file(ctx, in_folder("lm.npy"), &source));
        tg_portrait_options o = tg_synth_defaults().portrait;
        o.width = o.height = scale * PERSON_SIZE;
        tg_march_score score;
        assert_ok(tg_compare_march(ctx, id, source, &o, 3, &score));
        tg_motion_source_close(&source);
        assert_int_equal(score.frames, 3);
        assert_true(score.exhaustive.density_samples == score.exhaustive.color_samples);
        assert_true(score.exhaustive.density_samples > 100);
        assert_true(score.fast.density_samples <= score.exhaustive.density_samples);
        assert_true(score.fast.color_samples <= score.exhaustive.color_samples);
        assert_true(score.fast.seconds > 0 && score.exhaustive.seconds > 0);
        assert_true(score.all_psnr > 40 && score.head_psnr > 40);
        assert_true(score.worst_head_psnr <= score.head_psnr);
    }
}

static void refusals(void **state) {
    (void)state;
    write_sound(in_folder("a.wav"), 0.2);
    tg_synth_options o = tg_synth_defaults();
    o.motion.audio = in_folder("a.wav");
    o.portrait.output = in_folder("frames.npy");
    tg_synth_report report;
    o.portrait.width = 64;
    o.portrait.height = 32;
    assert_int_equal(tg_synthesize(ctx, id, &o, &report), TG_EUSAGE);
    assert_message("aspect");
    o.portrait.width = o.portrait.height = 16;
    assert_ok(tg_synthesize(ctx, id, &o, &report));
    tg_npy frames;
    assert_ok(tg_npy_read(ctx, in_folder("frames.npy"), &frames));
    assert_int_equal(frames.ndim, 4);
    assert_int_equal(frames.dim[0], 5);
    assert_int_equal(frames.dim[1], 16);
    for (int64_t i = 0; i < 5 * 16 * 16 * 3; i++) {
        assert_true(frames.data[i] >= 0 && frames.data[i] <= 1);
    }
    tg_npy_free(&frames);
    assert_int_equal(tg_synthesize(ctx, id, &o, &report), TG_EUSAGE); /* it exists now */
    assert_message("exists already");
    tg_cancel(ctx, TG_EINTR);
    o.portrait.output = in_folder("b.mp4");
    assert_int_equal(tg_synthesize(ctx, id, &o, &report), TG_EINTR);
    tg_cancel(ctx, TG_OK);
    assert_false(tg_file_exists(in_folder("b.mp4")));
    assert_int_equal(files_in_folder(), 4); /* person, voice, sound, frames */
}

/* ---- the small API ---- */

static int stop_after(void *user, int64_t frame, int64_t frames) {
    assert_true(frame >= 1 && frame <= frames);
    int *calls = user;
    return ++*calls >= 3;
}

static void embedding(void **state) {
    (void)state;
    write_sound(in_folder("a.wav"), 0.4);
    talkgen *t = talkgen_open(in_folder("none.ckpt"), 1);
    talkgen_options o = talkgen_defaults();
    assert_int_equal(talkgen_status(t), 4);
    assert_non_null(strstr(talkgen_message(t), "none.ckpt"));
    assert_int_equal(talkgen_synthesize(t, in_folder("a.wav"), "null:", &o), 4);
    talkgen_close(&t);
    assert_null(t);

    t = talkgen_open(in_folder("person.ckpt"), 1);
    assert_int_equal(talkgen_status(t), 0);
    assert_int_equal(talkgen_synthesize(t, in_folder("none.wav"), "null:", &o), 3);
    assert_int_equal(talkgen_synthesize(t, in_folder("a.wav"), in_folder("a.framemd5"), &o), 0);
    assert_int_equal(talkgen_synthesize(t, in_folder("a.wav"), in_folder("a.framemd5"), &o), 2);
    int calls = 0;
    o.progress = stop_after;
    o.user = &calls;
    assert_int_equal(talkgen_synthesize(t, in_folder("a.wav"), in_folder("b.framemd5"), &o), 130);
    assert_int_equal(calls, 3);
    assert_false(tg_file_exists(in_folder("b.framemd5")));
    o.progress = NULL; /* and the handle goes on working */
    assert_int_equal(talkgen_synthesize(t, in_folder("a.wav"), in_folder("b.framemd5"), &o), 0);
    char *a, *b;
    size_t na, nb;
    assert_ok(tg_file_read(ctx, in_folder("a.framemd5"), 1 << 20, &a, &na));
    assert_ok(tg_file_read(ctx, in_folder("b.framemd5"), 1 << 20, &b, &nb));
    assert_int_equal(na, nb);
    assert_memory_equal(a, b, na);
    tg_free(a);
    tg_free(b);
    talkgen_close(&t);
    talkgen_close(&t);
    assert_int_equal(talkgen_status(NULL), 6);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(poses_replay, open_person, close_person),
        cmocka_unit_test_setup_teardown(poses_orbit, open_person, close_person),
        cmocka_unit_test_setup_teardown(poses_file, open_person, close_person),
        cmocka_unit_test_setup_teardown(backgrounds, open_person, close_person),
        cmocka_unit_test_setup_teardown(motion_files, open_person, close_person),
        cmocka_unit_test_setup_teardown(motion_of_speech, open_person, close_person),
        cmocka_unit_test_setup_teardown(motion_of_features, open_person, close_person),
        cmocka_unit_test_setup_teardown(frames_are_repeatable, open_person, close_person),
        cmocka_unit_test_setup_teardown(stages_equal_the_whole, open_person, close_person),
        cmocka_unit_test_setup_teardown(marches, open_person, close_person),
        cmocka_unit_test_setup_teardown(refusals, open_person, close_person),
        cmocka_unit_test_setup_teardown(embedding, open_person, close_person),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
