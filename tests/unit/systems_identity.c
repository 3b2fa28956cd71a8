/* Identity and voice files: what was written comes back; what is damaged is refused by name. */
#include "systems_person.h"

static tg_identity *open_person(void) {
    tg_identity *id;
    assert_ok(tg_identity_open(ctx, in_folder("person.ckpt"), NULL, true, &id));
    return id;
}

static void round_trip(void **state) {
    (void)state;
    person p;
    person_make(&p, true);
    person_voice(in_folder("voice.safetensors"), 1);
    p.parts.voice_path = in_folder("voice.safetensors");
    assert_ok(tg_identity_write(ctx, in_folder("person.ckpt"), &p.parts));
    tg_identity *id = open_person();
    assert_string_equal(id->name, "nobody");
    assert_int_equal(id->width, PERSON_SIZE);
    assert_int_equal(id->height, PERSON_SIZE);
    assert_true(id->focal == p.parts.focal && id->cx == p.parts.cx && id->cy == p.parts.cy);
    assert_memory_equal(id->lm_mean, p.lm_mean, sizeof p.lm_mean);
    assert_memory_equal(id->stats.mean, p.stats.mean, sizeof p.stats.mean);
    assert_memory_equal(id->stats.std, p.stats.std, sizeof p.stats.std);
    assert_memory_equal(id->background.data, p.background, sizeof p.background);
    assert_int_equal(id->poses, PERSON_POSES);
    float smooth[PERSON_POSES * 16];
    tg_poses_smooth(p.pose, PERSON_POSES, 7, smooth);
    assert_memory_equal(id->pose, smooth, sizeof smooth);
    assert_memory_equal(id->eyes, p.eyes, sizeof p.eyes); /* quarters are exact in half floats */
    assert_true(id->nerf->config.torso);
    assert_non_null(id->hubert);
    assert_non_null(id->vae);
    assert_non_null(id->postnet);
    tg_params *ours = tg_postnet_params(p.postnet), *theirs = tg_postnet_params(id->postnet);
    assert_int_equal(tg_params_count(theirs), tg_params_count(ours));
    for (int i = 0; i < tg_params_count(ours); i++) {
        const tg_tensor *a = tg_params_at(ours, i)->value, *b = tg_params_at(theirs, i)->value;
        for (int64_t k = 0; k < tg_numel(a); k++) {
            assert_true(fabsf(a->data[k] - b->data[k]) <= fabsf(a->data[k]) / 1024 + 1e-7f);
        }
    }
    tg_identity_close(&id);
    assert_null(id);
    tg_identity_close(&id);
    person_free(&p);
}

/* Nobody knows M; its own clamp and smoothing, the recording's motion, a postnet with pitch. */
static void converted_person(void **state) {
    (void)state;
    enum { DIM = 6, LLE = 3 };
    person p;
    person_make(&p, true);
    tg_postnet_destroy(&p.postnet);
    tg_postnet_config config = {.in_out_dim = TG_MOTION_DIM, .widths = {8, 8}, .pitch_dim = DIM};
    assert_ok(tg_postnet_create(ctx, &config, &p.postnet));
    tg_postnet_init(p.postnet, 6);
    float *table = tg_postnet_pitch_table(p.postnet), lle[LLE * TG_LLE_DIM];
    for (int i = 0; i < TG_PITCH_BINS * DIM; i++) {
        table[i] = 0.1f * (float)i;
    }
    for (int i = 0; i < LLE * TG_LLE_DIM; i++) {
        lle[i] = 0.25f * (float)(i % 50); /* exact in half floats */
    }
    p.parts.postnet = p.postnet;
    p.parts.idexp = true;
    p.parts.lm_mean = NULL;
    p.parts.clamp_std = 2;
    p.parts.smooth = -1;
    p.parts.lle = lle;
    p.parts.lle_frames = LLE;
    assert_ok(tg_identity_write(ctx, in_folder("person.ckpt"), &p.parts));
    tg_identity *id;
    assert_ok(tg_identity_open(ctx, in_folder("person.ckpt"), NULL, false, &id));
    assert_true(id->idexp);
    assert_true(id->clamp_std == 2 && id->smooth == 0);
    for (int k = 0; k < TG_MOTION_DIM; k++) {
        assert_true(id->lm_mean[k] == 0);
    }
    assert_int_equal(id->lle_frames, LLE);
    assert_memory_equal(id->lle, lle, sizeof lle);
    assert_memory_equal(tg_postnet_pitch_table(id->postnet), table,
                        TG_PITCH_BINS * DIM * sizeof *table);
    tg_identity_close(&id);
    lle[5] = INFINITY;
    assert_ok(tg_identity_write(ctx, in_folder("person.ckpt"), &p.parts));
    assert_int_equal(tg_identity_open(ctx, in_folder("person.ckpt"), NULL, false, &id), TG_EMODEL);
    assert_message("motion.lle");
    /* Without idexp the mean face has to be there. */
    p.parts.idexp = false;
    p.parts.lle = NULL;
    assert_ok(tg_identity_write(ctx, in_folder("person.ckpt"), &p.parts));
    assert_int_equal(tg_identity_open(ctx, in_folder("person.ckpt"), NULL, false, &id), TG_EMODEL);
    assert_message("motion.lm_mean");
    person_free(&p);
    empty_folder();
}

