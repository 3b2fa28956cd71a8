/* Head and blinks made from speech, with a tiny person: a voice file with a behaviour model keeps
 * everything else, poses and eyes come in any order, follow seed and clip and stay in range, and
 * what is missing is said. */
#include "systems_person.h"

#include "talkgen/talkgen.h"

enum { POSES = 200, FRAMES = 100 };

static person p;
static float poses[POSES * 16], eyes[POSES * PERSON_EYES];

/* A behaviour model whose steps and blinks are lively, in the folder's voice file. */
static void add_behaviour(void) {
    const tg_behaviour_config config = {
        .hidden = 8, .layers = 2, .coupling = 4, .past = 6, .mixture = 3, .noise = 0.05f};
    tg_behaviour *m;
    assert_ok(tg_behaviour_create(ctx, &config, &m));
    tg_behaviour_init(m, 3);
    tg_params *set = tg_behaviour_params(m);
    float *step = tg_params_find(set, "scale.step")->value->data;
    for (int k = 0; k < TG_DRAWN_DIM; k++) {
        step[k] = 0.3f;
    }
    tg_params_find(set, "blink.bias")->value->data[0] = -2;
    tg_params_find(set, "blink.bias")->value->data[1] = -1.3f;
    assert_ok(
        tg_voice_revise(ctx, in_folder("plain.safetensors"), m, in_folder("voice.safetensors")));
    tg_behaviour_destroy(&m);
}

/* A recording in which the head turns and the eyes blink twice a second or so. */
static void record(void) {
    for (int i = 0; i < POSES; i++) {
        person_c2w(0.08f * sinf(0.07f * (float)i), poses + 16 * i);
        float closure = tg_blink_closure((i % 100) / 25.0 - 2, 0.3);
        for (int e = 0; e < 12; e++) {
            float *q = eyes + i * PERSON_EYES + 3 * e;
            const int k = e % 6;
            const float x = k == 0 ? -1.5f : k == 3 ? 1.5f : k == 1 || k == 5 ? -0.5f : 0.5f;
            const float y = k == 0 || k == 3 ? 0 : k < 3 ? 0.5f : -0.5f;
            const float at[3] = {x + (e < 6 ? -3.5f : 3.5f), y * (1 - 0.95f * closure), 8};
            memcpy(q, at, sizeof at);
        }
    }
}

static void write_sound(const char *path, double seconds) {
    int64_t n = (int64_t)(16000 * seconds);
    float *x = tg_alloc((size_t)n * sizeof *x);
    assert_non_null(x);
    double phase = 0;
    for (int64_t i = 0; i < n; i++) {
        const double t = (double)i / 16000;
        phase += (120 + 40 * sin(5 * t)) / 16000;
        x[i] = (float)((phase - floor(phase) - 0.5) * 0.4 * fmax(0, sin(2 * t)));
    }
    assert_ok(tg_audio_write(ctx, path, x, n, 1, 16000));
    tg_free(x);
}

static int open_person(void **state) {
    if (start(state) != 0) {
        return -1;
    }
    person_make(&p, false);
    person_voice(in_folder("plain.safetensors"), 1);
    add_behaviour();
    record();
    memset(p.lm_mean, 0, sizeof p.lm_mean);
    p.parts.poses = POSES;
    p.parts.pose = poses;
    p.parts.eyes = eyes;
    p.parts.voice_path = in_folder("voice.safetensors");
    assert_ok(tg_identity_write(ctx, in_folder("person.ckpt"), &p.parts));
    p.parts.voice_path = in_folder("plain.safetensors");
    assert_ok(tg_identity_write(ctx, in_folder("old.ckpt"), &p.parts));
    write_sound(in_folder("a.wav"), FRAMES / 25.0);
    return 0;
}

static int close_person(void **state) {
    person_free(&p);
    return stop(state);
}

static tg_identity *open_id(const char *name, bool voice) {
    tg_identity *id;
    assert_ok(tg_identity_open(ctx, in_folder(name), NULL, voice, &id));
    return id;
}

static tg_pose_options auto_pose(void) {
    return (tg_pose_options){.spec = "auto",
                             .behaviour = {.audio = in_folder("a.wav"), .seed = 5, .clip_id = ""}};
}

