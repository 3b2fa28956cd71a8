#include "studio/child.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "studio/pipe.h"

#ifdef __SANITIZE_THREAD__
/* espeak-ng starts a thread when it is initialised. ThreadSanitizer ends a forked child for that
 * unless told otherwise. */
const char *__tsan_default_options(void);
const char *__tsan_default_options(void) {
    return "die_after_fork=0";
}
#endif

/* What comes through the pipe: this, then the message, the samples and the phones. */
typedef struct {
    tg_status status;
    int rate;
    int64_t count;
    int phones;
    int message;
} reply;

static void answer(tg_context *ctx, int fd, tg_status status, const tg_raw_speech *raw) {
    const char *message = tg_message(ctx);
    reply r = {.status = status, .message = (int)strlen(message)};
    if (status == TG_OK) {
        r.rate = raw->rate;
        r.count = raw->count;
        r.phones = raw->phones.count;
    }
    /* Names are static strings: they lie at the same address in parent and child. */
    bool ok = tg_pipe_write(fd, &r, sizeof r) && tg_pipe_write(fd, message, (size_t)r.message) &&
              tg_pipe_write(fd, raw->samples, (size_t)r.count * sizeof(float)) &&
              tg_pipe_write(fd, raw->phones.phone, (size_t)r.phones * sizeof(tg_segment));
    _exit(ok ? 0 : 1); /* not exit: the parent's buffers are not ours to flush */
}

static tg_status take_answer(tg_context *ctx, int fd, const tg_voice *voice, tg_raw_speech *out) {
    reply r;
    if (!tg_pipe_read(fd, &r, sizeof r) || r.message < 0 || r.phones < 0 || r.count < 0)
        return tg_fail(ctx, TG_EINTERNAL, "the speech engine of voice %s died", voice->name);
    char *message = tg_alloc((size_t)r.message + 1);
    if (!message)
        return tg_fail(ctx, TG_ENOMEM, "no memory for speech");
    bool ok = tg_pipe_read(fd, message, (size_t)r.message);
    message[ok ? r.message : 0] = 0;
    tg_status status = r.status;
    if (status != TG_OK)
        tg_fail(ctx, status, "%s", message);
    tg_free(message);
    if (status != TG_OK)
        return status;
    out->rate = r.rate;
    out->count = r.count;
    out->samples = tg_alloc((size_t)r.count * sizeof(float));
    /* tg_phones grows with realloc */
    out->phones.phone = malloc((size_t)(r.phones + 1) * sizeof(tg_segment));
    if (!out->samples || !out->phones.phone)
        return tg_fail(ctx, TG_ENOMEM, "no memory for speech");
    out->phones.count = r.phones;
    out->phones.capacity = r.phones + 1;
    ok = ok && tg_pipe_read(fd, out->samples, (size_t)r.count * sizeof(float)) &&
         tg_pipe_read(fd, out->phones.phone, (size_t)r.phones * sizeof(tg_segment));
    return ok ? TG_OK
              : tg_fail(ctx, TG_EINTERNAL, "the speech engine of voice %s died", voice->name);
}

tg_status tg_speak_in_child(tg_context *ctx, tg_speak_fn *fn, const tg_voice *voice, float tempo,
                            const char *text, tg_raw_speech *out) {
    *out = (tg_raw_speech){0};
    int fd[2];
    if (pipe2(fd, O_CLOEXEC) < 0)
        return tg_fail(ctx, TG_EINTERNAL, "no pipe for the speech engine: %s", strerror(errno));
    pid_t pid = fork();
    if (pid < 0) {
        int why = errno;
        close(fd[0]);
        close(fd[1]);
        return tg_fail(ctx, TG_EINTERNAL, "no process for the speech engine: %s", strerror(why));
    }
    if (pid == 0) {
        close(fd[0]); /* or a reader that died would go unnoticed and this wait for it */
        int nowhere = open("/dev/null", O_WRONLY);
        if (nowhere >= 0) {
            dup2(nowhere, STDOUT_FILENO);
            dup2(nowhere, STDERR_FILENO);
        }
        tg_fail(ctx, TG_OK, "%s", "");
        srand(1);
        tg_raw_speech raw = {0};
        answer(ctx, fd[1], fn(ctx, voice, tempo, text, &raw), &raw);
    }
    close(fd[1]);
    tg_status status = take_answer(ctx, fd[0], voice, out);
    close(fd[0]);
    while (waitpid(pid, NULL, 0) < 0 && errno == EINTR)
        continue;
    if (status != TG_OK)
        tg_raw_speech_free(out);
    return status;
}
