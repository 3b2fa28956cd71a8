/* The smallest speech encoder that training takes. */
#ifndef TALKGEN_TESTS_TINY_ENCODER_H
#define TALKGEN_TESTS_TINY_ENCODER_H

#include "talkgen/speech.h"

static tg_hubert *tiny_encoder(tg_context *ctx) {
    tg_hubert_config config = tg_hubert_small();
    for (int i = 0; i < config.convs; i++)
        config.conv_dim[i] = 12;
    config.hidden_size = 16;
    config.intermediate_size = 16;
    config.heads = config.pos_groups = 2;
    config.layers = 1;
    tg_hubert *hubert;
    assert_int_equal(tg_hubert_create(ctx, &config, &hubert), TG_OK);
    tg_hubert_init(hubert, 3);
    return hubert;
}

#endif
