/* The whole of what a pickle may name, and what each name builds. */
#include "io/pickle_call.h"
#include "io/files.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

typedef enum {
    CALL_DICT,
    CALL_DEFAULT_DICT,
    CALL_LIST,
    CALL_VALUE, /* int(x), float(x), bool(x), str(x): x itself */
    CALL_BYTES,
    CALL_ENCODE,
    CALL_TENSOR,
    CALL_TENSOR_V3,
    CALL_PARAMETER,
    CALL_TYPED, /* _rebuild_from_type_v2(function, type, arguments, state) */
    CALL_NAMED, /* torch.device("cpu"): its argument */
    CALL_ARRAY,
    CALL_FROM_BUFFER,
    CALL_SCALAR,
    CALL_DTYPE,
    NO_CALL, /* a class that is only mentioned */
    STORAGE, /* type of a storage, dtype in `detail` */
    DTYPE_IS /* torch.float32 and so on */
} meaning;

struct pk_global {
    const char *module, *name, *full;
    meaning what;
    int dtype; /* -1: none */
    uint8_t size;
};

#define NAME(module, name, what)                                                                   \
    { module, name, module "." name, what, -1, 0 }
#define TYPE(name, what, dtype, size)                                                              \
    { "torch", name, "torch." name, what, dtype, size }

/* numpy._core is numpy.core and __builtin__ is builtins: see tg_pk_find_global. */
static const pk_global globals[] = {
    NAME("collections", "OrderedDict", CALL_DICT),
    NAME("collections", "Counter", CALL_DICT),
    NAME("collections", "defaultdict", CALL_DEFAULT_DICT),
    NAME("builtins", "dict", CALL_DICT),
    NAME("builtins", "list", CALL_LIST),
    NAME("builtins", "tuple", CALL_LIST),
    NAME("builtins", "set", CALL_LIST),
    NAME("builtins", "frozenset", CALL_LIST),
    NAME("builtins", "int", CALL_VALUE),
    NAME("builtins", "long", CALL_VALUE),
    NAME("builtins", "float", CALL_VALUE),
    NAME("builtins", "bool", CALL_VALUE),
    NAME("builtins", "str", CALL_VALUE),
    NAME("builtins", "unicode", CALL_VALUE),
    NAME("builtins", "bytes", CALL_BYTES),
    NAME("builtins", "bytearray", CALL_BYTES),
    NAME("_codecs", "encode", CALL_ENCODE),
    NAME("torch._utils", "_rebuild_tensor", CALL_TENSOR),
    NAME("torch._utils", "_rebuild_tensor_v2", CALL_TENSOR),
    NAME("torch._utils", "_rebuild_tensor_v3", CALL_TENSOR_V3),
    NAME("torch._utils", "_rebuild_parameter", CALL_PARAMETER),
    NAME("torch._utils", "_rebuild_parameter_with_state", CALL_PARAMETER),
    NAME("torch._tensor", "_rebuild_from_type_v2", CALL_TYPED),
    NAME("torch.nn.parameter", "Parameter", CALL_PARAMETER),
    NAME("torch.nn.parameter", "Buffer", CALL_PARAMETER),
    NAME("torch", "Tensor", NO_CALL),
    NAME("torch", "Size", CALL_LIST),
    NAME("torch", "device", CALL_NAMED),
    NAME("torch.storage", "TypedStorage", NO_CALL),
    NAME("numpy.core.multiarray", "_reconstruct", CALL_ARRAY),
    NAME("numpy.core.multiarray", "scalar", CALL_SCALAR),
    NAME("numpy.core.numeric", "_frombuffer", CALL_FROM_BUFFER),
    NAME("numpy", "ndarray", NO_CALL),
    NAME("numpy", "dtype", CALL_DTYPE),
    {"torch.storage", "UntypedStorage", "torch.storage.UntypedStorage", STORAGE, TG_U8, 1},
    TYPE("UntypedStorage", STORAGE, TG_U8, 1),
    TYPE("DoubleStorage", STORAGE, TG_F64, 8),
    TYPE("FloatStorage", STORAGE, TG_F32, 4),
    TYPE("HalfStorage", STORAGE, TG_F16, 2),
    TYPE("BFloat16Storage", STORAGE, TG_BF16, 2),
    TYPE("LongStorage", STORAGE, TG_I64, 8),
    TYPE("IntStorage", STORAGE, TG_I32, 4),
    TYPE("ShortStorage", STORAGE, TG_I16, 2),
    TYPE("CharStorage", STORAGE, TG_I8, 1),
    TYPE("ByteStorage", STORAGE, TG_U8, 1),
    TYPE("BoolStorage", STORAGE, TG_BOOL, 1),
    TYPE("ComplexFloatStorage", STORAGE, -1, 8),
    TYPE("ComplexDoubleStorage", STORAGE, -1, 16),
    TYPE("QInt8Storage", STORAGE, -1, 1),
    TYPE("QUInt8Storage", STORAGE, -1, 1),
    TYPE("QInt32Storage", STORAGE, -1, 4),
    TYPE("float64", DTYPE_IS, TG_F64, 8),
    TYPE("float32", DTYPE_IS, TG_F32, 4),
    TYPE("float16", DTYPE_IS, TG_F16, 2),
    TYPE("bfloat16", DTYPE_IS, TG_BF16, 2),
    TYPE("int64", DTYPE_IS, TG_I64, 8),
    TYPE("int32", DTYPE_IS, TG_I32, 4),
    TYPE("int16", DTYPE_IS, TG_I16, 2),
    TYPE("int8", DTYPE_IS, TG_I8, 1),
    TYPE("uint8", DTYPE_IS, TG_U8, 1),
    TYPE("bool", DTYPE_IS, TG_BOOL, 1),
    TYPE("uint16", DTYPE_IS, -1, 2),
    TYPE("uint32", DTYPE_IS, -1, 4),
    TYPE("uint64", DTYPE_IS, -1, 8),
    TYPE("float8_e4m3fn", DTYPE_IS, -1, 1),
    TYPE("float8_e5m2", DTYPE_IS, -1, 1),
    TYPE("complex64", DTYPE_IS, -1, 8),
    TYPE("complex128", DTYPE_IS, -1, 16),
};

