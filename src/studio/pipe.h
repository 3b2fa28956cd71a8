/* Whole blocks through a pipe. */
#ifndef TG_STUDIO_PIPE_H
#define TG_STUDIO_PIPE_H

#include <stdbool.h>
#include <stddef.h>

/* false: the other end is closed, or an error. */
bool tg_pipe_write(int fd, const void *data, size_t bytes);
bool tg_pipe_read(int fd, void *data, size_t bytes);

#endif
