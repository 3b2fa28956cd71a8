#include "train/draws.h"

tg_draws tg_draws_make(uint64_t seed, uint64_t step, uint64_t example) {
    tg_draws d = {seed * 0xD1342543DE82EF95u + step};
    d.state = tg_draw_word(&d) + example;
    d.state = tg_draw_word(&d);
    return d;
}

double tg_draw(tg_draws *d) {
    return (double)(tg_draw_word(d) >> 11) * 0x1p-53;
}

double tg_draw_between(tg_draws *d, double a, double b) {
    return a + (b - a) * tg_draw(d);
}

bool tg_draw_chance(tg_draws *d, double p) {
    return tg_draw(d) < p;
}