const pk_global *tg_pk_find_global(const char *module, const char *name) {
    char renamed[160];
    if (strcmp(module, "__builtin__") == 0) {
        module = "builtins";
    } else if (strncmp(module, "numpy._core.", 12) == 0) {
        snprintf(renamed, sizeof renamed, "numpy.core.%s", module + 12);
        module = renamed;
    }
    for (size_t i = 0; i < sizeof globals / sizeof globals[0]; i++) {
        if (strcmp(globals[i].module, module) == 0 && strcmp(globals[i].name, name) == 0) {
            return &globals[i];
        }
    }
    return NULL;
}

const char *tg_pk_global_name(const pk_global *global) {
    return global->full;
}

tg_status tg_pk_wrong_arguments(const pk_place *p, const char *name) {
    char what[160];
    snprintf(what, sizeof what, "arguments that %s does not take", name);
    return tg_pk_refuse(p, what, "a pickle that is not damaged");
}

bool tg_pk_is_kind(const pk_list *args, size_t index, pk_kind kind) {
    return index < args->count && args->item[index].kind == kind;
}

/* ---- containers ------------------------------------------------------------------------- */

/* dict(), dict(other), dict([(key, value), ...]). */
static tg_status make_dict(const pk_place *p, const pk_global *g, const pk_list *args, size_t first,
                           pk_value *out) {
    pk_list *dict = tg_pk_list_new(p->pool);
    if (!dict) {
        return tg_pk_no_memory(p);
    }
    *out = (pk_value){.kind = PK_DICT, .as.list = dict};
    if (args->count <= first) {
        return TG_OK;
    }
    if (args->count > first + 1) {
        return tg_pk_wrong_arguments(p, g->full);
    }
    const pk_value *from = &args->item[first];
    if (from->kind == PK_DICT) {
        return tg_pk_list_add(p->pool, dict, from->as.list->item, from->as.list->count)
                   ? TG_OK
                   : tg_pk_no_memory(p);
    }
    if (from->kind != PK_LIST) {
        return tg_pk_wrong_arguments(p, g->full);
    }
    for (size_t i = 0; i < from->as.list->count; i++) {
        const pk_value *pair = &from->as.list->item[i];
        bool bad = pair->kind != PK_LIST || pair->as.list->count != 2;
        if (bad || !tg_pk_dict_add(p->pool, dict, &pair->as.list->item[0], &pair->as.list->item[1],
                                   &bad)) {
            return bad ? tg_pk_wrong_arguments(p, g->full) : tg_pk_no_memory(p);
        }
    }
    return TG_OK;
}

