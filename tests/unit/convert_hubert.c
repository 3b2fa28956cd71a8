/* Published HuBERT and wav2vec2 files to encoder files: every form they come in gives the same
 * tensors and the stored numbers, what is wrong with a file is told by name. */
#include "io_test.h"

#include "talkgen/convert.h"

#include <math.h>

#define GOLDEN TG_TESTS_DIR "/golden/"

static const char *golden(const char *name, const char *file) {
    static char paths[4][512];
    static int next;
    char *path = paths[next++ % 4];
    snprintf(path, sizeof paths[0], GOLDEN "%s/%s", name, file);
    return path;
}

static tg_status convert(const char *weights, const char *config) {
    tg_convert_options o = tg_convert_defaults();
    o.weights = weights;
    o.config = config;
    o.output = in_folder("encoder.safetensors");
    o.overwrite = true;
    return tg_convert_hubert(ctx, &o);
}

static int by_value(const void *a, const void *b) {
    double x = *(const double *)a, y = *(const double *)b;
    return (x > y) - (x < y);
}

/* The rule of tests/golden. */
static void compare(const char *name, const char *output, const float *ours, int64_t n) {
    tg_st *st;
    tg_json *all;
    assert_ok(tg_st_open(ctx, golden(name, "outputs.safetensors"), &st));
    assert_ok(tg_json_read(ctx, GOLDEN "tolerance.json", &all));
    const tg_json *bound = tg_json_get(tg_json_get(all, name), output);
    const tg_st_tensor *t = tg_st_find(st, output);
    assert_non_null(t);
    assert_int_equal(t->bytes, (size_t)n * sizeof(float));
    float *stored = tg_alloc(t->bytes);
    double *error = tg_alloc((size_t)n * sizeof *error);
    assert_ok(tg_st_read_f32(ctx, st, t, stored));
    for (int64_t i = 0; i < n; i++) {
        assert_true(isfinite(ours[i]));
        error[i] = fabs((double)ours[i] - stored[i]);
    }
    qsort(error, (size_t)n, sizeof *error, by_value);
    double most = tg_json_number(tg_json_get(bound, "max_abs"), NAN);
    double worst = tg_json_number(tg_json_get(bound, "max_abs_diff"), NAN);
    double p99 = tg_json_number(tg_json_get(bound, "p99_abs_diff"), NAN);
    assert_true(error[n - 1] <= fmax(8 * worst, 2e-5 * most));
    assert_true(error[(n - 1) * 99 / 100] <= fmax(4 * p99, 5e-6 * most));
    tg_free(error);
    tg_free(stored);
    tg_json_destroy(&all);
    tg_st_close(&st);
}

/* Features and last hidden state of encoder.safetensors on the case's speech. */
static void compare_numbers(const char *name) {
    tg_hubert *hubert;
    tg_st *st, *inputs;
    assert_ok(tg_st_open(ctx, in_folder("encoder.safetensors"), &st));
    assert_ok(tg_hubert_open(ctx, st, "speech.", &hubert));
    tg_st_close(&st);
    for (int i = 0; i < tg_params_count(tg_hubert_params(hubert)); i++) {
        assert_true(tg_params_at(tg_hubert_params(hubert), i)->borrowed);
    }
    assert_ok(tg_st_open(ctx, golden(name, "inputs.safetensors"), &inputs));
    const tg_st_tensor *speech = tg_st_find(inputs, "speech");
    int64_t n = speech->dim[0], rows;
    float *x = tg_alloc(speech->bytes), *features;
    assert_ok(tg_st_read_f32(ctx, inputs, speech, x));
    tg_wave16k *wave;
    tg_wave_stats stats;
    assert_ok(tg_wave16k_borrow(ctx, x, n, &wave));
    assert_ok(tg_wave16k_stats(ctx, wave, &stats));
    assert_ok(tg_features_read_all(ctx, hubert, wave, &features, &rows));
    compare(name, "features_clipped", features, rows * tg_hubert_config_of(hubert)->hidden_size);
    tg_wave16k_close(&wave);
    tg_free(features);
    for (int64_t i = 0; i < n; i++) {
        x[i] = (float)((x[i] - stats.mean) / sqrt(stats.variance + 1e-7));
    }
    tg_tape *tape = tg_tape_create(ctx, false);
    tg_tensor *last = tg_hubert_forward(tape, hubert, tg_borrow(tape, 2, (int64_t[]){1, n}, x));
    assert_int_equal(tg_tape_status(tape), TG_OK);
    compare(name, "last_hidden_state", last->data, tg_numel(last));
    tg_tape_destroy(&tape);
    tg_free(x);
    tg_st_close(&inputs);
    tg_hubert_destroy(&hubert);
}

