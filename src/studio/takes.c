/* Takes in order, made by processes that run ahead. They are processes and not threads because the
 * speech engines are started in a fresh copy of the process for every sentence (child.h), and a
 * copy of a trainer, which writes hundreds of megabytes in every step, would cost it more time than
 * the sentence. */
#include "studio/take.h"

#include "studio/festival.h"
#include "studio/pipe.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

enum { MOST_PROCESSES = 16, POLL_MS = 100 };

struct tg_studio_takes {
    int processes;
    uint64_t first, next;
    struct {
        pid_t pid;
        int fd; /* -1 = not started */
    } worker[MOST_PROCESSES];
};

/* What comes through the pipe: this, the message, samples, landmarks, names, times. */
typedef struct {
    tg_status status;
    int message, phones;
    bool face; /* with landmarks */
    int64_t count, frames;
} reply;

static size_t landmark_bytes(const reply *r) {
    return r->face ? (size_t)r->frames * sizeof(float[TG_LANDMARKS][3]) : 0;
}

static bool send_take(int fd, tg_status status, const char *message, const tg_studio_take *take) {
    reply r = {status,      (int)strlen(message), take->phones, take->landmarks != NULL,
               take->count, take->frames};
    /* Names are static strings: they lie at the same address in parent and child. */
    return tg_pipe_write(fd, &r, sizeof r) && tg_pipe_write(fd, message, (size_t)r.message) &&
           tg_pipe_write(fd, take->samples, (size_t)r.count * sizeof(float)) &&
           tg_pipe_write(fd, take->landmarks, landmark_bytes(&r)) &&
           tg_pipe_write(fd, take->phone, (size_t)r.phones * sizeof *take->phone) &&
           tg_pipe_write(fd, take->times, (size_t)r.phones * sizeof *take->times);
}

static void work(const tg_studio_takes_options *o, const tg_actor *actor, uint64_t index,
                 uint64_t stride, int fd) {
    signal(SIGINT, SIG_IGN); /* Ctrl-C is the parent's; a closed pipe ends this process */
    signal(SIGTERM, SIG_DFL);
    signal(SIGPIPE, SIG_IGN);
    tg_context *ctx = tg_context_create(1);
    tg_cast cast = {.seed = o->seed, .heldout = o->heldout, .festival = o->festival};
    bool ok = ctx != NULL;
    for (; ok; index += stride) {
        tg_studio_take take;
        tg_status status = tg_take_make(ctx, actor, &cast, index, &take);
        ok = send_take(fd, status, status == TG_OK ? "" : tg_message(ctx), &take);
        ok = ok && status == TG_OK;
        tg_studio_take_free(&take);
    }
    _exit(0); /* not exit: the parent's buffers are not ours to flush */
}

static tg_status start(tg_context *ctx, tg_studio_takes *takes, int k,
                       const tg_studio_takes_options *o, const tg_actor *actor) {
    int fd[2];
    if (pipe2(fd, O_CLOEXEC) < 0)
        return tg_fail(ctx, TG_EINTERNAL, "no pipe for the studio: %s", strerror(errno));
    pid_t pid = fork();
    if (pid < 0) {
        int why = errno;
        close(fd[0]);
        close(fd[1]);
        return tg_fail(ctx, TG_EINTERNAL, "no process for the studio: %s", strerror(why));
    }
    if (pid == 0) {
        /* Nobody but the parent may hold the reading ends, or a closed one would go unnoticed. */
        close(fd[0]);
        for (int other = 0; other < k; other++)
            close(takes->worker[other].fd);
        work(o, actor, o->first + (uint64_t)k, (uint64_t)takes->processes, fd[1]);
    }
    close(fd[1]);
    takes->worker[k].pid = pid;
    takes->worker[k].fd = fd[0];
    return TG_OK;
}

bool tg_studio_has_festival(const char **missing) {
    return tg_festival_installed(missing);
}

