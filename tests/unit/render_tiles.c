/* Every kernel level against the portable one: odd sizes, unaligned pointers, guard values. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <math.h>
#include <string.h>

#include "render/tile.h"

enum { GUARD = 16, MAX_ROWS = 160 };
static const float guard_value = -123.25f;

static tg_rng rng;
static uint64_t at;

static float noise(void) {
    return tg_rng_normal(&rng, at++);
}

/* A block of rows with guard values on both sides, not aligned to more than one float. */
typedef struct {
    float memory[GUARD + 1 + MAX_ROWS * 64 + GUARD];
    float *data;
    int n;
} guarded;

static float *guarded_make(guarded *g, int n) {
    assert_true(n <= MAX_ROWS * 64);
    g->data = g->memory + GUARD + 1;
    g->n = n;
    for (size_t i = 0; i < sizeof g->memory / sizeof g->memory[0]; i++) {
        g->memory[i] = guard_value;
    }
    return g->data;
}

static void guarded_check(const guarded *g) {
    for (int i = 0; i < GUARD + 1; i++) {
        assert_true(g->memory[i] == guard_value);
    }
    for (int i = 0; i < GUARD; i++) {
        assert_true(g->data[g->n + i] == guard_value);
    }
}

static void check_layer(const tg_tile_kernels *k, int in, int out, int stride, int start,
                        tg_act act, float tolerance) {
    static guarded input, ours, oracle;
    float weight[MAX_ROWS * 40], bias[MAX_ROWS];
    const int ld = in + 3;
    assert_true(out * ld <= MAX_ROWS * 40);
    for (int i = 0; i < out * ld; i++) {
        weight[i] = noise() / sqrtf((float)in);
    }
    for (int i = 0; i < out; i++) {
        bias[i] = noise();
    }
    float *x = guarded_make(&input, in * stride);
    for (int i = 0; i < in * stride; i++) {
        x[i] = noise();
    }
    const tg_tile_kernels *both[2] = {k, &tg_tile_portable};
    guarded *result[2] = {&ours, &oracle};
    for (int i = 0; i < 2; i++) {
        tg_layer layer;
        assert_true(tg_layer_create(&layer, both[i], in, out));
        tg_layer_fill(&layer, both[i], weight, ld);
        float *y = guarded_make(result[i], out * TG_TILE);
        for (int j = 0; j < out * TG_TILE; j++) {
            y[j] = 0.01f * (float)(j % 97) - 0.4f; /* also the rows to start from */
        }
        both[i]->layer(&layer, x, stride, start == 1 ? bias : NULL, start == 2 ? y : NULL, act, y);
        guarded_check(result[i]);
        tg_layer_destroy(&layer);
    }
    guarded_check(&input);
    for (int j = 0; j < out * TG_TILE; j++) {
        assert_true(fabsf(ours.data[j] - oracle.data[j]) <= tolerance);
    }
}

static void layers(const tg_tile_kernels *k, float tolerance) {
    static const int inputs[] = {1, 2, 3, 7, 16, 33, 80}, outputs[] = {1, 2, 3, 4, 5, 7, 8, 13, 64};
    for (size_t i = 0; i < sizeof inputs / sizeof inputs[0]; i++) {
        for (size_t o = 0; o < sizeof outputs / sizeof outputs[0]; o++) {
            const int start = (int)((i + o) % 3);
            const tg_act act = (tg_act)((i + 2 * o) % 3);
            check_layer(k, inputs[i], outputs[o], i % 2 ? 64 : TG_TILE, start, act, tolerance);
        }
    }
}

static void grids(const tg_tile_kernels *k) {
    static guarded input, ours, oracle;
    for (int kind = 0; kind < 8; kind++) {
        const int dims = kind & 1 ? 2 : 3;
        tg_grid grid;
        tg_grid_init(&grid, dims, 16, 16, 2048, kind & 4 ? 8 : 12, kind & 2, kind & 1);
        const size_t rows = grid.offset[16];
        float *table = tg_alloc(rows * 2 * sizeof *table);
        for (int l = 0; l < 16; l++) { /* levels of different size */
            const float size = ldexpf(1.0f, -(l % 5));
            for (size_t i = 2 * grid.offset[l]; i < 2 * grid.offset[l + 1]; i++) {
                table[i] = (tg_rng_uniform(&rng, at++) - 0.5f) * size;
            }
        }
        tg_tile_grid tile, plain;
        assert_true(tg_tile_grid_create(&tile, k, &grid));
        assert_true(tg_tile_grid_create(&plain, &tg_tile_portable, &grid));
        tg_tile_grid_fill(&tile, k, table);
        tg_tile_grid_fill(&plain, &tg_tile_portable, table);
        float *u = guarded_make(&input, 3 * TG_TILE);
        for (int round = 0; round < 40; round++) {
            for (int i = 0; i < 3 * TG_TILE; i++) {
                u[i] = tg_rng_uniform(&rng, at++);
            }
            u[0] = 0.0f;
            u[1] = 1.0f;
            u[TG_TILE + 1] = 1.0f;
            u[2 * TG_TILE + 1] = 1.0f;
            u[2] = -1e-6f;
            u[3] = 1.0001f;
            u[4] = NAN;
            u[TG_TILE + 5] = INFINITY;
            u[TG_TILE + 6] = -1e30f;
            k->grid(&tile, u, guarded_make(&ours, 32 * TG_TILE));
            tg_tile_portable.grid(&plain, u, guarded_make(&oracle, 32 * TG_TILE));
            guarded_check(&ours);
            for (int j = 0; j < 32 * TG_TILE; j++) {
                /* u * 2047 is rounded once or twice: a part of 1e-4 of a cell, times the slope */
                assert_true(fabsf(ours.data[j] - oracle.data[j]) < 6e-4f);
            }
            for (int j = 0; j < 32; j++) {
                for (int s = 2; s <= 6; s++) {
                    assert_true(ours.data[j * TG_TILE + s] == 0.0f);
                }
            }
        }
        tg_free(tile.table);
        tg_free(plain.table);
        tg_free(table);
    }
}