/* list(), list(other): a copy, since the argument may be shared. */
static tg_status make_list(const pk_place *p, const pk_global *g, const pk_list *args,
                           pk_value *out) {
    pk_list *list = tg_pk_list_new(p->pool);
    if (!list) {
        return tg_pk_no_memory(p);
    }
    *out = (pk_value){.kind = PK_LIST, .as.list = list};
    if (args->count == 0) {
        return TG_OK;
    }
    if (args->count != 1 || !tg_pk_is_kind(args, 0, PK_LIST)) {
        return tg_pk_wrong_arguments(p, g->full);
    }
    const pk_list *from = args->item[0].as.list;
    return tg_pk_list_add(p->pool, list, from->item, from->count) ? TG_OK : tg_pk_no_memory(p);
}

/* Protocol 2 has no bytes: NumPy's data is a text of characters below 256, in UTF-8. */
static tg_status encode_latin1(const pk_place *p, const pk_global *g, const pk_list *args,
                               pk_value *out) {
    if (args->count != 2 || !tg_pk_is_kind(args, 0, PK_STRING) ||
        !tg_pk_is_kind(args, 1, PK_STRING) ||
        (strcmp(args->item[1].as.text->data, "latin1") != 0 &&
         strcmp(args->item[1].as.text->data, "latin-1") != 0)) {
        return tg_pk_wrong_arguments(p, g->full);
    }
    const pk_text *from = args->item[0].as.text;
    pk_text *text = tg_pk_text_new(p->pool, NULL, from->bytes);
    if (!text) {
        return tg_pk_no_memory(p);
    }
    const uint8_t *s = (const uint8_t *)from->data;
    uint8_t *to = (uint8_t *)(text + 1);
    size_t n = 0;
    for (size_t i = 0; i < from->bytes; i++) {
        uint8_t c = s[i];
        if (c >= 0x80) {
            if ((c != 0xc2 && c != 0xc3) || i + 1 >= from->bytes || (s[i + 1] & 0xc0) != 0x80) {
                return tg_pk_wrong_arguments(p, g->full);
            }
            c = (uint8_t)(c << 6 | (s[++i] & 0x3f));
        }
        to[n++] = c;
    }
    text->bytes = n;
    *out = (pk_value){.kind = PK_BYTES, .as.text = text};
    return TG_OK;
}

static tg_status make_bytes(const pk_place *p, const pk_global *g, const pk_list *args,
                            pk_value *out) {
    if (args->count == 2) {
        return encode_latin1(p, g, args, out);
    }
    if (args->count == 1 && tg_pk_is_kind(args, 0, PK_BYTES)) {
        *out = args->item[0];
        return TG_OK;
    }
    pk_text *text = args->count == 0 ? tg_pk_text_new(p->pool, "", 0) : NULL;
    if (!text) {
        return args->count ? tg_pk_wrong_arguments(p, g->full) : tg_pk_no_memory(p);
    }
    *out = (pk_value){.kind = PK_BYTES, .as.text = text};
    return TG_OK;
}

