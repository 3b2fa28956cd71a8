/* Kernels of the renderer. Everything works on tiles of 32 samples in "rows": element [row][lane]
 * at row * stride + lane, so that a sample is a lane of a vector register. One table of functions
 * per CPU level; the portable one is the oracle of the others. */
#ifndef TALKGEN_RENDER_TILE_H
#define TALKGEN_RENDER_TILE_H

#include "talkgen/render.h"

enum { TG_TILE = 32, TG_LAYER_BLOCK = 8 };

typedef enum { TG_ACT_NONE, TG_ACT_RELU, TG_ACT_LEAKY } tg_act; /* leaky: slope 0.02 */

/* A dense layer, weights packed by the kernel table that runs it. Blocks of 8 outputs, each block
 * [in][8] (the last block [in][out % 8] when out is no multiple of 8). */
typedef struct {
    int in, out;
    void *weight; /* float32, or pairs of bf16 or integers */
} tg_layer;

/* A grid table packed by the kernel table that reads it: level l starts at row offset[l] + l,
 * because each level has one more row, a copy of its first: the two corners along x then always lie
 * side by side (hashed levels excepted). */
typedef struct {
    tg_grid grid;
    void *table;                    /* rows of 2 float32, or of 2 integers of 16 bits */
    float unit[TG_GRID_MAX_LEVELS]; /* what the kernel multiplies a level's numbers by */
} tg_tile_grid;

typedef struct {
    const char *name;
    bool fine; /* layers are exact enough for coordinates of a table */
    size_t (*layer_bytes)(int in, int out);
    /* weight [out][ld] (the first `in` columns) -> packed, which has layer_bytes */
    void (*layer_pack)(int in, int out, const float *weight, int64_t ld, void *packed);
    /* out[o] = act(sum_i w[o][i] in[i] + start), start = bias[o] (NULL = 0) or row o of `rows`
     * (stride 32) when not NULL. in [layer.in] rows of in_stride, out [layer.out] rows of 32;
     * out may be `rows`, not `in`. */
    void (*layer)(const tg_layer *layer, const float *in, int in_stride, const float *bias,
                  const float *rows, tg_act act, float *out);
    size_t grid_row; /* bytes of a row of a grid's table */
    /* One level, rows [n][2] -> packed [n] rows of grid_row bytes; returns the unit of the level.
     */
    float (*grid_pack)(const float *rows, size_t n, void *packed);
    /* u [dims] rows of 32 in [0,1] -> out [levels*2] rows of 32; lanes outside give zeros. */
    void (*grid)(const tg_tile_grid *grid, const float *u, float *out);
    /* d [3] rows -> out [16] rows, both of `stride` floats of which 32 are used */
    void (*sh)(const float *d, float *out, int stride);
    /* elementwise in place, n a multiple of 32 */
    void (*exp)(float *x, int n);
    void (*tanh)(float *x, int n);
    void (*sigmoid)(float *x, int n);
    /* lanes whose bit is set in mask, moved together: in [rows] of 32 -> out [rows] of out_stride
     * from lane `at` on. Up to 32 lanes from `at` on may be overwritten. */
    void (*compress)(const float *in, int rows, uint32_t mask, float *out, int out_stride, int at);
} tg_tile_kernels;

/* The best table of a level; full_precision keeps float32. Never NULL. */
const tg_tile_kernels *tg_tile_kernels_for(tg_cpu_level level, bool full_precision);

extern const tg_tile_kernels tg_tile_portable;
#if defined(__x86_64__)
extern const tg_tile_kernels tg_tile_avx2, tg_tile_avx512, tg_tile_avx512vnni, tg_tile_avx512bf16;
#elif defined(__aarch64__)
extern const tg_tile_kernels tg_tile_neon;
#endif

/* Memory for a table in the layout above; false = none. Free with tg_free(table). */
bool tg_tile_grid_create(tg_tile_grid *out, const tg_tile_kernels *kernels, const tg_grid *grid);
/* Packs a table [rows,2]. */
void tg_tile_grid_fill(tg_tile_grid *grid, const tg_tile_kernels *kernels, const float *table);
/* Packs weight [out][ld], its first `in` columns. false = no memory. */
bool tg_layer_create(tg_layer *layer, const tg_tile_kernels *kernels, int in, int out);
void tg_layer_destroy(tg_layer *layer);
void tg_layer_fill(tg_layer *layer, const tg_tile_kernels *kernels, const float *weight,
                   int64_t ld);

/* Shared by all levels that have no instruction or format of their own for it. */
void tg_tile_compress(const float *in, int rows, uint32_t mask, float *out, int out_stride, int at);
size_t tg_layer_bytes_f32(int in, int out);
void tg_layer_pack_f32(int in, int out, const float *weight, int64_t ld, void *packed);
float tg_grid_pack_f32(const float *rows, size_t n, void *packed);
/* Each number as a part of the level's largest: off by at most 2^-16 of that. */
float tg_grid_pack_int16(const float *rows, size_t n, void *packed);

#endif
