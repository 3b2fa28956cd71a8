/* The model file: what it must hold, and that it comes back as it was stored. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <stdio.h>
#include <string.h>

#include "talkgen/render.h"

static const char path[] = "render_model_test.safetensors";

static tg_nerf_config small(void) {
    tg_nerf_config config = tg_nerf_config_defaults();
    config.grid_size = 16;
    config.log2_hashmap_size = config.torso_log2_hashmap_size = 8;
    config.hidden_dim_ambient = config.hidden_dim_sigma = config.hidden_dim_color = 12;
    config.geo_feat_dim = 10;
    config.individual_embedding_num = 6;
    config.torso_individual_embedding_num = 5;
    config.torso = config.torso_head_aware = true;
    return config;
}

static tg_nerf *create(tg_context *ctx) {
    const tg_nerf_config config = small();
    tg_nerf *nerf;
    assert_int_equal(tg_nerf_create(ctx, &config, 3, &nerf), TG_OK);
    for (size_t i = 0; i < nerf->bitfield_bytes; i++) {
        nerf->bitfield[i] = (uint8_t)(i * 37);
    }
    for (size_t i = 0; i < nerf->cells; i++) {
        nerf->density_grid[i] = (float)i;
    }
    nerf->density_grid_torso[17] = 0.25f;
    return nerf;
}

static void write_file(tg_context *ctx, const tg_nerf *nerf, bool with_grid, int codes) {
    tg_st_writer *w = tg_st_writer_create();
    assert_true(tg_nerf_store(nerf, w, "render.head.", "render.torso.", TG_F32, with_grid, codes));
    assert_int_equal(tg_st_write(ctx, w, path), TG_OK);
    tg_st_writer_destroy(&w);
}

static void round_trip(void **state) {
    (void)state;
    tg_context *ctx = tg_context_create(1);
    tg_nerf *nerf = create(ctx), *again = NULL;
    write_file(ctx, nerf, true, 2);
    tg_st *st;
    assert_int_equal(tg_st_open(ctx, path, &st), TG_OK);
    assert_non_null(tg_st_find(st, "render.torso.torso_embedder.embeddings"));
    assert_non_null(tg_st_find(st, "render.head.density_bitfield"));
    tg_nerf_config config = small();
    config.torso = false; /* the file knows better */
    assert_int_equal(tg_nerf_load(ctx, st, "render.head.", "render.torso.", &config, &again),
                     TG_OK);
    assert_true(again->config.torso && again->config.torso_head_aware);
    assert_int_equal(again->config.individual_embedding_num, 2);
    assert_int_equal(tg_params_count(again->params), tg_params_count(nerf->params));
    for (int i = 0; i < tg_params_count(again->params); i++) {
        const tg_param *p = tg_params_at(again->params, i);
        const tg_param *q = tg_params_find(nerf->params, p->name);
        assert_memory_equal(p->value->data, q->value->data,
                            (size_t)tg_numel(p->value) * sizeof(float));
    }
    assert_memory_equal(again->bitfield, nerf->bitfield, nerf->bitfield_bytes);
    assert_memory_equal(again->density_grid, nerf->density_grid, nerf->cells * sizeof(float));
    assert_true(again->density_grid_torso[17] == 0.25f);
    tg_nerf_destroy(&again);
    tg_st_close(&st);

    /* another width than stored */
    assert_int_equal(tg_st_open(ctx, path, &st), TG_OK);
    config = small();
    config.hidden_dim_sigma = 16;
    assert_int_equal(tg_nerf_load(ctx, st, "render.head.", "render.torso.", &config, &again),
                     TG_EMODEL);
    assert_null(again);
    assert_non_null(strstr(tg_message(ctx), "sigma_net.net.0.weight"));
    config = small();
    config.grid_size = 32;
    assert_int_equal(tg_nerf_load(ctx, st, "render.head.", "render.torso.", &config, &again),
                     TG_EMODEL);
    assert_int_equal(tg_nerf_load(ctx, st, "other.", "other.", &config, &again), TG_EMODEL);
    tg_st_close(&st);
    tg_nerf_destroy(&nerf);
    tg_context_destroy(&ctx);
    remove(path);
}

