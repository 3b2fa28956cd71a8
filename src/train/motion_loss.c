/* Losses on landmarks in motion space. */
#include "train/motion_loss.h"

enum { UPPER_LIP = 3 * 62, LOWER_LIP = 3 * 66, MIDDLE = 3 }; /* MIDDLE: of the gap's vectors */
static const float closure_gain = 4;
static const float ajar = 0.05f; /* half a millimetre: lips that look closed */

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

void tg_gap_vectors(const float *motion, float out[TG_GAP_DIM]) {
    for (int p = 0; p < 3; p++)
        for (int k = 0; k < 3; k++)
            out[3 * p + k] = motion[3 * (61 + p) + k] - motion[3 * (67 - p) + k];
}

tg_tensor *tg_closed_loss(tg_tape *tape, tg_tensor *pred, const float *before,
                          const float closed[TG_GAP_DIM]) {
    tg_tensor *gap = gap_of(tape, pred);
    tg_tensor *want = tg_input(tape, gap->ndim, gap->dim, NULL);
    tg_tensor *weight = tg_input(tape, gap->ndim, gap->dim, NULL);
    if (tg_tape_status(tape) == TG_OK)
        for (int64_t i = 0; i < tg_numel(gap); i++) {
            const float *frame = before + i / TG_GAP_DIM * TG_MOTION_DIM;
            float opening = frame[UPPER_LIP + 1] - frame[LOWER_LIP + 1];
            bool touch = opening < closed[MIDDLE + 1] + ajar;
            want->data[i] = touch ? closed[i % TG_GAP_DIM] : gap->data[i];
            weight->data[i] = touch ? 1 : 1e-6f; /* not zero: all of them may be open */
        }
    return tg_mse(tape, gap, want, weight);
}

/* ---- moments ------------------------------------------------------------------------------- */

/* Eyes are left out: they blink on their own. */
enum { EYES_FIRST = 3 * 36, EYES_END = 3 * 48, FACE_DIM = TG_MOTION_DIM - EYES_END + EYES_FIRST };

/* The face over time: [1,T,204] -> [168,T]. */
static tg_tensor *face_of(tg_tape *tape, tg_tensor *motion) {
    tg_tensor *part[] = {tg_slice(tape, motion, 2, 0, EYES_FIRST),
                         tg_slice(tape, motion, 2, EYES_END, TG_MOTION_DIM)};
    tg_tensor *x = tg_transpose(tape, tg_concat(tape, part, 2, 2));
    return tg_reshape(tape, x, 2, (int64_t[]){FACE_DIM, motion->dim[1]});
}

/* [168,T] -> mean [168,1], covariance [168,168] */
static void moments_of(tg_tape *tape, tg_tensor *x, tg_tensor **mean, tg_tensor **covariance) {
    int64_t frames = x->dim[1];
    tg_tensor *share = tg_input(tape, 2, (int64_t[]){1, frames}, NULL);
    if (tg_tape_status(tape) == TG_OK)
        for (int64_t t = 0; t < frames; t++)
            share->data[t] = 1 / (float)frames;
    *mean = tg_matmul(tape, x, share, true);
    tg_tensor *square = tg_affine(tape, tg_matmul(tape, x, x, true), 1 / (float)frames, 0);
    *covariance = tg_sub(tape, square, tg_matmul(tape, *mean, *mean, true));
}

tg_tensor *tg_moment_loss(tg_tape *tape, tg_tensor *pred, tg_tensor *truth) {
    tg_tensor *mean[2], *covariance[2];
    moments_of(tape, face_of(tape, pred), &mean[0], &covariance[0]);
    moments_of(tape, face_of(tape, truth), &mean[1], &covariance[1]);
    double variance = 1e-6, power = 1e-6; /* somebody who never moves */
    if (tg_tape_status(tape) == TG_OK)
        for (int64_t i = 0; i < tg_numel(covariance[1]); i++) {
            double c = covariance[1]->data[i];
            variance += i % (FACE_DIM + 1) == 0 ? c : 0;
            power += c * c;
        }
    tg_tensor *off[] = {tg_sum(tape, tg_square(tape, tg_sub(tape, mean[0], mean[1]))),
                        tg_sum(tape, tg_square(tape, tg_sub(tape, covariance[0], covariance[1])))};
    return tg_weighted_sum(tape, off, (float[]){(float)(1 / variance), (float)(1 / power)}, 2);
}
