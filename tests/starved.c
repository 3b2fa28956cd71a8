/* A command of talkgen, again and again, each time with another allocation refused.
 *
 *   starved [--calls N] [--each N] [--at ROW] [--state] [--names] [--stdout] -- ARGUMENTS...
 *
 * This is the program with its calls of malloc, calloc, realloc, aligned_alloc, strdup, mmap and
 * pthread_create led through here by the linker (--wrap, see CMakeLists.txt), and libcjson's
 * through its hooks.
 * What other libraries allocate for themselves is left alone. The program knows nothing of it.
 *
 * A first run notes every allocation by the way that led to it, that is its N innermost calls
 * (--calls, all if not given). Then the command runs once for each way with its first allocation
 * refused and, with --each 2, once with its last (3, 4, ...: more in between); --at ROW runs one of
 * these alone. Each run is a process of its own in an empty folder ./run. Expected: exit 6 with a
 * message and no file, or exit 0 with the files of the first run.
 *   --state    the command keeps state (batch, train): files may stay unless they are temporary,
 *              exit 10 is a failure too, and the same command again must complete
 *   --names    the bytes of its files differ from run to run
 *   --stdout   exit 0 must also print what the first run printed
 * Paths in ARGUMENTS are as seen from ./run. Each failure is told with the calls that led to it. */
#include <cJSON.h>
#include <dirent.h>
#include <errno.h>
#include <execinfo.h>
#include <fcntl.h>
#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/personality.h>
#include <sys/stat.h>
#include <sys/time.h>
#include <sys/wait.h>
#include <unistd.h>

int talkgen_main(int argc, char **argv); /* main of src/cli/main.c, renamed */

enum { WAYS = 4096, DEPTH = 24, WORK_SECONDS = 100, WAIT_SECONDS = 1800, FILES = 256 };

typedef struct {
    atomic_ullong hash; /* of the return addresses; 0 = free */
    atomic_long count;
} way;

/* Shared between this process and the runs. */
static struct {
    way way[WAYS];
    atomic_bool counting, refused;
    unsigned long long target; /* hash, and which of its allocations is refused */
    long nth;
    void *calls[DEPTH];
    int depth;
} * shared;

static int near = DEPTH;          /* how many of the calls tell one way from another */
static _Thread_local int above;   /* calls that led to the command itself */
static _Thread_local bool inside; /* what is left alone; backtrace itself may allocate */

/* Whether this allocation is to be refused. */
static bool refuse(const void *from) {
    if (!shared || !atomic_load_explicit(&shared->counting, memory_order_relaxed) || inside)
        return false;
    inside = true;
    void *calls[DEPTH];
    const int depth = backtrace(calls, DEPTH);
    uint64_t hash = 1469598103934665603u;
    int first = 0; /* a sanitizer's backtrace shows itself */
    while (first < depth && calls[first] != from)
        first++;
    const int last = depth - above < first + near ? depth - above : first + near;
    for (int i = first; i < last; i++)
        hash = (hash ^ (uint64_t)(uintptr_t)calls[i]) * 1099511628211u;
    hash |= 1;
    inside = false;
    for (unsigned k = 0; k < WAYS; k++) {
        way *w = &shared->way[(hash + k) % WAYS];
        unsigned long long free_slot = 0;
        if (!atomic_compare_exchange_strong(&w->hash, &free_slot, hash) && free_slot != hash)
            continue;
        if (atomic_fetch_add(&w->count, 1) != shared->nth || hash != shared->target)
            return false;
        memcpy(shared->calls, calls, sizeof calls);
        shared->depth = depth;
        atomic_store(&shared->refused, true);
        errno = ENOMEM;
        return true;
    }
    abort(); /* more ways than WAYS */
}

