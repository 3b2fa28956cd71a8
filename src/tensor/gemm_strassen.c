/* One or two levels of Strassen's algorithm (1969) for products that are large in all three
 * dimensions: seven products of the halves instead of eight, 12.5 % less to multiply each time. The
 * sums of quarters are made while panels are packed, and a tile is added to the quarters of C that
 * it belongs to while it is in registers, so that nothing but packing grows (Huang, Smith, Henry
 * and van de Geijn 2016, "Strassen's Algorithm Reloaded").
 *
 * What it costs: errors are bounded by the norms of the operands instead of element by element
 * (twice the usual error with each level where all elements have one scale, as in a network), and
 * an infinity anywhere makes NaN elsewhere in C. */
#include "tensor/gemm_product.h"

#include <string.h>

enum {
    PRODUCTS = 7,
    MOST_LEVELS = 2,
    MOST_BLOCKS = 16,
    MOST_PANELS = 64 / 8, /* of B in a block of a task: columns_of() by the least nr */
    LEAST = 256,          /* rows and columns that pay for the packing of sums */
    LEAST_DEPTH = 512,
    LEAST_TWICE = 384, /* rows that pay for two levels; twice the columns and depth */
    DEEP = 1024,       /* most of the inner dimension in a pass over C */
    PACKED = 7 << 18   /* floats of A's factors that are packed at a time */
};

/* One quarter, or its sum with another: quarters 0 1 of the upper half, 2 3 of the lower one. */
enum { ALONE = -1 };
typedef struct {
    int first, other;
    float sign; /* of the other */
} parts;

/* Product i adds a b to the parts of C. */
static const struct {
    parts a, b, c;
} table[PRODUCTS] = {
    {{0, 3, 1}, {0, 3, 1}, {0, 3, 1}},      /* (A0 + A3) (B0 + B3) */
    {{2, 3, 1}, {0, ALONE, 1}, {2, 3, -1}}, /* (A2 + A3) B0 */
    {{0, ALONE, 1}, {1, 3, -1}, {1, 3, 1}}, /* A0 (B1 - B3) */
    {{3, ALONE, 1}, {2, 0, -1}, {0, 2, 1}}, /* A3 (B2 - B0) */
    {{0, 1, 1}, {3, ALONE, 1}, {1, 0, -1}}, /* (A0 + A1) B3 */
    {{2, 0, -1}, {0, 1, 1}, {3, ALONE, 1}}, /* (A2 - A0) (B0 + B1) */
    {{1, 3, -1}, {2, 3, 1}, {0, ALONE, 1}}, /* (A1 - A3) (B2 + B3) */
};

/* Rows [i0, i0 + m) of C and the inner range [k0, k0 + k), cut into blocks: quarters, or with two
 * levels quarters of quarters (block 4 i + j is quarter j of quarter i). Blocks are rounded up to
 * whole tiles; what the lower and right ones lack counts as zeros. */
typedef struct {
    const tg_gemm_product *p;
    int levels, blocks, outer; /* products of the outer level: 1 or 7 */
    int64_t i0, m, k0, k;
    int64_t block_m, block_n, block_k;
    int64_t rows, columns, tasks_across; /* of a task, in a block of C */
    float *a;                            /* [outer * PRODUCTS][block_m * block_k] */
    float *room;                         /* of the workers */
    int64_t room_each;
} pass;

/* Rows [i0, i1) and columns [j0, j1) of each block of C, as tiles in a row until they are whole:
 * rows of C may lie a power of two apart, where the twelve rows of two tiles would throw each other
 * out of the first level cache. */
typedef struct {
    int64_t i0, i1, j0, j1;
    int64_t block; /* floats */
    int nr;
    float *b;       /* [blocks][columns * depth] */
    float *factors; /* [PRODUCTS][columns * depth] */
    float *c;       /* [blocks][block] */
} work;

/* Columns of a block of C in a task, at most: with their panels of B they stay in the second cache.
 */
static int64_t columns_of(int levels, int nr) {
    return levels == 1 ? 64 : nr < 16 ? 16 : nr;
}

static int64_t within(int64_t n, int64_t most) {
    return n < 0 ? 0 : tg_least(n, most);
}