/* ---- the voice file ---- */

static void voice_keeps_the_rest(void **state) {
    (void)state;
    tg_st *was, *now;
    assert_ok(tg_st_open(ctx, in_folder("plain.safetensors"), &was));
    assert_ok(tg_st_open(ctx, in_folder("voice.safetensors"), &now));
    for (int i = 0; i < tg_st_count(was); i++) {
        const tg_st_tensor *a = tg_st_at(was, i), *b = tg_st_find(now, a->name);
        assert_non_null(b);
        assert_true(a->dtype == b->dtype && a->bytes == b->bytes);
        assert_memory_equal(a->data, b->data, a->bytes);
    }
    for (int i = 0; i < tg_st_meta_count(was); i++) {
        const char *value, *key = tg_st_meta_at(was, i, &value);
        assert_string_equal(tg_st_meta(now, key), value);
    }
    assert_true(tg_st_count(now) > tg_st_count(was));
    /* Another model takes the place of the first. */
    tg_behaviour *m;
    assert_ok(tg_behaviour_open(ctx, now, &m));
    assert_int_equal(tg_behaviour_config_of(m)->hidden, 8);
    assert_ok(
        tg_voice_revise(ctx, in_folder("voice.safetensors"), m, in_folder("again.safetensors")));
    tg_behaviour_destroy(&m);
    tg_st *again;
    assert_ok(tg_st_open(ctx, in_folder("again.safetensors"), &again));
    assert_int_equal(tg_st_count(again), tg_st_count(now));
    assert_int_equal(tg_behaviour_open(ctx, was, &m), TG_EMODEL);
    assert_message("talkgen train behaviour");
    tg_st_close(&again);
    tg_st_close(&now);
    tg_st_close(&was);
}

/* ---- poses ---- */

static void poses_are_made(void **state) {
    (void)state;
    static float in_order[FRAMES * 16], c2w[16];
    tg_identity *id = open_id("person.ckpt", false);
    tg_pose_options o = auto_pose();
    tg_pose_source *s;
    assert_ok(tg_pose_check(ctx, id, &(tg_pose_options){.spec = "auto"}));
    assert_ok(tg_pose_source_open(ctx, id, &o, &s));
    for (int i = 0; i < FRAMES; i++) {
        assert_ok(tg_pose_source_at(ctx, s, i, in_order + 16 * i));
    }
    static const int order[] = {99, 98, 3, 50, 50, 0, 1};
    for (size_t i = 0; i < sizeof order / sizeof order[0]; i++) {
        assert_ok(tg_pose_source_at(ctx, s, order[i], c2w));
        assert_memory_equal(c2w, in_order + 16 * order[i], sizeof c2w);
    }
    tg_pose_source_close(&s);
    /* It moves, and stays where the recording was. */
    tg_pose_stats stats;
    assert_true(tg_pose_stats_of(id->pose, id->poses, &stats));
    float least = 9, most = -9;
    for (int i = 0; i < FRAMES; i++) {
        float x[TG_POSE_DIM];
        tg_pose_numbers(&stats, in_order + 16 * i, x);
        least = fminf(least, x[1]);
        most = fmaxf(most, x[1]);
    }
    assert_true(most - least > 0.3f);
    assert_true(least > stats.low[1] - 0.05f && most < stats.high[1] + 0.05f);
    /* Another seed, another clip, no movement at all. */
    const struct {
        uint64_t seed;
        const char *clip;
        float gain;
        bool same;
    } rows[] = {{5, "", 0, true}, {6, "", 0, false}, {5, "b", 0, false}, {5, "", -1, false}};
    for (size_t k = 0; k < sizeof rows / sizeof rows[0]; k++) {
        o.behaviour.seed = rows[k].seed;
        o.behaviour.clip_id = rows[k].clip;
        o.behaviour.pose_gain = rows[k].gain;
        assert_ok(tg_pose_source_open(ctx, id, &o, &s));
        assert_ok(tg_pose_source_at(ctx, s, 60, c2w));
        assert_true((memcmp(c2w, in_order + 16 * 60, sizeof c2w) == 0) == rows[k].same);
        if (rows[k].gain < 0) {
            for (int i = 0; i < 16; i++) {
                assert_true(fabsf(c2w[i] - stats.mean[i]) < 1e-5f);
            }
        }
        tg_pose_source_close(&s);
    }
    tg_identity_close(&id);
}

