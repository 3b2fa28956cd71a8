/* Pearson's correlation of pairs that come one by one. */
#ifndef TALKGEN_EVAL_CORRELATION_H
#define TALKGEN_EVAL_CORRELATION_H

/* Sums; zeroed = none yet. */
typedef struct {
    double n, x, y, xx, yy, xy;
} tg_pairs;

void tg_pairs_add(tg_pairs *pairs, double x, double y);
/* In [-1, 1]; 0 where one of the two does not vary, NaN of fewer than two pairs. */
double tg_pairs_correlation(const tg_pairs *pairs);

#endif
