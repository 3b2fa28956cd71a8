/* Pearson's correlation of pairs that come one by one. */
#include "eval/correlation.h"

#include <math.h>

void tg_pairs_add(tg_pairs *p, double x, double y) {
    p->n++;
    p->x += x;
    p->y += y;
    p->xx += x * x;
    p->yy += y * y;
    p->xy += x * y;
}

double tg_pairs_correlation(const tg_pairs *p) {
    if (p->n < 2)
        return NAN;
    double vx = p->xx - p->x * p->x / p->n, vy = p->yy - p->y * p->y / p->n;
    if (vx <= 0 || vy <= 0)
        return 0;
    double r = (p->xy - p->x * p->y / p->n) / sqrt(vx * vy);
    return r > 1 ? 1 : r < -1 ? -1 : r; /* beyond by rounding */
}
