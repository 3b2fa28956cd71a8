/* Where eyes look: as recorded with recorded poses, else against the head and at rest in between;
 * and what becomes of it in the picture. */
#include "systems/gaze_source.h"
#include "systems_person.h"

enum { POSES = 600, SECONDS = 20 };
static const float degree = 0.01745329252f;

/* The head turns by sines; the eyes give back 0.6 of the turn and rest beside the camera. */
typedef struct {
    tg_identity id;
    float pose[16 * POSES], gaze[TG_GAZE_DIM * POSES];
} somebody;

static float yaw_of(int t) { /* degrees */
    return 5 * sinf(0.037f * (float)t) + 2 * sinf(0.11f * (float)t);
}

static float rest_of(int t) {
    return (t / 20 * 7919) % 13 / 6.0f - 1;
}

static void make_somebody(somebody *s) {
    memset(s, 0, sizeof *s);
    s->id = (tg_identity){.name = "somebody", .poses = POSES, .pose = s->pose, .gaze = s->gaze};
    for (int t = 0; t < POSES; t++) {
        person_c2w(degree * yaw_of(t), s->pose + 16 * t);
        s->gaze[2 * t] = 0.6f * yaw_of(t) + 0.5f * rest_of(t);
        s->gaze[2 * t + 1] = 1 + 0.2f * rest_of(t + 300);
    }
}

static void recorded_poses_have_the_recorded_gaze(void **state) {
    (void)state;
    static somebody s;
    make_somebody(&s);
    tg_gaze_source *source;
    assert_ok(tg_gaze_source_open(ctx, &s.id, &(tg_pose_options){.spec = "replay"}, &source));
    for (int t = 0; t < 2 * POSES; t++) {
        float out[TG_GAZE_DIM];
        assert_ok(tg_gaze_source_next(ctx, source, out));
        const int64_t at = tg_mirror_index(t, POSES);
        for (int k = 0; k < TG_GAZE_DIM; k++)
            assert_true(out[k] == s.gaze[2 * at + k] / TG_GAZE_DEGREES);
    }
    tg_gaze_source_close(&source);
    /* whatever the poses are, when asked for; or straight on */
    const tg_pose_options asked = {.spec = "still", .gaze = "replay"};
    float out[TG_GAZE_DIM];
    assert_ok(tg_gaze_source_open(ctx, &s.id, &asked, &source));
    for (int t = 0; t <= 7; t++)
        assert_ok(tg_gaze_source_next(ctx, source, out));
    assert_true(out[0] == s.gaze[2 * 7] / TG_GAZE_DEGREES);
    tg_gaze_source_close(&source);
    const tg_pose_options still = {.spec = "replay", .gaze = "still"};
    double mean = 0;
    for (int t = 0; t < POSES; t++)
        mean += (double)s.gaze[2 * t] / POSES / TG_GAZE_DEGREES;
    assert_ok(tg_gaze_source_open(ctx, &s.id, &still, &source));
    for (int t = 0; t < 3; t++) {
        assert_ok(tg_gaze_source_next(ctx, source, out));
        assert_true(fabs((double)out[0] - mean) < 1e-5);
    }
    tg_gaze_source_close(&source);
    assert_ok(tg_gaze_check(ctx, &s.id, "still", true));
    assert_int_equal(tg_gaze_check(ctx, NULL, "up", false), TG_EUSAGE);
    assert_message("--gaze 'up'");
    s.id.gaze = NULL;
    assert_ok(tg_gaze_source_open(ctx, &s.id, &(tg_pose_options){.spec = "replay"}, &source));
    assert_null(source);
}