static void offsets_must_agree(void **state) {
    (void)state;
    tg_context *ctx = tg_context_create(1);
    tg_nerf *nerf = create(ctx), *again = NULL;
    for (int wrong = 0; wrong < 2; wrong++) {
        tg_st_writer *w = tg_st_writer_create();
        assert_true(tg_nerf_store(nerf, w, "", "", TG_F32, false, 0));
        int32_t offset[17];
        for (int l = 0; l < 17; l++) {
            offset[l] = (int32_t)nerf->position_grid.offset[l] + (wrong && l == 3);
        }
        const int64_t dim = 17;
        assert_true(tg_st_add_raw(w, "position_embedder.offsets", TG_I32, 1, &dim, offset));
        assert_int_equal(tg_st_write(ctx, w, path), TG_OK);
        tg_st_writer_destroy(&w);
        tg_st *st;
        assert_int_equal(tg_st_open(ctx, path, &st), TG_OK);
        const tg_nerf_config config = small();
        assert_int_equal(tg_nerf_load(ctx, st, "", "", &config, &again), wrong ? TG_EMODEL : TG_OK);
        tg_nerf_destroy(&again);
        tg_st_close(&st);
    }
    assert_non_null(strstr(tg_message(ctx), "position_embedder.offsets[3]"));
    tg_nerf_destroy(&nerf);
    tg_context_destroy(&ctx);
    remove(path);
}

static tg_status read_config(tg_context *ctx, const char *text, tg_nerf_config *config) {
    tg_json *json;
    assert_int_equal(tg_json_parse(ctx, text, strlen(text), "test", &json), TG_OK);
    *config = tg_nerf_config_defaults();
    const tg_status status = tg_nerf_config_read(ctx, json, config);
    tg_json_destroy(&json);
    return status;
}

static void configuration(void **state) {
    (void)state;
    tg_context *ctx = tg_context_create(1);
    tg_nerf_config config;
    assert_int_equal(
        read_config(ctx, "{\"hidden_dim_sigma\": 64, \"cond_type\": \"deepspeech\"}", &config),
        TG_OK);
    assert_int_equal(config.hidden_dim_sigma, 64);
    assert_int_equal(config.cond_dim, 29);
    assert_int_equal(config.hidden_dim_color, 128);
    static const char *const bad[] = {
        "{\"hidden_dim_sigma\": 0}",      "{\"hidden_dim_sigma\": 1e12}",
        "{\"hidden_dim_sigma\": \"64\"}", "{\"grid_size\": 100}",
        "{\"grid_type\": \"octree\"}",    "{\"bound\": -1}",
        "{\"log2_hashmap_size\": 40}",    "{\"cond_win_size\": 7}",
        "{\"desired_resolution\": 8}",    "{\"num_layers_sigma\": 99}",
    };
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++) {
        assert_int_equal(read_config(ctx, bad[i], &config), TG_EMODEL);
    }
    /* what is written is what is read */
    tg_nerf_config one = small(), two = tg_nerf_config_defaults();
    one.grid_hash = one.grid_smoothstep = true;
    one.camera_offset[1] = 0.25f;
    tg_json *json = tg_json_new_object();
    tg_nerf_config_write(&one, json);
    assert_int_equal(tg_nerf_config_read(ctx, json, &two), TG_OK);
    tg_json *again = tg_json_new_object();
    tg_nerf_config_write(&two, again);
    char *first = tg_json_print(json, false), *second = tg_json_print(again, false);
    assert_string_equal(first, second);
    tg_free(first);
    tg_free(second);
    tg_json_destroy(&again);
    tg_json_destroy(&json);
    tg_context_destroy(&ctx);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(round_trip),
        cmocka_unit_test(offsets_must_agree),
        cmocka_unit_test(configuration),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
