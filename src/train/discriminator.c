/* MLPDiscriminator of the postnet's adversarial training. */
#include "train/discriminator.h"

#include <stdio.h>
#include <string.h>

static const int widths[] = {128, 256, 256, 128, 1};
static const int published_index[] = {0, 3, 6, 9, 12};

bool tg_discriminator_create(tg_discriminator *d, int dim, uint64_t seed) {
    memset(d, 0, sizeof *d);
    d->params = tg_params_create();
    bool ok = d->params != NULL;
    for (int i = 0; ok && i < TG_DISC_LAYERS; i++) {
        char name[64];
        int in = i ? widths[i - 1] : dim;
        snprintf(name, sizeof name, "backbone.%d.weight", published_index[i]);
        d->weight[i] =
            tg_params_add(d->params, name, 2, (int64_t[]){widths[i], in}, tg_init_fan_in(in));
        ok = d->weight[i] != NULL;
        if (i + 1 == TG_DISC_LAYERS)
            continue;
        snprintf(name, sizeof name, "backbone.%d.bias", published_index[i]);
        d->bias[i] = tg_params_add(d->params, name, 1, (int64_t[]){widths[i]}, tg_init_fan_in(in));
        ok = ok && d->bias[i] != NULL;
    }
    if (ok)
        tg_params_init(d->params, seed);
    else
        tg_discriminator_destroy(d);
    return ok;
}

void tg_discriminator_destroy(tg_discriminator *d) {
    tg_params_destroy(&d->params);
}

tg_tensor *tg_discriminator_forward(tg_tape *tape, const tg_discriminator *d, tg_tensor *frames,
                                    const tg_rng *rng, uint64_t first) {
    tg_tensor *h = frames;
    for (int i = 0; i < TG_DISC_LAYERS; i++) {
        h = tg_linear(tape, h, d->weight[i], d->bias[i]);
        if (i + 1 == TG_DISC_LAYERS)
            break;
        h = tg_leaky_relu(tape, h, i == 0 ? 0.2f : 0.25f);
        h = tg_dropout(tape, h, 0.25f, rng, first + ((uint64_t)i << 40));
    }
    return h;
}