/* What was written is seen again, to the last bit, and its last row holds. */
static void a_file_says_where_eyes_look(void **state) {
    (void)state;
    enum { FIRST = 10, END = 60 };
    static somebody s;
    make_somebody(&s);
    const tg_pose_options made = {.spec = "still", .behaviour = {.seed = 3}};
    assert_ok(tg_gaze_write(ctx, &s.id, &made, FIRST, END, in_folder("gaze.npy")));
    tg_gaze_source *a, *b;
    assert_ok(tg_gaze_source_open(ctx, &s.id, &made, &a));
    const tg_pose_options again = {.spec = "replay", .gaze = in_folder("gaze.npy")};
    assert_ok(tg_gaze_source_open(ctx, &s.id, &again, &b));
    float x[TG_GAZE_DIM], y[TG_GAZE_DIM], first[TG_GAZE_DIM];
    for (int t = 0; t < END; t++) {
        assert_ok(tg_gaze_source_next(ctx, a, x));
        if (t < FIRST)
            continue;
        assert_ok(tg_gaze_source_next(ctx, b, y));
        assert_memory_equal(x, y, sizeof x);
        if (t == FIRST)
            memcpy(first, y, sizeof first);
    }
    assert_memory_not_equal(first, y, sizeof y);
    assert_ok(tg_gaze_source_next(ctx, b, y));
    assert_memory_equal(x, y, sizeof x);
    tg_gaze_source_close(&a);
    tg_gaze_source_close(&b);
    /* neither other numbers nor eyes that cannot */
    float wrong[3] = {1, 2, 3};
    assert_ok(tg_npy_write(ctx, in_folder("gaze.npy"), 2, (int64_t[]){1, 3}, wrong));
    assert_int_equal(tg_gaze_source_open(ctx, &s.id, &again, &b), TG_EINPUT);
    assert_message("a gaze is two angles");
    wrong[1] = NAN;
    assert_ok(tg_npy_write(ctx, in_folder("gaze.npy"), 2, (int64_t[]){1, 2}, wrong));
    assert_int_equal(tg_gaze_source_open(ctx, &s.id, &again, &b), TG_EINPUT);
    s.id.gaze = NULL;
    assert_int_equal(tg_gaze_source_open(ctx, &s.id, &again, &b), TG_EUSAGE);
    assert_message("the eyes of 'somebody' do not move");
    assert_ok(tg_gaze_check(ctx, &s.id, "auto", false));
    assert_int_equal(tg_gaze_check(ctx, &s.id, "auto", true), TG_EUSAGE);
    assert_message("--gaze-out: the eyes of 'somebody'");
}

static void eyes_turn_against_another_head(void **state) {
    (void)state;
    static somebody s;
    static float pose[16 * POSES];
    make_somebody(&s);
    for (int t = 0; t < POSES; t++)
        person_c2w(degree * 6 * sinf(0.05f * (float)t), pose + 16 * t);
    assert_ok(tg_npy_write(ctx, in_folder("pose.npy"), 3, (int64_t[]){POSES, 4, 4}, pose));
    tg_gaze_source *source;
    tg_pose_options o = {.spec = in_folder("pose.npy"), .behaviour = {.seed = 3}};
    assert_ok(tg_gaze_source_open(ctx, &s.id, &o, &source));
    double worst = 0, off = 0;
    for (int t = 0; t < POSES; t++) {
        float out[TG_GAZE_DIM];
        assert_ok(tg_gaze_source_next(ctx, source, out));
        const double from =
            (double)out[0] * TG_GAZE_DEGREES - 0.6 * 6 * sin(0.05 * t); /* degrees */
        worst = fmax(worst, fabs(from));
        off += from * from / POSES;
        /* never where no eye was seen */
        assert_true(out[1] * TG_GAZE_DEGREES >= 0.79f && out[1] * TG_GAZE_DEGREES <= 1.21f);
    }
    /* the deviation of the fixations is that of the recording, 0.5 rest_of */
    assert_true(sqrt(off) > 0.15 && sqrt(off) < 0.5);
    assert_true(worst < 1);
    tg_gaze_source_close(&source);
}

static void a_still_head_has_eyes_that_rest_and_move(void **state) {
    (void)state;
    static somebody s;
    make_somebody(&s);
    float track[2][25 * SECONDS][TG_GAZE_DIM];
    for (int seed = 0; seed < 2; seed++) {
        tg_gaze_source *source;
        tg_pose_options o = {.spec = "still", .behaviour = {.seed = (uint64_t)seed}};
        assert_ok(tg_gaze_source_open(ctx, &s.id, &o, &source));
        int moves = 0;
        for (int t = 0; t < 25 * SECONDS; t++) {
            assert_ok(tg_gaze_source_next(ctx, source, track[seed][t]));
            moves += t > 0 && memcmp(track[seed][t], track[seed][t - 1], sizeof track[0][0]) != 0;
        }
        assert_true(moves >= SECONDS / 2 - 1 && moves <= 2 * SECONDS);
        tg_gaze_source_close(&source);
    }
    assert_memory_not_equal(track[0], track[1], sizeof track[0]);
}

