/* The reader of recordings and the two training loops, on a painted ball of a head. */
#include "dataset_scene.h"

#include "talkgen/eval.h"
#include "talkgen/train.h"

#include "train/nerf_sampler.h"
#include "train/torso_step.h"

#include <setjmp.h>

#include "test_root.h"

#include <cmocka.h>

#include "train_runs.h"

static const scene small = {48, 40, 36};
static int make_recording(void **state) {
    (void)state;
    assert_true(make_root("train_nerf_loop"));
    tg_context *ctx = tg_context_create(1);
    tg_status status = scene_write(ctx, &small, in_root("person"));
    tg_context_destroy(&ctx);
    return status;
}

static void recording_is_read(void **unused) {
    (void)unused;
    tg_context *ctx = tg_context_create(2);
    tg_dataset *set;
    assert_int_equal(
        tg_dataset_open(ctx, in_root("person"),
                        TG_LOAD_FRAMES | TG_LOAD_BEHIND | TG_LOAD_TORSO | TG_LOAD_PARSING, 0, &set),
        TG_OK);
    assert_int_equal(set->frames, 40);
    assert_int_equal(set->train_frames, 36);
    assert_int_equal(set->image_id[39], 39);
    assert_true(set->focal == 3.2f * 48);

    /* mean and deviation make every training coordinate normal, unless it hardly moves */
    for (int j = 0; j < TG_COND_DIM; j++) {
        double sum = 0, squares = 0;
        for (int f = 0; f < 36; f++) {
            float window[TG_COND_WINDOW * TG_COND_DIM];
            tg_dataset_window(set, f, window);
            double x = window[2 * TG_COND_DIM + j];
            sum += x, squares += x * x;
        }
        assert_true(fabs(sum / 36) < 1e-3);
        assert_true(squares / 36 < 1.001);
        assert_true(squares / 36 > 0.999 || set->deviation[j] == TG_MIN_DEVIATION);
    }
    float window[TG_COND_WINDOW * TG_COND_DIM];
    tg_dataset_window(set, 0, window); /* the first frame stands for those before it */
    assert_memory_equal(window, window + 2 * TG_COND_DIM, sizeof(float) * TG_COND_DIM);

    /* the inside of an open mouth is dark where the projection says it is */
    int dark = 0;
    for (int64_t f = 0; f < 40; f++) {
        float gap = scene_gap((int)f), point[3], pixel[2];
        if (gap < 0.011f)
            continue;
        scene_landmark(0, scene_mouth[1] - 0.3f * gap, point);
        assert_true(tg_dataset_project(set, f, point, pixel));
        int64_t at = (f * 48 + (int)pixel[1]) * 48 + (int)pixel[0];
        assert_true(set->frame_rgb[3 * at] < 110);
        dark++;
    }
    assert_true(dark > 5);
    /* the mouth's box lies inside the head; parsing has all its regions */
    for (int64_t f = 0; f < 40; f += 13) {
        tg_box mouth = tg_dataset_mouth(set, f);
        int x = (mouth.left + mouth.right) / 2, y = (mouth.top + mouth.bottom) / 2;
        int64_t at = (f * 48 + y) * 48 + x;
        assert_true(mouth.right - mouth.left > 6 && mouth.right - mouth.left < 16);
        assert_int_equal(set->parsing[at] & TG_PIXEL_CLASS, TG_PIXEL_HEAD);
        assert_true(set->parsing[at] & TG_PIXEL_HEAD_CORE);
        assert_false(set->parsing[f * 48 * 48] & TG_PIXEL_HEAD_REGION);
        int64_t low = (f * 48 + 47) * 48 + 24;
        assert_int_equal(set->parsing[low] & TG_PIXEL_CLASS, TG_PIXEL_TORSO);
        assert_memory_equal(set->frame_rgb + 3 * low, set->behind_rgb + 3 * low, 3);
        assert_memory_equal(set->torso_rgba + 4 * low, set->behind_rgb + 3 * low, 3);
    }
    tg_dataset_close(&set);

    assert_int_equal(tg_dataset_open(ctx, in_root("person"), 0, 10, &set), TG_OK);
    assert_int_equal(set->frames, 10);
    assert_int_equal(set->train_frames, 9);
    assert_null(set->frame_rgb);
    tg_dataset_close(&set);
    tg_context_destroy(&ctx);
}

