/* LandmarkHubertSyncNet: do these five frames of lips belong to these ten rows of speech? */
#include "talkgen/motion.h"

#include "motion/config.h"
#include "motion/convblock.h"

#include <assert.h>
#include <stdio.h>
#include <stdlib.h>

enum { UNITS = 13, MAX_WIDTH = 4096, MAX_PLACES = 10, MAX_TAPS = 3 };

struct tg_syncnet {
    tg_syncnet_config config;
    tg_params *params;
    tg_convblock audio[UNITS], mouth[UNITS];
};

tg_syncnet_config tg_syncnet_defaults(void) {
    return (tg_syncnet_config){
        .hubert_dim = 1024, .lm_dim = 60, .widths = {128, 256, 512}, .mouth_width = 96};
}

tg_status tg_syncnet_config_parse(tg_context *ctx, const tg_json *json, const char *name,
                                  tg_syncnet_config *out) {
    tg_syncnet_config c = tg_syncnet_defaults();
    tg_status s = tg_config_int(ctx, json, name, "hubert_dim", 1, MAX_WIDTH, &c.hubert_dim);
    if (s == TG_OK)
        s = tg_config_int(ctx, json, name, "lm_dim", 1, MAX_WIDTH, &c.lm_dim);
    if (s == TG_OK)
        s = tg_config_int(ctx, json, name, "mouth_width", 1, MAX_WIDTH, &c.mouth_width);
    const tg_json *widths = tg_json_get(json, "widths");
    for (int i = 0; s == TG_OK && widths && i < 3; i++) {
        double w = tg_json_number(tg_json_at(widths, i), 0);
        if (!(w >= 1 && w <= MAX_WIDTH))
            s = tg_fail(ctx, TG_EMODEL,
                        "%s: configuration value 'widths' is not usable\n"
                        "  expected: three numbers from 1 to %d\n  try: [128, 256, 512]",
                        name, MAX_WIDTH);
        c.widths[i] = (int)w;
    }
    if (s == TG_OK)
        *out = c;
    return s;
}

void tg_syncnet_config_write(const tg_syncnet_config *config, tg_json *object) {
    tg_json_set_number(object, "hubert_dim", config->hubert_dim);
    tg_json_set_number(object, "lm_dim", config->lm_dim);
    tg_json *widths = tg_json_set_array(object, "widths");
    for (int i = 0; i < 3; i++)
        tg_json_set_number(widths, NULL, config->widths[i]);
    tg_json_set_number(object, "mouth_width", config->mouth_width);
}

/* The two towers differ in their first width and in the stride of unit 7: audio halves 10 -> 5 ->
 * 3, the mouth 5 -> 3. */
static bool register_tower(tg_params *set, tg_convblock tower[UNITS], const char *name, int in,
                           int first, const int w[3], int second_stride) {
    const struct {
        int in, out, kernel, stride, pad;
        bool residual;
    } rows[UNITS] = {
        {in, first, 3, 1, 1, false},  {first, w[0], 3, 1, 1, false},
        {w[0], w[0], 3, 1, 1, true},  {w[0], w[0], 3, 1, 1, true},
        {w[0], w[1], 3, 2, 1, false}, {w[1], w[1], 3, 1, 1, true},
        {w[1], w[1], 3, 1, 1, true},  {w[1], w[2], 3, second_stride, 1, false},
        {w[2], w[2], 3, 1, 1, true},  {w[2], w[2], 3, 1, 1, true},
        {w[2], w[2], 3, 1, 1, false}, {w[2], w[2], 3, 1, 0, false},
        {w[2], w[2], 1, 1, 0, false},
    };
    bool ok = true;
    for (int i = 0; i < UNITS; i++) {
        char prefix[64];
        snprintf(prefix, sizeof prefix, "%s.%d.", name, i);
        ok = ok &&
             tg_convblock_register(set, &tower[i], prefix, rows[i].in, rows[i].out, rows[i].kernel,
                                   rows[i].stride, rows[i].pad, rows[i].residual);
    }
    return ok;
}

tg_status tg_syncnet_create(tg_context *ctx, const tg_syncnet_config *config, tg_syncnet **out) {
    *out = NULL;
    tg_syncnet *m = calloc(1, sizeof *m);
    bool ok = m && (m->params = tg_params_create());
    if (ok) {
        m->config = *config;
        ok = register_tower(m->params, m->audio, "hubert_encoder", config->hubert_dim,
                            config->widths[0], config->widths, 2) &&
             register_tower(m->params, m->mouth, "mouth_encoder", config->lm_dim,
                            config->mouth_width, config->widths, 1);
    }
    if (!ok) {
        tg_syncnet_destroy(&m);
        return tg_fail(ctx, TG_ENOMEM, "out of memory for the sync expert");
    }
    *out = m;
    return TG_OK;
}

void tg_syncnet_destroy(tg_syncnet **net) {
    if (!net || !*net)
        return;
    tg_params_destroy(&(*net)->params);
    free(*net);
    *net = NULL;
}

const tg_syncnet_config *tg_syncnet_config_of(const tg_syncnet *net) {
    return &net->config;
}

tg_params *tg_syncnet_params(tg_syncnet *net) {
    return net->params;
}

void tg_syncnet_init(tg_syncnet *net, uint64_t seed) {
    tg_params_init(net->params, seed);
}

/* One unit on h [L,C,N]: the windows are so short that N, not time, must be the long side of the
 * matrix product. Output place l sees the rows [l stride - pad, + K) of the first axis, that is a
 * matrix [K C, N], and the unit is a convolution with one tap over N. */
