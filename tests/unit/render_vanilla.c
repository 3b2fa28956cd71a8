/* The vanilla NeRF beyond its stored numbers: threads, backgrounds, and files that do not fit. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <math.h>
#include <stdio.h>
#include <string.h>

#include "../../src/render/vanilla.h"

static const char path[] = "render_vanilla_test.safetensors";
static const char person[] = TG_TESTS_DIR "/golden/adnerf_orig/weights.safetensors";
enum { WIDTH = 7, HEIGHT = 5, PIXELS = WIDTH * HEIGHT, WINDOWS = 8 * 16 * 29 };

static const float c2w[16] = {1, 0, 0, 0.02f, 0, 1, 0, -0.01f, 0, 0, 1, 0.6f, 0, 0, 0, 1};

static tg_vanilla_config small(void) {
    tg_vanilla_config config = tg_vanilla_config_defaults();
    config.cond_win_size = 16;
    config.n_samples_per_ray = 16;
    config.n_samples_per_ray_fine = 21;
    config.cond_from_head = config.adnerf_angles = true;
    return config;
}

static tg_vanilla *load(tg_context *ctx, const char *file, const char *prefix) {
    tg_st *st;
    tg_vanilla *model;
    const tg_vanilla_config config = small();
    assert_int_equal(tg_st_open(ctx, file, &st), TG_OK);
    assert_int_equal(tg_vanilla_load(ctx, st, prefix, &config, &model), TG_OK);
    tg_st_close(&st);
    return model;
}

static void windows_of(float *windows) {
    const tg_rng rng = tg_rng_make(5, "", "windows");
    tg_rng_fill_normal(&rng, 0, windows, WINDOWS);
}

static tg_vanilla_renderer *renderer_of(tg_context *ctx, const tg_vanilla *head,
                                        const tg_vanilla *torso, const uint8_t *background) {
    tg_vanilla_options options = tg_vanilla_options_defaults(WIDTH, HEIGHT, 12.0f);
    options.background = background;
    options.torso_c2w = c2w;
    tg_vanilla_renderer *r;
    assert_int_equal(tg_vanilla_renderer_create(ctx, head, torso, &options, &r), TG_OK);
    return r;
}

/* The picture is a matter of its input, not of the machine. */
static void threads_do_not_matter(void **state) {
    (void)state;
    float windows[WINDOWS], rgb[2][3 * PIXELS];
    windows_of(windows);
    for (int i = 0; i < 2; i++) {
        tg_context *ctx = tg_context_create(i == 0 ? 1 : 3);
        tg_vanilla *head = load(ctx, person, "head."), *torso = load(ctx, person, "body.");
        tg_vanilla_renderer *r = renderer_of(ctx, head, torso, NULL);
        const tg_picture picture = {.rgb = rgb[i]};
        assert_int_equal(tg_vanilla_renderer_frame(ctx, r, windows, NULL, c2w, &picture), TG_OK);
        tg_vanilla_renderer_destroy(&r);
        tg_vanilla_destroy(&head);
        tg_vanilla_destroy(&torso);
        tg_context_destroy(&ctx);
    }
    assert_memory_equal(rgb[0], rgb[1], sizeof rgb[0]);
    float low = 1, high = 0;
    for (int i = 0; i < 3 * PIXELS; i++) {
        low = fminf(low, rgb[0][i]);
        high = fmaxf(high, rgb[0][i]);
    }
    assert_true(high - low > 0.05f); /* there is something to be seen */
}

/* Factors of 16 bits: another picture that nobody can tell from the first. */
static void integers_are_near(void **state) {
    (void)state;
    float windows[WINDOWS], rgb[2][3 * PIXELS];
    windows_of(windows);
    tg_context *ctx = tg_context_create(1);
    tg_vanilla *head = load(ctx, person, "head."), *torso = load(ctx, person, "body.");
    for (int i = 0; i < 2; i++) {
        tg_context_set_precision(ctx, i == 0 ? TG_FLOAT32 : TG_INT16);
        tg_vanilla_renderer *r = renderer_of(ctx, head, torso, NULL);
        const tg_picture picture = {.rgb = rgb[i]};
        assert_int_equal(tg_vanilla_renderer_frame(ctx, r, windows, NULL, c2w, &picture), TG_OK);
        tg_vanilla_renderer_destroy(&r);
    }
    double sum = 0;
    for (int i = 0; i < 3 * PIXELS; i++)
        sum += ((double)rgb[0][i] - rgb[1][i]) * ((double)rgb[0][i] - rgb[1][i]);
    const double db = -10 * log10(sum / (3 * PIXELS));
    print_message("%.1f dB\n", db);
    assert_true(db > 60 && db < 120);
    tg_vanilla_destroy(&head);
    tg_vanilla_destroy(&torso);
    tg_context_destroy(&ctx);
}