static void missing_files_are_named(void **unused) {
    (void)unused;
    tg_context *ctx = tg_context_create(1);
    tg_dataset *set;
    assert_int_equal(tg_dataset_open(ctx, in_root("nobody"), 0, 0, &set), TG_EINPUT);
    assert_non_null(strstr(tg_message(ctx), "bc.jpg"));
    char from[700], to[700];
    snprintf(from, sizeof(from), "%s/person/parsing/7.png", root);
    snprintf(to, sizeof(to), "%s/away.png", root);
    assert_int_equal(rename(from, to), 0);
    assert_int_equal(tg_dataset_open(ctx, in_root("person"), TG_LOAD_PARSING, 0, &set), TG_EINPUT);
    assert_non_null(strstr(tg_message(ctx), "parsing/7"));
    assert_null(set);
    assert_int_equal(rename(to, from), 0);
    tg_context_destroy(&ctx);
}

static void growing_recording_is_joined(void **unused) {
    (void)unused;
    tg_context *ctx = tg_context_create(2);
    static const char *const names[3] = {"person/gt_imgs/5.png", "person/parsing/38.png",
                                         "person/torso_imgs/39.png"};
    char from[3][700], to[3][700];
    for (int i = 0; i < 3; i++) {
        snprintf(from[i], sizeof(from[i]), "%s/%s", root, names[i]);
        snprintf(to[i], sizeof(to[i]), "%s/away%d.png", root, i);
        assert_int_equal(rename(from[i], to[i]), 0);
    }
    tg_dataset *set;
    const int all = TG_LOAD_FRAMES | TG_LOAD_BEHIND | TG_LOAD_PARSING;
    int64_t added;
    assert_int_equal(tg_dataset_open(ctx, in_root("person"), all | TG_LOAD_GROWING, 0, &set),
                     TG_OK);
    assert_int_equal(set->ready_trains, 35);
    assert_int_equal(set->ready_train[5], 6);
    assert_int_equal(set->ready_held_outs, 2);
    assert_int_equal(rename(to[0], from[0]), 0);
    assert_int_equal(tg_dataset_grow(ctx, set, &added), TG_OK);
    assert_int_equal(added, 1);
    assert_int_equal(set->ready_train[5], 5);
    assert_int_equal(rename(to[1], from[1]), 0);
    assert_int_equal(rename(to[2], from[2]), 0);
    assert_int_equal(tg_dataset_grow(ctx, set, &added), TG_OK);
    assert_int_equal(added, 2);
    assert_int_equal(set->ready_held_out[3], 39);
    tg_dataset *whole;
    assert_int_equal(tg_dataset_open(ctx, in_root("person"), all, 0, &whole), TG_OK);
    const size_t pixels = 40 * 48 * 48;
    assert_memory_equal(set->frame_rgb, whole->frame_rgb, 3 * pixels);
    assert_memory_equal(set->behind_rgb, whole->behind_rgb, 3 * pixels);
    assert_memory_equal(set->parsing, whole->parsing, pixels);
    tg_dataset_close(&set);
    tg_dataset_close(&whole);
    tg_context_destroy(&ctx);
}

