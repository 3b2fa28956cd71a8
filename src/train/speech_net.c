#include "train/speech_net.h"

#include <math.h>
#include <string.h>

tg_status tg_speech_net_create(tg_context *ctx, const tg_hubert_config *config, uint64_t seed,
                               tg_speech_net *out) {
    *out = (tg_speech_net){0};
    tg_status status = tg_hubert_create(ctx, config, &out->encoder);
    if (status != TG_OK)
        return status;
    out->heads = tg_params_create();
    int64_t dim = config->hidden_size;
    if (out->heads != NULL) {
        tg_init init = {TG_INIT_NORMAL, (float)(0.5 / sqrt((double)dim))};
        tg_init zero = {TG_INIT_ZERO, 0};
        out->phone_weight =
            tg_params_add(out->heads, "phone.weight", 2, (int64_t[]){TG_PHONES, dim}, init);
        out->phone_bias = tg_params_add(out->heads, "phone.bias", 1, (int64_t[]){TG_PHONES}, zero);
        out->lips_weight =
            tg_params_add(out->heads, "lips.weight", 2, (int64_t[]){TG_LIPS, dim}, init);
        out->lips_bias = tg_params_add(out->heads, "lips.bias", 1, (int64_t[]){TG_LIPS}, zero);
    }
    if (out->lips_bias == NULL || out->lips_weight == NULL || out->phone_bias == NULL ||
        out->phone_weight == NULL) {
        tg_speech_net_destroy(out);
        return tg_fail(ctx, TG_ENOMEM, "out of memory for a speech encoder");
    }
    tg_hubert_init(out->encoder, seed);
    tg_params_init(out->heads, seed);
    return TG_OK;
}

void tg_speech_net_destroy(tg_speech_net *net) {
    tg_hubert_destroy(&net->encoder);
    tg_params_destroy(&net->heads);
}

tg_speech_answer tg_speech_net_forward(tg_tape *tape, tg_speech_net *net,
                                       const tg_speech_example *example) {
    tg_tensor *x = tg_borrow(tape, 2, (int64_t[]){1, example->n}, example->samples);
    tg_tensor *y = tg_hubert_forward(tape, net->encoder, x);
    y = tg_reshape(tape, y, 2, (int64_t[]){example->rows, y->dim[2]});
    return (tg_speech_answer){tg_linear(tape, y, net->phone_weight, net->phone_bias),
                              tg_linear(tape, y, net->lips_weight, net->lips_bias)};
}

void tg_speech_score_add(tg_speech_score *s, const tg_speech_answer *answer,
                         const tg_speech_example *example) {
    for (int64_t j = 0; j < example->rows; j++) {
        const float *logit = answer->logits->data + j * TG_PHONES;
        int best = 0, phone = example->phone[j];
        for (int k = 1; k < TG_PHONES; k++)
            if (logit[k] > logit[best])
                best = k;
        if (phone >= 0) {
            double sum = 0;
            for (int k = 0; k < TG_PHONES; k++)
                sum += exp((double)logit[k] - logit[best]);
            s->loss += log(sum) + logit[best] - logit[phone];
            s->rows++;
            s->right += best == phone;
            s->silent += phone == 0;
            s->silent_right += phone == 0 && best == 0;
            s->spoken += phone != 0;
            s->spoken_right += phone != 0 && best != 0;
        }
        if (example->lip_weight[j * TG_LIPS] > 0) {
            tg_pairs_add(&s->gap, answer->lips->data[j * TG_LIPS], example->lips[j * TG_LIPS]);
        }
    }
}

double tg_speech_score_accuracy(const tg_speech_score *s) {
    return s->rows > 0 ? s->right / s->rows : -1;
}

double tg_speech_score_silence(const tg_speech_score *s) {
    return s->silent > 0 && s->spoken > 0
               ? 0.5 * (s->silent_right / s->silent + s->spoken_right / s->spoken)
               : -1;
}

double tg_speech_score_gap(const tg_speech_score *s) {
    return s->gap.n < 2 ? 0 : tg_pairs_correlation(&s->gap);
}

tg_status tg_speech_net_evaluate(tg_context *ctx, tg_speech_net *net,
                                 const tg_speech_corpus *corpus, tg_speech_score *out) {
    *out = (tg_speech_score){0};
    const tg_hubert_config *config = tg_hubert_config_of(net->encoder);
    int64_t most = (int64_t)config->frames_per_clip;
    int64_t room = (most - 1) * TG_SPEECH_HOP + tg_hubert_field(config);
    tg_tape *tape = tg_tape_create(ctx, false);
    tg_speech_example e = {.samples = tg_alloc(sizeof(float) * (size_t)room),
                           .phone = tg_alloc(sizeof(int32_t) * (size_t)most),
                           .lips = tg_alloc(sizeof(float) * TG_LIPS * (size_t)most),
                           .lip_weight = tg_alloc(sizeof(float) * TG_LIPS * (size_t)most)};
    tg_status status = TG_OK;
    if (tape == NULL || e.samples == NULL || e.phone == NULL || e.lips == NULL ||
        e.lip_weight == NULL)
        status = tg_fail(ctx, TG_ENOMEM, "out of memory for an evaluation");
    for (int i = 0; i < corpus->count && status == TG_OK; i++) {
        const tg_speech_clip *clip = &corpus->clips[i];
        e.n = clip->n < room ? clip->n : room;
        e.rows = tg_hubert_conv_rows(config, e.n);
        if (e.rows == 0)
            continue;
        tg_speech_example_clean(clip, &e);
        tg_tape_reset(tape);
        tg_speech_answer answer = tg_speech_net_forward(tape, net, &e);
        status = tg_tape_status(tape);
        if (status == TG_OK)
            tg_speech_score_add(out, &answer, &e);
    }
    tg_free(e.samples);
    tg_free(e.phone);
    tg_free(e.lips);
    tg_free(e.lip_weight);
    tg_tape_destroy(&tape);
    return status;
}
