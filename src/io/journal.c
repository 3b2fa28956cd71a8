/* Journals: whole lines only, whatever happens to the disk or to the process. */
#include "talkgen/io.h"
#include "io/files.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

struct tg_journal {
    int fd;
    bool regular;  /* what was written can be taken back */
    bool torn;     /* its last line has no end */
    int error;     /* of the first line that is lost */
    int64_t bytes; /* that the journal had then; -1: it is no file */
    char path[PATH_MAX];
};

/* Whether something is in the file and its last byte ends no line. */
static bool is_torn(const char *path, const struct stat *st) {
    char last = '\n';
    int fd = st->st_size > 0 ? open(path, O_RDONLY | O_CLOEXEC) : -1;
    if (fd >= 0) {
        (void)!pread(fd, &last, 1, st->st_size - 1);
        close(fd);
    }
    return last != '\n';
}

tg_status tg_journal_open(tg_context *ctx, const char *path, tg_journal **out) {
    *out = NULL;
    tg_journal *journal = tg_calloc(sizeof *journal);
    if (!journal) {
        return tg_fail(ctx, TG_ENOMEM, "%s: out of memory for a journal", path);
    }
    const bool to_stdout = strcmp(path, "-") == 0;
    snprintf(journal->path, sizeof journal->path, "%s", to_stdout ? "standard output" : path);
    journal->fd = to_stdout ? fcntl(STDOUT_FILENO, F_DUPFD_CLOEXEC, 3)
                            : open(path, O_WRONLY | O_APPEND | O_CREAT | O_CLOEXEC, 0666);
    struct stat st;
    if (journal->fd < 0 || fstat(journal->fd, &st) != 0) {
        tg_status status = tg_write_failed(ctx, journal->path, errno);
        if (journal->fd >= 0) {
            close(journal->fd);
        }
        tg_free(journal);
        return status;
    }
    journal->regular = S_ISREG(st.st_mode);
    journal->torn = journal->regular && !to_stdout && is_torn(path, &st);
    *out = journal;
    return TG_OK;
}

/* Takes back the last `bytes`, which are part of a line. Not when another process has appended
 * behind them. */
static bool take_back(const tg_journal *journal, size_t bytes) {
    struct stat st;
    off_t end = journal->regular ? lseek(journal->fd, 0, SEEK_CUR) : -1;
    return end >= 0 && fstat(journal->fd, &st) == 0 && st.st_size == end &&
           ftruncate(journal->fd, end - (off_t)bytes) == 0 &&
           lseek(journal->fd, end - (off_t)bytes, SEEK_SET) >= 0;
}

static void append(tg_journal *journal, const char *text, size_t bytes) {
    size_t done = 0;
    int error = 0;
    while (done < bytes && !error) {
        ssize_t n = write(journal->fd, text + done, bytes - done);
        if (n > 0) {
            done += (size_t)n;
        } else if (n == 0 || errno != EINTR) {
            error = n == 0 ? ENOSPC : errno;
        }
    }
    struct stat st;
    if (error && !journal->error) {
        journal->error = error;
        journal->bytes = journal->regular && fstat(journal->fd, &st) == 0 ? st.st_size : -1;
    }
    if (!error) {
        journal->torn = false;
    } else if (done > 0 && !take_back(journal, done)) {
        journal->torn = true;
    }
}

void tg_journal_line(tg_journal *journal, const char *line) {
    size_t n = strlen(line);
    char *text = tg_alloc(n + 2);
    if (!text) {
        journal->error = journal->error ? journal->error : ENOMEM;
        return;
    }
    text[0] = '\n'; /* ends half a line */
    memcpy(text + 1, line, n);
    text[n + 1] = '\n';
    append(journal, text + !journal->torn, n + 1 + journal->torn);
    tg_free(text);
}

tg_status tg_journal_close(tg_context *ctx, tg_journal **journal) {
    if (!journal || !*journal) {
        return TG_OK;
    }
    tg_journal *l = *journal;
    if (close(l->fd) != 0 && !l->error) {
        l->error = errno;
        l->bytes = -1;
    }
    tg_status status = TG_OK;
    if (l->error == ENOMEM) {
        status = tg_fail(ctx, TG_ENOMEM, "%s: out of memory for a line", l->path);
    } else if (l->error) {
        status = tg_write_failed_at(ctx, l->path, l->error, l->bytes, 0);
    }
    tg_free(l);
    *journal = NULL;
    return status;
}
