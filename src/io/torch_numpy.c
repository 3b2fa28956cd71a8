/* .npy as a tree: an array that stays in the file, or a pickled array of objects such as the
 * trainval_dataset.npy of GeneFace. */
#include "io/npy.h"
#include "io/torch.h"

#include <stdio.h>
#include <string.h>

tg_status tg_torch_read_npy(tg_context *ctx, pk_pool *pool, const char *path, const uint8_t *data,
                            size_t bytes, size_t at, pk_value *out) {
    const tg_map map = {data, bytes};
    tg_npy_header h = {0};
    size_t used;
    tg_status status = tg_npy_parse_header(ctx, path, &map, &h);
    if (status != TG_OK) {
        return status;
    }
    if (h.kind == 'O') { /* the pickle holds the array itself, with its shape */
        return tg_pk_run(ctx, pool, path, data + h.data_at, bytes - h.data_at, at + h.data_at, out,
                         &used);
    }
    pk_place place = {ctx, pool, path, at, 0, "none"};
    pk_tensor *t = tg_pk_alloc(pool, sizeof *t);
    pk_text *name = tg_pk_text_new(pool, (char[]){h.kind, (char)('0' + h.size)}, 2);
    if (!t || !name) {
        return tg_pk_no_memory(&place);
    }
    pk_dtype dtype = {h.kind, h.size, false, name->data};
    *out = (pk_value){.kind = PK_TENSOR, .as.tensor = t};
    return tg_pk_array(&place, &dtype, h.fortran, h.ndim, h.dim, data + h.data_at,
                       bytes - h.data_at, t);
}
