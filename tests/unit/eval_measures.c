/* Measures of pictures and of spoken motion on pictures and motions whose figures are known. */
#include "eval/displacement.h"
#include "eval/domain.h"
#include "eval/face_region.h"
#include "dataset_scene.h"

#include "talkgen/eval.h"
#include "talkgen/io.h"
#include "talkgen/systems.h"

#include <setjmp.h>

#include "test_root.h"

#include <cmocka.h>

enum { SIDE = 64, PIXELS = SIDE * SIDE };

static const scene person = {48, 140, 120};
static tg_context *ctx;

static void assert_ok(tg_status status) {
    if (status != TG_OK)
        fail_msg("%s", tg_message(ctx));
}

static int make(void **state) {
    (void)state;
    static float sound[140 * 640];
    assert_true(make_root("eval_measures"));
    ctx = tg_context_create(1);
    for (int i = 0; i < 140 * 640; i++)
        sound[i] = 0.3f * sinf(0.06f * (float)i) * (i / 6400 % 2 ? 1 : 0.01f);
    return scene_write(ctx, &person, in_root("person")) != TG_OK ||
           tg_audio_write(ctx, in_root("person/aud.wav"), sound, 140 * 640, 1, 16000) != TG_OK;
}

static int drop(void **state) {
    tg_context_destroy(&ctx);
    return remove_root(state);
}

/* A smooth picture with detail everywhere, seen `dx`, `dy` pixels further left and up. */
static void paint(double dx, double dy, double detail, double offset, uint8_t *rgb) {
    for (int y = 0; y < SIDE; y++)
        for (int x = 0; x < SIDE; x++)
            for (int c = 0; c < 3; c++) {
                double u = x + dx, v = y + dy;
                double value = 120 + offset +
                               detail * (25 * sin(0.5 * u + c) * cos(0.4 * v) +
                                         25 * sin(0.17 * u - 0.23 * v + c));
                rgb[3 * (y * SIDE + x) + c] = (uint8_t)lrint(value);
            }
}

static double pyramid(const uint8_t *a, const uint8_t *b) {
    static float map[PIXELS];
    double sum = 0;
    assert_ok(tg_pyramid_map(ctx, SIDE, SIDE, a, b, map));
    for (int i = 0; i < PIXELS; i++) {
        assert_true(map[i] >= 0 && map[i] <= 1.0001f);
        sum += (double)map[i] / PIXELS;
    }
    return sum;
}

static void pyramid_distance_sees_lost_and_misplaced_detail(void **unused) {
    (void)unused;
    static uint8_t a[3 * PIXELS], b[3 * PIXELS], grey[3 * PIXELS], contrary[3 * PIXELS];
    paint(0, 0, 1, 0, a);
    paint(0, 0, 0, 0, grey);
    paint(0, 0, -1, 0, contrary);
    assert_true(pyramid(a, a) == 0);
    double before = 0; /* the more detail is lost, the farther */
    for (int k = 1; k <= 4; k++) {
        paint(0, 0, 1 - 0.25 * k, 0, b);
        double d = pyramid(a, b);
        assert_true(d > before + 0.05);
        before = d;
        assert_true(fabs(d - pyramid(b, a)) < 1e-6);
    }
    assert_true(before > 0.5 && before < 0.7072); /* all of it: 0.7 but for the faintest */
    assert_true(pyramid(a, contrary) > 0.85);
    before = 0;
    for (int k = 1; k <= 4; k++) { /* the farther it is moved, the farther */
        paint(0.5 * k, 0, 1, 0, b);
        double d = pyramid(a, b);
        assert_true(d > before + 0.05);
        before = d;
    }
    paint(0, 0, 1, 20, b); /* brighter */
    assert_true(pyramid(a, b) < 0.01);
    assert_true(pyramid(grey, grey) == 0);
}

static void displacement_is_measured(void **unused) {
    (void)unused;
    static uint8_t rgb[3 * PIXELS];
    static float a[PIXELS], b[PIXELS];
    paint(0, 0, 1, 0, rgb);
    tg_grey(rgb, PIXELS, a);
    const double shifts[][2] = {{0, 0}, {0.4, 0}, {0, -0.7}, {1.2, 0.9}, {-1.5, 1}};
    for (size_t k = 0; k < sizeof shifts / sizeof *shifts; k++) {
        paint(shifts[k][0], shifts[k][1], 1, 0, rgb);
        tg_grey(rgb, PIXELS, b);
        double length = hypot(shifts[k][0], shifts[k][1]);
        for (int i = 0; i < 9; i++) {
            double d =
                tg_displacement(a, b, SIDE, SIDE, 20 + 12.3 * (i % 3), 21 + 11.7 * (i / 3), 6);
            assert_true(fabs(d - length) < 0.12);
        }
    }
    assert_true(isnan(tg_displacement(a, b, SIDE, SIDE, 3, 30, 6)));
    assert_true(isnan(tg_displacement(a, b, SIDE, SIDE, 30, 62, 6)));
    assert_true(isnan(tg_displacement(a, b, SIDE, SIDE, NAN, 30, 6)));
    /* nothing to hold on to: no displacement is made up */
    paint(0, 0, 0, 0, rgb);
    tg_grey(rgb, PIXELS, a);
    assert_true(tg_displacement(a, a, SIDE, SIDE, 30, 30, 6) < 1e-9);
}

