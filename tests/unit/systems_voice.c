/* Persons and the speech encoder they share: an encoder alone, named by its stated hash, copied in,
 * replaced; motion models of their own. */
#include "systems_person.h"

static tg_hubert *tiny_hubert(int hidden, uint64_t seed) {
    tg_hubert_config h = tg_hubert_small();
    for (int i = 0; i < h.convs; i++) {
        h.conv_dim[i] = 8;
    }
    h.hidden_size = hidden;
    h.intermediate_size = 32;
    h.heads = 2;
    h.layers = 1;
    h.pos_groups = 4;
    tg_hubert *hubert;
    assert_ok(tg_hubert_create(ctx, &h, &hubert));
    tg_hubert_init(hubert, seed);
    return hubert;
}

/* Weights follow from their names: with and without encoder the rest is the same. */
static tg_vae *tiny_vae(int takes, bool decoder_only) {
    tg_vae_config v = tg_vae_defaults();
    v.hidden_channels = 16;
    v.enc_n_layers = v.dec_n_layers = 2;
    v.glow_hidden = 8;
    v.glow_n_blocks = 2;
    v.mel_in_dim = takes;
    v.mel_feat_dim = 8;
    v.decoder_only = decoder_only;
    tg_vae *vae;
    assert_ok(tg_vae_create(ctx, &v, &vae));
    tg_vae_init(vae, 4);
    return vae;
}

/* What talkgen convert hubert writes. */
static void encoder_file(const char *path, int hidden, uint64_t seed) {
    tg_hubert *hubert = tiny_hubert(hidden, seed);
    tg_st_writer *w = tg_st_writer_create();
    assert_true(tg_st_add_meta(w, "talkgen.format", TG_IDENTITY_FORMAT));
    assert_true(tg_st_add_meta(w, "talkgen.kind", "encoder"));
    assert_true(tg_st_add_hash(w));
    assert_true(tg_hubert_store(w, hubert, "speech.", TG_F32));
    assert_ok(tg_st_write(ctx, w, path));
    tg_st_writer_destroy(&w);
    tg_hubert_destroy(&hubert);
}

/* person.ckpt with a motion model for `takes` features (0 = none) and encoder.safetensors. */
static void write_person_with(tg_vae *vae, bool embed) {
    person p;
    person_make(&p, false);
    p.parts.vae = vae;
    p.parts.voice_path = in_folder("encoder.safetensors");
    p.parts.embed = embed;
    assert_ok(tg_identity_write(ctx, in_folder("person.ckpt"), &p.parts));
    tg_vae_destroy(&p.parts.vae);
    person_free(&p);
}

static void write_person(int takes, bool embed) {
    write_person_with(takes ? tiny_vae(takes, false) : NULL, embed);
}

static tg_status open_with(const char *encoder, tg_identity **id) {
    return tg_identity_open(ctx, in_folder("person.ckpt"), encoder, true, id);
}

static bool borrows(tg_params *set) {
    bool all = true;
    for (int i = 0; i < tg_params_count(set); i++) {
        all = all && tg_params_at(set, i)->borrowed;
    }
    return all;
}