static tg_status same_value(const pk_place *p, const pk_global *g, const pk_list *args,
                            pk_value *out) {
    if (args->count == 0) {
        *out = (pk_value){.kind = PK_INT};
        return TG_OK;
    }
    pk_kind kind = args->item[0].kind;
    if (args->count != 1 ||
        (kind != PK_BOOL && kind != PK_INT && kind != PK_FLOAT && kind != PK_STRING)) {
        return tg_pk_wrong_arguments(p, g->full);
    }
    *out = args->item[0];
    return TG_OK;
}

/* ---- tensors ------------------------------------------------------------------------------ */

tg_status tg_pk_other_value(const pk_place *p, const char *name, pk_value *out) {
    const pk_text *text = tg_pk_text_new(p->pool, name, strlen(name));
    *out = (pk_value){.kind = PK_OTHER, .as.text = text};
    return text ? TG_OK : tg_pk_no_memory(p);
}

pk_tensor *tg_pk_new_tensor(pk_pool *pool) {
    pk_tensor *t = tg_pk_alloc(pool, sizeof *t);
    if (t) {
        t->next = pool->tensors;
        pool->tensors = t;
    }
    return t;
}

tg_status tg_pk_persistent(const pk_place *p, const pk_value *id, pk_value *out) {
    static const char name[] = "a persistent id";
    if (id->kind != PK_LIST) {
        return tg_pk_wrong_arguments(p, name);
    }
    const pk_list *args = id->as.list;
    if ((args->count != 5 && args->count != 6) || !tg_pk_is_kind(args, 0, PK_STRING) ||
        strcmp(args->item[0].as.text->data, "storage") != 0 || !tg_pk_is_kind(args, 1, PK_GLOBAL) ||
        args->item[1].as.global->what != STORAGE || !tg_pk_is_kind(args, 2, PK_STRING) ||
        !tg_pk_is_kind(args, 4, PK_INT) || args->item[4].as.i < 0 ||
        (args->count == 6 && !tg_pk_is_kind(args, 5, PK_NONE))) {
        return tg_pk_wrong_arguments(p, name);
    }
    const pk_global *type = args->item[1].as.global;
    const pk_text *key = args->item[2].as.text;
    int64_t count = args->item[4].as.i;
    pk_storage **slot =
        &p->pool->slot[tg_hash_bytes(key->data, key->bytes, 0) % (uint64_t)PK_SLOTS];
    pk_storage *s = *slot;
    int before = 0;
    while (s && strcmp(s->key->data, key->data) != 0) {
        s = s->same_slot;
        before++;
    }
    if (before > 64) { /* also bounds the time of a file whose keys all meet in one slot */
        return tg_pk_refuse(p, "hundreds of thousands of storages",
                            "as many as a network has tensors");
    }
    if (s && (s->size != type->size || s->dtype != type->dtype || s->count != count)) {
        return tg_pk_refuse(p, "one storage with two types or sizes", "one type for each storage");
    }
    if (!s) {
        size_t bytes;
        if ((uint64_t)count > SIZE_MAX || !tg_mul_size((size_t)count, type->size, &bytes) ||
            strlen(key->data) != key->bytes) {
            return tg_pk_wrong_arguments(p, name);
        }
        s = tg_pk_alloc(p->pool, sizeof *s);
        if (!s) {
            return tg_pk_no_memory(p);
        }
        s->key = key;
        s->name = type->name;
        s->dtype = type->dtype;
        s->size = type->size;
        s->count = count;
        s->same_slot = *slot;
        *slot = s;
        *p->pool->last_storage = s;
        p->pool->last_storage = &s->next;
    }
    *out = (pk_value){.kind = PK_STORAGE, .as.storage = s};
    return TG_OK;
}

