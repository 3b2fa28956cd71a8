/* Inside io: an opened PyTorch or NumPy file, and one reader for each container. */
#ifndef TALKGEN_IO_TORCH_H
#define TALKGEN_IO_TORCH_H

#include "io/files.h"
#include "io/pickle.h"

struct tg_torch {
    char *path;
    const char *container;
    tg_map map;
    pk_pool pool;
    pk_value root;
};

/* Each sets file->root, file->container and the data of every storage. */
tg_status tg_torch_read_zip(tg_context *ctx, tg_torch *file);
tg_status tg_torch_read_legacy(tg_context *ctx, tg_torch *file);
/* One .npy of `bytes` at `data`, alone or a member of an archive; *at is its place in the file. */
tg_status tg_torch_read_npy(tg_context *ctx, pk_pool *pool, const char *path, const uint8_t *data,
                            size_t bytes, size_t at, pk_value *out);

#endif