static void own_motion_model(void **state) {
    (void)state;
    tg_identity *id;
    encoder_file(in_folder("encoder.safetensors"), 16, 1);
    write_person(16, false);
    assert_ok(open_with(NULL, &id));
    assert_string_equal(id->voice_path, in_folder("encoder.safetensors"));
    assert_true(borrows(tg_hubert_params(id->hubert)));
    assert_true(borrows(tg_vae_params(id->vae)));
    assert_true(borrows(tg_postnet_params(id->postnet)));
    tg_vae *vae = tiny_vae(16, false); /* kept as it is, in float32 */
    for (int i = 0; i < tg_params_count(tg_vae_params(vae)); i++) {
        const tg_tensor *a = tg_params_at(tg_vae_params(vae), i)->value;
        const tg_tensor *b = tg_params_at(tg_vae_params(id->vae), i)->value;
        assert_memory_equal(a->data, b->data, (size_t)tg_numel(a) * sizeof(float));
    }
    tg_vae_destroy(&vae);
    tg_identity_close(&id);
    /* from a voice file it takes the encoder alone */
    person_voice(in_folder("voice.safetensors"), 3);
    assert_ok(open_with(in_folder("voice.safetensors"), &id));
    assert_true(borrows(tg_vae_params(id->vae)));        /* F32: its own */
    assert_false(borrows(tg_hubert_params(id->hubert))); /* F16: the file's */
    tg_identity_close(&id);
    /* an encoder of another width */
    encoder_file(in_folder("wide.safetensors"), 24, 1);
    assert_int_equal(open_with(in_folder("wide.safetensors"), &id), TG_EMODEL);
    assert_null(id);
    assert_message("wide.safetensors: the encoder gives 24 features, the motion model of ");
    assert_message("person.ckpt takes 16");
}

static void encoder_alone_is_no_voice(void **state) {
    (void)state;
    tg_identity *id;
    encoder_file(in_folder("encoder.safetensors"), 16, 1);
    write_person(0, false);
    assert_int_equal(open_with(NULL, &id), TG_EMODEL);
    assert_message("encoder.safetensors: no motion model in this file");
    tg_hubert *hubert;
    tg_vae *vae;
    assert_ok(tg_voice_open(ctx, in_folder("encoder.safetensors"), &hubert, NULL));
    tg_hubert_destroy(&hubert);
    assert_int_equal(tg_voice_open(ctx, in_folder("encoder.safetensors"), &hubert, &vae),
                     TG_EMODEL);
    /* a file of the hub that nobody converted says so */
    hubert = tiny_hubert(16, 1);
    tg_st_writer *w = tg_st_writer_create();
    assert_true(tg_params_store(w, tg_hubert_params(hubert), "hubert.", TG_F32));
    assert_ok(tg_st_write(ctx, w, in_folder("model.safetensors")));
    tg_st_writer_destroy(&w);
    tg_hubert_destroy(&hubert);
    assert_int_equal(open_with(in_folder("model.safetensors"), &id), TG_EMODEL);
    assert_message("talkgen convert hubert --weights ");
}

static void named_by_stated_hash(void **state) {
    (void)state;
    tg_identity *id;
    encoder_file(in_folder("encoder.safetensors"), 16, 1);
    write_person(16, false);
    /* other weights, same size: the hash tells */
    encoder_file(in_folder("encoder.safetensors"), 16, 2);
    assert_int_equal(open_with(NULL, &id), TG_EMODEL);
    assert_message("is another one (md5 ");
    assert_message("--encoder");
    assert_ok(open_with(in_folder("encoder.safetensors"), &id));
    tg_identity_close(&id);
    /* same statement, another size: the bytes tell */
    encoder_file(in_folder("encoder.safetensors"), 16, 1);
    tg_st *st;
    assert_ok(tg_st_open(ctx, in_folder("encoder.safetensors"), &st));
    tg_st_writer *w = tg_st_writer_create();
    assert_true(tg_st_add_meta(w, TG_ST_HASH, tg_st_stated_hash(st)));
    assert_true(tg_st_add_meta(w, TG_HUBERT_META, tg_st_meta(st, TG_HUBERT_META)));
    tg_st_close(&st);
    assert_ok(tg_st_write(ctx, w, in_folder("encoder.safetensors")));
    tg_st_writer_destroy(&w);
    assert_int_equal(open_with(NULL, &id), TG_EMODEL);
    assert_message(" bytes)");
    remove(in_folder("encoder.safetensors"));
    assert_int_equal(open_with(NULL, &id), TG_EMODEL);
    assert_message("encoder.safetensors is missing");
}