static void elementwise(const tg_tile_kernels *k) {
    static guarded a;
    for (int kind = 0; kind < 3; kind++) {
        for (int round = 0; round < 200; round++) {
            float *x = guarded_make(&a, 3 * TG_TILE), before[3 * TG_TILE];
            for (int i = 0; i < 3 * TG_TILE; i++) {
                before[i] = x[i] = noise() * (round % 4 == 0 ? 0.05f : round % 4 == 1 ? 1 : 20);
            }
            (kind == 0 ? k->exp : kind == 1 ? k->tanh : k->sigmoid)(x, 3 * TG_TILE);
            guarded_check(&a);
            for (int i = 0; i < 3 * TG_TILE; i++) {
                const double b = (double)before[i];
                const double exact = kind == 0 ? exp(b) : kind == 1 ? tanh(b) : 1 / (1 + exp(-b));
                const double bound = 4e-7 * fabs(exact) + (kind == 2 ? 1e-7 : 1e-38);
                if (exact > 3.4e38) {
                    assert_true(isinf(x[i]));
                } else {
                    assert_true(fabs((double)x[i] - exact) <= bound);
                }
            }
        }
    }
    float edge[TG_TILE] = {-1000.0f, 1000.0f, -INFINITY, INFINITY, NAN, -100.0f, 88.0f, 0.0f};
    float same[TG_TILE];
    memcpy(same, edge, sizeof edge);
    k->exp(edge, TG_TILE);
    assert_true(edge[0] == 0.0f && isinf(edge[1]) && edge[2] == 0.0f && isinf(edge[3]));
    assert_true(isnan(edge[4]) && edge[5] < 1e-40f && edge[6] < INFINITY && edge[7] == 1.0f);
    k->tanh(same, TG_TILE);
    assert_true(same[0] == -1.0f && same[1] == 1.0f && isnan(same[4]) && same[7] == 0.0f);
}

static void harmonics(const tg_tile_kernels *k) {
    static guarded input, ours, oracle;
    for (int stride = TG_TILE; stride <= 64; stride += 32) {
        float *d = guarded_make(&input, 3 * stride);
        for (int i = 0; i < 3 * stride; i++) {
            d[i] = noise();
        }
        k->sh(d, guarded_make(&ours, 16 * stride), stride);
        tg_tile_portable.sh(d, guarded_make(&oracle, 16 * stride), stride);
        guarded_check(&ours);
        for (int i = 0; i < 16 * stride; i++) {
            const float scale = fabsf(oracle.data[i]) + 10.0f;
            assert_true(fabsf(ours.data[i] - oracle.data[i]) <= 1e-6f * scale);
        }
    }
}

static void compression(const tg_tile_kernels *k) {
    static guarded input, ours, oracle;
    static const uint32_t masks[] = {1u,          0x80000000u, UINT32_MAX, 0x0000ffffu,
                                     0xffff0000u, 0x55aa1234u, 0x00010000u};
    const int rows = 5, stride = 64;
    for (size_t m = 0; m < sizeof masks / sizeof masks[0]; m++) {
        for (int to = 0; to <= 31; to += 31) {
            float *x = guarded_make(&input, rows * TG_TILE);
            for (int i = 0; i < rows * TG_TILE; i++) {
                x[i] = noise();
            }
            k->compress(x, rows, masks[m], guarded_make(&ours, rows * stride), stride, to);
            tg_tile_portable.compress(x, rows, masks[m], guarded_make(&oracle, rows * stride),
                                      stride, to);
            guarded_check(&ours);
            const int count = __builtin_popcount(masks[m]);
            for (int row = 0; row < rows; row++) {
                assert_memory_equal(ours.data + row * stride + to, oracle.data + row * stride + to,
                                    (size_t)count * sizeof(float));
                for (int i = 0; i < to; i++) { /* what already waits there stays */
                    assert_true(ours.data[row * stride + i] == guard_value);
                }
            }
        }
    }
}

