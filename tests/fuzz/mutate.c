/* mutate_READER COUNT RUN FILE...: gives COUNT damaged copies of the files to a fuzz target, after
 * the files themselves. The same RUN gives the same copies. Fails on a crash, on a file that takes
 * more than 5 s of processor, needs more heap than 4 times its bytes and 64 MiB, or loses heap;
 * such files are kept as READER-RUN-INDEX.bin in the current folder. COUNT 0 replays; --only INDEX
 * makes one file again, in this process, for a debugger.
 *
 * Files run in a child process that is replaced when it dies. The heap is counted by hooks in
 * malloc: what the address sanitizer adds, and a limit of the address space, would say nothing
 * about the reader. */
#include "fuzz.h"
#include "mutations.h"

#include <errno.h>
#include <malloc.h>
#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/time.h>
#include <sys/wait.h>

enum { SECONDS = 5, MAX_FAILURES = 20 };
static const size_t heap_base = (size_t)64 << 20, heap_factor = 4;

/* ---- the heap in use --------------------------------------------------------------------- */

static atomic_llong live, peak;

static void count_block(long long bytes) {
    if (fuzz_own_memory) {
        return;
    }
    long long now = atomic_fetch_add(&live, bytes) + bytes;
    if (now > atomic_load(&peak)) {
        atomic_store(&peak, now);
    }
}

#if defined(__SANITIZE_ADDRESS__)
#define SANITIZED 1
#elif defined(__has_feature)
#if __has_feature(address_sanitizer) || __has_feature(thread_sanitizer)
#define SANITIZED 1
#endif
#endif

#ifdef SANITIZED
int __sanitizer_install_malloc_and_free_hooks(void (*)(const volatile void *, size_t),
                                              void (*)(const volatile void *));
size_t __sanitizer_get_allocated_size(const volatile void *);

static void on_malloc(const volatile void *block, size_t bytes) {
    if (block) {
        count_block((long long)bytes);
    }
}

static void on_free(const volatile void *block) {
    if (block) {
        count_block(-(long long)__sanitizer_get_allocated_size(block));
    }
}

static void watch_heap(void) {
    if (!__sanitizer_install_malloc_and_free_hooks(on_malloc, on_free)) {
        fprintf(stderr, "mutate: the heap cannot be watched\n");
        exit(1);
    }
}
#else
/* glibc's own functions behind these, which all libraries of the process then use. */
void *__libc_malloc(size_t);
void *__libc_calloc(size_t, size_t);
void *__libc_realloc(void *, size_t);
void *__libc_memalign(size_t, size_t);
void __libc_free(void *);

static void *counted(void *block) {
    if (block) {
        count_block((long long)malloc_usable_size(block));
    }
    return block;
}

void *malloc(size_t bytes) {
    return counted(__libc_malloc(bytes));
}

void *calloc(size_t n, size_t bytes) {
    return counted(__libc_calloc(n, bytes));
}

void *aligned_alloc(size_t alignment, size_t bytes) {
    return counted(__libc_memalign(alignment, bytes));
}

void *memalign(size_t alignment, size_t bytes) {
    return counted(__libc_memalign(alignment, bytes));
}

int posix_memalign(void **block, size_t alignment, size_t bytes) {
    *block = counted(__libc_memalign(alignment, bytes));
    return *block ? 0 : ENOMEM;
}

void free(void *block) {
    if (block) {
        count_block(-(long long)malloc_usable_size(block));
    }
    __libc_free(block);
}

/* Both blocks exist while the contents move. */
void *realloc(void *block, size_t bytes) {
    long long before = block ? (long long)malloc_usable_size(block) : 0;
    void *moved = __libc_realloc(block, bytes);
    if (moved) {
        counted(moved);
        count_block(-before);
    }
    return moved;
}

static void watch_heap(void) {
}
#endif

/* ---- the child ---------------------------------------------------------------------------- */

/* What parent and child share. */
typedef struct {
    uint64_t index; /* of the file that is being read */
    long long files, accepted, failures;
    double slowest_s;
    uint64_t slowest;
    double most_heap; /* part of the limit */
    long long heap_bytes;
    size_t heap_file;
} tally;