static void rare_faces_and_mouths_are_drawn_more(void **unused) {
    (void)unused;
    tg_context *ctx = tg_context_create(1);
    tg_dataset *set;
    nerf_sampler sampler = {0};
    tg_nerf_config config = tg_nerf_config_defaults();
    assert_int_equal(tg_dataset_open(ctx, in_root("person"),
                                     TG_LOAD_FRAMES | TG_LOAD_BEHIND | TG_LOAD_PARSING, 0, &set),
                     TG_OK);
    assert_int_equal(tg_nerf_sampler_init(ctx, &sampler, set, &config), TG_OK);
    tg_rng rng = tg_rng_make(1, "", "pick");
    int drawn[40] = {0}, blinks = 0;
    enum { PICKS = 4000, DRAWN = 1000 };
    for (int i = 0; i < PICKS; i++) {
        int64_t f = tg_nerf_sampler_pick(&sampler, &rng, (uint64_t)i);
        assert_in_range(f, 0, 35);
        drawn[f]++;
        blinks += f < 3; /* of 36: the scene blinks in its first three frames */
    }
    for (int f = 0; f < 36; f++)
        assert_true(drawn[f] > 20);
    assert_true(blinks > PICKS * 3 / 36 * 5 / 4);

    static nerf_ray rays[DRAWN];
    tg_nerf_sampler_draw(&sampler, 7, &rng, 0, DRAWN, 0.5f, rays);
    tg_box mouth = tg_dataset_box(set, 7, 48, 67, 0.5f);
    int in_mouth = 0, solid = 0, empty = 0;
    for (int i = 0; i < DRAWN; i++) {
        /* back from the direction to the pixel, through the inverse of the pose */
        const float *m = sampler.frame[7].ngp, *d = rays[i].d;
        float local[3];
        for (int k = 0; k < 3; k++)
            local[k] = m[k] * d[0] + m[4 + k] * d[1] + m[8 + k] * d[2];
        int x = (int)(set->cx + set->focal * local[0] / local[2]);
        int y = (int)(set->cy + set->focal * local[1] / local[2]);
        const uint8_t *rgb = set->frame_rgb + 3 * ((7 * 48 + y) * 48 + x);
        for (int c = 0; c < 3; c++)
            assert_true(fabsf(rays[i].target[c] * 255 - rgb[c]) < 0.01f);
        assert_true(rays[i].jitter >= 0 && rays[i].jitter < 1);
        in_mouth += x >= mouth.left && x < mouth.right && y >= mouth.top && y < mouth.bottom;
        solid += rays[i].opacity == 1;
        empty += rays[i].opacity == 0;
    }
    assert_true(in_mouth > DRAWN * 3 / 10);
    assert_true(solid > DRAWN / 2 && empty > DRAWN / 100);
    tg_nerf_sampler_free(&sampler);
    tg_dataset_close(&set);
    tg_context_destroy(&ctx);
}

static tg_status train_head(int threads, const char *state, int stop_at,
                            tg_train_head_result *result) {
    stopper s = {tg_context_create(threads), "train head", stop_at, false};
    tg_context_set_progress(s.ctx, stop_there, &s);
    tg_train_head_options options = {.dataset = in_root("person"),
                                     .state = in_root("%s", state),
                                     .steps = 160,
                                     .rays = 512,
                                     .hidden = 32,
                                     .seed = 1};
    tg_status status = tg_train_head(s.ctx, &options, result);
    tg_context_destroy(&s.ctx);
    return status;
}

static void head_learns_and_goes_on_after_a_stop(void **unused) {
    (void)unused;
    tg_train_head_result one, two;
    assert_int_equal(train_head(1, "one", 0, &one), TG_OK);
    assert_int_equal(one.steps, 160);
    assert_int_equal(one.score.frames, 4);
    assert_true(one.score.head_psnr > 20);
    assert_true(one.score.head_ssim > 0.5);
    assert_true(tg_file_exists(in_root("one/sheet_0000160.png")));
    assert_true(tg_file_exists(in_root("one/head.csv")));
    /* stopped, continued, with two threads: the same numbers */
    assert_int_equal(train_head(2, "two", 4, &two), TG_ESTOPPED);
    assert_true(two.steps < 160);
    assert_int_equal(train_head(2, "two", 0, &two), TG_OK);
    assert_same_file(one.model, two.model);
}