/* Every tensor of the case's weights is in encoder.safetensors, to the last bit. */
static void compare_tensors(const char *name) {
    tg_st *ours, *theirs;
    assert_ok(tg_st_open(ctx, in_folder("encoder.safetensors"), &ours));
    assert_ok(tg_st_open(ctx, golden(name, "weights.safetensors"), &theirs));
    for (int i = 0; i < tg_st_count(ours); i++) {
        const tg_st_tensor *a = tg_st_at(ours, i);
        assert_int_equal(strncmp(a->name, "speech.", 7), 0);
        if (strstr(a->name, "lm_head")) {
            continue;
        }
        const tg_st_tensor *b = tg_st_find(theirs, a->name + 7);
        assert_non_null(b);
        assert_int_equal(a->dtype, TG_F32);
        assert_int_equal(a->bytes, b->bytes);
        assert_memory_equal(a->data, b->data, a->bytes);
    }
    tg_st_close(&ours);
    tg_st_close(&theirs);
}

static void published_files(void **state) {
    (void)state;
    static const char *const cases[] = {"hubert_base_tiny", "hubert_large_tiny"};
    for (int i = 0; i < 2; i++) {
        assert_ok(convert(golden(cases[i], "pytorch_model.bin"), NULL)); /* config.json beside it */
        compare_tensors(cases[i]);
        compare_numbers(cases[i]);
        tg_st *st;
        char hash[33];
        assert_ok(tg_st_open(ctx, in_folder("encoder.safetensors"), &st));
        assert_string_equal(tg_st_guess(st), "talkgen encoder");
        assert_int_equal(tg_st_find(st, "speech.lm_head.weight") != NULL, i == 1);
        assert_ok(tg_st_hash(ctx, st, hash));
        assert_string_equal(hash, tg_st_stated_hash(st));
        tg_st_close(&st);
    }
}

/* A published file made from the large case. */
typedef struct {
    const char *prefix;
    tg_dtype dtype; /* F64, F32, F16 or BF16 */
    bool new_names; /* of weight norm */
    const char *drop;
    const char *misshape; /* gets one more row */
    const char *add[3];   /* further tensors of one number */
    bool broken;          /* a NaN in encoder.layer_norm.weight */
} form;

static const char *renamed(const char *name, bool new_names) {
    static char room[128];
    static const char *const names[2][2] = {{"weight_g", "parametrizations.weight.original0"},
                                            {"weight_v", "parametrizations.weight.original1"}};
    for (int k = 0; k < 2 && new_names; k++) {
        const char *at = strstr(name, names[k][0]);
        if (at) {
            snprintf(room, sizeof room, "%.*s%s", (int)(at - name), name, names[k][1]);
            return room;
        }
    }
    return name;
}

static const char *write_form(const form *f) {
    tg_st *st;
    tg_st_writer *w = tg_st_writer_create();
    assert_ok(tg_st_open(ctx, golden("hubert_large_tiny", "weights.safetensors"), &st));
    for (int i = 0; i < tg_st_count(st); i++) {
        const tg_st_tensor *t = tg_st_at(st, i);
        if (f->drop && strcmp(t->name, f->drop) == 0) {
            continue;
        }
        int64_t dim[8];
        memcpy(dim, t->dim, sizeof dim);
        size_t n = t->bytes / sizeof(float), extra = 0;
        if (f->misshape && strcmp(t->name, f->misshape) == 0) {
            extra = n / (size_t)dim[0];
            dim[0]++;
        }
        float *values = calloc(n + extra, sizeof *values);
        double *wide = calloc(n + extra, sizeof *wide);
        assert_ok(tg_st_read_f32(ctx, st, t, values));
        if (f->broken && strcmp(t->name, "encoder.layer_norm.weight") == 0) {
            values[n - 1] = NAN;
        }
        for (size_t k = 0; k < n; k++) {
            wide[k] = values[k];
        }
        char name[256];
        snprintf(name, sizeof name, "%s%s", f->prefix, renamed(t->name, f->new_names));
        assert_true(f->dtype == TG_F64 ? tg_st_add_raw(w, name, TG_F64, t->ndim, dim, wide)
                                       : tg_st_add_f32(w, name, f->dtype, t->ndim, dim, values));
        free(values);
        free(wide);
    }
    for (int i = 0; i < 3 && f->add[i]; i++) {
        assert_true(tg_st_add_f32(w, f->add[i], TG_F32, 1, (int64_t[]){1}, (float[]){1}));
    }
    tg_st_close(&st);
    assert_ok(tg_st_write(ctx, w, in_folder("model.safetensors")));
    tg_st_writer_destroy(&w);
    return in_folder("model.safetensors");
}