static tg_tensor *run_unit(tg_tape *tape, const tg_convblock *block, tg_tensor *h) {
    int64_t length = h->dim[0], c = h->dim[1], n = h->dim[2];
    int64_t o = block->weight->dim[0], k = block->weight->dim[2];
    int64_t places = (length + 2 * block->pad - k) / block->stride + 1;
    tg_tensor *x = h;
    if (k > 1) {
        int32_t rows[MAX_PLACES * MAX_TAPS];
        assert(places <= MAX_PLACES && k <= MAX_TAPS);
        for (int64_t l = 0; l < places; l++)
            for (int64_t i = 0; i < k; i++) {
                int64_t row = l * block->stride - block->pad + i;
                rows[l * k + i] = (int32_t)(row < 0 || row >= length ? length : row);
            }
        if (block->pad) {
            tg_tensor *outside = tg_input(tape, 3, (int64_t[]){1, c, n}, NULL);
            x = tg_concat(tape, (tg_tensor *[]){h, outside}, 2, 0);
        }
        x = tg_gather_rows(tape, x, rows, places * k);
        x = tg_reshape(tape, x, 3, (int64_t[]){places, k * c, n});
    }
    tg_tensor *w = tg_transpose(tape, block->weight); /* [O,K,C], as the rows lie */
    w = tg_reshape(tape, w, 3, (int64_t[]){o, k * c, 1});
    tg_tensor *y = tg_conv1d(tape, x, w, block->bias, 1, 0, 1);
    y = tg_batch_norm(tape, y, block->gain, block->shift, block->mean, block->var, 0.1f, 1e-5f);
    if (block->residual)
        y = tg_add(tape, y, h);
    return tg_relu(tape, y);
}

/* x [N,L,C] -> unit vectors [N,W] */
static tg_tensor *embed(tg_tape *tape, const tg_convblock tower[UNITS], tg_tensor *x) {
    int64_t n = x->dim[0], length = x->dim[1], c = x->dim[2];
    tg_tensor *h = tg_transpose(tape, tg_reshape(tape, x, 2, (int64_t[]){n, length * c}));
    h = tg_reshape(tape, h, 3, (int64_t[]){length, c, n});
    for (int i = 0; i < UNITS; i++)
        h = run_unit(tape, &tower[i], h);
    h = tg_transpose(tape, tg_reshape(tape, h, 2, (int64_t[]){h->dim[0] * h->dim[1], n}));
    return tg_normalize_rows(tape, h, 1e-12f);
}

tg_tensor *tg_syncnet_audio(tg_tape *tape, tg_syncnet *net, tg_tensor *features) {
    return embed(tape, net->audio, features);
}

tg_tensor *tg_syncnet_mouth(tg_tape *tape, tg_syncnet *net, tg_tensor *mouth) {
    return embed(tape, net->mouth, mouth);
}

tg_tensor *tg_syncnet_cosine(tg_tape *tape, tg_tensor *audio, tg_tensor *mouth) {
    return tg_row_dot(tape, audio, mouth);
}

/* ---- file ---------------------------------------------------------------------------------- */

static const tg_network_file file_kind = {"sync expert", "talkgen train motion", "talkgen.sync",
                                          "sync."};

/* Whether it judges windows of features of that width and of our landmarks. */
static tg_status check_windows(tg_context *ctx, const tg_syncnet_config *config, const char *path,
                               int hubert_dim) {
    if (config->hubert_dim != hubert_dim)
        return tg_fail(ctx, TG_EMODEL,
                       "%s: it judges features of %d values, the voice's have %d\n"
                       "  expected: the sync expert that was trained with this voice\n"
                       "  try: sync.safetensors of the work folder of talkgen train motion",
                       path, config->hubert_dim, hubert_dim);
    if (config->lm_dim != TG_SYNC_MOUTH)
        return tg_fail(ctx, TG_EMODEL,
                       "%s: it judges lips of %d values\n  expected: %d, points 48 to 67\n"
                       "  try: sync.safetensors of the work folder of talkgen train motion",
                       path, config->lm_dim, TG_SYNC_MOUTH);
    return TG_OK;
}

tg_status tg_syncnet_open(tg_context *ctx, const char *path, int hubert_dim, tg_syncnet **out) {
    tg_st *st = NULL;
    tg_json *json = NULL;
    tg_syncnet_config config;
    *out = NULL;
    tg_status s = tg_network_file_open(ctx, &file_kind, path, &st, &json);
    if (s == TG_OK)
        s = tg_syncnet_config_parse(ctx, json, path, &config);
    if (s == TG_OK)
        s = check_windows(ctx, &config, path, hubert_dim);
    if (s == TG_OK)
        s = tg_syncnet_create(ctx, &config, out);
    if (s == TG_OK)
        s = tg_params_load(ctx, (*out)->params, st, file_kind.prefix);
    if (s != TG_OK)
        tg_syncnet_destroy(out);
    tg_json_destroy(&json);
    tg_st_close(&st);
    return s;
}

bool tg_syncnet_store(tg_st_writer *w, const tg_syncnet *net, tg_dtype dtype) {
    tg_json *config = tg_json_new_object();
    if (config)
        tg_syncnet_config_write(&net->config, config);
    bool ok = tg_network_file_store(w, &file_kind, config, net->params, dtype);
    tg_json_destroy(&config);
    return ok;
}

bool tg_syncnet_within(const tg_st *st) {
    return tg_st_meta(st, file_kind.meta) != NULL;
}

tg_status tg_syncnet_write(tg_context *ctx, const tg_syncnet *net, const char *path) {
    tg_json *config = tg_json_new_object();
    if (config)
        tg_syncnet_config_write(&net->config, config);
    tg_status s = tg_network_file_write(ctx, &file_kind, path, config, net->params);
    tg_json_destroy(&config);
    return s;
}
