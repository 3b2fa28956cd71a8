/* Single precision matrix products: panels of A and B are packed so that the kernels read memory
 * in order, blocks are cut so that what is read again stays in a cache (Goto and van de Geijn 2008;
 * Van Zee and van de Geijn 2015).
 *
 * A panel of B (16 KB) stays in the first level cache while all rows pass by; a block of rows of A
 * (96 KB) and the block of B (up to 256 KB) stay in the second. A large product packs its A once
 * for all threads, and those that are large in every dimension are made of products of their halves
 * (gemm_strassen.c). Tiny products, as in the networks that condition a renderer, are not packed at
 * all and summed in double, since what they get wrong is wrong everywhere in a picture. */
#include "tensor/gemm_product.h"

#include <string.h>

enum {
    SMALL = 1 << 16,   /* multiply-adds of a product that is not worth packing */
    LARGE = 4000000,   /* and of one that is worth sharing with other threads */
    ROUNDED = 1 << 18, /* and of one that is worth rounding to 16 bits */
    SHORT = 64, /* run that does not leave a table's own panels the room for more than numbers */
    SHARED = 5 << 18 /* floats of A that are packed at a time for all threads */
};

const tg_gemm_kernels *tg_gemm_at(tg_cpu_level level) {
#if defined(__x86_64__)
    if (level >= TG_CPU_AVX512)
        return &tg_gemm_avx512;
    if (level == TG_CPU_AVX2)
        return &tg_gemm_avx2;
#elif defined(__aarch64__)
    if (level >= TG_CPU_NEON)
        return &tg_gemm_neon;
#endif
    (void)level;
    return &tg_gemm_portable;
}

const tg_gemm_kernels *tg_gemm_int16_at(tg_cpu_level level) {
#if defined(__x86_64__)
    if (level >= TG_CPU_AVX512VNNI)
        return &tg_gemm_int16_avx512vnni;
    if (level == TG_CPU_AVX512)
        return &tg_gemm_int16_avx512;
    if (level == TG_CPU_AVX2)
        return &tg_gemm_int16_avx2;
#elif defined(__aarch64__)
    if (level >= TG_CPU_NEON)
        return &tg_gemm_int16_neon;
#endif
    (void)level;
    return &tg_gemm_int16_portable;
}

/* What C starts from when bias is asked for by row: the tile's own memory. */
static void fill_rows(const tg_gemm_product *p, int64_t i, int64_t m, int64_t j, int64_t n) {
    for (int64_t r = i; r < i + m; r++) {
        float *c = p->c + r * p->ldc + j;
        for (int64_t s = 0; s < n; s++)
            c[s] = (p->col_bias ? p->col_bias[j + s] : 0) + p->row_bias[r];
    }
}

/* One tile; those that stick out of C go through a buffer. */
static void run_tile(const tg_gemm_product *p, int64_t i, int64_t m, int64_t j, int64_t n,
                     bool first, int64_t kc, const float *a, const float *b) {
    const int mr = p->g->mr, nr = p->g->nr;
    float *c = p->c + i * p->ldc + j;
    const float *start = c;
    int64_t start_ld = p->ldc;
    if (first && !p->add && !p->row_bias) {
        start = p->col_bias ? p->col_bias + j : NULL;
        start_ld = 0;
    }
    if (m == mr && n == nr) {
        p->g->tile(kc, a, b, start, start_ld, c, p->ldc);
        return;
    }
    float buffer[TG_GEMM_MOST_TILE] __attribute__((aligned(64)));
    if (start) {
        memset(buffer, 0, sizeof buffer);
        for (int64_t r = 0; r < m; r++)
            memcpy(buffer + r * nr, start + r * start_ld, (size_t)n * sizeof *buffer);
    }
    p->g->tile(kc, a, b, start ? buffer : NULL, nr, buffer, nr);
    for (int64_t r = 0; r < m; r++)
        memcpy(c + r * p->ldc, buffer + r * nr, (size_t)n * sizeof *c);
}

/* Where the panel of row i and depth k lies when rows [i0, i1) and depths [k0, k1) are packed. */
static int64_t panel_at(const tg_gemm_range *r, int mr, int64_t i, int64_t k, int64_t kc) {
    return (k - r->k0) * tg_round_up(r->i1 - r->i0, mr) + (i - r->i0) * kc;
}

