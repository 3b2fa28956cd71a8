/* One pool of worker threads that cut a range into fixed blocks, and do one job beside that.
 *
 * Blocks are handed out by an atomic counter, so which worker runs a block is up to the moment;
 * their size is the caller's, so what a block computes is not. Workers join a range while it has
 * blocks left: one that sleeps, or has the job beside, is not waited for. */
#include "talkgen/core.h"

#include <pthread.h>
#include <sched.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

typedef struct {
    tg_range_fn *fn;
    void *arg;
    int64_t n, grain;
    atomic_llong next; /* first item nobody took yet */
} job;

typedef struct {
    tg_pool *pool;
    int worker;
} seat;

struct tg_pool {
    int threads; /* the caller counts as worker 0 */
    pthread_t *handles;
    seat *seats;
    int started;
    pthread_mutex_t lock;
    pthread_mutex_t caller; /* one range at a time; a second caller thread waits */
    pthread_cond_t wake, idle;
    bool spins; /* there is a processor for every thread */
    /* Ranges and jobs so far, whose change workers wait for; workers inside the current range.
     * These and the rest are written under the lock. */
    atomic_ullong posted, busy;
    bool quit;
    bool open; /* the current range may be joined */
    job current;
    enum { NONE, WAITING, RUNNING } beside;
    tg_job_fn *beside_fn;
    void *beside_arg;
};

/* Worker number of this thread inside a range of `inside`; a nested call runs inline with it. */
static _Thread_local const tg_pool *inside;
static _Thread_local int inside_worker;

static void work(job *j, int worker) {
    for (;;) {
        int64_t begin = atomic_fetch_add(&j->next, j->grain);
        if (begin >= j->n)
            return;
        int64_t end = begin + j->grain;
        j->fn(j->arg, begin, end < j->n ? end : j->n, worker);
    }
}

/* A sleeping thread needs some 50 us to wake up, as long as many a range takes; so a thread looks
 * for that long before it sleeps. */
static const double LOOK_S = 60e-6;

static inline void relax(void) {
#if defined(__x86_64__)
    __builtin_ia32_pause();
#elif defined(__aarch64__)
    __asm__ volatile("yield");
#endif
}

/* Returns when *value has become `x`, or with `no_longer` another one, or after a while. What it
 * saw is looked at again under the lock. */
static void look(const tg_pool *pool, atomic_ullong *value, uint64_t x, bool no_longer) {
    const double end = pool->spins ? tg_now_s() + LOOK_S : 0;
    while (pool->spins && tg_now_s() < end)
        for (int i = 0; i < 16; i++) {
            if ((atomic_load_explicit(value, memory_order_relaxed) == x) != no_longer)
                return;
            relax();
        }
}

/* The job beside, with the lock held before and after. */
static void run_beside(tg_pool *pool) {
    pool->beside = RUNNING;
    pthread_mutex_unlock(&pool->lock);
    pool->beside_fn(pool->beside_arg);
    pthread_mutex_lock(&pool->lock);
    pool->beside = NONE;
    pthread_cond_broadcast(&pool->idle);
}

static void *worker_main(void *arg) {
    seat *me = arg;
    tg_pool *pool = me->pool;
    inside = pool;
    inside_worker = me->worker;
    uint64_t seen = 0;
    pthread_mutex_lock(&pool->lock);
    for (;;) {
        /* Looking costs nobody anything but this thread. */
        pthread_mutex_unlock(&pool->lock);
        look(pool, &pool->posted, seen, true);
        pthread_mutex_lock(&pool->lock);
        while (pool->posted == seen && !pool->quit)
            pthread_cond_wait(&pool->wake, &pool->lock);
        if (pool->quit)
            break;
        seen = pool->posted;
        /* First what cannot be cut: the blocks of a range then even out when all are done. */
        if (pool->beside == WAITING)
            run_beside(pool);
        if (!pool->open)
            continue;
        pool->busy++;
        pthread_mutex_unlock(&pool->lock);
        work(&pool->current, me->worker);
        pthread_mutex_lock(&pool->lock);
        pool->open = false; /* no blocks are left */
        if (--pool->busy == 0)
            pthread_cond_broadcast(&pool->idle);
    }
    pthread_mutex_unlock(&pool->lock);
    return NULL;
}

/* cgroup v2 quota in processors, 0 when there is none. */
static int cgroup_limit(void) {
    FILE *file = fopen("/sys/fs/cgroup/cpu.max", "r");
    if (!file)
        return 0;
    char quota[32];
    double period = 0;
    int got = fscanf(file, "%31s %lf", quota, &period);
    fclose(file);
    double q = got == 2 ? strtod(quota, NULL) : 0; /* "max" reads as 0 */
    if (q <= 0 || period <= 0)
        return 0;
    int cpus = (int)(q / period + 0.5);
    return cpus > 0 ? cpus : 1;
}

int tg_cpu_count(void) {
    int count = 0;
    cpu_set_t set;
    if (sched_getaffinity(0, sizeof set, &set) == 0)
        count = CPU_COUNT(&set);
    if (count < 1)
        count = (int)sysconf(_SC_NPROCESSORS_ONLN);
    int limit = cgroup_limit();
    if (limit > 0 && limit < count)
        count = limit;
    return count > 0 ? count : 1;
}

