/* Losses on landmarks in motion space. */
#include "train/motion_loss.h"

static const float closure_gain = 4;

/* The same weights for every frame of x. */
static tg_tensor *spread_weights(tg_tape *tape, const tg_tensor *x, const float *point_weight) {
    tg_tensor *weight = tg_input(tape, x->ndim, x->dim, NULL);
    if (tg_tape_status(tape) == TG_OK)
        for (int64_t i = 0; i < tg_numel(x); i++)
            weight->data[i] = point_weight[i % TG_MOTION_DIM];
    return weight;
}

static tg_tensor *weighed_mean(tg_tape *tape, tg_tensor *x, const float *point_weight) {
    return tg_mean(tape, tg_mul(tape, x, spread_weights(tape, x, point_weight)));
}

void tg_motion_errors(tg_tape *tape, tg_tensor *pred, tg_tensor *truth, const float *point_weight,
                      tg_tensor *out[2]) {
    tg_tensor *error = tg_sub(tape, pred, truth);
    int64_t frames = error->dim[1];
    tg_tensor *velocity =
        tg_sub(tape, tg_slice(tape, error, 1, 1, frames), tg_slice(tape, error, 1, 0, frames - 1));
    out[0] = weighed_mean(tape, tg_square(tape, error), point_weight);
    out[1] = weighed_mean(tape, tg_square(tape, velocity), point_weight);
}

tg_tensor *tg_motion_distance(tg_tape *tape, tg_tensor *a, tg_tensor *b,
                              const float *point_weight) {
    tg_tensor *d = tg_sub(tape, a, b);
    d = tg_add(tape, tg_relu(tape, d), tg_relu(tape, tg_affine(tape, d, -1, 0)));
    return weighed_mean(tape, d, point_weight);
}

/* Points 61, 62, 63 less 67, 66, 65: [B,T,204] -> [B,T,9]. */
static tg_tensor *gap_of(tg_tape *tape, tg_tensor *motion) {
    tg_tensor *part[3];
    for (int p = 0; p < 3; p++)
        part[p] = tg_sub(tape, tg_slice(tape, motion, 2, 3 * (61 + p), 3 * (62 + p)),
                         tg_slice(tape, motion, 2, 3 * (67 - p), 3 * (68 - p)));
    return tg_concat(tape, part, 3, 2);
}

tg_tensor *tg_gap_loss(tg_tape *tape, tg_tensor *pred, tg_tensor *truth, const float *closure) {
    tg_tensor *a = gap_of(tape, pred), *b = gap_of(tape, truth);
    tg_tensor *weight = tg_input(tape, a->ndim, a->dim, NULL);
    if (tg_tape_status(tape) == TG_OK)
        for (int64_t i = 0; i < tg_numel(a); i++)
            weight->data[i] = 1 + closure_gain * closure[i / a->dim[2]];
    return tg_mse(tape, a, b, weight);
}