static tg_status train_torso(int threads, const char *state, int stop_at,
                             tg_train_torso_result *result) {
    stopper s = {tg_context_create(threads), "train torso", stop_at, false};
    tg_context_set_progress(s.ctx, stop_there, &s);
    tg_train_torso_options options = {.dataset = in_root("person"),
                                      .state = in_root("%s", state),
                                      .steps = 160,
                                      .pixels = 2048,
                                      .seed = 1};
    tg_status status = tg_train_torso(s.ctx, &options, result);
    tg_context_destroy(&s.ctx);
    return status;
}

static void torso_learns_and_goes_on_after_a_stop(void **unused) {
    (void)unused;
    tg_train_torso_result one, two;
    assert_int_equal(train_torso(1, "one", 0, &one), TG_OK);
    assert_true(one.torso_psnr > 22);
    assert_int_equal(train_torso(2, "two", 4, &two), TG_ESTOPPED);
    assert_true(two.steps < 160);
    assert_int_equal(train_torso(2, "two", 0, &two), TG_OK);
    assert_same_file(one.model, two.model);
}

/* What was trained loads into a renderer's model, whose picture is the one that was scored. */
static void models_make_an_identity(void **unused) {
    (void)unused;
    tg_context *ctx = tg_context_create(1);
    tg_st_writer *w = tg_st_writer_create();
    tg_json *json = tg_json_new_object();
    assert_int_equal(tg_train_export_nerf(ctx, in_root("one/head.safetensors"),
                                          in_root("one/torso.safetensors"), w, json),
                     TG_OK);
    assert_int_equal(tg_st_write(ctx, w, in_root("both")), TG_OK);
    tg_st_writer_destroy(&w);
    tg_st *st;
    tg_nerf *nerf;
    tg_nerf_config config = tg_nerf_config_defaults();
    assert_int_equal(tg_nerf_config_read(ctx, json, &config), TG_OK);
    assert_int_equal(config.hidden_dim_sigma, 32);
    assert_true(config.torso);
    assert_int_equal(tg_st_open(ctx, in_root("both"), &st), TG_OK);
    assert_int_equal(tg_nerf_load(ctx, st, "render.head.", "render.torso.", &config, &nerf), TG_OK);

    tg_dataset *set;
    assert_int_equal(tg_dataset_open(ctx, in_root("person"), TG_LOAD_FRAMES, 0, &set), TG_OK);
    tg_renderer_options options = tg_renderer_defaults(48, 48, set->focal);
    options.background = set->background;
    tg_renderer *renderer;
    assert_int_equal(tg_renderer_create(ctx, nerf, &options, &renderer), TG_OK);
    uint8_t rgb[48 * 48 * 3];
    tg_picture picture = {.rgb8 = rgb};
    tg_region_score score = {0};
    for (int64_t f = 36; f < 40; f++) {
        float window[TG_COND_WINDOW * TG_COND_DIM];
        tg_dataset_window(set, set->image_id[f], window);
        assert_int_equal(tg_renderer_frame(ctx, renderer, window, set->c2w + 16 * f, &picture),
                         TG_OK);
        tg_region_add(&score, 48, 48, rgb, set->frame_rgb + f * 48 * 48 * 3, NULL, NULL, 0, NULL);
    }
    assert_true(tg_region_psnr(&score) > 20);
    tg_renderer_destroy(&renderer);
    tg_dataset_close(&set);
    tg_nerf_destroy(&nerf);
    tg_st_close(&st);
    tg_json_destroy(&json);
    tg_context_destroy(&ctx);
}

/* A recording that says where the eyes look: the head sees it, may start from one that did not, and
 * its identity replays it. */