static int block_row(int block) {
    return (block >> 2 & 2) | (block >> 1 & 1);
}

static int block_column(int block) {
    return (block >> 1 & 2) | (block & 1);
}

/* Panel of a block of A, or of B (of_b), whose lanes start at `lane` and depth at `k`, of the
 * block; zeros where the block ends early. */
static void pack_block(const pass *s, bool of_b, int block, int64_t lane, int64_t k, int64_t kc,
                       float *panel) {
    const tg_gemm_product *p = s->p;
    const int width = of_b ? p->g->nr : p->g->mr;
    const int64_t at =
        lane + (of_b ? block_column(block) * s->block_n : block_row(block) * s->block_m);
    const int64_t lanes = within((of_b ? p->n : s->m) - at, width);
    const int64_t depth = k + (of_b ? block_row(block) : block_column(block)) * s->block_k;
    const int64_t length = within(s->k - depth, kc);
    if (lanes == 0 || length < kc)
        memset(panel, 0, (size_t)(kc * width) * sizeof *panel);
    if (lanes == 0 || length == 0)
        return;
    if (of_b)
        tg_gemm_pack_b(p, at, lanes, s->k0 + depth, length, panel);
    else
        tg_gemm_pack_a(p, s->i0 + at, lanes, s->k0 + depth, length, panel);
}

/* The factors of product `outer` of the outer level from the panels of all blocks, n floats each.
 * Those that are a panel alone are found in its place. */
static void make_factors(const pass *s, bool of_b, int outer, int64_t n, float *const *panels,
                         float **factors) {
    const parts *t = of_b ? &table[outer].b : &table[outer].a;
    float *const *x = panels, *const *y = NULL;
    if (s->levels == 2) {
        x = panels + 4 * t->first;
        y = t->other == ALONE ? NULL : panels + 4 * t->other;
    }
    s->p->g->factors(n, x, t->sign, y, of_b, factors);
    for (int i = 0; i < PRODUCTS && !y; i++) {
        const parts *inner = of_b ? &table[i].b : &table[i].a;
        if (inner->other == ALONE)
            factors[i] = x[inner->first];
    }
}

/* Where the panel of row i and depth k of A's factor of a product lies. */
static float *a_panel(const pass *s, int product, int64_t i, int64_t k, int64_t kc) {
    return s->a + product * s->block_m * s->block_k + k * s->block_m + i * kc;
}

/* Items are panels of a block of A. */
static void pack_range(void *arg, int64_t begin, int64_t end, int worker) {
    (void)worker;
    const pass *s = arg;
    const int depth = s->p->g->depth, mr = s->p->g->mr;
    float room[MOST_BLOCKS][TG_GEMM_MOST_ROWS * TG_GEMM_DEPTH] __attribute__((aligned(64)));
    float *panels[MOST_BLOCKS], *factors[PRODUCTS];
    for (int64_t item = begin; item < end; item++)
        for (int64_t k = 0; k < s->block_k; k += depth) {
            const int64_t kc = tg_least(s->block_k - k, depth), i = item * mr;
            for (int block = 0; block < s->blocks; block++) {
                panels[block] = room[block];
                pack_block(s, false, block, i, k, kc, panels[block]);
            }
            for (int outer = 0; outer < s->outer; outer++) {
                for (int t = 0; t < PRODUCTS; t++)
                    factors[t] = a_panel(s, outer * PRODUCTS + t, i, k, kc);
                make_factors(s, false, outer, kc * mr, panels, factors);
                for (int t = 0; t < PRODUCTS; t++) {
                    float *place = a_panel(s, outer * PRODUCTS + t, i, k, kc);
                    if (factors[t] != place)
                        memcpy(place, factors[t], (size_t)(kc * mr) * sizeof *place);
                }
            }
        }
}

/* Where the tile of row i and column j of the part that starts at (i0, j0) lies in a block. */
static int64_t tile_at(const work *w, int64_t i, int64_t j) {
    return (j - w->j0) * (w->i1 - w->i0) + (i - w->i0) * w->nr;
}

