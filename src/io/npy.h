/* Inside io: the header of .npy, for arrays that stay where they are. */
#ifndef TALKGEN_IO_NPY_H
#define TALKGEN_IO_NPY_H

#include "io/files.h"

typedef struct {
    char kind; /* f float, i signed, u unsigned, b bool, O pickled objects */
    size_t size;
    bool fortran;
    int ndim;
    int64_t dim[8];
    size_t elements;
    size_t data_at; /* byte where the data starts; it fills the rest of the file exactly unless O */
} tg_npy_header;

/* TG_EINPUT naming `path` and the byte when the header or the length of the data is wrong. */
tg_status tg_npy_parse_header(tg_context *ctx, const char *path, const tg_map *map,
                              tg_npy_header *h);

#endif
