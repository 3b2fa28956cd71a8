/* Philox 4x32-10 (Salmon et al., "Parallel random numbers: as easy as 1, 2, 3", SC 2011):
 * a keyed bijection of a counter, so the i-th number needs no state. */
#include "talkgen/core.h"

#include <math.h>
#include <string.h>

static void philox(uint32_t ctr[4], const uint32_t key[2]) {
    uint32_t k0 = key[0], k1 = key[1];
    for (int round = 0; round < 10; round++) {
        uint64_t p0 = (uint64_t)0xD2511F53u * ctr[0], p1 = (uint64_t)0xCD9E8D57u * ctr[2];
        uint32_t c1 = ctr[1], c3 = ctr[3];
        ctr[0] = (uint32_t)(p1 >> 32) ^ c1 ^ k0;
        ctr[1] = (uint32_t)p1;
        ctr[2] = (uint32_t)(p0 >> 32) ^ c3 ^ k1;
        ctr[3] = (uint32_t)p0;
        k0 += 0x9E3779B9u;
        k1 += 0xBB67AE85u;
    }
}

/* The four words of counter block `block`. */
static void block_at(const tg_rng *rng, uint64_t block, uint32_t out[4]) {
    out[0] = (uint32_t)block;
    out[1] = (uint32_t)(block >> 32);
    out[2] = rng->clip;
    out[3] = rng->purpose;
    philox(out, rng->key);
}

uint64_t tg_hash_bytes(const void *data, size_t bytes, uint64_t start) {
    uint64_t h = start ? start : 0xcbf29ce484222325u;
    for (const unsigned char *p = data; bytes--; p++)
        h = (h ^ *p) * 0x100000001b3u;
    return h;
}

static uint32_t hash_word(const char *text) {
    uint64_t h = tg_hash_bytes(text, strlen(text), 0);
    return (uint32_t)(h ^ (h >> 32));
}

tg_rng tg_rng_make(uint64_t seed, const char *clip, const char *purpose) {
    return (tg_rng){{(uint32_t)seed, (uint32_t)(seed >> 32)}, hash_word(purpose), hash_word(clip)};
}

uint32_t tg_rng_u32(const tg_rng *rng, uint64_t index) {
    uint32_t w[4];
    block_at(rng, index >> 2, w);
    return w[index & 3];
}

static float to_unit(uint32_t w) {
    return (float)(w >> 8) * 0x1p-24f;
}

float tg_rng_uniform(const tg_rng *rng, uint64_t index) {
    return to_unit(tg_rng_u32(rng, index));
}

/* Box-Muller on word pairs (0,1) and (2,3): even indices take the cosine, odd the sine. */
static void normals_of(const uint32_t w[4], float out[4]) {
    for (int pair = 0; pair < 2; pair++) {
        double u = ((double)w[2 * pair] + 0.5) * 0x1p-32; /* never 0 */
        double angle = 6.283185307179586 * ((double)w[2 * pair + 1] * 0x1p-32);
        double r = sqrt(-2.0 * log(u));
        out[2 * pair] = (float)(r * cos(angle));
        out[2 * pair + 1] = (float)(r * sin(angle));
    }
}

float tg_rng_normal(const tg_rng *rng, uint64_t index) {
    uint32_t w[4];
    float n[4];
    block_at(rng, index >> 2, w);
    normals_of(w, n);
    return n[index & 3];
}

void tg_rng_fill_normal(const tg_rng *rng, uint64_t first, float *out, size_t n) {
    uint32_t w[4];
    float values[4];
    uint64_t have = UINT64_MAX;
    for (size_t i = 0; i < n; i++) {
        uint64_t index = first + i;
        if (index >> 2 != have) {
            have = index >> 2;
            block_at(rng, have, w);
            normals_of(w, values);
        }
        out[i] = values[index & 3];
    }
}