tg_pool *tg_pool_create(int threads) {
    tg_pool *pool = calloc(1, sizeof *pool);
    if (!pool)
        return NULL;
    pool->threads = threads > 0 ? threads : tg_cpu_count();
    pool->spins = pool->threads <= tg_cpu_count();
    pthread_mutex_init(&pool->lock, NULL);
    pthread_mutex_init(&pool->caller, NULL);
    pthread_cond_init(&pool->wake, NULL);
    pthread_cond_init(&pool->idle, NULL);
    pool->handles = calloc((size_t)pool->threads, sizeof *pool->handles);
    pool->seats = calloc((size_t)pool->threads, sizeof *pool->seats);
    if (!pool->handles || !pool->seats) {
        tg_pool_destroy(&pool);
        return NULL;
    }
    for (int i = 1; i < pool->threads; i++) {
        pool->seats[i] = (seat){pool, i};
        if (pthread_create(&pool->handles[i], NULL, worker_main, &pool->seats[i]) != 0) {
            tg_pool_destroy(&pool);
            return NULL;
        }
        pool->started = i;
    }
    return pool;
}

void tg_pool_destroy(tg_pool **pool) {
    if (!pool || !*pool)
        return;
    tg_pool *p = *pool;
    pthread_mutex_lock(&p->lock);
    p->quit = true;
    pthread_cond_broadcast(&p->wake);
    pthread_mutex_unlock(&p->lock);
    for (int i = 1; i <= p->started; i++)
        pthread_join(p->handles[i], NULL);
    pthread_cond_destroy(&p->idle);
    pthread_cond_destroy(&p->wake);
    pthread_mutex_destroy(&p->caller);
    pthread_mutex_destroy(&p->lock);
    free(p->handles);
    free(p->seats);
    free(p);
    *pool = NULL;
}

int tg_pool_threads(const tg_pool *pool) {
    return pool ? pool->threads : 1;
}

void tg_pool_run(tg_pool *pool, int64_t n, int64_t grain, tg_range_fn *fn, void *arg) {
    if (n <= 0)
        return;
    if (grain < 1)
        grain = 1;
    if (!pool || pool->threads == 1 || inside == pool || n <= grain) {
        /* The same blocks as in parallel, so that results are equal to the last bit. */
        int worker = inside == pool ? inside_worker : 0;
        const tg_pool *outer = inside;
        int outer_worker = inside_worker;
        bool exclusive = pool && inside != pool;
        if (exclusive) { /* worker 0's scratch belongs to one caller at a time */
            pthread_mutex_lock(&pool->caller);
            inside = pool;
            inside_worker = 0;
        }
        for (int64_t begin = 0; begin < n; begin += grain)
            fn(arg, begin, begin + grain < n ? begin + grain : n, worker);
        if (exclusive) {
            inside = outer;
            inside_worker = outer_worker;
            pthread_mutex_unlock(&pool->caller);
        }
        return;
    }
    pthread_mutex_lock(&pool->caller);
    pthread_mutex_lock(&pool->lock);
    pool->current.fn = fn;
    pool->current.arg = arg;
    pool->current.n = n;
    pool->current.grain = grain;
    atomic_store(&pool->current.next, 0);
    pool->open = true;
    pool->posted++;
    pthread_cond_broadcast(&pool->wake);
    pthread_mutex_unlock(&pool->lock);

    const tg_pool *outer = inside;
    int outer_worker = inside_worker;
    inside = pool;
    inside_worker = 0;
    work(&pool->current, 0);
    inside = outer;
    inside_worker = outer_worker;

    pthread_mutex_lock(&pool->lock);
    pool->open = false;
    pthread_mutex_unlock(&pool->lock);
    look(pool, &pool->busy, 0, false);
    pthread_mutex_lock(&pool->lock);
    while (pool->busy > 0)
        pthread_cond_wait(&pool->idle, &pool->lock);
    pthread_mutex_unlock(&pool->lock);
    pthread_mutex_unlock(&pool->caller);
}

void tg_pool_start(tg_pool *pool, tg_job_fn *fn, void *arg) {
    if (!pool || pool->threads == 1 || inside == pool) {
        fn(arg);
        return;
    }
    pthread_mutex_lock(&pool->lock);
    while (pool->beside != NONE)
        pthread_cond_wait(&pool->idle, &pool->lock);
    pool->beside = WAITING;
    pool->beside_fn = fn;
    pool->beside_arg = arg;
    pool->posted++;
    pthread_cond_signal(&pool->wake);
    pthread_mutex_unlock(&pool->lock);
}

void tg_pool_wait(tg_pool *pool) {
    if (!pool || inside == pool)
        return;
    pthread_mutex_lock(&pool->lock);
    if (pool->beside == WAITING)
        run_beside(pool);
    while (pool->beside != NONE)
        pthread_cond_wait(&pool->idle, &pool->lock);
    pthread_mutex_unlock(&pool->lock);
}