/* Exchanging the background changes each pixel by the part that alpha leaves of it. */
static void background_shines_through(void **state) {
    (void)state;
    tg_context *ctx = tg_context_create(2);
    tg_vanilla *head = load(ctx, person, "head."), *torso = load(ctx, person, "body.");
    float windows[WINDOWS], rgb[2][3 * PIXELS], alpha[PIXELS], weights[PIXELS], depth[PIXELS];
    uint8_t white[3 * PIXELS], rgb8[3 * PIXELS];
    windows_of(windows);
    memset(white, 255, sizeof white);
    for (int with_torso = 0; with_torso < 2; with_torso++) {
        tg_vanilla_renderer *r = renderer_of(ctx, head, with_torso ? torso : NULL, white);
        for (int i = 0; i < 2; i++) {
            const tg_picture picture = {
                .rgb = rgb[i], .rgb8 = rgb8, .alpha = alpha, .weights = weights, .depth = depth};
            tg_vanilla_renderer_set_background(r, i == 0 ? white : NULL);
            assert_int_equal(tg_vanilla_renderer_frame(ctx, r, windows, NULL, c2w, &picture),
                             TG_OK);
        }
        for (int i = 0; i < 3 * PIXELS; i++) {
            assert_true(fabsf(rgb[0][i] - rgb[1][i] - (1.0f - alpha[i / 3])) < 1e-5f);
            assert_int_equal(rgb8[i], (int)(rgb[1][i] * 255.0f));
        }
        for (int p = 0; p < PIXELS; p++) {
            assert_true(alpha[p] >= weights[p] - 1e-6f && alpha[p] <= 1.0f);
            assert_true(depth[p] >= 0.0f && depth[p] <= 1.0f);
            assert_true(with_torso || alpha[p] == weights[p]);
        }
        tg_vanilla_renderer_destroy(&r);
    }
    tg_vanilla_destroy(&head);
    tg_vanilla_destroy(&torso);
    tg_context_destroy(&ctx);
}

static void refuses_bad_frames(void **state) {
    (void)state;
    tg_context *ctx = tg_context_create(1);
    tg_vanilla *head = load(ctx, person, "head."), *torso = load(ctx, person, "body.");
    float windows[WINDOWS], pose[16], rgb[3 * PIXELS];
    const tg_picture picture = {.rgb = rgb};
    windows_of(windows);
    tg_vanilla_renderer *r = renderer_of(ctx, head, torso, NULL);
    memcpy(pose, c2w, sizeof pose);
    pose[7] = NAN;
    assert_int_equal(tg_vanilla_renderer_frame(ctx, r, windows, NULL, pose, &picture), TG_EINPUT);
    assert_non_null(strstr(tg_message(ctx), "[1,3]"));
    windows[100] = INFINITY;
    assert_int_equal(tg_vanilla_renderer_frame(ctx, r, windows, NULL, c2w, &picture), TG_EINPUT);
    assert_non_null(strstr(tg_message(ctx), "value 100"));
    windows_of(windows);
    tg_cancel(ctx, TG_EINTR);
    assert_int_equal(tg_vanilla_renderer_frame(ctx, r, windows, NULL, c2w, &picture), TG_EINTR);
    tg_vanilla_renderer_destroy(&r);
    /* a torso is no head, and needs a camera */
    tg_vanilla_options options = tg_vanilla_options_defaults(WIDTH, HEIGHT, 12.0f);
    assert_int_equal(tg_vanilla_renderer_create(ctx, head, torso, &options, &r), TG_EUSAGE);
    assert_int_equal(tg_vanilla_renderer_create(ctx, torso, NULL, &options, &r), TG_EMODEL);
    options.width = 0;
    assert_int_equal(tg_vanilla_renderer_create(ctx, head, NULL, &options, &r), TG_EUSAGE);
    assert_null(r);
    tg_vanilla_destroy(&head);
    tg_vanilla_destroy(&torso);
    tg_context_destroy(&ctx);
}