typedef struct {
    const char *reader;
    uint64_t run, count;
    const seed_file *seeds;
    int seed_count;
    bool strict; /* heap and leaks count; caches and pictures that unpack make them meaningless */
    tally *shared;
    file_bytes file;
} session;

static void keep(const session *s, uint64_t index, const char *why) {
    char name[128];
    snprintf(name, sizeof name, "%s-%llu-%llu.bin", s->reader, (unsigned long long)s->run,
             (unsigned long long)index);
    FILE *f = fopen(name, "wb");
    if (f) {
        fwrite(s->file.data, 1, s->file.bytes, f);
        fclose(f);
    }
    fprintf(stderr, "FAILED %s: file %llu of run %llu (%zu bytes): %s; kept as %s\n", s->reader,
            (unsigned long long)index, (unsigned long long)s->run, s->file.bytes, why, name);
}

/* Files below seed_count are the seeds themselves. */
static void make(session *s, uint64_t index) {
    if (index < (uint64_t)s->seed_count) {
        const seed_file *seed = &s->seeds[index];
        s->file.bytes = 0;
        if (s->file.room < seed->bytes) {
            s->file.data = realloc(s->file.data, s->file.room = seed->bytes);
        }
        memcpy(s->file.data, seed->data, seed->bytes);
        s->file.bytes = seed->bytes;
        return;
    }
    mutate_file(s->seeds, s->seed_count, s->run, index - (uint64_t)s->seed_count, &s->file);
}

static double processor_s(void) {
    struct timespec t;
    clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &t);
    return (double)t.tv_sec + 1e-9 * (double)t.tv_nsec;
}

/* Heap that is lost in one reading. */
static long long lost_by(const uint8_t *data, size_t bytes) {
    long long before = atomic_load(&live);
    atomic_store(&peak, before);
    LLVMFuzzerTestOneInput(data, bytes);
    return atomic_load(&live) - before;
}

static void read_one(session *s, uint64_t index) {
    tally *t = s->shared;
    make(s, index);
    /* Exactly its bytes, so that reading beyond them is seen. */
    fuzz_own_memory = true;
    uint8_t *copy = malloc(s->file.bytes ? s->file.bytes : 1);
    if (!copy) {
        abort();
    }
    memcpy(copy, s->file.data, s->file.bytes);
    fuzz_own_memory = false;
    struct itimerval limit = {.it_value.tv_sec = SECONDS}, none = {0};
    setitimer(ITIMER_PROF, &limit, NULL);
    alarm(20 * SECONDS); /* waiting instead of working is no way out */
    fuzz_accepted = 0;
    double began = processor_s();
    long long before = atomic_load(&live), lost = lost_by(copy, s->file.bytes);
    double took = processor_s() - began;
    long long used = atomic_load(&peak) - before;
    if (s->strict && lost > 0) { /* what libraries keep for ever is not lost twice */
        lost = lost_by(copy, s->file.bytes);
    }
    setitimer(ITIMER_PROF, &none, NULL);
    alarm(0);
    fuzz_own_memory = true;
    free(copy);
    fuzz_own_memory = false;
    t->files++;
    t->accepted += fuzz_accepted > 0;
    if (took > t->slowest_s) {
        t->slowest_s = took;
        t->slowest = index;
    }
    double part = (double)used / (double)(heap_factor * s->file.bytes + heap_base);
    if (s->strict && part > t->most_heap) {
        t->most_heap = part;
        t->heap_bytes = used;
        t->heap_file = s->file.bytes;
    }
    char why[96];
    if (s->strict && part > 1) {
        t->failures++;
        snprintf(why, sizeof why, "%lld bytes of heap, more than 4 x the file + 64 MiB", used);
        keep(s, index, why);
    }
    if (s->strict && lost > 0) {
        t->failures++;
        snprintf(why, sizeof why, "%lld bytes of heap are lost", lost);
        keep(s, index, why);
    }
}

static void child(session *s, uint64_t from) {
    signal(SIGPROF, SIG_DFL);
    fuzz_context();
    for (uint64_t i = from; i < s->count; i++) {
        s->shared->index = i;
        read_one(s, i);
    }
    s->shared->index = s->count;
    exit(0);
}