void *__real_malloc(size_t bytes);
void *__real_calloc(size_t n, size_t bytes);
void *__real_realloc(void *block, size_t bytes);
void *__real_aligned_alloc(size_t align, size_t bytes);
char *__real_strdup(const char *text);
void *__real_mmap(void *at, size_t bytes, int protection, int flags, int fd, off_t offset);
int __real_pthread_create(pthread_t *thread, const pthread_attr_t *attributes, void *(*fn)(void *),
                          void *arg);

void *__wrap_malloc(size_t bytes) {
    return refuse(__builtin_return_address(0)) ? NULL : __real_malloc(bytes);
}

void *__wrap_calloc(size_t n, size_t bytes) {
    return refuse(__builtin_return_address(0)) ? NULL : __real_calloc(n, bytes);
}

void *__wrap_realloc(void *block, size_t bytes) {
    return refuse(__builtin_return_address(0)) ? NULL : __real_realloc(block, bytes);
}

void *__wrap_aligned_alloc(size_t align, size_t bytes) {
    return refuse(__builtin_return_address(0)) ? NULL : __real_aligned_alloc(align, bytes);
}

char *__wrap_strdup(const char *text) {
    return refuse(__builtin_return_address(0)) ? NULL : __real_strdup(text);
}

void *__wrap_mmap(void *at, size_t bytes, int protection, int flags, int fd, off_t offset) {
    return refuse(__builtin_return_address(0))
               ? MAP_FAILED
               : __real_mmap(at, bytes, protection, flags, fd, offset);
}

int __wrap_pthread_create(pthread_t *thread, const pthread_attr_t *attributes, void *(*fn)(void *),
                          void *arg) {
    return refuse(__builtin_return_address(0)) ? EAGAIN
                                               : __real_pthread_create(thread, attributes, fn, arg);
}

static void *for_json(size_t bytes) {
    return refuse(__builtin_return_address(0)) ? NULL : __real_malloc(bytes);
}

/* ---- files ---- */

typedef struct {
    char name[FILES][512]; /* sorted, relative to the folder */
    int count;
} listing;

static int by_name(const void *a, const void *b) {
    return strcmp(a, b);
}

/* Files below folder/at; with `take_away` they are removed. */
static void walk(const char *folder, const char *at, listing *out, bool take_away) {
    char path[1024];
    snprintf(path, sizeof path, "%s/%s", folder, at);
    DIR *dir = opendir(path);
    for (struct dirent *entry; dir && (entry = readdir(dir));) {
        if (strcmp(entry->d_name, ".") == 0 || strcmp(entry->d_name, "..") == 0)
            continue;
        char below[512];
        snprintf(below, sizeof below, "%s%s%s", at, *at ? "/" : "", entry->d_name);
        snprintf(path, sizeof path, "%s/%s", folder, below);
        struct stat st;
        if (lstat(path, &st) == 0 && S_ISDIR(st.st_mode)) {
            walk(folder, below, out, take_away);
            if (take_away)
                rmdir(path);
        } else if (take_away) {
            unlink(path);
        } else if (out->count < FILES) {
            snprintf(out->name[out->count++], sizeof out->name[0], "%s", below);
        }
    }
    if (dir)
        closedir(dir);
}

static void list(const char *folder, listing *out) {
    out->count = 0;
    walk(folder, "", out, false);
    qsort(out->name, (size_t)out->count, sizeof out->name[0], by_name);
}

static void empty(const char *folder) {
    walk(folder, "", NULL, true);
    mkdir(folder, 0777);
}

static bool ends_with(const char *name, const char *end) {
    const size_t n = strlen(name), m = strlen(end);
    return n >= m && strcmp(name + n - m, end) == 0;
}

static bool same_bytes(const char *a, const char *b) {
    FILE *f = fopen(a, "rb"), *g = fopen(b, "rb");
    bool same = f && g;
    for (int c = 0; same && c != EOF;)
        same = (c = getc(f)) == getc(g);
    if (f)
        fclose(f);
    if (g)
        fclose(g);
    return same;
}