/* ---- eyes ---- */

static void eyes_blink(void **state) {
    (void)state;
    tg_identity *id = open_id("person.ckpt", true);
    tg_motion_options o = tg_synth_defaults().motion;
    o.audio = in_folder("long.wav");
    o.eyes = TG_EYES_AUTO;
    write_sound(o.audio, 20);
    for (int never = 0; never < 2; never++) {
        o.blink_gain = never ? -1 : 0;
        tg_motion_source *s;
        assert_ok(tg_motion_source_open(ctx, id, &o, &s));
        float lm[TG_MOTION_DIM], least = 9, most = 0;
        bool done;
        for (int i = 0; i < 500; i++) {
            assert_ok(tg_motion_source_next(ctx, s, lm, &done));
            assert_false(done);
            const float a = tg_eye_aperture(lm + 3 * 36);
            least = fminf(least, a);
            most = fmaxf(most, a);
        }
        assert_true(most > 0.3f && most < 0.4f); /* 1 / 3 */
        assert_true(never ? least > 0.3f : least < 0.1f);
        tg_motion_source_close(&s);
    }
    tg_identity_close(&id);
}

/* ---- what is missing ---- */

static void missing(void **state) {
    (void)state;
    tg_pose_options o = auto_pose();
    tg_pose_source *s;
    tg_identity *id = open_id("old.ckpt", true);
    assert_int_equal(tg_pose_source_open(ctx, id, &o, &s), TG_EMODEL);
    assert_null(s);
    assert_message("talkgen train behaviour");
    assert_message("plain.safetensors");
    assert_int_equal(tg_pose_check(ctx, id, &(tg_pose_options){.spec = "auto"}), TG_EMODEL);
    assert_int_equal(tg_eyes_check(ctx, id, TG_EYES_AUTO), TG_EMODEL);
    assert_ok(tg_eyes_check(ctx, id, TG_EYES_REPLAY));
    assert_ok(tg_pose_check(ctx, id, &(tg_pose_options){.spec = "replay"}));
    tg_identity_close(&id);

    id = open_id("person.ckpt", false);
    o.behaviour.audio = NULL;
    assert_int_equal(tg_pose_source_open(ctx, id, &o, &s), TG_EUSAGE);
    assert_message("--audio");
    id->poses = 10; /* as if the recording were short */
    o = auto_pose();
    assert_int_equal(tg_pose_source_open(ctx, id, &o, &s), TG_EMODEL);
    assert_message("too few");
    id->poses = POSES;
    float *kept = id->eyes;
    id->eyes = NULL;
    assert_int_equal(tg_eyes_check(ctx, id, TG_EYES_AUTO), TG_EMODEL);
    assert_message("eyelids");
    assert_ok(tg_pose_source_open(ctx, id, &o, &s)); /* the head needs no eyes */
    tg_pose_source_close(&s);
    id->eyes = kept;
    tg_identity_close(&id);
}

/* Copied into the identity, it needs no voice file. */
static void embedded(void **state) {
    (void)state;
    tg_identity *id;
    p.parts.voice_path = in_folder("voice.safetensors");
    p.parts.embed = true;
    assert_ok(tg_identity_write(ctx, in_folder("whole.ckpt"), &p.parts));
    p.parts.embed = false;
    assert_ok(tg_identity_open(ctx, in_folder("whole.ckpt"), NULL, true, &id));
    assert_ok(tg_pose_check(ctx, id, &(tg_pose_options){.spec = "auto"}));
    tg_identity_close(&id);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(voice_keeps_the_rest),
        cmocka_unit_test(poses_are_made),
        cmocka_unit_test(eyes_blink),
        cmocka_unit_test(missing),
        cmocka_unit_test(embedded),
    };
    return cmocka_run_group_tests_name("systems behaviour", tests, open_person, close_person);
}
