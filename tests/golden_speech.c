/* Stored HuBERT and mel cases. */
#include "golden.h"

#include "talkgen/speech.h"

#include <math.h>
#include <stdio.h>

static void compare_tensor(golden_case *c, const char *name, const tg_tensor *t) {
    golden_compare(c, name, t->data, tg_numel(t));
}

static tg_status compare_network(golden_case *c, tg_hubert *model, const float *speech, int64_t n) {
    tg_wave16k *wave = NULL;
    tg_wave_stats stats;
    tg_status status = tg_wave16k_borrow(c->ctx, speech, n, &wave);
    if (status == TG_OK)
        status = tg_wave16k_stats(c->ctx, wave, &stats);
    float *features = NULL;
    int64_t rows = 0;
    if (status == TG_OK)
        status = tg_features_read_all(c->ctx, model, wave, &features, &rows);
    if (status == TG_OK)
        golden_compare(c, "features_clipped", features,
                       rows * tg_hubert_config_of(model)->hidden_size);
    tg_free(features);
    tg_wave16k_close(&wave);
    if (status != TG_OK)
        return status;

    tg_tape *tape = tg_tape_create(c->ctx, false);
    tg_tensor *x = tg_input(tape, 2, (int64_t[]){1, n}, speech);
    tg_tensor *states[TG_HUBERT_MAX_LAYERS] = {NULL};
    for (int64_t i = 0; i < n; i++)
        x->data[i] = (float)((x->data[i] - stats.mean) / sqrt(stats.variance + 1e-7));
    compare_tensor(c, "input_values", x);
    tg_tensor *conv = tg_hubert_extract(tape, model, x);
    tg_tensor *last = tg_hubert_contextualize(tape, model, conv, states);
    compare_tensor(c, "conv_features", conv);
    for (int i = 0; i < tg_hubert_config_of(model)->layers; i++) {
        char name[64];
        snprintf(name, sizeof name, "hidden_states.%d", i);
        compare_tensor(c, name, states[i]);
    }
    compare_tensor(c, "last_hidden_state", last);
    status = tg_tape_status(tape);
    tg_tape_destroy(&tape);
    return status;
}

static tg_status hubert(golden_case *c) {
    const tg_st_tensor *shape = NULL;
    float *speech = golden_input(c, "speech", &shape);
    if (speech == NULL)
        return TG_EINPUT;
    tg_hubert_config config;
    tg_hubert *model = NULL;
    tg_status status = tg_hubert_config_parse(c->ctx, c->config, c->name, &config);
    if (status == TG_OK)
        status = tg_hubert_create(c->ctx, &config, &model);
    if (status == TG_OK)
        status = tg_hubert_load(c->ctx, model, c->weights, "");
    if (status == TG_OK)
        status = compare_network(c, model, speech, shape->dim[0]);
    tg_hubert_destroy(&model);
    tg_free(speech);
    return status;
}
GOLDEN(hubert_base_tiny, hubert)
GOLDEN(hubert_large_tiny, hubert)

static tg_status mel(golden_case *c) {
    const tg_st_tensor *shape = NULL;
    float *wav = golden_input(c, "wav", &shape);
    if (wav == NULL)
        return TG_EINPUT;
    tg_mel_config config = tg_mel_defaults();
    config.rate = (int)tg_json_number(tg_json_get(c->config, "sample_rate"), config.rate);
    config.fft = (int)tg_json_number(tg_json_get(c->config, "fft_size"), config.fft);
    config.window = (int)tg_json_number(tg_json_get(c->config, "win_length"), config.window);
    config.hop = (int)tg_json_number(tg_json_get(c->config, "hop_size"), config.hop);
    config.mels = (int)tg_json_number(tg_json_get(c->config, "num_mels"), config.mels);
    config.fmin = (float)tg_json_number(tg_json_get(c->config, "fmin"), config.fmin);
    config.fmax = (float)tg_json_number(tg_json_get(c->config, "fmax"), config.fmax);
    config.eps = (float)tg_json_number(tg_json_get(c->config, "eps"), config.eps);
    int64_t frames = tg_mel_frames(&config, shape->dim[0]), bins = config.fft / 2 + 1;
    float *basis = tg_alloc(sizeof(float) * (size_t)(config.mels * bins));
    float *out = tg_alloc(sizeof(float) * (size_t)(frames * config.mels));
    tg_status status = TG_ENOMEM;
    if (basis != NULL && out != NULL)
        status = tg_mel(c->ctx, &config, wav, shape->dim[0], out);
    if (status == TG_OK) {
        tg_mel_basis(&config, basis);
        golden_compare(c, "mel_basis", basis, config.mels * bins);
        golden_compare(c, "mel", out, frames * config.mels);
    }
    tg_free(out);
    tg_free(basis);
    tg_free(wav);
    return status;
}
GOLDEN(mel, mel)