/* Whether the file's bytes are the same in every run: not where times are told. */
static bool repeats(const char *name) {
    static const char *const ends[] = {".mp4", ".framemd5",    ".png",
                                       ".npy", ".safetensors", ".ckpt"};
    for (size_t i = 0; i < sizeof ends / sizeof *ends; i++)
        if (ends_with(name, ends[i]))
            return true;
    return false;
}

/* ---- runs ---- */

static int wrong;
static bool names_only, compare_stdout;

static void tell(const char *what, const char *detail) {
    printf("WRONG: %s%s%s\n", what, *detail ? ": " : "", detail);
    wrong++;
}

/* The command in ./run with its outputs in ./out.txt and ./err.txt; wait status. */
static int run(int argc, char **argv, bool counting) {
    atomic_store(&shared->refused, false);
    for (int i = 0; i < WAYS; i++)
        atomic_store(&shared->way[i].count, 0);
    fflush(stdout);
    const pid_t child = fork();
    if (child == 0) {
        if (!freopen("out.txt", "w", stdout) || !freopen("err.txt", "w", stderr) ||
            chdir("run") != 0)
            _exit(99);
        cJSON_InitHooks(&(cJSON_Hooks){for_json, free});
        /* A loop for ever is told by its work. What waits for ever works as little as what an
         * overloaded machine does not let work, so there time must be long. */
        setitimer(ITIMER_PROF, &(struct itimerval){.it_value.tv_sec = WORK_SECONDS}, NULL);
        alarm(WAIT_SECONDS);
        void *calls[DEPTH];
        above = backtrace(calls, DEPTH);
        atomic_store(&shared->counting, counting);
        const int code = talkgen_main(argc, argv);
        atomic_store(&shared->counting, false);
        exit(code);
    }
    int status = 0;
    if (child < 0 || waitpid(child, &status, 0) != child) {
        perror("starved");
        exit(2);
    }
    return status;
}

static const char *ending(int status) {
    static char text[32];
    snprintf(text, sizeof text, WIFEXITED(status) ? "exit %d" : "signal %d",
             WIFEXITED(status) ? WEXITSTATUS(status) : WTERMSIG(status));
    return text;
}

static void message_is_good(void) {
    char text[8192];
    FILE *file = fopen("err.txt", "r");
    text[file ? fread(text, 1, sizeof text - 1, file) : 0] = '\0';
    if (file)
        fclose(file);
    if (!strstr(text, "talkgen: ") || !strstr(text, "\n  expected: ") || !strstr(text, "\n  try: "))
        tell("not what, expected, try", text);
}

static void whole(const listing *want) {
    static listing have;
    list("run", &have);
    for (int i = 0; i < want->count || i < have.count; i++)
        if (i >= want->count || i >= have.count || strcmp(want->name[i], have.name[i]) != 0) {
            tell("other files than without a failure",
                 i < have.count ? have.name[i] : want->name[i]);
            return;
        }
    for (int i = 0; i < want->count; i++) {
        char a[520], b[520];
        snprintf(a, sizeof a, "run/%s", want->name[i]);
        snprintf(b, sizeof b, "want/%s", want->name[i]);
        if (!names_only && repeats(a) && !same_bytes(a, b))
            tell("another file than without a failure", want->name[i]);
    }
    if (compare_stdout && !same_bytes("out.txt", "want.txt"))
        tell("prints something else than without a failure", "");
}

static void nothing_left(bool state) {
    static listing have;
    list("run", &have);
    for (int i = 0; i < have.count; i++)
        if (!state || strstr(have.name[i], ".tmp") || strstr(have.name[i], ".part"))
            tell("left behind", have.name[i]);
}

