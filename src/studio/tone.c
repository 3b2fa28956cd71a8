#include "studio/tone.h"

#define EXPOSURE 0.9f

static float curve(float x) {
    /* Narkowicz 2015, fit of the ACES filmic curve; then the sRGB transfer function. */
    x = tg_clampf(x * (2.51f * x + 0.03f) / (x * (2.43f * x + 0.59f) + 0.14f), 0, 1);
    return x <= 0.0031308f ? 12.92f * x : 1.055f * tg_fast_pow(x, 1 / 2.4f) - 0.055f;
}

tg_vec3 tg_tone(tg_vec3 c) {
    return tg_v3(curve(EXPOSURE * c.x), curve(EXPOSURE * c.y), curve(EXPOSURE * c.z));
}

tg_vec3 tg_backdrop(tg_vec3 middle, tg_vec3 corner, float x, float y) {
    float dx = x - 0.5f, dy = y - 0.42f;
    float far = tg_smoothstep(0, 0.85f, 1.15f * sqrtf(dx * dx + dy * dy));
    return tg_v3_mix(middle, corner, far);
}

uint8_t tg_tone_byte(float encoded) {
    return (uint8_t)(tg_clampf(encoded, 0, 1) * 255 + 0.5f);
}

/* Mean of the opaque pixels at x-1, x, x+1 of a row, weights 1 2 1; x itself is opaque. */
static void row_mean(const uint8_t *row, int x, int w, float out[3]) {
    float sum[3] = {0, 0, 0}, weight = 0;
    for (int i = x > 0 ? x - 1 : 0; i <= x + 1 && i < w; i++) {
        if (row[4 * i + 3] != 255)
            continue;
        float k = i == x ? 2 : 1;
        for (int c = 0; c < 3; c++)
            sum[c] += k * row[4 * i + c];
        weight += k;
    }
    for (int c = 0; c < 3; c++)
        out[c] = sum[c] / weight;
}

void tg_tone_grow_torso(uint8_t *rgba, const uint8_t *head, const uint8_t *skin, int w, int h) {
    int reach_skin = (53 * h + 256) / 512, reach_cloth = (9 * h + 256) / 512;
    float darken = tg_fast_pow(0.98f, 512.0f / (float)h);
    int left[TG_TONE_MAX_WIDTH]; /* rows that a column may still grow */
    memset(left, 0, sizeof left);
    for (int y = h - 1; y >= 0; y--) {
        uint8_t *row = rgba + 4 * (size_t)y * (size_t)w;
        const uint8_t *may = head + (size_t)y * (size_t)w;
        for (int x = 0; x < w; x++) {
            uint8_t *p = row + 4 * x;
            if (p[3] == 255) {
                left[x] = skin[(size_t)y * (size_t)w + (size_t)x] ? reach_skin : reach_cloth;
                continue;
            }
            if (left[x] == 0 || !may[x]) {
                left[x] = 0;
                continue;
            }
            left[x]--;
            float color[3], own = (float)p[3] / 255;
            row_mean(row + 4 * (size_t)w, x, w, color);
            for (int c = 0; c < 3; c++)
                p[c] = (uint8_t)(own * (float)p[c] + (1 - own) * color[c] * darken + 0.5f);
            p[3] = 255;
        }
    }
}
