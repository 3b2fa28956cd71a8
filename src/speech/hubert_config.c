/* Hyper-parameters of the encoder under Hugging Face's config.json names. */
#include "talkgen/speech.h"

#include <math.h>
#include <string.h>

static const int base_kernel[7] = {10, 3, 3, 3, 3, 2, 2};
static const int base_stride[7] = {5, 2, 2, 2, 2, 2, 2};

/* hubert-base, the defaults of the format. */
static tg_hubert_config defaults(void) {
    tg_hubert_config c = {.convs = 7,
                          .conv_bias = false,
                          .conv_layer_norm = false,
                          .feat_proj_layer_norm = true,
                          .stable_layer_norm = false,
                          .hidden_size = 768,
                          .intermediate_size = 3072,
                          .heads = 12,
                          .layers = 12,
                          .pos_kernel = 128,
                          .pos_groups = 16,
                          .eps = 1e-5f,
                          .frames_per_clip = 1000};
    for (int i = 0; i < 7; i++) {
        c.conv_dim[i] = 512;
        c.conv_kernel[i] = base_kernel[i];
        c.conv_stride[i] = base_stride[i];
    }
    return c;
}

tg_hubert_config tg_hubert_small(void) {
    /* The first two layers see 10 and 26 samples and run at 3200 and 1600 Hz: with fewer channels
     * there, half of the front end's cost is saved where little is to be told apart. */
    static const int dim[7] = {64, 96, 128, 128, 128, 128, 128};
    tg_hubert_config c = defaults();
    memcpy(c.conv_dim, dim, sizeof dim);
    c.conv_bias = true;
    c.conv_layer_norm = true;
    c.stable_layer_norm = true;
    c.hidden_size = 192;
    c.intermediate_size = 768;
    c.heads = 4;
    c.layers = 4;
    return c;
}

static tg_status bad_value(tg_context *ctx, const char *name, const char *key,
                           const char *expected) {
    return tg_fail(ctx, TG_EMODEL,
                   "%s: %s: value not supported\n  expected: %s\n"
                   "  try: a HuBERT or wav2vec2 encoder in the shape of the published ones",
                   name, key, expected);
}

static tg_status read_int(tg_context *ctx, const tg_json *v, const char *name, const char *key,
                          int limit, int *value) {
    if (v == NULL)
        return TG_OK;
    double number = tg_json_number(v, -1);
    if (!(number >= 1 && number <= limit && number == floor(number)))
        return tg_fail(ctx, TG_EMODEL,
                       "%s: %s: %g\n  expected: an integer from 1 to %d\n"
                       "  try: the config.json that belongs to the weights",
                       name, key, number, limit);
    *value = (int)number;
    return TG_OK;
}

static tg_status read_list(tg_context *ctx, const tg_json *json, const char *name, const char *key,
                           int limit, int *list, int *count) {
    const tg_json *array = tg_json_get(json, key);
    if (array == NULL)
        return TG_OK;
    int n = tg_json_count(array);
    if (!tg_json_is_array(array) || n < 1 || n > TG_HUBERT_MAX_CONVS)
        return bad_value(ctx, name, key, "a list of 1 to 8 integers");
    tg_status status = TG_OK;
    for (int i = 0; i < n && status == TG_OK; i++)
        status = read_int(ctx, tg_json_at(array, i), name, key, limit, &list[i]);
    *count = n;
    return status;
}

tg_status tg_hubert_config_parse(tg_context *ctx, const tg_json *json, const char *name,
                                 tg_hubert_config *out) {
    tg_hubert_config c = defaults();
    int dims = c.convs, kernels = c.convs, strides = c.convs;
    const struct {
        const char *key;
        int limit, *value;
    } ints[] = {{"hidden_size", 8192, &c.hidden_size},
                {"intermediate_size", 65536, &c.intermediate_size},
                {"num_attention_heads", 256, &c.heads},
                {"num_hidden_layers", TG_HUBERT_MAX_LAYERS, &c.layers},
                {"num_conv_pos_embeddings", 1024, &c.pos_kernel},
                {"num_conv_pos_embedding_groups", 8192, &c.pos_groups},
                {"frames_per_clip", 100000, &c.frames_per_clip}};
    if (!tg_json_is_object(json))
        return bad_value(ctx, name, "(the whole)", "a JSON object");
    tg_status status = TG_OK;
    for (size_t i = 0; i < sizeof ints / sizeof ints[0] && status == TG_OK; i++)
        status = read_int(ctx, tg_json_get(json, ints[i].key), name, ints[i].key, ints[i].limit,
                          ints[i].value);
    if (status == TG_OK)
        status = read_list(ctx, json, name, "conv_dim", 8192, c.conv_dim, &dims);
    if (status == TG_OK)
        status = read_list(ctx, json, name, "conv_kernel", 1024, c.conv_kernel, &kernels);
    if (status == TG_OK)
        status = read_list(ctx, json, name, "conv_stride", 1024, c.conv_stride, &strides);
    if (status != TG_OK)
        return status;
    if (dims != kernels || dims != strides)
        return bad_value(ctx, name, "conv_dim, conv_kernel, conv_stride", "lists of equal length");
    c.convs = dims;

    const char *norm = tg_json_string(tg_json_get(json, "feat_extract_norm"), "group");
    if (strcmp(norm, "group") != 0 && strcmp(norm, "layer") != 0)
        return bad_value(ctx, name, "feat_extract_norm", "\"group\" or \"layer\"");
    c.conv_layer_norm = norm[0] == 'l';
    static const char *const activations[] = {"feat_extract_activation", "hidden_act"};
    for (int i = 0; i < 2; i++)
        if (strcmp(tg_json_string(tg_json_get(json, activations[i]), "gelu"), "gelu") != 0)
            return bad_value(ctx, name, activations[i], "\"gelu\"");
    if (tg_json_bool(tg_json_get(json, "conv_pos_batch_norm"), false))
        return bad_value(ctx, name, "conv_pos_batch_norm", "false");
    c.conv_bias = tg_json_bool(tg_json_get(json, "conv_bias"), c.conv_bias);
    c.feat_proj_layer_norm =
        tg_json_bool(tg_json_get(json, "feat_proj_layer_norm"), c.feat_proj_layer_norm);
    c.stable_layer_norm =
        tg_json_bool(tg_json_get(json, "do_stable_layer_norm"), c.stable_layer_norm);
    c.eps = (float)tg_json_number(tg_json_get(json, "layer_norm_eps"), c.eps);
    if (!(c.eps > 0 && c.eps < 1))
        return bad_value(ctx, name, "layer_norm_eps", "a number between 0 and 1");
    if (c.hidden_size % c.heads != 0)
        return bad_value(ctx, name, "num_attention_heads", "a divisor of hidden_size");
    if (c.hidden_size % c.pos_groups != 0)
        return bad_value(ctx, name, "num_conv_pos_embedding_groups", "a divisor of hidden_size");
    /* Everything downstream counts on 50 rows per second. */
    if (tg_hubert_stride(&c) != TG_SPEECH_HOP)
        return bad_value(ctx, name, "conv_stride", "strides whose product is 320");
    if (tg_hubert_field(&c) < TG_SPEECH_HOP)
        return bad_value(ctx, name, "conv_kernel", "kernels that see at least 320 samples");
    if (c.frames_per_clip < 2)
        return bad_value(ctx, name, "frames_per_clip", "at least 2");
    *out = c;
    return TG_OK;
}