int main(int argc, char **argv) {
    long each = 2, only = -1;
    bool state = false;
    int i = 1;
    for (; i < argc && strcmp(argv[i], "--") != 0; i++) {
        if (strcmp(argv[i], "--calls") == 0 && i + 1 < argc)
            near = atoi(argv[++i]);
        else if (strcmp(argv[i], "--each") == 0 && i + 1 < argc)
            each = atol(argv[++i]);
        else if (strcmp(argv[i], "--at") == 0 && i + 1 < argc)
            only = atol(argv[++i]);
        else if (strcmp(argv[i], "--state") == 0)
            state = true;
        else if (strcmp(argv[i], "--names") == 0)
            names_only = true;
        else if (strcmp(argv[i], "--stdout") == 0)
            compare_stdout = true;
        else
            break;
    }
    if (i >= argc || strcmp(argv[i], "--") != 0 || each < 1) {
        fprintf(
            stderr,
            "usage: starved [--calls N] [--each N] [--at ROW] [--state] [--names] [--stdout] -- "
            "ARGUMENTS...\n");
        return 2;
    }
    /* The same addresses every time, so that --at means the same. */
    const int was = personality(0xffffffff);
    if (was >= 0 && !(was & ADDR_NO_RANDOMIZE) &&
        personality((unsigned)was | ADDR_NO_RANDOMIZE) >= 0)
        execv("/proc/self/exe", argv);
    argv[i] = "talkgen";
    argc -= i;
    argv += i;
    void *warm[4];
    backtrace(warm, 4); /* loads what it needs before anything is counted */
    shared = mmap(NULL, sizeof *shared, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    if (shared == MAP_FAILED) {
        perror("starved");
        return 2;
    }
    shared->nth = -1;

    /* What it does when nothing is refused. */
    static listing want;
    empty("want");
    rmdir("want");
    empty("run");
    if (run(argc, argv, true) != 0) {
        printf("WRONG: the command fails although nothing is refused: see err.txt\n");
        return 1;
    }
    list("run", &want);
    if (rename("run", "want") != 0 || rename("out.txt", "want.txt") != 0) {
        perror("starved");
        return 2;
    }
    static struct {
        unsigned long long hash;
        long count;
    } ways[WAYS];
    int n = 0;
    long allocations = 0;
    for (int k = 0; k < WAYS; k++)
        if (shared->way[k].hash) {
            ways[n].hash = shared->way[k].hash;
            ways[n++].count = shared->way[k].count;
            allocations += shared->way[k].count;
        }

    long row = 0, failed = 0, survived = 0, missed = 0;
    for (int k = 0; k < n; k++) {
        const long tries = ways[k].count < each ? ways[k].count : each;
        for (long t = 0; t < tries; t++, row++) {
            if (only >= 0 && row != only)
                continue;
            shared->target = ways[k].hash;
            shared->nth = tries > 1 ? t * (ways[k].count - 1) / (tries - 1) : 0;
            empty("run");
            const int before = wrong;
            const int status = run(argc, argv, true);
            const int code = WIFEXITED(status) ? WEXITSTATUS(status) : -1;
            const bool refused = shared->refused;
            if (!refused)
                missed++;
            if (code == 0) {
                survived += refused;
                whole(&want);
            } else if (code == 6 || (state && code == 10)) {
                failed++;
                message_is_good();
                nothing_left(state);
                if (state) {
                    const int again = run(argc, argv, false);
                    if (again != 0)
                        tell("the same command again fails", ending(again));
                    else
                        whole(&want);
                }
            } else {
                tell("neither out of memory nor success", ending(status));
            }
            if (wrong != before) {
                printf("  row %ld: allocation %ld of %ld by these calls\n", row, shared->nth + 1,
                       ways[k].count);
                fflush(stdout);
                backtrace_symbols_fd(shared->calls, shared->depth, STDOUT_FILENO);
                (void)!system("head -c 3000 err.txt");
            }
        }
    }
    printf("%ld allocations in %d ways: %ld refused, %ld ended the command, %ld did not matter, "
           "%ld not met "
           "again\n",
           allocations, n, row, failed, survived, missed);
    return wrong != 0;
}
