/* Core: messages, arenas, random numbers, pool, background task. */
#include "talkgen/core.h"

#include <math.h>
#include <sched.h>
#include <stdatomic.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <string.h>
#include <cmocka.h>

static void messages_and_codes(void **state) {
    (void)state;
    tg_context *ctx = tg_context_create(1);
    assert_non_null(ctx);
    assert_string_equal(tg_message(ctx), "");
    assert_int_equal(tg_fail(ctx, TG_EINPUT, "a %d", 7), TG_EINPUT);
    assert_string_equal(tg_message(ctx), "a 7");
    /* the old message may be part of the new one */
    assert_int_equal(tg_fail(ctx, TG_EMODEL, "b, %s", tg_message(ctx)), TG_EMODEL);
    assert_string_equal(tg_message(ctx), "b, a 7");
    tg_fail(ctx, TG_OK, "ignored");
    assert_string_equal(tg_message(ctx), "");
    assert_int_equal(tg_exit_code(TG_OK), 0);
    assert_int_equal(tg_exit_code(TG_EMODEL), 4);
    assert_int_equal(tg_exit_code(TG_EINTR), 130);
    assert_int_equal(tg_cancelled(ctx), TG_OK);
    tg_cancel(ctx, TG_EINTR);
    assert_int_equal(tg_cancelled(ctx), TG_EINTR);
    tg_context_destroy(&ctx);
    assert_null(ctx);
}

static void arena_blocks(void **state) {
    (void)state;
    tg_arena *arena = tg_arena_create(4096);
    tg_mark start = tg_arena_mark(arena);
    char *blocks[200];
    for (int round = 0; round < 3; round++) {
        for (int i = 0; i < 200; i++) {
            size_t bytes = (size_t)(i * 37 % 9000);
            blocks[i] = tg_arena_alloc(arena, bytes);
            assert_non_null(blocks[i]);
            assert_int_equal((uintptr_t)blocks[i] % 64, 0);
            memset(blocks[i], i, bytes);
        }
        for (int i = 0; i < 200; i++) /* nobody wrote into a neighbour */
            for (size_t k = 0; k < (size_t)(i * 37 % 9000); k++)
                assert_int_equal((unsigned char)blocks[i][k], i);
        tg_arena_release(arena, start);
    }
    char *a = tg_arena_alloc(arena, 100);
    tg_mark mark = tg_arena_mark(arena);
    char *b = tg_arena_alloc(arena, 100);
    tg_arena_release(arena, mark);
    assert_ptr_equal(tg_arena_alloc(arena, 100), b);
    assert_ptr_not_equal(a, b);
    assert_null(tg_arena_alloc(arena, SIZE_MAX));
    assert_null(tg_alloc(SIZE_MAX - 3));
    size_t out;
    assert_false(tg_mul_size(SIZE_MAX / 2, 3, &out));
    assert_false(tg_add_size(SIZE_MAX, 1, &out));
    tg_arena_destroy(&arena);
}

/* Random123's known answers for Philox4x32-10: counter and key all zero, and all ones. */
static void philox_known_answer(void **state) {
    (void)state;
    tg_rng zero = {{0, 0}, 0, 0};
    assert_int_equal(tg_rng_u32(&zero, 0), 0x6627e8d5);
    assert_int_equal(tg_rng_u32(&zero, 1), 0xe169c58d);
    assert_int_equal(tg_rng_u32(&zero, 2), 0xbc57ac4c);
    assert_int_equal(tg_rng_u32(&zero, 3), 0x9b00dbd8);
}

static void random_numbers(void **state) {
    (void)state;
    tg_rng a = tg_rng_make(42, "", "vae.z"), b = tg_rng_make(42, "", "pose"),
           c = tg_rng_make(42, "clip7", "vae.z"), d = tg_rng_make(43, "", "vae.z");
    assert_true(tg_rng_u32(&a, 5) != tg_rng_u32(&b, 5));
    assert_true(tg_rng_u32(&a, 5) != tg_rng_u32(&c, 5));
    assert_true(tg_rng_u32(&a, 5) != tg_rng_u32(&d, 5));
    enum { N = 200000 };
    static float x[N];
    tg_rng_fill_normal(&a, 3, x, N);
    double mean = 0, var = 0, fourth = 0;
    for (int i = 0; i < N; i++) {
        mean += x[i];
        var += (double)x[i] * x[i];
        fourth += pow(x[i], 4);
    }
    assert_true(fabs(mean / N) < 0.01);
    assert_true(fabs(var / N - 1) < 0.02);
    assert_true(fabs(fourth / N - 3) < 0.1);
    for (int i = 0; i < 50; i++) /* filling and asking one by one agree */
        assert_true(x[i] == tg_rng_normal(&a, 3 + (uint64_t)i));
    double sum = 0;
    for (int i = 0; i < N; i++) {
        float u = tg_rng_uniform(&a, (uint64_t)i);
        assert_true(u >= 0 && u < 1);
        sum += u;
    }
    assert_true(fabs(sum / N - 0.5) < 0.005);
}

typedef struct {
    tg_pool *pool;
    int *hits;
    int64_t n, grain;
    double *block_sum;
} range_job;

static void count_range(void *arg, int64_t begin, int64_t end, int worker) {
    range_job *job = arg;
    assert_true(worker >= 0 && worker < tg_pool_threads(job->pool));
    assert_int_equal(begin % job->grain, 0);
    double sum = 0;
    for (int64_t i = begin; i < end; i++) {
        job->hits[i]++;
        sum += sqrt((double)i);
    }
    job->block_sum[begin / job->grain] = sum;
}