/* C of the range; packed: A of the range `whole`, or NULL. */
static void compute(const tg_gemm_product *p, const tg_gemm_range *part, const float *packed,
                    const tg_gemm_range *whole) {
    const int mr = p->g->mr, nr = p->g->nr, depth = p->g->depth;
    float b_block[TG_GEMM_DEPTH * TG_GEMM_COLUMNS] __attribute__((aligned(64)));
    float a_block[TG_GEMM_DEPTH * TG_GEMM_ROWS] __attribute__((aligned(64)));
    for (int64_t jc = part->j0; jc < part->j1; jc += TG_GEMM_COLUMNS) {
        const int64_t nc = tg_least(part->j1 - jc, TG_GEMM_COLUMNS);
        for (int64_t pc = part->k0; pc < part->k1; pc += depth) {
            const int64_t kc = tg_least(part->k1 - pc, depth);
            for (int64_t j = 0; j < nc; j += nr)
                tg_gemm_pack_b(p, jc + j, tg_least(nc - j, nr), pc, kc, b_block + j * kc);
            for (int64_t ic = part->i0; ic < part->i1; ic += TG_GEMM_ROWS) {
                const int64_t mc = tg_least(part->i1 - ic, TG_GEMM_ROWS);
                const float *a = a_block;
                if (packed)
                    a = packed + panel_at(whole, mr, ic, pc, kc);
                else
                    for (int64_t i = 0; i < mc; i += mr)
                        tg_gemm_pack_a(p, ic + i, tg_least(mc - i, mr), pc, kc, a_block + i * kc);
                if (pc == 0 && p->row_bias)
                    fill_rows(p, ic, mc, jc, nc);
                for (int64_t j = 0; j < nc; j += nr)
                    for (int64_t i = 0; i < mc; i += mr)
                        run_tile(p, ic + i, tg_least(mc - i, mr), jc + j, tg_least(nc - j, nr),
                                 pc == 0, kc, a + i * kc, b_block + j * kc);
            }
        }
    }
}

/* k = 0: only what C starts from. */
static void start_only(const tg_gemm_product *p) {
    for (int64_t i = 0; i < p->m && !p->add; i++)
        for (int64_t j = 0; j < p->n; j++)
            p->c[i * p->ldc + j] =
                (p->col_bias ? p->col_bias[j] : 0) + (p->row_bias ? p->row_bias[i] : 0);
}

/* Row by row in double. */
static void run_small(const tg_gemm_product *p) {
    enum { CHUNK = 256 };
    double row[TG_GEMM_SMALL_DEPTH], sums[CHUNK];
    for (int64_t i = 0; i < p->m; i++) {
        for (int64_t k = 0; k < p->k; k++)
            row[k] = (double)p->alpha * (double)p->a[p->trans_a ? k * p->lda + i : i * p->lda + k];
        for (int64_t j0 = 0; j0 < p->n; j0 += CHUNK) {
            const int64_t n = tg_least(p->n - j0, CHUNK);
            p->g->small(n, p->k, row, p->b + (p->trans_b ? j0 * p->ldb : j0), p->ldb, !p->trans_b,
                        sums);
            float *c = p->c + i * p->ldc + j0;
            for (int64_t j = 0; j < n; j++) {
                if (p->add)
                    sums[j] += (double)c[j];
                if (p->col_bias)
                    sums[j] += (double)p->col_bias[j0 + j];
                if (p->row_bias)
                    sums[j] += (double)p->row_bias[i];
                c[j] = (float)sums[j];
            }
        }
    }
}

/* ---- on the pool ----------------------------------------------------------------------- */

typedef struct {
    const tg_gemm_product *p;
    tg_gemm_range whole;
    float *packed;
    int64_t rows, columns; /* of a task */
    int64_t tasks_across;
} shared_job;

/* Items are panels of A, of the whole depth. */
static void pack_range(void *arg, int64_t begin, int64_t end, int worker) {
    (void)worker;
    const shared_job *s = arg;
    const int mr = s->p->g->mr, depth = s->p->g->depth;
    for (int64_t item = begin; item < end; item++) {
        const int64_t i = s->whole.i0 + item * mr;
        for (int64_t pc = s->whole.k0; pc < s->whole.k1; pc += depth) {
            const int64_t kc = tg_least(s->whole.k1 - pc, depth);
            tg_gemm_pack_a(s->p, i, tg_least(s->whole.i1 - i, mr), pc, kc,
                           s->packed + panel_at(&s->whole, mr, i, pc, kc));
        }
    }
}

static void compute_range(void *arg, int64_t begin, int64_t end, int worker) {
    (void)worker;
    const shared_job *s = arg;
    for (int64_t task = begin; task < end; task++) {
        tg_gemm_range part = s->whole;
        part.i0 += task / s->tasks_across * s->rows;
        part.j0 += task % s->tasks_across * s->columns;
        part.i1 = tg_least(part.i1, part.i0 + s->rows);
        part.j1 = tg_least(part.j1, part.j0 + s->columns);
        compute(s->p, &part, s->packed, &s->whole);
    }
}

/* Tasks of some 0.1 ms and more, eight for each thread where there is enough work; narrow ones
 * first, since all tasks share the packed A but each packs its own B. */
static void cut(shared_job *s, int threads) {
    const tg_gemm_product *p = s->p;
    const int64_t m = s->whole.i1 - s->whole.i0, n = s->whole.j1 - s->whole.j0;
    const double work = (double)m * (double)n * (double)(s->whole.k1 - s->whole.k0);
    int64_t wanted = threads > 1 ? tg_least(8 * (int64_t)threads, (int64_t)(work / 2e6)) : 1;
    s->columns = TG_GEMM_COLUMNS;
    s->rows = tg_round_up(m, p->g->mr);
    while (s->columns > 2 * p->g->nr && tg_pieces(n, s->columns) < wanted)
        s->columns /= 2;
    while (s->rows > TG_GEMM_ROWS && tg_pieces(n, s->columns) * tg_pieces(m, s->rows) < wanted)
        s->rows = tg_round_up((s->rows + 1) / 2, TG_GEMM_ROWS);
    s->tasks_across = tg_pieces(n, s->columns);
}