/* Up to 8 numbers >= 0; false for anything else. */
bool tg_pk_take_sizes(const pk_value *v, int *n, int64_t *out) {
    if (v->kind != PK_LIST || v->as.list->count > 8) {
        return false;
    }
    *n = (int)v->as.list->count;
    for (int i = 0; i < *n; i++) {
        const pk_value *size = &v->as.list->item[i];
        if (size->kind != PK_INT || size->as.i < 0) {
            return false;
        }
        out[i] = size->as.i;
    }
    return true;
}

/* Product of the sizes; NULL or what is wrong. */
const char *tg_pk_count_elements(tg_torch_tensor *t) {
    size_t count = 1;
    bool empty = false;
    for (int i = 0; i < t->ndim; i++) {
        empty |= t->dim[i] == 0;
    }
    for (int i = 0; i < t->ndim && !empty; i++) {
        if (!tg_mul_size(count, (size_t)t->dim[i], &count) || count > INT64_MAX / 16) {
            return "a shape whose product does not fit memory";
        }
    }
    t->count = empty ? 0 : (int64_t)count;
    return NULL;
}

/* Whether the view stays inside its storage. */
static const char *check_extent(const pk_tensor *t) {
    const tg_torch_tensor *v = &t->view;
    uint64_t last = (uint64_t)t->offset, room = (uint64_t)t->storage->count;
    if (v->count == 0) {
        return NULL;
    }
    for (int i = 0; i < v->ndim; i++) {
        size_t reach;
        if (!tg_mul_size((size_t)v->dim[i] - 1, (size_t)v->stride[i], &reach) ||
            reach >= INT64_MAX - last) {
            return "a tensor that leaves its storage";
        }
        last += reach;
    }
    if (last >= room) {
        return "a tensor that leaves its storage";
    }
    /* Expanded dimensions can announce any number of elements. */
    return v->count > t->storage->count && v->count > (1 << 24)
               ? "an expanded tensor of more than 16 million elements"
               : NULL;
}

/* (storage, offset, size, stride, ...); v3 has a dtype at index 6. */
static tg_status make_tensor(const pk_place *p, const pk_global *g, const pk_list *args,
                             pk_value *out) {
    const bool v3 = g->what == CALL_TENSOR_V3;
    if (args->count < (v3 ? 7u : 4u) || !tg_pk_is_kind(args, 0, PK_STORAGE) ||
        !tg_pk_is_kind(args, 1, PK_INT) || args->item[1].as.i < 0 ||
        (v3 && (!tg_pk_is_kind(args, 6, PK_GLOBAL) || args->item[6].as.global->what != DTYPE_IS))) {
        return tg_pk_wrong_arguments(p, g->full);
    }
    if (v3) { /* written only for dtypes that no storage type of old has */
        return tg_pk_other_value(p, args->item[6].as.global->full, out);
    }
    pk_tensor *t = tg_pk_new_tensor(p->pool);
    if (!t) {
        return tg_pk_no_memory(p);
    }
    int strides;
    if (!tg_pk_take_sizes(&args->item[2], &t->view.ndim, t->view.dim) ||
        !tg_pk_take_sizes(&args->item[3], &strides, t->view.stride) || strides != t->view.ndim) {
        t->view.ndim = 0;
        return tg_pk_wrong_arguments(p, g->full);
    }
    t->storage = args->item[0].as.storage;
    t->offset = args->item[1].as.i;
    t->built = true;
    const char *wrong = tg_pk_count_elements(&t->view);
    wrong = wrong ? wrong : check_extent(t);
    if (wrong) {
        t->storage = NULL;
        return tg_pk_refuse(p, wrong, "sizes and strides of this storage");
    }
    if (t->storage->dtype < 0) {
        return tg_pk_other_value(p, t->storage->name, out);
    }
    t->view.dtype = (tg_dtype)t->storage->dtype;
    *out = (pk_value){.kind = PK_TENSOR, .as.tensor = t};
    return TG_OK;
}