/* The part of one block of C that exists, from its tiles. */
static void write_block(const pass *s, const work *w, int block) {
    const tg_gemm_product *p = s->p;
    const int mr = p->g->mr, nr = p->g->nr;
    const int64_t down = block_row(block) * s->block_m, right = block_column(block) * s->block_n;
    for (int64_t i = w->i0; i < w->i1; i += mr)
        for (int64_t j = w->j0; j < w->j1; j += nr) {
            const int64_t row = down + i, column = right + j;
            const int64_t m = within(s->m - row, mr), n = within(p->n - column, nr);
            const float *tile = w->c + block * w->block + tile_at(w, i, j);
            float *c = p->c + (s->i0 + row) * p->ldc + column;
            if (s->k0 > 0 || p->add)
                p->g->write(m, n, tile, c, p->ldc, NULL, c, p->ldc);
            else
                p->g->write(m, n, tile, p->col_bias ? p->col_bias + column : NULL, 0,
                            p->row_bias ? p->row_bias + s->i0 + row : NULL, c, p->ldc);
        }
}

/* The parts of C that a product is added to: those of its quarters, in those of the outer level. */
static int places(const pass *s, int outer, int inner, int *blocks, float *signs) {
    const parts *in = &table[inner].c, *out = &table[outer].c;
    int count = 0;
    for (int i = 0; i < (s->levels == 2 && out->other != ALONE ? 2 : 1); i++)
        for (int j = 0; j < (in->other == ALONE ? 1 : 2); j++) {
            const int quarter = s->levels == 2 ? (i ? out->other : out->first) : 0;
            blocks[count] = 4 * quarter + (j ? in->other : in->first);
            signs[count++] = (i ? out->sign : 1) * (j ? in->sign : 1);
        }
    return count;
}

/* One product: of A's factor and B's, whose panels are given. */
static void multiply(const pass *s, const work *w, int outer, int inner, int64_t k, int64_t kc,
                     float *const *b) {
    const tg_gemm_product *p = s->p;
    const int mr = p->g->mr, nr = p->g->nr;
    int blocks[4];
    float signs[4], *c[4];
    const int count = places(s, outer, inner, blocks, signs);
    for (int64_t ic = w->i0; ic < w->i1; ic += TG_GEMM_ROWS)
        for (int64_t j = w->j0; j < w->j1; j += nr)
            for (int64_t i = ic; i < tg_least(w->i1, ic + TG_GEMM_ROWS); i += mr) {
                for (int d = 0; d < count; d++)
                    c[d] = w->c + blocks[d] * w->block + tile_at(w, i, j);
                p->g->tile_into(kc, a_panel(s, outer * PRODUCTS + inner, i, k, kc),
                                b[(j - w->j0) / nr], count, c, signs);
            }
}

static void compute(const pass *s, const work *w) {
    const int nr = s->p->g->nr, depth = s->p->g->depth;
    const int64_t block = columns_of(s->levels, s->p->g->nr) * depth;
    memset(w->c, 0, (size_t)(s->blocks * w->block) * sizeof *w->c);
    for (int64_t k = 0; k < s->block_k; k += depth) {
        const int64_t kc = tg_least(s->block_k - k, depth);
        for (int64_t j = w->j0; j < w->j1; j += nr)
            for (int i = 0; i < s->blocks; i++)
                pack_block(s, true, i, j, k, kc, w->b + i * block + (j - w->j0) * kc);
        for (int outer = 0; outer < s->outer; outer++) {
            float *b[PRODUCTS][MOST_PANELS];
            for (int64_t j = w->j0; j < w->j1; j += nr) {
                float *panels[MOST_BLOCKS], *factors[PRODUCTS];
                for (int i = 0; i < s->blocks; i++)
                    panels[i] = w->b + i * block + (j - w->j0) * kc;
                for (int t = 0; t < PRODUCTS; t++)
                    factors[t] = w->factors + t * block + (j - w->j0) * kc;
                make_factors(s, true, outer, kc * nr, panels, factors);
                for (int t = 0; t < PRODUCTS; t++)
                    b[t][(j - w->j0) / nr] = factors[t];
            }
            for (int t = 0; t < PRODUCTS; t++)
                multiply(s, w, outer, t, k, kc, b[t]);
        }
    }
    for (int i = 0; i < s->blocks; i++)
        write_block(s, w, i);
}