static void run(tg_pool *pool, const tg_gemm_product *p) {
    if (p->m <= 0 || p->n <= 0)
        return;
    if (p->k <= 0 || p->alpha == 0) {
        start_only(p);
        return;
    }
    const double work = (double)p->m * (double)p->n * (double)p->k;
    if (p->g->plain && (work < ROUNDED || (p->k % p->g->depth && p->k % p->g->depth < SHORT))) {
        tg_gemm_product plain = *p;
        plain.g = p->g->plain;
        run(pool, &plain);
        return;
    }
    if (work <= SMALL && p->k <= TG_GEMM_SMALL_DEPTH) {
        run_small(p);
        return;
    }
    const tg_gemm_range all = {0, p->m, 0, p->n, 0, p->k};
    /* Small, or A would not be read twice: each task packs what it needs. */
    if (work < LARGE) {
        compute(p, &all, NULL, NULL);
        return;
    }
    if (p->halves && !p->g->plain && tg_gemm_strassen_pays(p) && tg_gemm_strassen(pool, p))
        return;
    const int threads = tg_pool_threads(pool), mr = p->g->mr;
    const int64_t deep = tg_least(p->k, 2048 / p->g->depth * p->g->depth);
    const int64_t passes = tg_pieces(p->m, SHARED / deep / TG_GEMM_ROWS * TG_GEMM_ROWS);
    const int64_t high =
        passes > 1 ? tg_round_up(tg_pieces(p->m, passes), TG_GEMM_ROWS) : tg_round_up(p->m, mr);
    float *packed = NULL;
    if (p->n > 2 * p->g->nr)
        packed = tg_alloc((size_t)(high * deep) * sizeof *packed);
    for (int64_t k = 0; k < p->k; k += deep)
        for (int64_t i = 0; i < p->m; i += high) {
            shared_job s = {.p = p, .packed = packed};
            s.whole =
                (tg_gemm_range){i, tg_least(p->m, i + high), 0, p->n, k, tg_least(p->k, k + deep)};
            cut(&s, threads);
            const int64_t rows = s.whole.i1 - i;
            if (packed)
                tg_pool_run(pool, tg_pieces(rows, mr), 4, pack_range, &s);
            tg_pool_run(pool, s.tasks_across * tg_pieces(rows, s.rows), 1, compute_range, &s);
        }
    tg_free(packed);
}

/* ---- what others call ------------------------------------------------------------------- */

static tg_gemm_product product(const tg_gemm_kernels *g, bool trans_a, bool trans_b, int64_t m,
                               int64_t n, int64_t k, const float *a, int64_t lda, const float *b,
                               int64_t ldb, float *c, int64_t ldc) {
    return (tg_gemm_product){.g = g,
                             .trans_a = trans_a,
                             .trans_b = trans_b,
                             .m = m,
                             .n = n,
                             .k = k,
                             .alpha = 1,
                             .a = a,
                             .b = b,
                             .lda = lda,
                             .ldb = ldb,
                             .ldc = ldc,
                             .c = c};
}

void tg_gemm_block(const tg_gemm_kernels *g, bool trans_a, bool trans_b, int64_t m, int64_t n,
                   int64_t k, const float *a, int64_t lda, const float *b, int64_t ldb, bool add,
                   float *c, int64_t ldc) {
    tg_gemm_product p = product(g, trans_a, trans_b, m, n, k, a, lda, b, ldb, c, ldc);
    p.add = add;
    run(NULL, &p);
}

void tg_gemm_bias(const tg_gemm_kernels *g, tg_pool *pool, bool trans_a, bool trans_b, int64_t m,
                  int64_t n, int64_t k, const float *a, int64_t lda, const float *b, int64_t ldb,
                  const float *row_bias, const float *col_bias, float *c, int64_t ldc) {
    tg_gemm_product p = product(g, trans_a, trans_b, m, n, k, a, lda, b, ldb, c, ldc);
    p.halves = true;
    p.row_bias = row_bias;
    p.col_bias = col_bias;
    run(pool, &p);
}

void tg_sgemm(tg_context *ctx, bool trans_a, bool trans_b, int64_t m, int64_t n, int64_t k,
              float alpha, const float *a, int64_t lda, const float *b, int64_t ldb, float beta,
              float *c, int64_t ldc) {
    if (beta != 0 && beta != 1)
        for (int64_t i = 0; i < m; i++)
            for (int64_t j = 0; j < n; j++)
                c[i * ldc + j] *= beta;
    tg_gemm_product p =
        product(tg_gemm_at(tg_context_cpu(ctx)), trans_a, trans_b, m, n, k, a, lda, b, ldb, c, ldc);
    p.halves = true;
    p.alpha = alpha;
    p.add = beta != 0;
    run(ctx ? tg_context_pool(ctx) : NULL, &p);
}