static const char *large_config(void) {
    return golden("hubert_large_tiny", "config.json");
}

static char noted[512];
static void take_note(void *user, const char *text) {
    (void)user;
    if (strstr(text, "not known")) {
        snprintf(noted, sizeof noted, "%s", text);
    }
}

static void other_forms(void **state) {
    (void)state;
    static const char *const prefixes[] = {"", "hubert.", "wav2vec2."};
    for (int i = 0; i < 3; i++) {
        form f = {.prefix = prefixes[i], .dtype = i == 2 ? TG_F64 : TG_F32, .new_names = i > 0};
        assert_ok(convert(write_form(&f), large_config()));
        compare_tensors("hubert_large_tiny");
    }
    for (int i = 0; i < 2; i++) {
        form f = {.prefix = "hubert.", .dtype = i ? TG_BF16 : TG_F16};
        assert_ok(convert(write_form(&f), large_config()));
        tg_st *ours, *theirs;
        assert_ok(tg_st_open(ctx, in_folder("encoder.safetensors"), &ours));
        assert_ok(tg_st_open(ctx, golden("hubert_large_tiny", "weights.safetensors"), &theirs));
        const float *a = tg_st_find(ours, "speech.encoder.layer_norm.weight")->data;
        const float *b = tg_st_find(theirs, "encoder.layer_norm.weight")->data;
        for (int k = 0; k < 48; k++) {
            assert_true(a[k] == (i ? tg_bf16_to_f32(tg_f32_to_bf16(b[k]))
                                   : tg_f16_to_f32(tg_f32_to_f16(b[k]))));
        }
        tg_st_close(&ours);
        tg_st_close(&theirs);
    }
    /* what belongs to pre-training is left out silently, what nobody knows with a note */
    tg_context_set_note(ctx, take_note, NULL);
    form f = {.prefix = "wav2vec2.",
              .dtype = TG_F32,
              .add = {"quantizer.codevectors", "project_q.bias", "wav2vec2.project_hid.bias"}};
    assert_ok(convert(write_form(&f), large_config()));
    assert_string_equal(noted, "");
    f.add[1] = "something.else";
    assert_ok(convert(write_form(&f), large_config()));
    assert_non_null(strstr(noted, "1 tensors are not known"));
    assert_non_null(strstr(noted, "something.else"));
    tg_context_set_note(ctx, NULL, NULL);
    f.add[1] = "wav2vec2.encoder.layers.0.adapter_layer.norm.weight";
    assert_int_equal(convert(write_form(&f), large_config()), TG_EMODEL);
    assert_message("adapter_layer.norm.weight belongs to no HuBERT");
}

static void every_missing_tensor(void **state) {
    (void)state;
    tg_st *st;
    assert_ok(tg_st_open(ctx, golden("hubert_large_tiny", "weights.safetensors"), &st));
    remove(in_folder("encoder.safetensors"));
    for (int i = 0; i < tg_st_count(st); i++) {
        form f = {.prefix = "hubert.", .dtype = TG_F32, .drop = tg_st_at(st, i)->name};
        if (strcmp(f.drop, "masked_spec_embed") == 0) {
            continue;
        }
        assert_int_equal(convert(write_form(&f), large_config()), TG_EMODEL);
        assert_message(f.drop);
        assert_message("is missing");
        assert_false(tg_file_exists(in_folder("encoder.safetensors")));
    }
    tg_st_close(&st);
}