static void without_extras(void **state) {
    (void)state;
    person p;
    person_make(&p, false);
    p.parts.postnet = NULL;
    p.parts.eyes = NULL;
    assert_ok(tg_identity_write(ctx, in_folder("person.ckpt"), &p.parts));
    tg_identity *id;
    assert_ok(tg_identity_open(ctx, in_folder("person.ckpt"), NULL, false, &id));
    assert_null(id->postnet);
    assert_null(id->eyes);
    assert_null(id->vae);
    assert_false(id->nerf->config.torso);
    tg_identity_close(&id);
    /* it names no voice, so speech needs one from outside */
    assert_int_equal(tg_identity_open(ctx, in_folder("person.ckpt"), NULL, true, &id), TG_EMODEL);
    assert_null(id);
    assert_message("names no voice file");
    person_voice(in_folder("voice.safetensors"), 1);
    assert_ok(
        tg_identity_open(ctx, in_folder("person.ckpt"), in_folder("voice.safetensors"), true, &id));
    assert_non_null(id->hubert);
    tg_identity_close(&id);
    person_free(&p);
}

static void voice_by_hash(void **state) {
    (void)state;
    person_write(false);
    tg_identity *id;
    person_voice(in_folder("voice.safetensors"), 2);
    assert_int_equal(tg_identity_open(ctx, in_folder("person.ckpt"), NULL, true, &id), TG_EMODEL);
    assert_message("is another one (md5 ");
    assert_message("--encoder");
    assert_ok(
        tg_identity_open(ctx, in_folder("person.ckpt"), in_folder("voice.safetensors"), true, &id));
    tg_identity_close(&id);
    remove(in_folder("voice.safetensors"));
    assert_int_equal(tg_identity_open(ctx, in_folder("person.ckpt"), NULL, true, &id), TG_EMODEL);
    assert_message("is missing");
    assert_ok(tg_identity_open(ctx, in_folder("person.ckpt"), NULL, false, &id));
    tg_identity_close(&id);
}

/* The voice may lie elsewhere: its path is kept relative to the identity's folder, wherever the
 * program was started. */
static void voice_elsewhere(void **state) {
    (void)state;
    char deep[128], there[160], back[400];
    person p;
    snprintf(deep, sizeof deep, "%s/deep", folder);
    assert_ok(tg_make_dirs(ctx, deep));
    snprintf(there, sizeof there, "%s/voice.safetensors", deep);
    person_make(&p, false);
    person_voice(there, 1);
    p.parts.voice_path = there;
    assert_ok(tg_identity_write(ctx, in_folder("person.ckpt"), &p.parts));
    tg_identity *id = open_person();
    tg_identity_close(&id);
    /* from a deeper folder upwards */
    person_voice(in_folder("voice.safetensors"), 1);
    p.parts.voice_path = in_folder("voice.safetensors");
    snprintf(back, sizeof back, "%s/person.ckpt", deep);
    assert_ok(tg_identity_write(ctx, back, &p.parts));
    assert_ok(tg_identity_open(ctx, back, NULL, true, &id));
    tg_identity_close(&id);
    person_free(&p);
    remove(back);
    remove(there);
    rmdir(deep);
}