/* (tensor, requires_grad, hooks, ...): the tensor. */
static tg_status first_argument(const pk_place *p, const pk_global *g, const pk_list *args,
                                pk_value *out) {
    if (!tg_pk_is_kind(args, 0, PK_TENSOR) && !tg_pk_is_kind(args, 0, PK_OTHER)) {
        return tg_pk_wrong_arguments(p, g->full);
    }
    *out = args->item[0];
    return TG_OK;
}

static tg_status make_typed(const pk_place *p, const pk_global *g, const pk_list *args,
                            pk_value *out) {
    if (args->count != 4 || !tg_pk_is_kind(args, 0, PK_GLOBAL) ||
        !tg_pk_is_kind(args, 2, PK_LIST) || args->item[0].as.global->what == CALL_TYPED) {
        return tg_pk_wrong_arguments(p, g->full);
    }
    return tg_pk_call(p, args->item[0].as.global, args->item[2].as.list, out);
}

static tg_status make_named(const pk_place *p, const pk_global *g, const pk_list *args,
                            pk_value *out) {
    if (args->count < 1 || args->count > 2 || !tg_pk_is_kind(args, 0, PK_STRING)) {
        return tg_pk_wrong_arguments(p, g->full);
    }
    *out = args->item[0];
    return TG_OK;
}

/* ---- entry points
 * -------------------------------------------------------------------------------- */

tg_status tg_pk_call(const pk_place *p, const pk_global *g, const pk_list *args, pk_value *out) {
    switch (g->what) {
    case CALL_DICT:
        return make_dict(p, g, args, 0, out);
    case CALL_DEFAULT_DICT: /* the first argument makes missing values */
        return make_dict(p, g, args, 1, out);
    case CALL_LIST:
        return make_list(p, g, args, out);
    case CALL_VALUE:
        return same_value(p, g, args, out);
    case CALL_BYTES:
        return make_bytes(p, g, args, out);
    case CALL_ENCODE:
        return encode_latin1(p, g, args, out);
    case CALL_TENSOR:
    case CALL_TENSOR_V3:
        return make_tensor(p, g, args, out);
    case CALL_PARAMETER:
        return first_argument(p, g, args, out);
    case CALL_TYPED:
        return make_typed(p, g, args, out);
    case CALL_NAMED:
        return make_named(p, g, args, out);
    case CALL_ARRAY:
        return tg_pk_make_array(p, g, args, out);
    case CALL_FROM_BUFFER:
        return tg_pk_from_buffer(p, g, args, out);
    case CALL_SCALAR:
        return tg_pk_make_scalar(p, g, args, out);
    case CALL_DTYPE:
        return tg_pk_make_dtype(p, g, args, out);
    case NO_CALL:
    case STORAGE:
    case DTYPE_IS:
        break;
    }
    char what[160];
    snprintf(what, sizeof what, "a call of %s, which is refused", g->full);
    return tg_pk_refuse(p, what, "a name that is only mentioned");
}

tg_status tg_pk_build(const pk_place *p, pk_value *object, const pk_value *state) {
    if (object->kind == PK_TENSOR && state->kind == PK_LIST && !object->as.tensor->built) {
        return tg_pk_build_array(p, object->as.tensor, state->as.list);
    }
    if (object->kind == PK_DTYPE && state->kind == PK_LIST) {
        return tg_pk_build_dtype(p, object->as.dtype, state->as.list);
    }
    /* Attributes of a dict (a state_dict's _metadata) or of a tensor: not needed. */
    bool attributes = state->kind == PK_DICT || state->kind == PK_NONE || state->kind == PK_LIST;
    bool plain = object->kind == PK_DICT || object->kind == PK_OTHER ||
                 (object->kind == PK_TENSOR && object->as.tensor->built);
    return attributes && plain ? TG_OK
                               : tg_pk_refuse(p, "a state for an object that has none",
                                              "tensors, arrays and plain Python values");
}
