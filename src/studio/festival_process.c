#include "studio/festival_process.h"

#include "studio/pipe.h"
#include "talkgen/core.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <spawn.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

extern char **environ;

struct tg_festival {
    pid_t pid;
    int talk, sound, labels; /* a socket for its input and output, files without a name */
    char sound_name[24], labels_name[24];
};

enum { SOUND_FD = 3, LABELS_FD = 4, ABOVE = 10 };

/* The same file under a number that none of the child's can be, and that no other child has. */
static int move_up(int fd) {
    int up = fd < 0 ? -1 : fcntl(fd, F_DUPFD_CLOEXEC, ABOVE);
    if (fd >= 0)
        close(fd);
    return up;
}

static bool spawn(tg_festival *f, int its_end) {
    char *const argv[] = {"festival", "--pipe", NULL};
    posix_spawn_file_actions_t files;
    if (posix_spawn_file_actions_init(&files))
        return false;
    int why = posix_spawn_file_actions_adddup2(&files, its_end, STDIN_FILENO);
    why = why ? why : posix_spawn_file_actions_adddup2(&files, its_end, STDOUT_FILENO);
    why = why ? why
              : posix_spawn_file_actions_addopen(&files, STDERR_FILENO, "/dev/null", O_WRONLY, 0);
    why = why ? why : posix_spawn_file_actions_adddup2(&files, f->sound, SOUND_FD);
    why = why ? why : posix_spawn_file_actions_adddup2(&files, f->labels, LABELS_FD);
    why = why ? why : posix_spawnp(&f->pid, "festival", &files, NULL, argv, environ);
    posix_spawn_file_actions_destroy(&files);
    errno = why;
    return why == 0;
}

tg_festival *tg_festival_start(void) {
    tg_festival *f = tg_calloc(sizeof *f);
    if (!f)
        return NULL;
    int ends[2] = {-1, -1};
    if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, ends) < 0)
        ends[0] = ends[1] = -1;
    f->talk = ends[0];
    f->sound = move_up(memfd_create("sound.wav", MFD_CLOEXEC));
    f->labels = move_up(memfd_create("labels", MFD_CLOEXEC));
    int its_end = move_up(ends[1]);
    if (its_end < 0 || f->sound < 0 || f->labels < 0 || !spawn(f, its_end)) {
        int why = errno;
        tg_festival_stop(&f);
        errno = why;
    }
    if (its_end >= 0)
        close(its_end);
    if (f) {
        snprintf(f->sound_name, sizeof f->sound_name, "/dev/fd/%d", f->sound);
        snprintf(f->labels_name, sizeof f->labels_name, "/dev/fd/%d", f->labels);
    }
    return f;
}

void tg_festival_stop(tg_festival **festival) {
    tg_festival *f = *festival;
    if (!f)
        return;
    for (int k = 0; k < 3; k++) {
        int fd = (int[]){f->talk, f->sound, f->labels}[k];
        if (fd >= 0)
            close(fd);
    }
    /* It ends when nobody talks to it any more. Between two sentences there is nothing to lose. */
    if (f->pid > 0)
        kill(f->pid, SIGKILL);
    while (f->pid > 0 && waitpid(f->pid, NULL, 0) < 0 && errno == EINTR)
        continue;
    tg_free(f);
    *festival = NULL;
}

/* Not write(): a festival that has died must not end this process. */
static bool say(int fd, const char *text) {
    for (size_t left = strlen(text); left > 0;) {
        ssize_t n = send(fd, text, left, MSG_NOSIGNAL);
        if (n < 0 && errno == EINTR)
            continue;
        if (n <= 0)
            return false;
        text += n;
        left -= (size_t)n;
    }
    return true;
}

/* Voices print while they load: everything up to a line of ours. */
static bool wait_for_end(int fd) {
    static const char end[] = "talkgen: done\n";
    size_t met = 0;
    char c;
    while (met < sizeof end - 1 && tg_pipe_read(fd, &c, 1))
        met = c == end[met] ? met + 1 : c == end[0];
    return met == sizeof end - 1;
}

bool tg_festival_do(tg_festival *f, const char *scheme) {
    return ftruncate(f->sound, 0) == 0 && ftruncate(f->labels, 0) == 0 && say(f->talk, scheme) &&
           say(f->talk, "\n(format t \"talkgen: done\\n\")\n(fflush nil)\n") &&
           wait_for_end(f->talk);
}

const char *tg_festival_sound(const tg_festival *f) {
    return f->sound_name;
}

const char *tg_festival_labels(const tg_festival *f) {
    return f->labels_name;
}