/* The person's file with tensor `name` left out, or with another shape. */
static void write_changed(tg_context *ctx, const char *name, int ndim, const int64_t *dim) {
    tg_st *st;
    assert_int_equal(tg_st_open(ctx, person, &st), TG_OK);
    tg_st_writer *w = tg_st_writer_create();
    for (int i = 0; i < tg_st_count(st); i++) {
        const tg_st_tensor *t = tg_st_at(st, i);
        if (strcmp(t->name, name) != 0) {
            assert_true(tg_st_add_raw(w, t->name, t->dtype, t->ndim, t->dim, t->data));
        } else if (ndim > 0) {
            static const float zeros[1 << 16];
            assert_true(tg_st_add_raw(w, name, TG_F32, ndim, dim, zeros));
        }
    }
    assert_int_equal(tg_st_write(ctx, w, path), TG_OK);
    tg_st_writer_destroy(&w);
    tg_st_close(&st);
}

static void refuses_misfits(void **state) {
    (void)state;
    static const struct {
        const char *name;
        int ndim;
        int64_t dim[3];
    } changes[] = {
        {"head.model_coarse.density_linears.0.weight", 0, {0}},
        {"head.model_coarse.density_linears.0.weight", 2, {32, 126}},
        {"head.model_coarse.density_linears.0.weight", 3, {32, 127, 1}},
        {"head.model_coarse.density_linears.3.weight", 2, {32, 31}},
        {"head.model_coarse.density_linears.3.bias", 1, {31}},
        {"head.model_fine.density_linears.5.weight", 2, {32, 160}},
        {"head.model_fine.density_out_linear.weight", 2, {2, 32}},
        {"head.model_fine.density_out_linear.bias", 0, {0}},
        {"head.model_coarse.color_linears.0.weight", 2, {16, 58}},
        {"head.model_coarse.color_linears.0.weight", 2, {16, 20}},
        {"head.model_fine.color_out_linear.weight", 2, {4, 16}},
        {"head.aud_net.encoder_conv.0.weight", 0, {0}},
        {"head.aud_net.encoder_conv.2.weight", 3, {32, 32, 5}},
        {"head.aud_net.encoder_fc1.2.weight", 2, {63, 64}},
        {"head.audatt_net.attentionNet.0.weight", 2, {8, 7}},
        {"head.audatt_net.attentionConvNet.0.weight", 3, {16, 65, 3}},
    };
    for (size_t i = 0; i < sizeof changes / sizeof changes[0]; i++) {
        tg_context *ctx = tg_context_create(1);
        tg_st *st;
        tg_vanilla *model;
        const tg_vanilla_config config = small();
        write_changed(ctx, changes[i].name, changes[i].ndim, changes[i].dim);
        assert_int_equal(tg_st_open(ctx, path, &st), TG_OK);
        assert_int_equal(tg_vanilla_load(ctx, st, "head.", &config, &model), TG_EMODEL);
        assert_null(model);
        assert_non_null(strstr(tg_message(ctx), path));
        assert_non_null(strstr(tg_message(ctx), "try:"));
        tg_st_close(&st);
        tg_context_destroy(&ctx);
    }
    remove(path);
}

/* AD-NeRF's own attention looks at the first half of a code. */
static void narrow_attention(void **state) {
    (void)state;
    tg_context *ctx = tg_context_create(1);
    const int64_t dim[3] = {16, 32, 3};
    write_changed(ctx, "head.audatt_net.attentionConvNet.0.weight", 3, dim);
    tg_vanilla *model = load(ctx, path, "head.");
    float windows[WINDOWS];
    windows_of(windows);
    tg_tape *tape = tg_tape_create(ctx, false);
    const tg_tensor *code =
        tg_vanilla_condition(tape, model, tg_input(tape, 3, (int64_t[]){8, 16, 29}, windows));
    assert_int_equal(tg_tape_status(tape), TG_OK);
    assert_int_equal(tg_numel(code), 64);
    tg_tape_destroy(&tape);
    tg_vanilla_destroy(&model);
    tg_context_destroy(&ctx);
    remove(path);
}

static void round_trip(void **state) {
    (void)state;
    tg_context *ctx = tg_context_create(1);
    tg_vanilla *model = load(ctx, person, "body.");
    assert_int_equal(model->config.pose_octaves, 3);
    assert_int_equal(model->config.view_octaves, 4);
    assert_int_equal(model->config.cond_dim, 29);
    assert_int_equal(model->config.smo_win_size, 1);
    assert_false(model->config.with_att);
    assert_int_equal(model->fine.skip, 5);
    tg_st_writer *w = tg_st_writer_create();
    assert_true(tg_vanilla_store(model, w, "render.torso.", TG_F32));
    assert_int_equal(tg_st_write(ctx, w, path), TG_OK);
    tg_st_writer_destroy(&w);
    tg_vanilla *again = load(ctx, path, "render.torso.");
    assert_int_equal(tg_params_count(again->params), tg_params_count(model->params));
    for (int i = 0; i < tg_params_count(again->params); i++) {
        const tg_param *p = tg_params_at(again->params, i);
        const tg_param *q = tg_params_find(model->params, p->name);
        assert_non_null(q);
        assert_memory_equal(p->value->data, q->value->data,
                            (size_t)tg_numel(p->value) * sizeof(float));
    }
    tg_vanilla_destroy(&again);
    tg_vanilla_destroy(&model);
    tg_context_destroy(&ctx);
    remove(path);
}

