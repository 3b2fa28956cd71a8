#include "studio/sparse.h"

tg_status tg_sparse_create(tg_context *ctx, int rows, int entries, tg_sparse *out) {
    out->rows = rows;
    out->start = tg_calloc(((size_t)rows + 1) * sizeof *out->start);
    out->column = tg_alloc((size_t)entries * sizeof *out->column);
    out->weight = tg_alloc((size_t)entries * sizeof *out->weight);
    if (!out->start || !out->column || !out->weight) {
        tg_sparse_free(out);
        return tg_fail(ctx, TG_ENOMEM, "sparse matrix: out of memory for %d entries", entries);
    }
    return TG_OK;
}

void tg_sparse_free(tg_sparse *m) {
    tg_free(m->start);
    tg_free(m->column);
    tg_free(m->weight);
    memset(m, 0, sizeof *m);
}

void tg_sparse_apply(const tg_sparse *m, const tg_v4 *in, tg_v4 *out, int64_t begin, int64_t end) {
    for (int64_t i = begin; i < end; i++) {
        tg_v4 sum = tg_v4_splat(0.0f);
        for (int32_t j = m->start[i]; j < m->start[i + 1]; j++) {
            sum += tg_v4_splat(m->weight[j]) * in[m->column[j]];
        }
        out[i] = sum;
    }
}

void tg_sparse_apply_rows(const tg_sparse *m, const float *in, float *out, int width) {
    for (int i = 0; i < m->rows; i++) {
        float *to = out + (size_t)i * (size_t)width;
        memset(to, 0, (size_t)width * sizeof *to);
        for (int32_t j = m->start[i]; j < m->start[i + 1]; j++) {
            const float *from = in + (size_t)m->column[j] * (size_t)width;
            for (int k = 0; k < width; k++) {
                to[k] += m->weight[j] * from[k];
            }
        }
    }
}