tg_status tg_studio_takes_open(tg_context *ctx, const tg_studio_takes_options *options,
                               tg_studio_takes **out) {
    *out = NULL;
    int n = options->processes < 1 ? 1 : options->processes;
    tg_studio_takes *takes = tg_calloc(sizeof *takes);
    if (!takes)
        return tg_fail(ctx, TG_ENOMEM, "no memory for the studio");
    takes->processes = n > MOST_PROCESSES ? MOST_PROCESSES : n;
    takes->first = takes->next = options->first;
    for (int k = 0; k < MOST_PROCESSES; k++)
        takes->worker[k].fd = -1;
    tg_actor *actor = NULL; /* shared by the processes */
    tg_status status = options->actor_dir
                           ? tg_actor_load(ctx, options->actor_dir, options->tables_dir, &actor)
                           : TG_OK;
    for (int k = 0; status == TG_OK && k < takes->processes; k++)
        status = start(ctx, takes, k, options, actor);
    tg_actor_destroy(&actor);
    if (status != TG_OK)
        tg_studio_takes_close(&takes);
    *out = takes;
    return status;
}

static tg_status wait_for(tg_context *ctx, int fd) {
    struct pollfd p = {.fd = fd, .events = POLLIN};
    for (;;) {
        tg_status status = tg_cancelled(ctx);
        if (status != TG_OK)
            return status;
        int n = poll(&p, 1, POLL_MS);
        if (n > 0)
            return TG_OK;
        if (n < 0 && errno != EINTR)
            return tg_fail(ctx, TG_EINTERNAL, "the studio's pipe: %s", strerror(errno));
    }
}

static tg_status receive(tg_context *ctx, int fd, tg_studio_take *out) {
    reply r;
    char message[2048];
    if (!tg_pipe_read(fd, &r, sizeof r) || r.message < 0 || r.message >= (int)sizeof message ||
        r.phones < 0 || r.count < 0 || r.frames < 0 ||
        !tg_pipe_read(fd, message, (size_t)r.message))
        return tg_fail(ctx, TG_EINTERNAL, "a process of the studio died");
    message[r.message] = 0;
    if (r.status != TG_OK)
        return tg_fail(ctx, r.status, "%s", message);
    out->count = r.count;
    out->frames = r.frames;
    out->phones = r.phones;
    out->samples = tg_alloc((size_t)r.count * sizeof(float));
    out->landmarks = r.face ? tg_alloc(landmark_bytes(&r)) : NULL;
    out->phone = tg_alloc((size_t)r.phones * sizeof *out->phone);
    out->times = tg_alloc((size_t)r.phones * sizeof *out->times);
    if (!out->samples || (r.face && !out->landmarks) || !out->phone || !out->times)
        return tg_fail(ctx, TG_ENOMEM, "no memory for a take");
    bool ok = tg_pipe_read(fd, out->samples, (size_t)r.count * sizeof(float)) &&
              tg_pipe_read(fd, out->landmarks, landmark_bytes(&r)) &&
              tg_pipe_read(fd, out->phone, (size_t)r.phones * sizeof *out->phone) &&
              tg_pipe_read(fd, out->times, (size_t)r.phones * sizeof *out->times);
    return ok ? TG_OK : tg_fail(ctx, TG_EINTERNAL, "a process of the studio died");
}

tg_status tg_studio_takes_next(tg_context *ctx, tg_studio_takes *takes, tg_studio_take *out) {
    *out = (tg_studio_take){0};
    int fd = takes->worker[(takes->next - takes->first) % (uint64_t)takes->processes].fd;
    tg_status status = wait_for(ctx, fd);
    if (status == TG_OK)
        status = receive(ctx, fd, out);
    if (status == TG_OK)
        takes->next++;
    else
        tg_studio_take_free(out);
    return status;
}

void tg_studio_takes_close(tg_studio_takes **takes) {
    tg_studio_takes *t = *takes;
    if (!t)
        return;
    for (int k = 0; k < t->processes; k++) {
        if (t->worker[k].fd < 0)
            continue;
        close(t->worker[k].fd);
        kill(t->worker[k].pid, SIGTERM);
        while (waitpid(t->worker[k].pid, NULL, 0) < 0 && errno == EINTR)
            continue;
    }
    tg_free(t);
    *takes = NULL;
}