static void nested(void *arg, int64_t begin, int64_t end, int worker) {
    (void)worker;
    range_job *job = arg;
    for (int64_t i = begin; i < end; i++) {
        range_job inner = {job->pool, job->hits + i * 100, 100, 7, job->block_sum + i * 15};
        tg_pool_run(job->pool, 100, 7, count_range, &inner);
    }
}

static void pool_ranges(void **state) {
    (void)state;
    static int hits[10000];
    static double sums[4][10000];
    for (int threads = 1; threads <= 3; threads++) {
        tg_pool *pool = tg_pool_create(threads);
        assert_int_equal(tg_pool_threads(pool), threads);
        for (int repeat = 0; repeat < 50; repeat++) {
            memset(hits, 0, sizeof hits);
            range_job job = {pool, hits, 9999, 13, sums[threads]};
            tg_pool_run(pool, job.n, job.grain, count_range, &job);
            for (int i = 0; i < 9999; i++)
                assert_int_equal(hits[i], 1);
            assert_int_equal(hits[9999], 0);
        }
        assert_memory_equal(sums[threads], sums[1], 9999 / 13 * sizeof(double));
        memset(hits, 0, sizeof hits);
        range_job outer = {pool, hits, 100, 3, sums[0]};
        tg_pool_run(pool, 100, 3, nested, &outer);
        for (int i = 0; i < 10000; i++)
            assert_int_equal(hits[i], 1);
        tg_pool_destroy(&pool);
    }
}

static void add_one(void *arg) {
    ++*(int *)arg;
}

/* Jobs beside ranges and without: each done once, in order, and a range does not wait for the one
 * that it began with. */
static void jobs_beside(void **state) {
    (void)state;
    static int hits[1000];
    static double sums[1000];
    for (int threads = 1; threads <= 3; threads++) {
        tg_pool *pool = tg_pool_create(threads);
        int value = 0;
        for (int i = 0; i < 100; i++)
            tg_pool_start(pool, add_one, &value);
        tg_pool_wait(pool);
        assert_int_equal(value, 100);
        memset(hits, 0, sizeof hits);
        for (int i = 1; i <= 200; i++) {
            tg_pool_start(pool, add_one, &value);
            range_job job = {pool, hits, 999, 10, sums};
            tg_pool_run(pool, job.n, job.grain, count_range, &job);
            for (int k = 0; k < 999; k++)
                assert_int_equal(hits[k], i);
            if (i % 3 == 0) {
                tg_pool_wait(pool);
                assert_int_equal(value, 100 + i);
            }
        }
        tg_pool_wait(pool);
        tg_pool_wait(pool);
        assert_int_equal(value, 300);
        tg_pool_destroy(&pool);
    }
    tg_pool_start(NULL, add_one, &hits[0]);
    tg_pool_wait(NULL);
    assert_int_equal(hits[0], 201);
}

static void wait_for_flag(void *arg) {
    while (!atomic_load((atomic_int *)arg))
        sched_yield();
}

/* A range ends while the job that was started before it still runs. */
static void ranges_do_not_wait_for_the_job(void **state) {
    (void)state;
    tg_pool *pool = tg_pool_create(2);
    atomic_int flag = 0;
    tg_pool_start(pool, wait_for_flag, &flag);
    static int hits[100];
    static double sums[100];
    range_job job = {pool, hits, 100, 1, sums};
    tg_pool_run(pool, job.n, job.grain, count_range, &job);
    atomic_store(&flag, 1);
    tg_pool_wait(pool);
    tg_pool_destroy(&pool);
}

static void cpu_levels(void **state) {
    (void)state;
    tg_cpu_level level;
    for (int i = 0; i < TG_CPU_LEVELS; i++) {
        assert_true(tg_cpu_level_parse(tg_cpu_level_name((tg_cpu_level)i), &level));
        assert_int_equal(level, i);
    }
    assert_false(tg_cpu_level_parse("sse9", &level));
    assert_in_range(tg_cpu_fastest(), TG_CPU_PORTABLE, tg_cpu_detect());
    tg_context *ctx = tg_context_create(1);
    assert_int_equal(tg_context_cpu(ctx), tg_cpu_fastest());
    assert_int_equal(tg_context_set_cpu(ctx, tg_cpu_detect()), TG_OK);
    assert_int_equal(tg_context_cpu(ctx), tg_cpu_detect());
    assert_int_equal(tg_context_set_cpu(ctx, TG_CPU_PORTABLE), TG_OK);
    assert_int_equal(tg_context_cpu(ctx), TG_CPU_PORTABLE);
    assert_true(tg_cpu_has(TG_CPU_PORTABLE) && tg_cpu_has(tg_cpu_detect()));
    assert_false(tg_cpu_has(TG_CPU_NEON) && tg_cpu_has(TG_CPU_AVX2));
    assert_false(tg_cpu_has((tg_cpu_level)-1) || tg_cpu_has(TG_CPU_LEVELS));
    for (int i = 0; i < TG_CPU_LEVELS; i++) {
        const tg_cpu_level other = (tg_cpu_level)i;
        if (tg_cpu_has(other))
            continue;
        assert_int_equal(tg_context_set_cpu(ctx, other), TG_EUSAGE);
        assert_int_equal(tg_context_cpu(ctx), TG_CPU_PORTABLE);
        assert_non_null(strstr(tg_message(ctx), tg_cpu_level_name(tg_cpu_detect())));
    }
    tg_context_destroy(&ctx);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(messages_and_codes),
        cmocka_unit_test(arena_blocks),
        cmocka_unit_test(philox_known_answer),
        cmocka_unit_test(random_numbers),
        cmocka_unit_test(pool_ranges),
        cmocka_unit_test(jobs_beside),
        cmocka_unit_test(ranges_do_not_wait_for_the_job),
        cmocka_unit_test(cpu_levels),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