static void copied_in(void **state) {
    (void)state;
    tg_identity *id;
    encoder_file(in_folder("encoder.safetensors"), 16, 1);
    write_person(16, true);
    remove(in_folder("encoder.safetensors"));
    assert_ok(open_with(NULL, &id));
    assert_string_equal(id->voice_path, "");
    assert_true(borrows(tg_hubert_params(id->hubert)));
    tg_hubert *hubert = tiny_hubert(16, 1);
    for (int i = 0; i < tg_params_count(tg_hubert_params(hubert)); i++) {
        const tg_tensor *a = tg_params_at(tg_hubert_params(hubert), i)->value;
        const tg_tensor *b = tg_params_at(tg_hubert_params(id->hubert), i)->value;
        assert_memory_equal(a->data, b->data, (size_t)tg_numel(a) * sizeof(float));
    }
    tg_hubert_destroy(&hubert);
    tg_identity_close(&id);
    /* a whole voice, motion model included */
    person_voice(in_folder("encoder.safetensors"), 3);
    write_person(0, true);
    remove(in_folder("encoder.safetensors"));
    assert_ok(open_with(NULL, &id));
    assert_non_null(id->vae);
    tg_identity_close(&id);
}

/* Number of tensors of the posterior in person.ckpt. */
static int posterior_tensors(void) {
    tg_st *st;
    int n = 0;
    assert_ok(tg_st_open(ctx, in_folder("person.ckpt"), &st));
    for (int i = 0; i < tg_st_count(st); i++) {
        n += strncmp(tg_st_at(st, i)->name, "motion.vae.encoder.", 19) == 0;
    }
    tg_st_close(&st);
    return n;
}

/* Motion of 8 frames, [204] of the last. */
static void sample(tg_vae *vae, float last[TG_MOTION_DIM]) {
    enum { T = 8 };
    float features[2 * T * 16], z[16 * T / TG_VAE_STRIDE];
    const tg_rng rng = tg_rng_make(7, "", "sample");
    tg_rng_fill_normal(&rng, 0, features, 2 * T * 16);
    tg_rng_fill_normal(&rng, 2 * T * 16, z, 16 * T / TG_VAE_STRIDE);
    tg_tape *tape = tg_tape_create(ctx, false);
    tg_tensor *x = tg_input(tape, 3, (int64_t[]){1, 2 * T, 16}, features);
    tg_tensor *noise = tg_input(tape, 3, (int64_t[]){1, 16, T / TG_VAE_STRIDE}, z);
    const tg_tensor *y =
        tg_vae_sample(tape, vae, tg_vae_condition(tape, vae, x, NULL), noise, NULL, NULL);
    memcpy(last, y->data + (T - 1) * TG_MOTION_DIM, TG_MOTION_DIM * sizeof *last);
    tg_tape_destroy(&tape);
}

/* What convert geneface writes, beside the people of older files, who still have all of it. */
static void motion_model_without_posterior(void **state) {
    (void)state;
    tg_identity *id;
    float whole[TG_MOTION_DIM], part[TG_MOTION_DIM];
    encoder_file(in_folder("encoder.safetensors"), 16, 1);
    write_person(16, false);
    assert_int_equal(posterior_tensors(), 4 + 3 * 5); /* 2 convolutions, 5 of weight norm */
    assert_ok(open_with(NULL, &id));
    assert_false(tg_vae_config_of(id->vae)->decoder_only);
    sample(id->vae, whole);
    tg_identity_close(&id);
    write_person_with(tiny_vae(16, true), false);
    assert_int_equal(posterior_tensors(), 0);
    assert_ok(open_with(NULL, &id));
    assert_true(tg_vae_config_of(id->vae)->decoder_only);
    assert_true(borrows(tg_vae_params(id->vae)));
    sample(id->vae, part);
    assert_memory_equal(whole, part, sizeof whole);
    tg_identity_close(&id);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(own_motion_model, start, stop),
        cmocka_unit_test_setup_teardown(encoder_alone_is_no_voice, start, stop),
        cmocka_unit_test_setup_teardown(named_by_stated_hash, start, stop),
        cmocka_unit_test_setup_teardown(copied_in, start, stop),
        cmocka_unit_test_setup_teardown(motion_model_without_posterior, start, stop),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