static void every_level(void **state) {
    (void)state;
    rng = tg_rng_make(7, "", "tiles");
    for (int level = 0; level < TG_CPU_LEVELS; level++) {
        if (!tg_cpu_has((tg_cpu_level)level)) {
            continue;
        }
        const tg_tile_kernels *k = tg_tile_kernels_for((tg_cpu_level)level, true);
        layers(k, 1e-5f);
        grids(k);
        elementwise(k);
        harmonics(k);
        compression(k);
    }
}

static void narrow_kernels(tg_cpu_level level, const char *name, float tolerance) {
    rng = tg_rng_make(8, "", "tiles");
    if (tg_cpu_detect() < level) {
        print_message("skip %s: this processor does not have it\n", name);
        skip();
    }
    const tg_tile_kernels *k = tg_tile_kernels_for(level, false);
    assert_true(k != tg_tile_kernels_for(level, true));
    layers(k, tolerance);
    grids(k);
}

/* Products of two bf16 numbers: each operand is off by up to 2^-9, sums of up to 80 such products
 * of random sign (weights scaled by 1/sqrt(in)) by a few times that. */
static void bf16_kernels(void **state) {
    (void)state;
    narrow_kernels(TG_CPU_AVX512BF16, "bf16", 0.05f);
}

/* Integers: each operand is off by up to 1.5e-5 of the norm of all. */
static void int16_kernels(void **state) {
    (void)state;
    narrow_kernels(TG_CPU_AVX512VNNI, "int16", 5e-4f);
}

/* A level's largest number takes all of 15 bits, and none is off by more than half a step; a level
 * of zeros, or of what is next to nothing, is zeros. */
static void packed_tables(void **state) {
    (void)state;
    float rows[64];
    int16_t packed[64];
    rng = tg_rng_make(10, "", "tiles");
    for (int i = 0; i < 64; i++) {
        rows[i] = noise();
    }
    rows[17] = -7.5f;
    const float step = tg_grid_pack_int16(rows, 32, packed) * 65536.0f;
    assert_int_equal(packed[17], -INT16_MAX);
    for (int i = 0; i < 64; i++) {
        assert_true(fabsf((float)packed[i] * step - rows[i]) <= 0.5001f * step);
    }
    for (int kind = 0; kind < 2; kind++) {
        for (int i = 0; i < 64; i++) {
            rows[i] = kind == 0 ? 0.0f : 1e-40f;
        }
        assert_true(tg_grid_pack_int16(rows, 32, packed) < 1e-30f);
        for (int i = 0; i < 64; i++) {
            assert_int_equal(packed[i], 0);
        }
    }
}

/* The tile copy of a grid gives what the plain oracle gives. */
static void portable_against_oracle(void **state) {
    (void)state;
    rng = tg_rng_make(9, "", "tiles");
    for (int dims = 2; dims <= 3; dims++) {
        tg_grid grid;
        tg_grid_init(&grid, dims, 16, 16, 2048, 16, false, false);
        const size_t rows = grid.offset[16];
        float *table = tg_alloc(rows * 2 * sizeof *table);
        for (size_t i = 0; i < 2 * rows; i++) {
            table[i] = tg_rng_uniform(&rng, at++) - 0.5f;
        }
        tg_tile_grid tile;
        assert_true(tg_tile_grid_create(&tile, &tg_tile_portable, &grid));
        tg_tile_grid_fill(&tile, &tg_tile_portable, table);
        float u[3 * TG_TILE], rows_out[32 * TG_TILE], point[3], out[32];
        for (int i = 0; i < 3 * TG_TILE; i++) {
            u[i] = tg_rng_uniform(&rng, at++);
        }
        tg_tile_portable.grid(&tile, u, rows_out);
        for (int s = 0; s < TG_TILE; s++) {
            for (int d = 0; d < dims; d++) {
                point[d] = u[d * TG_TILE + s];
            }
            tg_grid_encode(&grid, table, point, 1, out);
            for (int j = 0; j < 32; j++) {
                assert_true(fabsf(out[j] - rows_out[j * TG_TILE + s]) < 1e-6f);
            }
        }
        tg_free(tile.table);
        tg_free(table);
    }
}

/* Row counts and offsets of the published tables (16 levels, 16 to 2048, 2^16 rows). */
static void published_layout(void **state) {
    (void)state;
    static const uint32_t resolution[16] = {16,  23,  31,  43,  59,  81,   112,  154,
                                            213, 295, 407, 562, 777, 1073, 1483, 2048};
    tg_grid grid;
    tg_grid_init(&grid, 3, 16, 16, 2048, 16, false, false);
    assert_int_equal(grid.offset[16], 903480);
    for (int l = 0; l < 16; l++) {
        assert_int_equal(grid.resolution[l], resolution[l]);
        assert_int_equal(grid.stride[l][2] == 0, l >= 9); /* fine levels ignore the last axis */
    }
    tg_grid_init(&grid, 2, 16, 16, 2048, 16, false, false);
    assert_int_equal(grid.offset[16], 555520);
    assert_int_equal(grid.offset[9], 96768);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(published_layout), cmocka_unit_test(portable_against_oracle),
        cmocka_unit_test(every_level),      cmocka_unit_test(packed_tables),
        cmocka_unit_test(bf16_kernels),     cmocka_unit_test(int16_kernels),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
