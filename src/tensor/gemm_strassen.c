/* One level of Strassen's algorithm (1969) for products that are large in all three dimensions:
 * seven products of the halves instead of eight, 12.5 % less to multiply. The sums of quarters are
 * made while panels are packed, and a tile is added to the quarters of C that it belongs to while
 * it is in registers, so that nothing but packing grows (Huang, Smith, Henry and van de Geijn 2016,
 * "Strassen's Algorithm Reloaded").
 *
 * What it costs: errors are bounded by the norms of the operands instead of element by element (two
 * to three times the usual error where all elements have one scale, as in a network), and an
 * infinity anywhere makes NaN elsewhere in C. */
#include "tensor/gemm_product.h"

#include <string.h>

enum {
    PRODUCTS = 7,
    LEAST = 256, /* rows and columns that pay for the packing of sums */
    LEAST_DEPTH = 512,
    DEEP = 1024,      /* most of the inner dimension in a pass over C */
    PACKED = 3 << 19, /* floats of A's quarters and sums that are packed at a time */
    COLUMNS = 64      /* of half of B in a block: with its rows of C it stays in the second cache */
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

/* Rows [i0, i0 + m) of C and the inner range [k0, k0 + k). Halves of rows and columns are rounded
 * up to whole tiles; what the lower and right ones lack counts as zeros. */
typedef struct {
    const tg_gemm_product *p;
    int64_t i0, m, k0, k;
    int64_t half_m, half_n, half_k;
    int64_t rows, columns, tasks_across; /* of a task, in half of C */
    float *a;                            /* [PRODUCTS][half_m * half_k] */
    float *room;                         /* of the workers */
    int64_t room_each;
} pass;

/* Rows [i0, i1) and columns [j0, j1) of each quarter of C, as tiles in a row until they are whole:
 * rows of C may lie a power of two apart, where the twelve rows of two tiles would throw each other
 * out of the first level cache. */
typedef struct {
    int64_t i0, i1, j0, j1;
    int64_t quarter; /* floats */
    int nr;
    float *b; /* [PRODUCTS][COLUMNS * depth] */
    float *c; /* [4][quarter] */
} work;

static int64_t within(int64_t n, int64_t most) {
    return n < 0 ? 0 : tg_least(n, most);
}

/* Panel of quarter `quarter` of A, or of B (of_b), whose lanes start at `lane` and depth at `k`, of
 * a half; zeros where the quarter ends early. */
static void pack_quarter(const pass *s, bool of_b, int quarter, int64_t lane, int64_t k, int64_t kc,
                         float *panel) {
    const tg_gemm_product *p = s->p;
    const int width = of_b ? p->g->nr : p->g->mr;
    const bool later = of_b ? quarter & 1 : quarter & 2;
    const bool deeper = of_b ? quarter & 2 : quarter & 1;
    const int64_t at = lane + (later ? (of_b ? s->half_n : s->half_m) : 0);
    const int64_t lanes = within((of_b ? p->n : s->m) - at, width);
    const int64_t depth = k + (deeper ? s->half_k : 0), length = within(s->k - depth, kc);
    if (lanes == 0 || length < kc)
        memset(panel, 0, (size_t)(kc * width) * sizeof *panel);
    if (lanes == 0 || length == 0)
        return;
    if (of_b)
        tg_gemm_pack_b(p, at, lanes, s->k0 + depth, length, panel);
    else
        tg_gemm_pack_a(p, s->i0 + at, lanes, s->k0 + depth, length, panel);
}

/* The panels of all products. Quarters that some product takes alone are packed in their place. */
static void pack(const pass *s, bool of_b, int64_t lane, int64_t k, int64_t kc,
                 float *sums[PRODUCTS]) {
    float room[4][TG_GEMM_MOST_WIDTH * TG_GEMM_DEPTH] __attribute__((aligned(64)));
    float *quarters[4] = {room[0], room[1], room[2], room[3]};
    for (int i = 0; i < PRODUCTS; i++) {
        const parts *t = of_b ? &table[i].b : &table[i].a;
        if (t->other == ALONE)
            quarters[t->first] = sums[i];
    }
    for (int i = 0; i < 4; i++)
        pack_quarter(s, of_b, i, lane, k, kc, quarters[i]);
    const int64_t n = kc * (of_b ? s->p->g->nr : s->p->g->mr);
    for (int i = 0; i < PRODUCTS; i++) {
        const parts *t = of_b ? &table[i].b : &table[i].a;
        if (t->other != ALONE)
            s->p->g->add_panels(n, quarters[t->first], t->sign, quarters[t->other], sums[i]);
    }
}

/* Where the panel of row i and depth k of the sums for a product lies. */
static float *a_panel(const pass *s, int product, int64_t i, int64_t k, int64_t kc) {
    return s->a + product * s->half_m * s->half_k + k * s->half_m + i * kc;
}

/* Items are panels of half of A, of half of the depth. */
static void pack_range(void *arg, int64_t begin, int64_t end, int worker) {
    (void)worker;
    const pass *s = arg;
    const int depth = s->p->g->depth;
    for (int64_t item = begin; item < end; item++)
        for (int64_t k = 0; k < s->half_k; k += depth) {
            const int64_t kc = tg_least(s->half_k - k, depth), i = item * s->p->g->mr;
            float *sums[PRODUCTS];
            for (int t = 0; t < PRODUCTS; t++)
                sums[t] = a_panel(s, t, i, k, kc);
            pack(s, false, i, k, kc, sums);
        }
}

/* Where the tile of row i and column j of the part that starts at (i0, j0) lies in a quarter. */
static int64_t tile_at(const work *w, int64_t i, int64_t j) {
    return (j - w->j0) * (w->i1 - w->i0) + (i - w->i0) * w->nr;
}

/* The part of one quarter of C that exists, from its tiles. */
static void write_quarter(const pass *s, const work *w, int quarter) {
    const tg_gemm_product *p = s->p;
    const int mr = p->g->mr, nr = p->g->nr;
    const int64_t down = quarter & 2 ? s->half_m : 0, right = quarter & 1 ? s->half_n : 0;
    for (int64_t i = w->i0; i < w->i1; i += mr)
        for (int64_t j = w->j0; j < w->j1; j += nr) {
            const int64_t row = down + i, column = right + j;
            const int64_t m = within(s->m - row, mr), n = within(p->n - column, nr);
            const float *tile = w->c + quarter * w->quarter + tile_at(w, i, j);
            float *c = p->c + (s->i0 + row) * p->ldc + column;
            if (s->k0 > 0 || p->add)
                p->g->write(m, n, tile, c, p->ldc, NULL, c, p->ldc);
            else
                p->g->write(m, n, tile, p->col_bias ? p->col_bias + column : NULL, 0,
                            p->row_bias ? p->row_bias + s->i0 + row : NULL, c, p->ldc);
        }
}

static void compute(const pass *s, const work *w) {
    const tg_gemm_product *p = s->p;
    const int mr = p->g->mr, nr = p->g->nr, depth = p->g->depth;
    const int64_t block = COLUMNS * depth;
    memset(w->c, 0, (size_t)(4 * w->quarter) * sizeof *w->c);
    for (int64_t k = 0; k < s->half_k; k += depth) {
        const int64_t kc = tg_least(s->half_k - k, depth);
        for (int64_t j = w->j0; j < w->j1; j += nr) {
            float *sums[PRODUCTS];
            for (int t = 0; t < PRODUCTS; t++)
                sums[t] = w->b + t * block + (j - w->j0) * kc;
            pack(s, true, j, k, kc, sums);
        }
        for (int t = 0; t < PRODUCTS; t++) {
            const parts *to = &table[t].c;
            float *c = w->c + to->first * w->quarter;
            float *other = to->other == ALONE ? NULL : w->c + to->other * w->quarter;
            for (int64_t ic = w->i0; ic < w->i1; ic += TG_GEMM_ROWS)
                for (int64_t j = w->j0; j < w->j1; j += nr)
                    for (int64_t i = ic; i < tg_least(w->i1, ic + TG_GEMM_ROWS); i += mr) {
                        const int64_t at = tile_at(w, i, j);
                        p->g->tile_into_two(kc, a_panel(s, t, i, k, kc),
                                            w->b + t * block + (j - w->j0) * kc, c + at,
                                            other ? other + at : NULL, to->sign);
                    }
        }
    }
    for (int quarter = 0; quarter < 4; quarter++)
        write_quarter(s, w, quarter);
}

static void compute_range(void *arg, int64_t begin, int64_t end, int worker) {
    const pass *s = arg;
    work w = {.b = s->room + worker * s->room_each, .nr = s->p->g->nr};
    w.c = w.b + PRODUCTS * COLUMNS * s->p->g->depth;
    for (int64_t task = begin; task < end; task++) {
        w.i0 = task / s->tasks_across * s->rows;
        w.j0 = task % s->tasks_across * s->columns;
        w.i1 = tg_least(s->half_m, w.i0 + s->rows);
        w.j1 = tg_least(s->half_n, w.j0 + s->columns);
        w.quarter = (w.i1 - w.i0) * (w.j1 - w.j0);
        compute(s, &w);
    }
}

/* Eight tasks for each thread where there is enough work; narrow ones first, as in gemm.c. */
static void cut(pass *s, int threads) {
    const int64_t wanted = threads > 1 ? 8 * (int64_t)threads : 1;
    s->columns = COLUMNS;
    s->rows = s->half_m;
    while (s->columns > 2 * s->p->g->nr && tg_pieces(s->half_n, s->columns) < wanted)
        s->columns /= 2;
    while (s->rows > TG_GEMM_ROWS &&
           tg_pieces(s->half_n, s->columns) * tg_pieces(s->half_m, s->rows) < wanted)
        s->rows = tg_round_up((s->rows + 1) / 2, TG_GEMM_ROWS);
    s->tasks_across = tg_pieces(s->half_n, s->columns);
}

bool tg_gemm_strassen_pays(const tg_gemm_product *p) {
    return p->m >= LEAST && p->n >= LEAST && p->k >= LEAST_DEPTH;
}

bool tg_gemm_strassen(tg_pool *pool, const tg_gemm_product *p) {
    const int threads = tg_pool_threads(pool), mr = p->g->mr, nr = p->g->nr;
    const int64_t deep = tg_least(tg_round_up(p->k, 2), DEEP);
    const int64_t most = 2 * (PACKED / PRODUCTS / (deep / 2)) / mr * mr;
    const int64_t high = tg_pieces(p->m, tg_pieces(p->m, most));
    const int64_t half_high = tg_round_up(tg_pieces(high, 2), mr);
    const int64_t each = COLUMNS * (PRODUCTS * p->g->depth + 4 * half_high);
    float *a = tg_alloc((size_t)(PRODUCTS * half_high * (deep / 2)) * sizeof *a);
    float *room = tg_alloc((size_t)(threads * each) * sizeof *room);
    for (int64_t k = 0; a && room && k < p->k; k += deep)
        for (int64_t i = 0; i < p->m; i += high) {
            pass s = {.p = p, .i0 = i, .k0 = k, .a = a, .room = room, .room_each = each};
            s.m = tg_least(high, p->m - i);
            s.k = tg_least(deep, p->k - k);
            s.half_m = tg_round_up(tg_pieces(s.m, 2), mr);
            s.half_n = tg_round_up(tg_pieces(p->n, 2), nr);
            s.half_k = tg_pieces(s.k, 2);
            cut(&s, threads);
            tg_pool_run(pool, s.half_m / mr, 4, pack_range, &s);
            tg_pool_run(pool, s.tasks_across * tg_pieces(s.half_m, s.rows), 1, compute_range, &s);
        }
    const bool done = a && room;
    tg_free(a);
    tg_free(room);
    return done;
}