static void compute_range(void *arg, int64_t begin, int64_t end, int worker) {
    const pass *s = arg;
    const int64_t block = columns_of(s->levels, s->p->g->nr) * s->p->g->depth;
    work w = {.b = s->room + worker * s->room_each, .nr = s->p->g->nr};
    w.factors = w.b + s->blocks * block;
    w.c = w.factors + PRODUCTS * block;
    for (int64_t task = begin; task < end; task++) {
        w.i0 = task / s->tasks_across * s->rows;
        w.j0 = task % s->tasks_across * s->columns;
        w.i1 = tg_least(s->block_m, w.i0 + s->rows);
        w.j1 = tg_least(s->block_n, w.j0 + s->columns);
        w.block = (w.i1 - w.i0) * (w.j1 - w.j0);
        compute(s, &w);
    }
}

/* Eight tasks for each thread where there is enough work; narrow ones first, as in gemm.c. */
static void cut(pass *s, int threads) {
    const int64_t wanted = threads > 1 ? (s->levels == 2 ? 2 : 8) * (int64_t)threads : 1;
    s->columns = columns_of(s->levels, s->p->g->nr);
    s->rows = s->block_m;
    while (s->columns > 2 * s->p->g->nr && tg_pieces(s->block_n, s->columns) < wanted)
        s->columns /= 2;
    while (s->rows > TG_GEMM_ROWS &&
           tg_pieces(s->block_n, s->columns) * tg_pieces(s->block_m, s->rows) < wanted)
        s->rows = tg_round_up((s->rows + 1) / 2, TG_GEMM_ROWS);
    s->tasks_across = tg_pieces(s->block_n, s->columns);
}

int tg_gemm_strassen_levels(const tg_gemm_product *p) {
    if (p->m < LEAST || p->n < LEAST || p->k < LEAST_DEPTH)
        return 0;
    return p->m >= LEAST_TWICE && p->n >= 2 * LEAST && p->k >= 2 * LEAST_DEPTH ? 2 : 1;
}

bool tg_gemm_strassen(tg_pool *pool, const tg_gemm_product *p, int levels) {
    const int threads = tg_pool_threads(pool), mr = p->g->mr, nr = p->g->nr;
    const int outer = levels == 2 ? PRODUCTS : 1, grid = 1 << levels, blocks = grid * grid;
    const int64_t deep = tg_round_up(tg_pieces(p->k, tg_pieces(p->k, DEEP)), grid);
    const int64_t most = grid * (PACKED / (outer * PRODUCTS) / (deep / grid) / mr * mr);
    const int64_t high = tg_pieces(p->m, tg_pieces(p->m, most));
    const int64_t block_high = tg_round_up(tg_pieces(high, grid), mr);
    const int64_t each =
        columns_of(levels, nr) * ((blocks + PRODUCTS) * p->g->depth + blocks * block_high);
    float *a = tg_alloc((size_t)(outer * PRODUCTS * block_high * (deep / grid)) * sizeof *a);
    float *room = tg_alloc((size_t)(threads * each) * sizeof *room);
    for (int64_t k = 0; a && room && k < p->k; k += deep)
        for (int64_t i = 0; i < p->m; i += high) {
            pass s = {.p = p,
                      .levels = levels,
                      .blocks = blocks,
                      .outer = outer,
                      .i0 = i,
                      .k0 = k,
                      .a = a,
                      .room = room,
                      .room_each = each};
            s.m = tg_least(high, p->m - i);
            s.k = tg_least(deep, p->k - k);
            s.block_m = tg_round_up(tg_pieces(s.m, grid), mr);
            s.block_n = tg_round_up(tg_pieces(p->n, grid), nr);
            s.block_k = tg_pieces(s.k, grid);
            cut(&s, threads);
            tg_pool_run(pool, s.block_m / mr, 1, pack_range, &s);
            tg_pool_run(pool, s.tasks_across * tg_pieces(s.block_m, s.rows), 1, compute_range, &s);
        }
    const bool done = a && room;
    tg_free(a);
    tg_free(room);
    return done;
}
