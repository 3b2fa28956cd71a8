#include "studio/breath.h"

#include "studio/dice.h"

#include <math.h>

static const double shortest_pause_s = 0.35;

/* Noise through one resonance, swelling and ending at once as the glottis closes. */
static void inhale(tg_dice *d, float *x, int64_t n, float rms) {
    double hz = tg_roll_between(d, 700, 2600), width = tg_roll_between(d, 500, 1400);
    double r = exp(-M_PI * width / TG_STUDIO_RATE);
    double a1 = 2 * r * cos(2 * M_PI * hz / TG_STUDIO_RATE), a2 = -r * r;
    double peak_at = tg_roll_between(d, 0.35f, 0.75f);
    double y1 = 0, y2 = 0, power = 0;
    /* Twice: once to know how loud it is. */
    tg_dice again = *d;
    for (int pass = 0; pass < 2; pass++) {
        tg_dice *dice = pass ? d : &again;
        double gain = pass && power > 0 ? rms / sqrt(power / (double)n) : 0;
        y1 = y2 = 0;
        for (int64_t i = 0; i < n; i++) {
            double at = (double)i / (double)n;
            double swell = at < peak_at ? at / peak_at : (1 - at) / (1 - peak_at);
            double y = (tg_roll(dice) - 0.5) + a1 * y1 + a2 * y2;
            y2 = y1;
            y1 = y;
            double v = y * pow(swell, 0.7);
            if (pass)
                x[i] += (float)(gain * v);
            else
                power += v * v;
        }
    }
}

void tg_breathe(tg_speech *speech, float level, uint64_t seed) {
    tg_dice d = tg_dice_make(seed, "", "breath");
    float loud = level * powf(10, -23 / 20.0f);
    for (int i = 0; i < speech->phones.count; i++) {
        const tg_segment *p = &speech->phones.phone[i];
        double length = p->end - p->start;
        if (tg_phone_kind_of(p->name) != TG_PHONE_SILENCE || length < shortest_pause_s)
            continue;
        float chance = tg_roll(&d), size = tg_roll(&d), gain = tg_roll_between(&d, 0.5f, 1.3f);
        if (chance > 0.75f)
            continue;
        double long_s = fmin(0.15 + 0.45 * size, 0.7 * length);
        double end = p->end - fmin(0.05 + 0.1 * size, 0.2 * length);
        int64_t from = (int64_t)((end - long_s) * TG_STUDIO_RATE);
        int64_t n = (int64_t)(long_s * TG_STUDIO_RATE);
        if (from >= 0 && from + n <= speech->count)
            inhale(&d, speech->samples + from, n, loud * gain);
    }
}
