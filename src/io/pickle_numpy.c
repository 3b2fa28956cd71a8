/* What NumPy's names in a pickle build: dtypes, arrays, scalars. */
#include "io/pickle_call.h"
#include "io/files.h"

#include <stdio.h>
#include <string.h>

/* f4 and the like. Names that are not numbers stay as names. */
tg_status tg_pk_make_dtype(const pk_place *p, const pk_global *g, const pk_list *args,
                           pk_value *out) {
    pk_dtype *d = tg_pk_alloc(p->pool, sizeof *d);
    if (!d) {
        return tg_pk_no_memory(p);
    }
    if (args->count < 1 ||
        (!tg_pk_is_kind(args, 0, PK_STRING) && !tg_pk_is_kind(args, 0, PK_BYTES))) {
        return tg_pk_wrong_arguments(p, tg_pk_global_name(g));
    }
    const pk_text *name =
        tg_pk_text_new(p->pool, args->item[0].as.text->data, args->item[0].as.text->bytes);
    if (!name) {
        return tg_pk_no_memory(p);
    }
    const char *s = name->data;
    d->name = s;
    d->big_endian = *s == '>';
    s += *s == '<' || *s == '>' || *s == '|' || *s == '=';
    if (s[0] && strchr("fiub", s[0]) && strchr("1248", s[1]) && s[1] && !s[2]) {
        d->kind = s[0];
        d->size = (size_t)(s[1] - '0');
    } else if (s[0] == 'O') {
        d->kind = 'O';
    }
    *out = (pk_value){.kind = PK_DTYPE, .as.dtype = d};
    return TG_OK;
}

/* -1: no tg_dtype. */
static int dtype_of(const pk_dtype *d) {
    static const struct {
        char kind;
        uint8_t size;
        tg_dtype dtype;
    } known[] = {
        {'f', 8, TG_F64}, {'f', 4, TG_F32}, {'f', 2, TG_F16}, {'i', 8, TG_I64},  {'i', 4, TG_I32},
        {'i', 2, TG_I16}, {'i', 1, TG_I8},  {'u', 1, TG_U8},  {'b', 1, TG_BOOL},
    };
    for (size_t i = 0; i < sizeof known / sizeof known[0]; i++) {
        if (d->kind == known[i].kind && d->size == known[i].size &&
            (!d->big_endian || d->size == 1)) {
            return (int)known[i].dtype;
        }
    }
    return -1;
}

tg_status tg_pk_array(const pk_place *p, const pk_dtype *dtype, bool fortran, int ndim,
                      const int64_t *dim, const uint8_t *data, size_t bytes, pk_tensor *t) {
    t->view.ndim = ndim;
    memmove(t->view.dim, dim, (size_t)ndim * sizeof *dim);
    const char *wrong = tg_pk_count_elements(&t->view);
    if (wrong) {
        return tg_pk_refuse(p, wrong, "the shape of an array");
    }
    t->built = true;
    int known = dtype_of(dtype);
    if (known < 0) {
        t->other = dtype->name;
        return TG_OK;
    }
    size_t needed;
    if (!tg_mul_size((size_t)t->view.count, dtype->size, &needed) || needed != bytes) {
        return tg_pk_refuse(p, "an array whose data does not fit its shape",
                            "elements * size bytes");
    }
    t->view.dtype = (tg_dtype)known;
    t->view.data = data;
    int64_t stride = 1;
    for (int i = 0; i < ndim; i++) {
        int d = fortran ? i : ndim - 1 - i;
        t->view.stride[d] = stride;
        stride *= t->view.dim[d] > 0 ? t->view.dim[d] : 1;
    }
    return TG_OK;
}

tg_status tg_pk_make_array(const pk_place *p, const pk_global *g, const pk_list *args,
                           pk_value *out) {
    if (args->count != 3 || !tg_pk_is_kind(args, 0, PK_GLOBAL)) {
        return tg_pk_wrong_arguments(p, tg_pk_global_name(g));
    }
    pk_tensor *t = tg_pk_new_tensor(p->pool);
    *out = (pk_value){.kind = PK_TENSOR, .as.tensor = t};
    return t ? TG_OK : tg_pk_no_memory(p);
}

static bool is_text(const pk_value *v) {
    return v->kind == PK_BYTES || v->kind == PK_STRING;
}