static void misshapen_tensors(void **state) {
    (void)state;
    static const char *const rows[][3] = {
        {"encoder.layers.1.attention.k_proj.weight", "has shape [49, 48]", "expected: [48, 48]"},
        {"encoder.layers.2.final_layer_norm.bias", "has shape [49]", "expected: [48]"},
        {"feature_extractor.conv_layers.3.conv.bias", "has shape [33]", "expected: [32]"},
        {"encoder.pos_conv_embed.conv.weight_g", "has shape [2, 1, 16]", "expected: [1, 1, 16]"},
        {"feature_projection.projection.weight", "hidden_size is 48", "expected: 49"},
        {"feature_extractor.conv_layers.2.conv.weight", "conv_dim[2] is 32", "expected: 33"},
        {"encoder.layers.0.feed_forward.intermediate_dense.weight", "intermediate_size is 96",
         "expected: 97"},
    };
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        form f = {.prefix = "", .dtype = TG_F32, .misshape = rows[i][0]};
        assert_int_equal(convert(write_form(&f), large_config()), TG_EMODEL);
        assert_message(rows[i][1]);
        assert_message(rows[i][2]);
    }
    form f = {.prefix = "", .dtype = TG_F32, .broken = true};
    assert_int_equal(convert(write_form(&f), large_config()), TG_EMODEL);
    assert_message("is not finite");
    form head = {.prefix = "", .dtype = TG_F32, .add = {"lm_head.weight"}};
    assert_int_equal(convert(write_form(&head), large_config()), TG_EMODEL);
    assert_message("tensor lm_head.weight has shape [1]\n  expected: [letters, width]");
}

static void configs(void **state) {
    (void)state;
    form f = {.prefix = "hubert.", .dtype = TG_F32};
    write_form(&f);
    /* 48 is no multiple of 64, so the heads are not known */
    assert_int_equal(convert(in_folder("model.safetensors"), NULL), TG_EMODEL);
    assert_message("the number of heads of this encoder cannot be told");
    assert_int_equal(
        convert(in_folder("model.safetensors"), golden("hubert_base_tiny", "config.json")),
        TG_EMODEL);
    assert_message("conv_bias (0 false, 1 true) is 0\n  expected: 1");
    assert_int_equal(convert(in_folder("model.safetensors"), in_folder("absent.json")), TG_EMODEL);
    assert_message("absent.json");
    static const char *const wrong[][2] = {
        {"{\"model_type\":\"bert\"}", "model_type is 'bert'"},
        {"{\"add_adapter\":true}", "add_adapter"},
        {"{\"hidden_act\":\"relu\"}", "hidden_act"},
        {"{\"num_attention_heads\":0}", "num_attention_heads"},
        {"{", "config.json"},
        {"{}", "is 768"}, /* the hub's default is base */
    };
    for (size_t i = 0; i < sizeof wrong / sizeof wrong[0]; i++) {
        put_file(in_folder("config.json"), wrong[i][0], strlen(wrong[i][0]));
        assert_int_equal(convert(in_folder("model.safetensors"), NULL),
                         TG_EMODEL); /* found beside the weights */
        assert_message(wrong[i][1]);
    }
    remove(in_folder("config.json"));
}

/* Without a config.json the published models' own figures hold: 64 wide heads, the variant's order
 * of norms. */
static void assumed(void **state) {
    (void)state;
    for (int large = 0; large < 2; large++) {
        tg_hubert_config c = tg_hubert_small();
        c.conv_bias = c.conv_layer_norm = c.stable_layer_norm = large;
        c.hidden_size = 128;
        c.intermediate_size = 64;
        c.heads = 2;
        c.layers = 1;
        c.pos_kernel = 4;
        c.pos_groups = 2;
        c.logits = large ? 44 : 0;
        tg_hubert *hubert;
        assert_ok(tg_hubert_create(ctx, &c, &hubert));
        tg_hubert_init(hubert, 1);
        tg_st_writer *w = tg_st_writer_create();
        for (int i = 0; i < tg_params_count(tg_hubert_params(hubert)); i++) {
            const tg_param *p = tg_params_at(tg_hubert_params(hubert), i);
            char name[256];
            snprintf(name, sizeof name, "%s%s",
                     strncmp(p->name, "lm_head.", 8) == 0 ? "" : "wav2vec2.", p->name);
            assert_true(
                tg_st_add_f32(w, name, TG_F32, p->value->ndim, p->value->dim, p->value->data));
        }
        assert_ok(tg_st_write(ctx, w, in_folder("model.safetensors")));
        tg_st_writer_destroy(&w);
        tg_hubert_destroy(&hubert);
        assert_ok(convert(in_folder("model.safetensors"), NULL));
        tg_st *st;
        assert_ok(tg_st_open(ctx, in_folder("encoder.safetensors"), &st));
        assert_ok(tg_hubert_open(ctx, st, "speech.", &hubert));
        tg_st_close(&st);
        assert_memory_equal(tg_hubert_config_of(hubert), &c, sizeof c);
        tg_hubert_destroy(&hubert);
    }
}

/* A pickle of nested dicts, "a>b|c" = {"a": {"b": None}, "c": None}, as far as recognising needs.
 */
