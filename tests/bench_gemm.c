/* build/tests/bench_gemm [threads]: our matrix product on the shapes that the networks use, beside
 * the multiply-add peak. Times are processor seconds of all threads, least and median of several
 * runs taken in turns. With OpenBLAS (-DTALKGEN_BENCH_BLAS) also cblas_sgemm on one thread. */
#include "bench.h"

#include "talkgen/tensor.h"

#ifdef TALKGEN_BENCH_BLAS
#include <cblas.h>
#endif

typedef struct {
    const char *what;
    bool ta, tb;
    int64_t m, n, k;
} shape;

static const shape shapes[] = {
    {"hubert conv 2 (15999 x 512 x 1536)", 0, 1, 15999, 512, 1536},
    {"hubert conv 1 (31999 x 512 x 10)", 0, 1, 31999, 512, 10},
    {"hubert q/k/v/out", 0, 1, 499, 1024, 1024},
    {"hubert up", 0, 1, 499, 4096, 1024},
    {"hubert down", 0, 1, 499, 1024, 4096},
    {"hubert positional, 1 group", 0, 1, 499, 64, 8192},
    {"attention q k'", 0, 1, 64, 499, 64},
    {"attention p v", 0, 0, 64, 64, 499},
    {"training y = x w'", 0, 1, 2048, 192, 192},
    {"training dx = dy w", 0, 0, 2048, 192, 192},
    {"training dw = dy' x", 1, 0, 192, 192, 2048},
    {"small conv 64 x 96 x 192", 0, 0, 64, 96, 192},
    {"one row", 0, 1, 1, 256, 64},
    {"eight rows", 0, 1, 8, 256, 96},
    {"perceptron 256 x 256 x 256", 0, 1, 256, 256, 256},
};

int main(int argc, char **argv) {
    enum { RUNS = 9 };
    tg_context *ctx = tg_context_create(argc > 1 ? atoi(argv[1]) : 1);
    const int threads = tg_pool_threads(tg_context_pool(ctx));
    const double peak = bench_peak(ctx);
    printf("%d threads, level %s, peak %.1f GFLOP/s\n", threads,
           tg_cpu_level_name(tg_context_cpu(ctx)), peak * 1e-9);
#ifdef TALKGEN_BENCH_BLAS
    openblas_set_num_threads(1);
    printf("OpenBLAS %s, kernels %s\n", openblas_get_config(), openblas_get_corename());
#endif
    for (size_t s = 0; s < sizeof shapes / sizeof *shapes; s++) {
        const shape *p = &shapes[s];
        const int64_t lda = p->ta ? p->m : p->k, ldb = p->tb ? p->k : p->n;
        float *a = tg_alloc((size_t)(p->m * p->k) * 4), *b = tg_alloc((size_t)(p->n * p->k) * 4);
        float *c = tg_calloc((size_t)(p->m * p->n) * 4);
        tg_rng rng = tg_rng_make(1, "", "bench");
        tg_rng_fill_normal(&rng, 0, a, (size_t)(p->m * p->k));
        tg_rng_fill_normal(&rng, 1 << 28, b, (size_t)(p->n * p->k));
        const double flop = 2.0 * (double)p->m * (double)p->n * (double)p->k;
        const int repeats = flop < 2e7 ? (int)(2e7 / flop) : 1;
        double ours[RUNS], theirs[RUNS];
        for (int r = 0; r < RUNS; r++) {
            bench_time t = bench_now();
            for (int i = 0; i < repeats; i++)
                tg_sgemm(ctx, p->ta, p->tb, p->m, p->n, p->k, 1, a, lda, b, ldb, 0, c, p->n);
            ours[r] = bench_since(t).cpu / repeats;
            theirs[r] = 0;
#ifdef TALKGEN_BENCH_BLAS
            t = bench_now();
            for (int i = 0; i < repeats; i++)
                cblas_sgemm(CblasRowMajor, p->ta ? CblasTrans : CblasNoTrans,
                            p->tb ? CblasTrans : CblasNoTrans, (int)p->m, (int)p->n, (int)p->k, 1,
                            a, (int)lda, b, (int)ldb, 0, c, (int)p->n);
            theirs[r] = bench_since(t).cpu / repeats;
#endif
        }
        const double median = bench_median(ours, RUNS), other = bench_median(theirs, RUNS);
        printf("%-36s %9.3f ms least %9.3f median  %5.1f %% of peak", p->what, ours[0] * 1e3,
               median * 1e3, 100 * flop / ours[0] / (peak / threads));
        if (other > 0)
            printf("  OpenBLAS %9.3f least %9.3f median, ratio %.2f", theirs[0] * 1e3, other * 1e3,
                   ours[0] / theirs[0]);
        printf("\n");
        tg_free(a), tg_free(b), tg_free(c);
    }
    tg_context_destroy(&ctx);
    return 0;
}
