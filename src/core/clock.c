/* Time and the memory of this process. */
#include "talkgen/core.h"

#include <sys/resource.h>
#include <time.h>

double tg_now_s(void) {
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (double)t.tv_sec + 1e-9 * (double)t.tv_nsec;
}

size_t tg_peak_rss_bytes(void) {
    struct rusage use;
    if (getrusage(RUSAGE_SELF, &use) != 0)
        return 0;
    return (size_t)use.ru_maxrss * 1024; /* Linux counts in KiB */
}