static void gaze_is_learnt(void **unused) {
    (void)unused;
    tg_context *ctx = tg_context_create(1);
    float gaze[40][TG_GAZE_DIM];
    for (int t = 0; t < 40; t++) {
        gaze[t][0] = 3 * sinf(0.4f * (float)t);
        gaze[t][1] = 0.1f * (float)t;
    }
    assert_int_equal(
        tg_npy_write(ctx, in_root("person/gaze.npy"), 2, (int64_t[]){40, TG_GAZE_DIM}, gaze[0]),
        TG_OK);
    tg_dataset *set;
    float window[TG_COND_WINDOW * TG_MAX_COND_DIM];
    assert_int_equal(tg_dataset_open(ctx, in_root("person"), 0, 0, &set), TG_OK);
    assert_int_equal(set->cond_dim, TG_MAX_COND_DIM);
    tg_dataset_window(set, 39, window);
    for (int w = 0; w < TG_COND_WINDOW; w++) /* the last frame stands for those behind it */
        for (int k = 0; k < TG_GAZE_DIM; k++)
            assert_true(window[w * TG_MAX_COND_DIM + TG_COND_DIM + k] ==
                        gaze[w < 2 ? 37 + w : 39][k] / TG_GAZE_DEGREES);

    /* a state that began without it is not gone on with */
    tg_train_head_result r;
    assert_int_equal(train_head(1, "one", 0, &r), TG_EINPUT);
    char narrow[1100];
    snprintf(narrow, sizeof narrow, "%s", in_root("one/head.safetensors"));
    tg_train_head_options o = {.dataset = in_root("person"),
                               .state = in_root("eyes"),
                               .init = narrow,
                               .steps = 1,
                               .rays = 512,
                               .hidden = 32,
                               .seed = 1};
    assert_int_equal(tg_train_head(ctx, &o, &r), TG_OK);

    /* the first layer is the old one beside two columns, which began at nothing */
    tg_st *old, *new;
    static float a[32 * TG_COND_DIM * 3], b[32 * TG_MAX_COND_DIM * 3];
    const char *name = "render.head.cond_prenet.encoder_conv.0.weight";
    assert_int_equal(tg_st_open(ctx, narrow, &old), TG_OK);
    assert_int_equal(tg_st_open(ctx, r.model, &new), TG_OK);
    assert_int_equal(tg_st_load(ctx, old, name, 3, (int64_t[]){32, TG_COND_DIM, 3}, a), TG_OK);
    assert_int_equal(tg_st_load(ctx, new, name, 3, (int64_t[]){32, TG_MAX_COND_DIM, 3}, b), TG_OK);
    float most = 0, seen = 0;
    for (int i = 0; i < 32; i++)
        for (int k = 0; k < TG_MAX_COND_DIM * 3; k++) {
            const float now = b[i * TG_MAX_COND_DIM * 3 + k];
            if (k < TG_COND_DIM * 3)
                most = fmaxf(most, fabsf(now - a[i * TG_COND_DIM * 3 + k]));
            else
                seen = fmaxf(seen, fabsf(now));
        }
    assert_true(most < 0.02f);             /* one step of Adam, and float16 */
    assert_true(seen > 0 && seen < 0.02f); /* and there is a gradient */
    tg_st_close(&old);
    tg_st_close(&new);
    tg_dataset_close(&set);
    assert_int_equal(remove(in_root("person/gaze.npy")), 0);
    tg_context_destroy(&ctx);
}

/* ---- gradients of the torso ----------------------------------------------------------------- */

enum { FRAMES = 2, EACH = TORSO_BLOCK_TILES * NERF_TILE, SIDE = 64 };

static double torso_loss(tg_context *ctx, torso_stepper *stepper, const torso_pixel *pixels) {
    torso_frame frames[FRAMES] = {{{0.1f, -0.2f, 0.05f, 0.3f, 3, -0.2f}, 1},
                                  {{-0.1f, 0.1f, 0.02f, 0.2f, 3.1f, 0.2f}, 2}};
    torso_weights weights = {0.1f, 0.5f, 1.0f / (FRAMES * EACH)};
    torso_result result;
    tg_torso_step_gradients(ctx, stepper, frames, FRAMES, pixels, EACH, &weights, &result);
    return result.loss * (double)weights.scale;
}

