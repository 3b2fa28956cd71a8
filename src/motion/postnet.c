/* CNNPostNet and PitchContourCNNPostNet: the correction that moves generic landmarks into the
 * domain of one person. */
#include "talkgen/motion.h"

#include "motion/config.h"
#include "motion/convblock.h"
#include "motion/wavenet.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { UNITS = 7, MAX_WIDTH = 4096 };

struct tg_postnet {
    tg_postnet_config config;
    tg_params *params;
    tg_convblock unit[UNITS]; /* block1.0-2, block2.0-2, block3.0 */
    tg_tensor *out_w, *out_b; /* block3.1 */
    float *pitch_table;       /* [TG_PITCH_BINS, pitch_dim] or NULL */
};

tg_postnet_config tg_postnet_defaults(void) {
    return (tg_postnet_config){.in_out_dim = TG_MOTION_DIM, .widths = {128, 256}};
}

tg_status tg_postnet_config_parse(tg_context *ctx, const tg_json *json, const char *name,
                                  tg_postnet_config *out) {
    tg_postnet_config c = tg_postnet_defaults();
    tg_status s = tg_config_int(ctx, json, name, "in_out_dim", 1, MAX_WIDTH, &c.in_out_dim);
    if (s == TG_OK)
        s = tg_config_int(ctx, json, name, "pitch_dim", 0, MAX_WIDTH, &c.pitch_dim);
    const tg_json *widths = tg_json_get(json, "widths");
    for (int i = 0; s == TG_OK && widths && i < 2; i++) {
        double w = tg_json_number(tg_json_at(widths, i), 0);
        if (w >= 1 && w <= MAX_WIDTH && w == floor(w))
            c.widths[i] = (int)w;
        else
            s = tg_fail(ctx, TG_EMODEL,
                        "%s: configuration value 'widths' is not usable\n"
                        "  expected: two whole numbers from 1 to %d\n  try: [128, 256]",
                        name, MAX_WIDTH);
    }
    if (s == TG_OK)
        *out = c;
    return s;
}

void tg_postnet_config_write(const tg_postnet_config *config, tg_json *object) {
    tg_json_set_number(object, "in_out_dim", config->in_out_dim);
    tg_json *widths = tg_json_set_array(object, "widths");
    for (int i = 0; i < 2; i++)
        tg_json_set_number(widths, NULL, config->widths[i]);
    tg_json_set_number(object, "pitch_dim", config->pitch_dim);
}

tg_status tg_postnet_create(tg_context *ctx, const tg_postnet_config *config, tg_postnet **out) {
    *out = NULL;
    tg_postnet *m = calloc(1, sizeof *m);
    bool ok = m && (m->params = tg_params_create());
    if (ok) {
        m->config = *config;
        int d = config->in_out_dim, a = config->widths[0], b = config->widths[1];
        const struct {
            const char *prefix;
            int in, out;
        } rows[UNITS] = {{"block1.0.", d + config->pitch_dim, a},
                         {"block1.1.", a, a},
                         {"block1.2.", a, a},
                         {"block2.0.", a, b},
                         {"block2.1.", b, b},
                         {"block2.2.", b, b},
                         {"block3.0.", b, a}};
        for (int i = 0; i < UNITS; i++)
            ok = ok && tg_convblock_register(m->params, &m->unit[i], rows[i].prefix, rows[i].in,
                                             rows[i].out, 3, 1, 1, i < 6 && i % 3 != 0);
        ok = ok && tg_conv_register(m->params, "block3.1.", d, a, 1, a, &m->out_w, &m->out_b, d);
    }
    if (ok && config->pitch_dim > 0) {
        m->pitch_table =
            tg_calloc((size_t)TG_PITCH_BINS * (size_t)config->pitch_dim * sizeof(float));
        ok = m->pitch_table != NULL;
    }
    if (!ok) {
        tg_postnet_destroy(&m);
        return tg_fail(ctx, TG_ENOMEM, "out of memory for the postnet");
    }
    *out = m;
    return TG_OK;
}

void tg_postnet_destroy(tg_postnet **postnet) {
    if (!postnet || !*postnet)
        return;
    tg_params_destroy(&(*postnet)->params);
    tg_free((*postnet)->pitch_table);
    free(*postnet);
    *postnet = NULL;
}

const tg_postnet_config *tg_postnet_config_of(const tg_postnet *postnet) {
    return &postnet->config;
}

tg_params *tg_postnet_params(tg_postnet *postnet) {
    return postnet->params;
}

float *tg_postnet_pitch_table(tg_postnet *postnet) {
    return postnet->pitch_table;
}

float *tg_postnet_bias(tg_postnet *postnet) {
    return postnet->out_b->data;
}

void tg_postnet_init(tg_postnet *postnet, uint64_t seed) {
    tg_params_init(postnet->params, seed);
    memset(postnet->out_w->data, 0, (size_t)tg_numel(postnet->out_w) * sizeof(float));
    memset(postnet->out_b->data, 0, (size_t)tg_numel(postnet->out_b) * sizeof(float));
}

tg_tensor *tg_postnet_forward(tg_tape *tape, tg_postnet *postnet, tg_tensor *x, tg_tensor *pitch) {
    int64_t b = x->dim[0], t = x->dim[1], d = x->dim[2];
    /* Padding frames are exactly zero; they must not grow a correction. */
    tg_tensor *mask = tg_input(tape, 2, (int64_t[]){b, t}, NULL);
    if (tg_tape_status(tape) != TG_OK)
        return x;
    for (int64_t i = 0; i < b * t; i++)
        for (int64_t k = 0; k < d && mask->data[i] == 0; k++)
            mask->data[i] = x->data[i * d + k] != 0;
    tg_tensor *h = x;
    if (pitch)
        h = tg_concat(tape, (tg_tensor *[]){x, pitch}, 2, 2);
    h = tg_transpose(tape, h);
    for (int i = 0; i < UNITS; i++) {
        h = tg_convblock_forward(tape, &postnet->unit[i], h, 0.2f);
        if (i == 2 || i == 5) /* after block1 and block2 */
            h = tg_mul_mask(tape, h, mask);
    }
    h = tg_conv1d(tape, h, postnet->out_w, postnet->out_b, 1, 0, 1);
    return tg_add(tape, x, tg_transpose(tape, tg_mul_mask(tape, h, mask)));
}

/* ---- file ---------------------------------------------------------------------------------- */

static const tg_network_file file_kind = {"postnet", "talkgen train postnet", "talkgen.postnet",
                                          "motion.postnet."};

tg_status tg_postnet_open(tg_context *ctx, const char *path, tg_postnet **out) {
    tg_st *st = NULL;
    tg_json *json = NULL;
    tg_postnet_config config;
    *out = NULL;
    tg_status s = tg_network_file_open(ctx, &file_kind, path, &st, &json);
    if (s == TG_OK)
        s = tg_postnet_config_parse(ctx, json, path, &config);
    if (s == TG_OK)
        s = tg_postnet_create(ctx, &config, out);
    if (s == TG_OK)
        s = tg_params_load(ctx, (*out)->params, st, file_kind.prefix);
    if (s != TG_OK)
        tg_postnet_destroy(out);
    tg_json_destroy(&json);
    tg_st_close(&st);
    return s;
}

tg_status tg_postnet_write(tg_context *ctx, const tg_postnet *postnet, const char *path) {
    tg_json *config = tg_json_new_object();
    if (config)
        tg_postnet_config_write(&postnet->config, config);
    tg_status s = tg_network_file_write(ctx, &file_kind, path, config, postnet->params);
    tg_json_destroy(&config);
    return s;
}