tg_json *tg_hubert_config_json(const tg_hubert_config *c) {
    tg_json *json = tg_json_new_object();
    if (json == NULL)
        return NULL;
    const struct {
        const char *key;
        const int *list;
    } lists[] = {{"conv_dim", c->conv_dim},
                 {"conv_kernel", c->conv_kernel},
                 {"conv_stride", c->conv_stride}};
    bool good = tg_json_set_string(json, "model_type", "hubert") != NULL;
    for (int i = 0; i < 3; i++) {
        tg_json *array = tg_json_set_array(json, lists[i].key);
        for (int k = 0; k < c->convs; k++)
            good = good && tg_json_set_number(array, NULL, lists[i].list[k]) != NULL;
    }
    good = good && tg_json_set_bool(json, "conv_bias", c->conv_bias) != NULL &&
           tg_json_set_string(json, "feat_extract_norm", c->conv_layer_norm ? "layer" : "group") !=
               NULL &&
           tg_json_set_string(json, "feat_extract_activation", "gelu") != NULL &&
           tg_json_set_string(json, "hidden_act", "gelu") != NULL &&
           tg_json_set_bool(json, "feat_proj_layer_norm", c->feat_proj_layer_norm) != NULL &&
           tg_json_set_bool(json, "do_stable_layer_norm", c->stable_layer_norm) != NULL &&
           tg_json_set_number(json, "hidden_size", c->hidden_size) != NULL &&
           tg_json_set_number(json, "intermediate_size", c->intermediate_size) != NULL &&
           tg_json_set_number(json, "num_attention_heads", c->heads) != NULL &&
           tg_json_set_number(json, "num_hidden_layers", c->layers) != NULL &&
           tg_json_set_number(json, "num_conv_pos_embeddings", c->pos_kernel) != NULL &&
           tg_json_set_number(json, "num_conv_pos_embedding_groups", c->pos_groups) != NULL &&
           tg_json_set_number(json, "layer_norm_eps", c->eps) != NULL &&
           tg_json_set_number(json, "frames_per_clip", c->frames_per_clip) != NULL;
    if (!good)
        tg_json_destroy(&json);
    return json;
}

int tg_hubert_stride(const tg_hubert_config *c) {
    int64_t stride = 1;
    for (int i = 0; i < c->convs && stride < 1 << 20; i++)
        stride *= c->conv_stride[i];
    return (int)stride;
}

int tg_hubert_field(const tg_hubert_config *c) {
    int64_t field = 1;
    for (int i = c->convs - 1; i >= 0 && field < 1 << 20; i--)
        field = (field - 1) * c->conv_stride[i] + c->conv_kernel[i];
    return (int)field;
}

int64_t tg_hubert_conv_rows(const tg_hubert_config *c, int64_t samples) {
    for (int i = 0; i < c->convs; i++) {
        if (samples < c->conv_kernel[i])
            return 0;
        samples = (samples - c->conv_kernel[i]) / c->conv_stride[i] + 1;
    }
    return samples;
}

double tg_hubert_flop_per_second(const tg_hubert_config *c) {
    double rate = TG_SPEECH_RATE, flop = 0, in = 1;
    for (int i = 0; i < c->convs; i++) {
        rate /= c->conv_stride[i];
        flop += 2 * rate * in * c->conv_kernel[i] * c->conv_dim[i];
        in = c->conv_dim[i];
    }
    double hidden = c->hidden_size;
    flop += 2 * rate * in * hidden;
    flop += 2 * rate * hidden * (hidden / c->pos_groups) * c->pos_kernel;
    flop +=
        c->layers * 2 * rate *
        (4 * hidden * hidden + 2 * hidden * c->intermediate_size + 2 * hidden * c->frames_per_clip);
    return flop;
}