/* ---- the picture ------------------------------------------------------------------------- */

/* person.ckpt whose renderer sees the gaze [PERSON_POSES,2], NULL = has no such tensor */
static void write_person(const float *gaze) {
    person p;
    person_make(&p, false);
    tg_nerf_config config = p.nerf->config;
    tg_nerf_destroy(&p.nerf);
    config.cond_dim = TG_MOTION_DIM + TG_GAZE_DIM;
    assert_ok(tg_nerf_create(ctx, &config, 3, &p.nerf));
    const tg_rng rng = tg_rng_make(5, "", "person");
    tg_tensor *grids[] = {p.nerf->position_embeddings, p.nerf->ambient_embeddings};
    for (int g = 0; g < 2; g++)
        for (int64_t i = 0; i < tg_numel(grids[g]); i++)
            grids[g]->data[i] = tg_rng_normal(&rng, (uint64_t)i);
    person_voice(in_folder("voice.safetensors"), 1);
    p.parts.voice_path = in_folder("voice.safetensors");
    p.parts.gaze = gaze;
    assert_ok(tg_identity_write(ctx, in_folder("person.ckpt"), &p.parts));
    person_free(&p);
}

static void picture_of(const float *gaze, char hash[33]) {
    write_person(gaze);
    tg_identity *id;
    assert_ok(tg_identity_open(ctx, in_folder("person.ckpt"), NULL, false, &id));
    assert_non_null(id->gaze);
    static float lm[PERSON_POSES][TG_MOTION_DIM];
    for (int t = 0; t < PERSON_POSES; t++)
        memcpy(lm[t], id->lm_mean, sizeof lm[t]);
    assert_ok(tg_npy_write(ctx, in_folder("lm.npy"), 3, (int64_t[]){PERSON_POSES, 68, 3}, lm[0]));
    tg_motion_source *motion;
    assert_ok(tg_motion_source_file(ctx, in_folder("lm.npy"), &motion));
    tg_portrait_options o = tg_synth_defaults().portrait;
    o.output = "null:";
    tg_synth_report report;
    assert_ok(tg_render_motion(ctx, id, motion, &o, NULL, 0, 0, &report));
    memcpy(hash, report.frame_hash, 33);
    tg_motion_source_close(&motion);
    tg_identity_close(&id);
}

static void the_renderer_sees_the_gaze(void **state) {
    (void)state;
    float straight[PERSON_POSES * TG_GAZE_DIM] = {0}, aside[PERSON_POSES * TG_GAZE_DIM];
    char a[33], again[33], b[33];
    for (int i = 0; i < PERSON_POSES * TG_GAZE_DIM; i++)
        aside[i] = 20;
    picture_of(straight, a);
    picture_of(straight, again);
    picture_of(aside, b);
    assert_string_equal(a, again);
    assert_string_not_equal(a, b);
    /* 206 numbers, and nobody knows the last two */
    write_person(NULL);
    tg_identity *id;
    assert_int_equal(tg_identity_open(ctx, in_folder("person.ckpt"), NULL, false, &id), TG_EMODEL);
    assert_message("206 with scene.gaze");
    aside[3] = NAN;
    write_person(aside);
    assert_int_equal(tg_identity_open(ctx, in_folder("person.ckpt"), NULL, false, &id), TG_EMODEL);
    assert_message("scene.gaze has a number that is not finite");
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(recorded_poses_have_the_recorded_gaze),
        cmocka_unit_test(a_file_says_where_eyes_look),
        cmocka_unit_test(eyes_turn_against_another_head),
        cmocka_unit_test(a_still_head_has_eyes_that_rest_and_move),
        cmocka_unit_test(the_renderer_sees_the_gaze),
    };
    return cmocka_run_group_tests_name("systems gaze", tests, start, stop);
}