static void face_and_hair_divide_the_head(void **unused) {
    (void)unused;
    tg_dataset *set;
    static uint8_t mask[48 * 48];
    assert_ok(tg_dataset_open(ctx, in_root("person"), TG_LOAD_PARSING, 0, &set));
    for (int64_t f = 0; f < set->frames; f += 31) {
        int face = 0, hair = 0;
        tg_face_region(set, f, mask);
        for (int i = 0; i < 48 * 48; i++) {
            bool in_face = mask[i] & TG_PIXEL_FACE, in_hair = mask[i] & TG_PIXEL_HAIR;
            assert_false(in_face && in_hair);
            if ((mask[i] & TG_PIXEL_CLASS) == TG_PIXEL_HEAD)
                assert_true(in_face || in_hair);
            if (in_face)
                assert_int_equal(mask[i] & TG_PIXEL_CLASS, TG_PIXEL_HEAD);
            if (in_hair)
                assert_true(mask[i] & TG_PIXEL_HEAD_REGION);
            assert_int_equal(mask[i] & ~(TG_PIXEL_FACE | TG_PIXEL_HAIR),
                             set->parsing[f * 48 * 48 + i]);
            face += in_face;
            hair += in_hair;
        }
        assert_true(face > 200 && hair > 100);
        /* nose and mouth are face, the crown is hair */
        const float *lm = set->landmarks + set->image_id[f] * TG_COND_DIM;
        float nose[2], crown[2], top[3] = {0, 10 * scene_axis[1], 0};
        assert_true(tg_dataset_project(set, f, lm + 3 * 30, nose));
        assert_true(tg_dataset_project(set, f, top, crown));
        assert_true(mask[(int)nose[1] * 48 + (int)nose[0]] & TG_PIXEL_FACE);
        assert_true(mask[((int)crown[1] + 2) * 48 + (int)crown[0]] & TG_PIXEL_HAIR);
    }
    tg_dataset_close(&set);
}

/* Clouds whose distances are known: moved, wider, and as they are. */
static void domains_are_measured(void **unused) {
    (void)unused;
    enum { ROWS = 400 };
    static float truth[ROWS][204], made[ROWS][204];
    for (int r = 0; r < ROWS; r++)
        for (int i = 0; i < 204; i++)
            truth[r][i] = 0.01f * (float)i + 0.02f * sinf((float)(r * (1 + i % 7))) +
                          0.01f * cosf((float)(r * (3 + i % 3)));
    tg_domain_figures f;
    memcpy(made, truth, sizeof made);
    for (int r = 0; r < ROWS; r++) /* eyes do not count */
        made[r][3 * 40 + 1] = 7;
    assert_true(tg_domain_distance(made[0], ROWS, truth[0], ROWS, &f));
    assert_true(f.mean_mm == 0 && f.covariance == 0 && f.variance == 1);
    for (int r = 0; r < ROWS; r++) /* every point 3 mm away, half of them down */
        for (int i = 0; i < 204; i++)
            made[r][i] = truth[r][i] + (i % 3 == 1 ? i % 2 ? 0.03f : -0.03f : 0);
    assert_true(tg_domain_distance(made[0], ROWS, truth[0], ROWS, &f));
    assert_true(fabs(f.mean_mm - 3) < 1e-3 && f.covariance < 1e-4 && fabs(f.variance - 1) < 1e-4);
    double mean[204] = {0};
    for (int r = 0; r < ROWS; r++)
        for (int i = 0; i < 204; i++)
            mean[i] += (double)truth[r][i] / ROWS;
    for (int r = 0; r < ROWS; r++)
        for (int i = 0; i < 204; i++)
            made[r][i] = (float)(mean[i] + 2 * ((double)truth[r][i] - mean[i]));
    assert_true(tg_domain_distance(made[0], ROWS, truth[0], ROWS, &f));
    assert_true(f.mean_mm < 1e-3 && fabs(f.covariance - 3) < 1e-4 && fabs(f.variance - 4) < 1e-4);
}