/* Another voice and another postnet for a person; all the rest stays to the last bit. */
static void revised(void **state) {
    (void)state;
    char deep[128], there[160];
    snprintf(deep, sizeof deep, "%s/deep", folder);
    assert_ok(tg_make_dirs(ctx, deep));
    snprintf(there, sizeof there, "%s/person.ckpt", deep);
    person_write(true);
    person_voice(in_folder("second.safetensors"), 2);
    tg_postnet *other;
    tg_postnet_config config = tg_postnet_defaults();
    config.widths[0] = config.widths[1] = 4;
    assert_ok(tg_postnet_create(ctx, &config, &other));
    tg_postnet_init(other, 9);
    assert_ok(tg_identity_revise(ctx, in_folder("person.ckpt"), in_folder("second.safetensors"),
                                 other, there));
    tg_identity *id;
    assert_ok(tg_identity_open(ctx, there, NULL, true, &id));
    assert_int_equal(tg_postnet_config_of(id->postnet)->widths[0], 4);
    const float *a = tg_params_at(tg_postnet_params(other), 0)->value->data;
    const float *b = tg_params_at(tg_postnet_params(id->postnet), 0)->value->data;
    assert_true(fabsf(a[0]) > 0 && fabsf(a[0] - b[0]) <= fabsf(a[0]) / 1024);
    tg_identity_close(&id);
    tg_st *old, *now;
    assert_ok(tg_st_open(ctx, in_folder("person.ckpt"), &old));
    assert_ok(tg_st_open(ctx, there, &now));
    int same = 0;
    for (int i = 0; i < tg_st_count(old); i++) {
        const tg_st_tensor *t = tg_st_at(old, i), *u = tg_st_find(now, t->name);
        if (strncmp(t->name, "motion.postnet.", 15) == 0) {
            continue;
        }
        assert_non_null(u);
        assert_int_equal(u->bytes, t->bytes);
        assert_memory_equal(u->data, t->data, t->bytes);
        same++;
    }
    assert_true(same > 10);
    tg_st_close(&old);
    tg_st_close(&now);
    /* the postnet that is there stays, in place */
    assert_ok(tg_identity_revise(ctx, there, in_folder("voice.safetensors"), NULL, there));
    assert_ok(tg_identity_open(ctx, there, NULL, true, &id));
    assert_int_equal(tg_postnet_config_of(id->postnet)->widths[0], 4);
    tg_identity_close(&id);
    assert_int_equal(tg_identity_revise(ctx, in_folder("voice.safetensors"),
                                        in_folder("voice.safetensors"), NULL,
                                        in_folder("never.ckpt")),
                     TG_EMODEL);
    assert_message("not a person");
    assert_false(tg_file_exists(in_folder("never.ckpt")));
    tg_postnet_destroy(&other);
    remove(there);
    rmdir(deep);
}

static void voice_parts(void **state) {
    (void)state;
    tg_hubert *hubert;
    tg_vae *vae;
    person_voice(in_folder("voice.safetensors"), 1);
    assert_ok(tg_voice_open(ctx, in_folder("voice.safetensors"), &hubert, NULL));
    assert_int_equal(tg_hubert_config_of(hubert)->hidden_size, 16);
    assert_ok(tg_voice_write(ctx, in_folder("half.safetensors"), hubert, NULL, NULL));
    tg_hubert_destroy(&hubert);
    assert_int_equal(tg_voice_open(ctx, in_folder("half.safetensors"), &hubert, &vae), TG_EMODEL);
    assert_message("no motion model");
    assert_null(hubert);
    assert_null(vae);
    assert_int_equal(tg_voice_open(ctx, in_folder("none.safetensors"), &hubert, &vae), TG_EMODEL);
}

/* Copies the identity with one tensor or metadata entry replaced or left out, and opens it. */
static tg_status open_changed(const char *key, const char *text, const char *tensor,
                              const float *values) {
    tg_st *st;
    assert_ok(tg_st_open(ctx, in_folder("person.ckpt"), &st));
    tg_st_writer *w = tg_st_writer_create();
    for (int i = 0; i < tg_st_meta_count(st); i++) {
        const char *value, *name = tg_st_meta_at(st, i, &value);
        if (key && strcmp(key, name) == 0) {
            value = text;
        }
        assert_true(!value || tg_st_add_meta(w, name, value));
    }
    for (int i = 0; i < tg_st_count(st); i++) {
        const tg_st_tensor *t = tg_st_at(st, i);
        if (tensor && strcmp(tensor, t->name) == 0) {
            assert_true(!values || tg_st_add_f32(w, t->name, TG_F32, t->ndim, t->dim, values));
        } else {
            assert_true(tg_st_add_raw(w, t->name, t->dtype, t->ndim, t->dim, t->data));
        }
    }
    assert_ok(tg_st_write(ctx, w, in_folder("changed.ckpt")));
    tg_st_writer_destroy(&w);
    tg_st_close(&st);
    tg_identity *id;
    tg_status s = tg_identity_open(ctx, in_folder("changed.ckpt"), NULL, true, &id);
    assert_true((s == TG_OK) == (id != NULL));
    tg_identity_close(&id);
    return s;
}