static tg_status read_config(tg_context *ctx, const char *text, tg_vanilla_config *config) {
    tg_json *json;
    assert_int_equal(tg_json_parse(ctx, text, strlen(text), "test", &json), TG_OK);
    *config = tg_vanilla_config_defaults();
    const tg_status status = tg_vanilla_config_read(ctx, json, config);
    tg_json_destroy(&json);
    return status;
}

static void configuration(void **state) {
    (void)state;
    tg_context *ctx = tg_context_create(1);
    tg_vanilla_config config;
    static const char *const bad[] = {
        "{\"n_samples_per_ray\": 2}",    "{\"n_samples_per_ray\": 1e9}", "{\"near\": \"a\"}",
        "{\"near\": 0.9, \"far\": 0.3}", "{\"cond_win_size\": 7}",       "{\"far\": -1}",
    };
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++) {
        assert_int_equal(read_config(ctx, bad[i], &config), TG_EMODEL);
    }
    assert_int_equal(read_config(ctx, "{\"near\": 0.57, \"with_att\": false}", &config), TG_OK);
    assert_true(config.near == 0.57f && !config.with_att && config.n_samples_per_ray == 64);
    tg_vanilla_config one = small(), two = tg_vanilla_config_defaults();
    tg_json *json = tg_json_new_object();
    tg_vanilla_config_write(&one, json);
    assert_int_equal(tg_vanilla_config_read(ctx, json, &two), TG_OK);
    assert_true(two.cond_win_size == 16 && two.n_samples_per_ray == 16 &&
                two.n_samples_per_ray_fine == 21 && two.cond_from_head && two.adnerf_angles &&
                two.near == one.near && two.far == one.far && two.with_att);
    tg_json_destroy(&json);
    tg_context_destroy(&ctx);
}

/* A ray that meets one thin opaque layer sends its fine samples there. */
static void samples_go_where_the_weight_is(void **state) {
    (void)state;
    enum { N = 32, MORE = 64 };
    double z[N], weights[N] = {0}, all[N + MORE];
    tg_vanilla_depths(0.3, 0.9, N, z);
    assert_true(z[0] == 0.3 && z[N - 1] == 0.9);
    weights[20] = 1.0;
    tg_vanilla_refine(z, weights, N, MORE, all);
    int inside = 0;
    for (int i = 0; i < N + MORE; i++) {
        assert_true(i == 0 || all[i] >= all[i - 1]);
        inside += all[i] >= 0.5 * (z[19] + z[20]) && all[i] <= 0.5 * (z[20] + z[21]);
    }
    assert_true(inside >= MORE - 2);
    /* weights of a ray sum to one: what is left falls on the background */
    float raw[4 * N] = {0};
    double sum = 0;
    for (int i = 0; i < N; i++) {
        raw[4 * i + 3] = i == 20 ? 30.0f : -1.0f;
    }
    const float background[3] = {0.25f, 0.5f, 1.0f};
    tg_vanilla_pixel pixel;
    tg_vanilla_integrate(raw, z, N, 1.0, background, weights, &pixel);
    for (int i = 0; i < N; i++) {
        sum += weights[i];
    }
    const float through = expf(-30.0f * 0.6f / (N - 1));
    assert_true(fabs(sum - 1.0) < 1e-5 && fabsf(pixel.opacity - 1.0f) < 1e-5f);
    assert_true(fabsf(pixel.last_weight - through) < 1e-4f);
    assert_true(fabsf(pixel.rgb[2] - (0.5f * (1.0f - through) + through)) < 1e-4f);
    assert_true(fabs((double)pixel.depth - z[20]) < 1e-3);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(threads_do_not_matter),
        cmocka_unit_test(integers_are_near),
        cmocka_unit_test(background_shines_through),
        cmocka_unit_test(refuses_bad_frames),
        cmocka_unit_test(refuses_misfits),
        cmocka_unit_test(narrow_attention),
        cmocka_unit_test(round_trip),
        cmocka_unit_test(configuration),
        cmocka_unit_test(samples_go_where_the_weight_is),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