tg_status tg_pk_build_array(const pk_place *p, pk_tensor *t, const pk_list *state) {
    static const char name[] = "numpy.ndarray";
    int ndim;
    int64_t dim[8];
    if (state->count != 5 && state->count != 4) {
        return tg_pk_wrong_arguments(p, name);
    }
    const pk_value *v = state->item + (state->count == 5);
    if (!tg_pk_take_sizes(&v[0], &ndim, dim) || v[1].kind != PK_DTYPE ||
        (v[2].kind != PK_BOOL && v[2].kind != PK_INT)) {
        return tg_pk_wrong_arguments(p, name);
    }
    const pk_dtype *dtype = v[1].as.dtype;
    bool fortran = v[2].kind == PK_BOOL ? v[2].as.b : v[2].as.i != 0;
    if (dtype->kind != 'O') {
        if (!is_text(&v[3])) {
            return tg_pk_wrong_arguments(p, name);
        }
        return tg_pk_array(p, dtype, fortran, ndim, dim, (const uint8_t *)v[3].as.text->data,
                           v[3].as.text->bytes, t);
    }
    t->view.ndim = ndim;
    memcpy(t->view.dim, dim, sizeof dim);
    const char *wrong = tg_pk_count_elements(&t->view);
    if (wrong || v[3].kind != PK_LIST || v[3].as.list->count != (size_t)t->view.count) {
        return tg_pk_wrong_arguments(p, name);
    }
    t->objects = v[3].as.list;
    t->built = true;
    return TG_OK;
}

tg_status tg_pk_from_buffer(const pk_place *p, const pk_global *g, const pk_list *args,
                            pk_value *out) {
    int ndim;
    int64_t dim[8];
    if (args->count != 4 || !tg_pk_is_kind(args, 0, PK_BYTES) ||
        !tg_pk_is_kind(args, 1, PK_DTYPE) || !tg_pk_take_sizes(&args->item[2], &ndim, dim) ||
        !tg_pk_is_kind(args, 3, PK_STRING)) {
        return tg_pk_wrong_arguments(p, tg_pk_global_name(g));
    }
    pk_tensor *t = tg_pk_new_tensor(p->pool);
    if (!t) {
        return tg_pk_no_memory(p);
    }
    *out = (pk_value){.kind = PK_TENSOR, .as.tensor = t};
    return tg_pk_array(p, args->item[1].as.dtype, args->item[3].as.text->data[0] == 'F', ndim, dim,
                       (const uint8_t *)args->item[0].as.text->data, args->item[0].as.text->bytes,
                       t);
}

tg_status tg_pk_make_scalar(const pk_place *p, const pk_global *g, const pk_list *args,
                            pk_value *out) {
    if (args->count != 2 || !tg_pk_is_kind(args, 0, PK_DTYPE) || !is_text(&args->item[1])) {
        return tg_pk_wrong_arguments(p, tg_pk_global_name(g));
    }
    const pk_dtype *d = args->item[0].as.dtype;
    const pk_text *text = args->item[1].as.text;
    int known = dtype_of(d);
    if (known < 0) {
        return tg_pk_other_value(p, d->name, out);
    }
    if (text->bytes != d->size) {
        return tg_pk_wrong_arguments(p, tg_pk_global_name(g));
    }
    uint64_t bits = 0;
    for (size_t i = d->size; i-- > 0;) {
        bits = bits << 8 | (uint8_t)text->data[i];
    }
    if (d->kind == 'f') {
        *out = (pk_value){.kind = PK_FLOAT};
        float single;
        uint32_t low = (uint32_t)bits;
        memcpy(&single, &low, sizeof single);
        memcpy(&out->as.f, &bits, sizeof bits);
        out->as.f = d->size == 2   ? (double)tg_f16_to_f32((uint16_t)bits)
                    : d->size == 4 ? (double)single
                                   : out->as.f;
    } else if (d->kind == 'b') {
        *out = (pk_value){.kind = PK_BOOL, .as.b = bits != 0};
    } else {
        int64_t value = d->size == 8     ? (int64_t)bits
                        : d->size == 4   ? (int32_t)bits
                        : d->size == 2   ? (int16_t)bits
                        : d->kind == 'i' ? (int8_t)bits
                                         : (int64_t)bits;
        *out = (pk_value){.kind = PK_INT, .as.i = value};
    }
    return TG_OK;
}

tg_status tg_pk_build_dtype(const pk_place *p, pk_dtype *dtype, const pk_list *state) {
    if (state->count < 2 || !is_text(&state->item[1])) {
        return tg_pk_wrong_arguments(p, "numpy.dtype");
    }
    const pk_text *order = state->item[1].as.text;
    dtype->big_endian = order->bytes == 1 && order->data[0] == '>';
    return TG_OK;
}