static void damaged_fields(void **state) {
    (void)state;
    person_write(true);
    assert_ok(open_changed(NULL, NULL, NULL, NULL));
    static const char *const metadata[][3] = {
        {"talkgen.format", NULL, "no talkgen identity"},
        {"talkgen.system", NULL, "no talkgen identity"},
        {"talkgen.config", NULL, "no talkgen identity"},
        {"talkgen.format", "2", "newer than this program"},
        {"talkgen.system", "facial", "system 'facial' is not known"},
        {"talkgen.config", "{\"width\":", "changed.ckpt"},
        {"talkgen.config", "{}", "picture size or focal length"},
        {"talkgen.config", "{\"width\":1e9,\"height\":32,\"focal_len\":99}", "picture size"},
        {"talkgen.config", "{\"width\":32,\"height\":32,\"focal_len\":99,\"smooth\":1}", "smooth"},
        {"talkgen.config", "{\"width\":64,\"height\":32,\"focal_len\":99}", "scene.background"},
    };
    for (size_t i = 0; i < sizeof metadata / sizeof metadata[0]; i++) {
        assert_int_equal(open_changed(metadata[i][0], metadata[i][1], NULL, NULL), TG_EMODEL);
        assert_message(metadata[i][2]);
    }
    static const char *const tensors[] = {"motion.lm_mean",
                                          "scene.mean",
                                          "scene.std",
                                          "scene.poses",
                                          "scene.background",
                                          "render.head.density_bitfield",
                                          "render.head.sigma_net.net.0.weight",
                                          "render.head.position_embedder.embeddings"};
    for (size_t i = 0; i < sizeof tensors / sizeof tensors[0]; i++) {
        tg_status s = open_changed(NULL, NULL, tensors[i], NULL);
        if (s != TG_EMODEL) {
            print_error("without %s: status %d\n", tensors[i], s);
        }
        assert_int_equal(s, TG_EMODEL);
    }
    float values[TG_MOTION_DIM] = {0}; /* deviations of zero */
    assert_int_equal(open_changed(NULL, NULL, "scene.std", values), TG_EMODEL);
    assert_message("statistics");
    values[9] = NAN;
    assert_int_equal(open_changed(NULL, NULL, "scene.mean", values), TG_EMODEL);
    float poses[PERSON_POSES * 16] = {[20] = INFINITY};
    assert_int_equal(open_changed(NULL, NULL, "scene.poses", poses), TG_EMODEL);
    assert_message("scene.poses");
}

static void foreign_files(void **state) {
    (void)state;
    tg_identity *id;
    put_file(in_folder("torch.ckpt"), "PK\003\004\024\0\0\0\0\0archive/data.pkl", 26);
    assert_int_equal(tg_identity_open(ctx, in_folder("torch.ckpt"), NULL, true, &id), TG_EMODEL);
    assert_message("PyTorch");
    assert_int_equal(tg_identity_open(ctx, in_folder("none.ckpt"), NULL, true, &id), TG_EMODEL);
    person_write(true);
    char *data;
    size_t bytes;
    assert_ok(tg_file_read(ctx, in_folder("person.ckpt"), 1u << 30, &data, &bytes));
    for (size_t cut = 0; cut < bytes; cut += 1 + bytes / 41) {
        put_file(in_folder("cut.ckpt"), data, cut);
        assert_int_equal(tg_identity_open(ctx, in_folder("cut.ckpt"), NULL, true, &id), TG_EMODEL);
        assert_null(id);
    }
    tg_free(data);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(round_trip, start, stop),
        cmocka_unit_test_setup_teardown(converted_person, start, stop),
        cmocka_unit_test_setup_teardown(without_extras, start, stop),
        cmocka_unit_test_setup_teardown(voice_by_hash, start, stop),
        cmocka_unit_test_setup_teardown(voice_elsewhere, start, stop),
        cmocka_unit_test_setup_teardown(revised, start, stop),
        cmocka_unit_test_setup_teardown(voice_parts, start, stop),
        cmocka_unit_test_setup_teardown(damaged_fields, start, stop),
        cmocka_unit_test_setup_teardown(foreign_files, start, stop),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