/* ---- the parent ------------------------------------------------------------------------------ */

static void run_all(session *s) {
    tally *t = s->shared;
    for (uint64_t from = 0; from < s->count && t->failures < MAX_FAILURES; from = t->index + 1) {
        fflush(NULL);
        t->index = from;
        pid_t pid = fork();
        if (pid == 0) {
            child(s, from);
        }
        int status = 0;
        if (pid < 0 || waitpid(pid, &status, 0) != pid) {
            perror("mutate");
            exit(1);
        }
        if (WIFEXITED(status) && WEXITSTATUS(status) == 0) {
            return;
        }
        char why[64];
        int signal_number = WIFSIGNALED(status) ? WTERMSIG(status) : 0;
        if (signal_number == SIGPROF || signal_number == SIGALRM) {
            snprintf(why, sizeof why, "more than %d s", SECONDS);
        } else if (signal_number) {
            snprintf(why, sizeof why, "signal %d (%s)", signal_number, strsignal(signal_number));
        } else {
            snprintf(why, sizeof why, "exit %d, see the report above", WEXITSTATUS(status));
        }
        t->failures++;
        make(s, t->index);
        keep(s, t->index, why);
    }
}

static seed_file *read_seeds(char **paths, int count) {
    seed_file *seeds = calloc((size_t)count + 1, sizeof *seeds);
    for (int i = 0; seeds && i < count; i++) {
        char *text;
        size_t bytes;
        if (tg_file_read(fuzz_context(), paths[i], (size_t)64 << 20, &text, &bytes) != TG_OK) {
            fprintf(stderr, "mutate: %s\n", tg_message(fuzz_context()));
            exit(3);
        }
        uint8_t *data = malloc(bytes + 1);
        if (!data) {
            exit(6);
        }
        memcpy(data, text, bytes + 1);
        tg_free(text);
        seed_describe(&seeds[i], paths[i], data, bytes);
    }
    return seeds;
}

int main(int argc, char **argv) {
    const char *dash = strrchr(argv[0], '_');
    uint64_t only = UINT64_MAX;
    if (argc > 3 && strcmp(argv[1], "--only") == 0) {
        only = strtoull(argv[2], NULL, 10);
        argv += 2;
        argc -= 2;
    }
    if (argc < 4) {
        fprintf(stderr, "usage: mutate_READER [--only INDEX] COUNT RUN FILE...\n");
        return 2;
    }
    watch_heap();
    session s = {.reader = dash ? dash + 1 : "reader", .run = strtoull(argv[2], NULL, 10)};
    s.strict = strcmp(s.reader, "audio") != 0 && strcmp(s.reader, "video") != 0 &&
               strcmp(s.reader, "concat") != 0 && strcmp(s.reader, "image") != 0;
    s.seed_count = argc - 3;
    s.seeds = read_seeds(argv + 3, s.seed_count);
    s.count = (uint64_t)s.seed_count + strtoull(argv[1], NULL, 10);
    s.shared =
        mmap(NULL, sizeof *s.shared, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    if (!s.seeds || s.shared == MAP_FAILED) {
        return 6;
    }
    tally *t = s.shared;
    if (only != UINT64_MAX) {
        t->files = 1;
        read_one(&s, only);
    } else {
        run_all(&s);
    }
    printf(
        "%-12s %6lld files, %6lld refused, %6lld accepted, slowest %.2f s (file %llu), most heap "
        "%.1f MiB for %.1f KiB (%.0f %% of the limit), %lld failures\n",
        s.reader, t->files, t->files - t->accepted, t->accepted, t->slowest_s,
        (unsigned long long)t->slowest, (double)t->heap_bytes / 1048576.0,
        (double)t->heap_file / 1024.0, 100 * t->most_heap, t->failures);
    for (int i = 0; i < s.seed_count; i++) {
        seed_free((seed_file *)(uintptr_t)&s.seeds[i]);
    }
    free((void *)(uintptr_t)s.seeds);
    free(s.file.data);
    return t->failures == 0 && t->files > 0 ? 0 : 1;
}
