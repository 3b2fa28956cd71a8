/* The renderer's kernels for AVX-512. */
#include "simd_avx512.h"
#include "tile_simd.h"

const tg_tile_kernels tg_tile_avx512 = {
    .name = "avx512",
    .fine = true,
    .layer_bytes = tg_layer_bytes_f32,
    .layer_pack = tg_layer_pack_f32,
    .layer = tile_layer,
    .grid_row = TG_GRID_FEATURES * sizeof(float),
    .grid_pack = tg_grid_pack_f32,
    .grid = tile_grid,
    .sh = tile_sh,
    .exp = tile_exp,
    .tanh = tile_tanh,
    .sigmoid = tile_sigmoid,
    .compress = tile_compress,
};