static void torso_gradients_are_slopes(void **unused) {
    (void)unused;
    tg_context *ctx = tg_context_create(1);
    tg_nerf_config c = tg_nerf_config_defaults();
    c.torso = true;
    c.num_levels = 8;
    c.desired_resolution = 64; /* differences of a fine grid would need finer steps */
    c.torso_hidden_deform = c.torso_hidden_canonical = 16;
    c.torso_individual_embedding_num = 4;
    tg_nerf *nerf;
    torso_stepper *stepper;
    assert_int_equal(tg_nerf_create(ctx, &c, 3, &nerf), TG_OK);
    assert_int_equal(tg_torso_stepper_create(ctx, nerf, SIDE, SIDE, FRAMES * EACH, &stepper),
                     TG_OK);
    tg_rng rng = tg_rng_make(9, "", "torso");
    static torso_pixel pixels[FRAMES * EACH];
    for (int p = 0; p < FRAMES * EACH; p++) {
        uint64_t at = (uint64_t)p * 16;
        pixels[p].row = (int16_t)(tg_rng_u32(&rng, at) % SIDE);
        pixels[p].column = (int16_t)(tg_rng_u32(&rng, at + 1) % SIDE);
        for (uint64_t d = 0; d < 3; d++) {
            pixels[p].target[d] = tg_rng_uniform(&rng, at + 2 + d);
            pixels[p].background[d] = tg_rng_uniform(&rng, at + 5 + d);
        }
        pixels[p].alpha = tg_rng_uniform(&rng, at + 8);
    }
    for (int64_t i = 0; i < tg_numel(nerf->torso_embeddings); i++)
        nerf->torso_embeddings->data[i] = 0.5f * tg_rng_normal(&rng, (uint64_t)(1000000 + i));
    torso_loss(ctx, stepper, pixels);
    int checked = 0;
    static float *grad[64];
    int n = tg_params_count(nerf->params);
    assert_true(n <= 64);
    for (int i = 0; i < n; i++) {
        tg_tensor *t = tg_params_at(nerf->params, i)->value;
        grad[i] = tg_alloc(sizeof(float) * (size_t)tg_numel(t));
        memcpy(grad[i], t->grad, sizeof(float) * (size_t)tg_numel(t));
    }
    for (int i = 0; i < n; i++) {
        tg_param *p = tg_params_at(nerf->params, i);
        int64_t size = tg_numel(p->value);
        double square = 0;
        for (int64_t j = 0; j < size; j++)
            square += (double)grad[i][j] * (double)grad[i][j];
        double norm = sqrt(square), best = 1e9;
        if (norm == 0)
            continue;
        float *saved = tg_alloc(sizeof(float) * (size_t)size);
        memcpy(saved, p->value->data, sizeof(float) * (size_t)size);
        for (int step = 0; step < 3; step++) {
            double h = 1e-4 * pow(4, step), loss[2];
            for (int side = 0; side < 2; side++) {
                for (int64_t j = 0; j < size; j++)
                    p->value->data[j] =
                        saved[j] + (float)((side ? h : -h) * (double)grad[i][j] / norm);
                loss[side] = torso_loss(ctx, stepper, pixels);
            }
            best = fmin(best, fabs((loss[1] - loss[0]) / (2 * h) - norm) / norm);
        }
        memcpy(p->value->data, saved, sizeof(float) * (size_t)size);
        tg_free(saved);
        if (best > 0.02)
            fail_msg("%s: slope is off by %g", p->name, best);
        checked++;
    }
    assert_int_equal(checked, 8); /* table, codes, six matrices */
    for (int i = 0; i < n; i++)
        tg_free(grad[i]);
    tg_torso_stepper_destroy(&stepper);
    tg_nerf_destroy(&nerf);
    tg_context_destroy(&ctx);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(recording_is_read),
        cmocka_unit_test(missing_files_are_named),
        cmocka_unit_test(growing_recording_is_joined),
        cmocka_unit_test(rare_faces_and_mouths_are_drawn_more),
        cmocka_unit_test(torso_gradients_are_slopes),
        cmocka_unit_test(head_learns_and_goes_on_after_a_stop),
        cmocka_unit_test(torso_learns_and_goes_on_after_a_stop),
        cmocka_unit_test(models_make_an_identity),
        cmocka_unit_test(gaze_is_learnt),
    };
    return cmocka_run_group_tests(tests, make_recording, remove_root);
}