static void put_dict(const char *path, const char *keys) {
    char text[512] = "\x80\2}";
    size_t n = 3;
    while (*keys) {
        int depth = 0;
        size_t end = strcspn(keys, "|");
        for (const char *at = keys; at < keys + end;) {
            size_t length = strcspn(at, ">|");
            text[n++] = 'X';
            text[n++] = (char)length;
            memset(text + n, 0, 3);
            memcpy(text + n + 3, at, length);
            n += 3 + length;
            at += length;
            text[n++] = *at == '>' ? '}' : 'N';
            at += *at == '>';
            depth++;
        }
        while (depth--) {
            text[n++] = 's';
        }
        keys += end + (keys[end] == '|');
    }
    text[n++] = '.';
    put_file(path, text, n);
}

static void foreign_files(void **state) {
    (void)state;
    static const char *const rows[][3] = {
        {"state_dict>model>block1.0.conv_block.0.weight", "holds GeneFace postnet",
         "convert geneface"},
        {"model>encoder_ambient.embeddings", "holds RAD-NeRF head", "convert radnerf"},
        {"network_fn_state_dict|network_audattnet_state_dict", "holds AD-NeRF head",
         "convert adnerf"},
        {"model>feature_extractor.conv_layers.0.0.weight", "holds fairseq speech encoder",
         "Hugging Face"},
        {"something", "a model of an unknown kind", "talkgen info"},
    };
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        put_dict(in_folder("foreign.bin"), rows[i][0]);
        assert_int_equal(convert(in_folder("foreign.bin"), NULL), TG_EMODEL);
        assert_message(rows[i][1]);
        assert_message(rows[i][2]);
    }
    assert_int_equal(convert(TG_MODELS_DIR "/demo.ckpt", NULL), TG_EMODEL);
    assert_message("holds talkgen identity");
    static const char evil[] = "\x80\2cos\nsystem\nX\7\0\0\0exit 13\x85R.";
    put_file(in_folder("evil.bin"), evil, sizeof evil - 1);
    assert_int_equal(convert(in_folder("evil.bin"), NULL), TG_EMODEL);
    assert_message("os.system");
    put_file(in_folder("text.bin"), "hello, world", 12);
    assert_int_equal(convert(in_folder("text.bin"), NULL), TG_EMODEL);
    assert_int_equal(convert(in_folder("absent.bin"), NULL), TG_EMODEL);
    static const char *const files[] = {"pytorch_model.bin", "weights.safetensors"};
    for (int i = 0; i < 2; i++) {
        char *data;
        size_t bytes;
        assert_ok(
            tg_file_read(ctx, golden("hubert_large_tiny", files[i]), 1u << 30, &data, &bytes));
        for (size_t cut = 0; cut < bytes; cut += 1 + bytes / 31) {
            put_file(in_folder("cut.bin"), data, cut);
            assert_int_equal(convert(in_folder("cut.bin"), large_config()), TG_EMODEL);
        }
        tg_free(data);
    }
}

static void outputs(void **state) {
    (void)state;
    tg_convert_options o = tg_convert_defaults();
    assert_int_equal(tg_convert_hubert(ctx, &o), TG_EUSAGE);
    assert_message("--weights");
    o.weights = golden("hubert_base_tiny", "pytorch_model.bin");
    assert_int_equal(tg_convert_hubert(ctx, &o), TG_EUSAGE);
    assert_message("--output");
    put_file(in_folder("there"), "x", 1);
    o.output = in_folder("there");
    assert_int_equal(tg_convert_hubert(ctx, &o), TG_EUSAGE);
    assert_message("exists already");
    o.output = in_folder("no/such/folder");
    assert_int_equal(tg_convert_hubert(ctx, &o), TG_EOUTPUT);
    int files = files_in_folder();
    tg_cancel(ctx, TG_EINTR);
    o.output = in_folder("interrupted");
    assert_int_equal(tg_convert_hubert(ctx, &o), TG_EINTR);
    tg_cancel(ctx, TG_OK);
    assert_int_equal(files_in_folder(), files);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(published_files),
        cmocka_unit_test(other_forms),
        cmocka_unit_test(every_missing_tensor),
        cmocka_unit_test(misshapen_tensors),
        cmocka_unit_test(configs),
        cmocka_unit_test(assumed),
        cmocka_unit_test(foreign_files),
        cmocka_unit_test(outputs),
    };
    return cmocka_run_group_tests(tests, start, stop);
}
