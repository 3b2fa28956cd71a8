/* Hyper-parameters of the vanilla NeRF that its tensors do not tell. */
#include "talkgen/render.h"

#include <stddef.h>
#include <string.h>

tg_vanilla_config tg_vanilla_config_defaults(void) {
    return (tg_vanilla_config){
        .cond_win_size = 1,
        .with_att = true,
        .position_octaves = 10,
        .near = 0.3f,
        .far = 0.9f,
        .n_samples_per_ray = 64,
        .n_samples_per_ray_fine = 128,
    };
}

/* One row per number: its key, where it lives, and what is sane. */
typedef struct {
    const char *key;
    size_t at;
    char type; /* 'i', 'f' or 'b' */
    double low, high;
} field;

#define FIELD(name, type, low, high)                                                               \
    { #name, offsetof(tg_vanilla_config, name), type, low, high }

static const field fields[] = {
    FIELD(cond_win_size, 'i', 1, 16),
    FIELD(with_att, 'b', 0, 1),
    FIELD(position_octaves, 'i', 0, 24),
    FIELD(near, 'f', 0, 1e4),
    FIELD(far, 'f', 0, 1e4),
    FIELD(n_samples_per_ray, 'i', 3, 1024),
    FIELD(n_samples_per_ray_fine, 'i', 0, 1024),
    FIELD(cond_from_head, 'b', 0, 1),
    FIELD(adnerf_angles, 'b', 0, 1),
};
enum { FIELDS = sizeof fields / sizeof fields[0] };

static double field_value(const tg_vanilla_config *config, const field *f) {
    const char *at = (const char *)config + f->at;
    int i;
    float x;
    bool b;
    switch (f->type) {
    case 'i':
        memcpy(&i, at, sizeof i);
        return i;
    case 'f':
        memcpy(&x, at, sizeof x);
        return (double)x;
    default:
        memcpy(&b, at, sizeof b);
        return b;
    }
}

tg_status tg_vanilla_config_read(tg_context *ctx, const tg_json *object,
                                 tg_vanilla_config *config) {
    for (int i = 0; i < FIELDS; i++) {
        const field *f = &fields[i];
        const tg_json *value = tg_json_get(object, f->key);
        if (value == NULL) {
            continue;
        }
        char *at = (char *)config + f->at;
        if (f->type == 'b') {
            const bool now = tg_json_bool(value, field_value(config, f) != 0);
            memcpy(at, &now, sizeof now);
            continue;
        }
        const double number = tg_json_number(value, -1e300);
        if (!(number >= f->low && number <= f->high)) {
            return tg_fail(ctx, TG_EMODEL,
                           "model configuration: %s is out of range or no number\n"
                           "  expected: %g to %g\n"
                           "  try: the configuration that was stored with the weights",
                           f->key, f->low, f->high);
        }
        if (f->type == 'i') {
            const int now = (int)number;
            memcpy(at, &now, sizeof now);
        } else {
            const float now = (float)number;
            memcpy(at, &now, sizeof now);
        }
    }
    const int win = config->cond_win_size;
    if (win != 1 && win != 2 && win != 3 && win != 4 && win != 5 && win != 8 && win != 16) {
        return tg_fail(ctx, TG_EMODEL,
                       "model configuration: cond_win_size is %d\n"
                       "  expected: 1, 2, 3, 4, 5, 8 or 16\n  try: 1 for landmarks, 16 for audio",
                       win);
    }
    if (!(config->near < config->far)) {
        return tg_fail(ctx, TG_EMODEL,
                       "model configuration: near is %g and far %g\n  expected: near below far\n"
                       "  try: the distances of the data set, in tenths of its translations",
                       (double)config->near, (double)config->far);
    }
    return TG_OK;
}

void tg_vanilla_config_write(const tg_vanilla_config *config, tg_json *object) {
    for (int i = 0; i < FIELDS; i++) {
        const double value = field_value(config, &fields[i]);
        if (fields[i].type == 'b') {
            tg_json_set_bool(object, fields[i].key, value != 0);
        } else {
            tg_json_set_number(object, fields[i].key, value);
        }
    }
}