/* The shipped person speaks the tone of a painted head: not well, but in known ranges. */
static void spoken_motion_is_measured(void **unused) {
    (void)unused;
    tg_identity *demo;
    tg_spoken_score one, two;
    tg_spoken_options o = {.seed = 7};
    assert_ok(tg_identity_open(ctx, TG_MODELS_DIR "/demo.ckpt", NULL, true, &demo));
    assert_ok(tg_eval_spoken(ctx, demo, in_root("person"), &o, &one));
    assert_int_equal(one.frames, 20);
    /* the judge in the voice file knows lips that were made from the sound from the painted ones,
     * which have nothing to do with it */
    assert_true(one.has_sync && one.sync.offset_ms == 0);
    assert_true(one.sync.confidence > 0.3 && one.true_sync.confidence < 0.1);
    assert_false(one.has_lipsync);
    /* another face than the demo's: its mouth is nowhere near */
    assert_true(one.mouth_mm > one.mean_face_mm && one.mean_face_mm > 1);
    assert_true(one.gap_corr >= -1 && one.gap_corr <= 1);
    assert_true(one.diversity_mm > 0.1 && one.diversity_mm < 10);
    assert_true(one.jitter > 0 && one.true_jitter > 1);
    assert_true(one.gap_ratio > 0);
    assert_true(one.has_postnet && one.domain.mean_mm > 1 && one.domain.variance > 0);
    assert_true(one.domain.mean_mm != one.raw_domain.mean_mm);
    /* the recording is nearer to itself */
    assert_true(one.own_domain.mean_mm < 0.5 * one.domain.mean_mm);
    assert_true(one.own_domain.covariance < one.domain.covariance);

    /* with an expert that knows nothing */
    tg_syncnet_config config = tg_syncnet_defaults();
    tg_syncnet *net;
    config.hubert_dim = tg_hubert_config_of(demo->hubert)->hidden_size;
    for (int i = 0; i < 3; i++)
        config.widths[i] = 8;
    assert_ok(tg_syncnet_create(ctx, &config, &net));
    tg_syncnet_init(net, 1);
    assert_ok(tg_syncnet_write(ctx, net, in_root("sync.safetensors")));
    tg_syncnet_destroy(&net);
    o.sync = in_root("sync.safetensors");
    static const char phones[] = "[[\"SIL\",0,1],[\"AA\",1,2],[\"P\",2,2.1],[\"IY\",2.1,5]]";
    assert_ok(tg_file_write(ctx, in_root("phones.json"), phones, strlen(phones)));
    o.phones = in_root("phones.json");
    assert_ok(tg_eval_spoken(ctx, demo, in_root("person"), &o, &two));
    assert_true(two.mouth_mm == one.mouth_mm && two.diversity_mm == one.diversity_mm);
    assert_true(two.has_sync && two.has_lipsync);
    assert_int_equal(two.lipsync.motion.n_close, 1);
    assert_true(fabs(two.sync.cosine) <= 1 && two.sync.confidence >= 0 &&
                two.sync.confidence < 0.5);
    assert_true(fabs(two.sync.offset_ms) <= 600);
    assert_true(two.sync.cosine != two.true_sync.cosine);

    /* the same one inside the voice file, in float16 */
    tg_identity *whole;
    assert_ok(tg_syncnet_open(ctx, in_root("sync.safetensors"), config.hubert_dim, &net));
    assert_ok(tg_voice_write(ctx, in_root("voice.safetensors"), demo->hubert, demo->vae, net));
    tg_syncnet_destroy(&net);
    assert_ok(tg_identity_open(ctx, TG_MODELS_DIR "/demo.ckpt", in_root("voice.safetensors"), true,
                               &whole));
    tg_spoken_score three;
    assert_ok(tg_eval_spoken(ctx, whole, in_root("person"),
                             &(tg_spoken_options){.seed = 7, .phones = o.phones}, &three));
    tg_identity_close(&whole);
    assert_true(three.mouth_mm == two.mouth_mm && three.has_sync);
    assert_true(fabs(three.sync.cosine - two.sync.cosine) < 2e-3);

    /* experts of other features and of other lips */
    for (int lips = 0; lips < 2; lips++) {
        config.hubert_dim += lips ? -8 : 8;
        config.lm_dim = lips ? 40 : config.lm_dim;
        assert_ok(tg_syncnet_create(ctx, &config, &net));
        tg_syncnet_init(net, 1);
        assert_ok(tg_syncnet_write(ctx, net, in_root("sync.safetensors")));
        tg_syncnet_destroy(&net);
        assert_int_equal(tg_eval_spoken(ctx, demo, in_root("person"), &o, &two), TG_EMODEL);
        assert_non_null(strstr(tg_message(ctx), "sync.safetensors"));
        assert_non_null(strstr(tg_message(ctx), lips ? "40 values" : "features of"));
    }
    tg_identity_close(&demo);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(pyramid_distance_sees_lost_and_misplaced_detail),
        cmocka_unit_test(displacement_is_measured),
        cmocka_unit_test(face_and_hair_divide_the_head),
        cmocka_unit_test(domains_are_measured),
        cmocka_unit_test(spoken_motion_is_measured),
    };
    return cmocka_run_group_tests(tests, make, drop);
}
