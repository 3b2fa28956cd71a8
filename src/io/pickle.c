/* The stack machine. */
#include "io/pickle.h"
#include "io/files.h"
#include "io/pickle_opcodes.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

typedef struct {
    pk_place place;
    const uint8_t *data;
    size_t bytes, at;
    pk_value *stack;
    size_t depth, stack_room;
    pk_value *memo; /* kind PK_MARK where nothing was stored */
    size_t memo_room, memo_count;
} machine;

/* ---- failing --------------------------------------------------------------------------- */

tg_status tg_pk_refuse(const pk_place *p, const char *what, const char *expected) {
    return tg_fail(p->ctx, TG_EMODEL,
                   "%s: %s (opcode %s at byte %zu)\n  expected: %s\n"
                   "  try: a file written by torch.save of a state_dict, or by numpy.save",
                   p->path, what, p->opcode, p->base + p->at, expected);
}

tg_status tg_pk_no_memory(const pk_place *p) {
    return tg_fail(p->ctx, TG_ENOMEM,
                   "%s: its values need far more memory than the file has bytes, or there is none "
                   "left (opcode %s at byte %zu)\n  expected: tensors and a tree that names them\n"
                   "  try: torch.save of the state_dict alone",
                   p->path, p->opcode, p->base + p->at);
}

static tg_status truncated(const machine *m) {
    return tg_fail(m->place.ctx, TG_EMODEL,
                   "%s: the pickle ends within opcode %s at byte %zu\n"
                   "  expected: a whole pickle\n  try: copy or download the file again",
                   m->place.path, m->place.opcode, m->place.base + m->place.at);
}

static tg_status wrong_stack(const machine *m) {
    return tg_pk_refuse(&m->place, "the stack does not hold what the opcode needs",
                        "a pickle that is not damaged");
}

/* ---- bytes, stack, memo ------------------------------------------------------------------ */

static bool take(machine *m, size_t n, const uint8_t **p) {
    if (n > m->bytes - m->at) {
        return false;
    }
    *p = m->data + m->at;
    m->at += n;
    return true;
}

/* A little-endian number of `width` bytes. */
static bool take_size(machine *m, int width, uint64_t *out) {
    const uint8_t *p;
    if (!take(m, (size_t)width, &p)) {
        return false;
    }
    *out = 0;
    for (int i = 0; i < width; i++) {
        *out |= (uint64_t)p[i] << (8 * i);
    }
    return true;
}

/* Room for one more value; the cleared tail of a memo reads as "nothing stored". */
static bool grow(pk_pool *pool, pk_value **values, size_t *room, size_t needed, pk_kind fill) {
    if (needed <= *room) {
        return true;
    }
    size_t larger = *room * 2 > needed ? *room * 2 : needed < 64 ? 64 : needed;
    size_t bytes;
    if (!tg_mul_size(larger, sizeof **values, &bytes) ||
        !tg_pk_charge(pool, bytes - *room * sizeof **values)) {
        return false;
    }
    pk_value *moved = realloc(*values, bytes);
    if (!moved) {
        return false;
    }
    for (size_t i = *room; i < larger; i++) {
        moved[i] = (pk_value){.kind = fill};
    }
    *values = moved;
    *room = larger;
    return true;
}

static tg_status push(machine *m, pk_value v) {
    if (!grow(m->place.pool, &m->stack, &m->stack_room, m->depth + 1, PK_NONE)) {
        return tg_pk_no_memory(&m->place);
    }
    m->stack[m->depth++] = v;
    return TG_OK;
}

/* The topmost n values, none of them a mark; NULL when there are fewer. */
static pk_value *top(const machine *m, size_t n) {
    if (m->depth < n) {
        return NULL;
    }
    pk_value *first = m->stack + m->depth - n;
    for (size_t i = 0; i < n; i++) {
        if (first[i].kind == PK_MARK) {
            return NULL;
        }
    }
    return first;
}

/* Values above the topmost mark, which is removed with them by the caller (to *mark). */
static bool above_mark(const machine *m, size_t *mark) {
    for (size_t i = m->depth; i-- > 0;) {
        if (m->stack[i].kind == PK_MARK) {
            *mark = i;
            return true;
        }
    }
    return false;
}

static tg_status put(machine *m, uint64_t index) {
    const pk_value *v = top(m, 1);
    if (!v) {
        return wrong_stack(m);
    }
    /* Every stored value took at least one byte of the pickle. */
    if (index >= m->bytes) {
        return tg_pk_refuse(&m->place, "a memo index larger than the pickle", "indices from 0 on");
    }
    if (!grow(m->place.pool, &m->memo, &m->memo_room, (size_t)index + 1, PK_MARK)) {
        return tg_pk_no_memory(&m->place);
    }
    m->memo_count += m->memo[index].kind == PK_MARK;
    m->memo[index] = *v;
    return TG_OK;
}

static tg_status get(machine *m, uint64_t index) {
    if (index >= m->memo_room || m->memo[index].kind == PK_MARK) {
        return tg_pk_refuse(&m->place, "a memo entry that was never stored",
                            "a pickle that is not damaged");
    }
    return push(m, m->memo[index]);
}

/* ---- values -------------------------------------------------------------------------------- */

/* Text after a length of `width` bytes. Bytes stay where they are. */
static tg_status push_text(machine *m, int width, pk_kind kind) {
    uint64_t length;
    const uint8_t *p;
    if (!take_size(m, width, &length) || length > SIZE_MAX / 2 || !take(m, (size_t)length, &p)) {
        return truncated(m);
    }
    pk_text *text;
    if (kind == PK_STRING) {
        text = tg_pk_text_new(m->place.pool, p, (size_t)length);
    } else if ((text = tg_pk_alloc(m->place.pool, sizeof *text))) {
        *text = (pk_text){(size_t)length, (const char *)p};
    }
    if (!text) {
        return tg_pk_no_memory(&m->place);
    }
    return push(m, (pk_value){.kind = kind, .as.text = text});
}

/* Two's complement of any length. */
static tg_status push_long(machine *m, int width) {
    uint64_t length, bits = 0;
    const uint8_t *p;
    if (!take_size(m, width, &length) || !take(m, (size_t)length, &p)) {
        return truncated(m);
    }
    if (length > 8) {
        pk_text *text = tg_pk_alloc(m->place.pool, sizeof *text);
        if (!text) {
            return tg_pk_no_memory(&m->place);
        }
        *text = (pk_text){(size_t)length, (const char *)p};
        return push(m, (pk_value){.kind = PK_LONG, .as.text = text});
    }
    for (size_t i = 0; i < 8; i++) {
        uint64_t byte = i < length ? p[i] : length && (p[length - 1] & 0x80) ? 0xff : 0;
        bits |= byte << (8 * i);
    }
    return push(m, (pk_value){.kind = PK_INT, .as.i = (int64_t)bits});
}

static tg_status push_int(machine *m, int width) {
    uint64_t bits;
    if (!take_size(m, width, &bits)) {
        return truncated(m);
    }
    int64_t value = width == 4 ? (int32_t)(uint32_t)bits : (int64_t)bits;
    return push(m, (pk_value){.kind = PK_INT, .as.i = value});
}

/* The only big-endian number of the format. */
static tg_status push_float(machine *m) {
    const uint8_t *p;
    if (!take(m, 8, &p)) {
        return truncated(m);
    }
    uint64_t bits = 0;
    for (int i = 0; i < 8; i++) {
        bits = bits << 8 | p[i];
    }
    pk_value v = {.kind = PK_FLOAT};
    memcpy(&v.as.f, &bits, sizeof bits);
    return push(m, v);
}

static tg_status push_list(machine *m, pk_kind kind) {
    pk_list *list = tg_pk_list_new(m->place.pool);
    return list ? push(m, (pk_value){.kind = kind, .as.list = list}) : tg_pk_no_memory(&m->place);
}

/* The topmost n values become one list. */
static tg_status gather(machine *m, size_t n) {
    pk_value *values = top(m, n);
    if (!values) {
        return wrong_stack(m);
    }
    pk_list *list = tg_pk_list_new(m->place.pool);
    if (!list || !tg_pk_list_add(m->place.pool, list, values, n)) {
        return tg_pk_no_memory(&m->place);
    }
    m->depth -= n;
    return push(m, (pk_value){.kind = PK_LIST, .as.list = list});
}

static tg_status add_pairs(machine *m, pk_list *dict, const pk_value *values, size_t n) {
    for (size_t i = 0; i < n; i += 2) {
        bool bad;
        if (!tg_pk_dict_add(m->place.pool, dict, &values[i], &values[i + 1], &bad)) {
            return bad ? tg_pk_refuse(&m->place, "a dict key that is no text", "names or numbers")
                       : tg_pk_no_memory(&m->place);
        }
    }
    return TG_OK;
}

/* The container below `values` gets them; they leave the stack together with what is between. */
static tg_status extend(machine *m, pk_kind kind, pk_value *container, size_t n, size_t depth) {
    const pk_value *values = m->stack + m->depth - n;
    if (container->kind != kind || (kind == PK_DICT && n % 2 != 0)) {
        return wrong_stack(m);
    }
    tg_status status = TG_OK;
    if (kind == PK_DICT) {
        status = add_pairs(m, container->as.list, values, n);
    } else if (!tg_pk_list_add(m->place.pool, container->as.list, values, n)) {
        status = tg_pk_no_memory(&m->place);
    }
    m->depth = depth;
    return status;
}

static tg_status extend_to_mark(machine *m, pk_kind kind) {
    size_t mark;
    if (!above_mark(m, &mark) || mark == 0) {
        return wrong_stack(m);
    }
    return extend(m, kind, &m->stack[mark - 1], m->depth - mark - 1, mark);
}

static tg_status extend_by(machine *m, pk_kind kind, size_t n) {
    pk_value *values = top(m, n + 1);
    return values ? extend(m, kind, values, n, m->depth - n) : wrong_stack(m);
}

/* What lies above the topmost mark becomes one container. */
static tg_status gather_to_mark(machine *m, pk_kind kind) {
    size_t mark;
    if (!above_mark(m, &mark)) {
        return wrong_stack(m);
    }
    size_t n = m->depth - mark - 1;
    tg_status status;
    if (kind == PK_DICT) {
        pk_list *dict = tg_pk_list_new(m->place.pool);
        status = !dict   ? tg_pk_no_memory(&m->place)
                 : n % 2 ? wrong_stack(m)
                         : add_pairs(m, dict, m->stack + mark + 1, n);
        m->stack[mark] = (pk_value){.kind = PK_DICT, .as.list = dict};
    } else {
        status = gather(m, n);
        if (status == TG_OK) {
            m->stack[mark] = m->stack[m->depth - 1];
        }
    }
    m->depth = mark + 1;
    return status;
}

/* ---- names and calls ------------------------------------------------------------------------- */

static tg_status push_named(machine *m, const char *module, size_t module_bytes, const char *name,
                            size_t name_bytes) {
    char what[2][128] = {{0}};
    bool fits = module_bytes < sizeof what[0] && name_bytes < sizeof what[1];
    snprintf(what[0], sizeof what[0], "%.*s", (int)(module_bytes < 127 ? module_bytes : 127),
             module);
    snprintf(what[1], sizeof what[1], "%.*s", (int)(name_bytes < 127 ? name_bytes : 127), name);
    const pk_global *global = NULL;
    if (fits && strlen(what[0]) == module_bytes && strlen(what[1]) == name_bytes) {
        global = tg_pk_find_global(what[0], what[1]);
    }
    if (global) {
        return push(m, (pk_value){.kind = PK_GLOBAL, .as.global = global});
    }
    for (size_t i = 0; i < sizeof what; i++) { /* for the terminal */
        char *c = &what[0][0] + i;
        bool second = *c == '\xc2' && i + 1 < sizeof what && (c[1] & 0xe0) == 0x80;
        *c = (*c > 0 && *c < 0x20) || *c == 0x7f || second ? '?' : *c;
    }
    char text[320];
    snprintf(text, sizeof text, "the pickle asks for %s.%s, which is refused", what[0], what[1]);
    return tg_pk_refuse(&m->place, text,
                        "tensors, arrays and plain Python values; nothing is ever executed");
}

static tg_status push_global(machine *m) {
    const uint8_t *module = m->data + m->at;
    const uint8_t *first = memchr(module, '\n', m->bytes - m->at);
    const uint8_t *name = first ? first + 1 : NULL;
    const uint8_t *second = name ? memchr(name, '\n', m->bytes - (size_t)(name - m->data)) : NULL;
    if (!second) {
        return truncated(m);
    }
    m->at = (size_t)(second - m->data) + 1;
    return push_named(m, (const char *)module, (size_t)(first - module), (const char *)name,
                      (size_t)(second - name));
}

static tg_status push_stack_global(machine *m) {
    const pk_value *v = top(m, 2);
    if (!v || v[0].kind != PK_STRING || v[1].kind != PK_STRING) {
        return wrong_stack(m);
    }
    const pk_text *module = v[0].as.text, *name = v[1].as.text;
    m->depth -= 2;
    return push_named(m, module->data, module->bytes, name->data, name->bytes);
}

static tg_status reduce(machine *m) {
    pk_value *v = top(m, 2), result = {.kind = PK_NONE};
    if (!v || v[0].kind != PK_GLOBAL || v[1].kind != PK_LIST) {
        return wrong_stack(m);
    }
    tg_status status = tg_pk_call(&m->place, v[0].as.global, v[1].as.list, &result);
    m->depth--;
    m->stack[m->depth - 1] = result;
    return status;
}

static tg_status build(machine *m) {
    pk_value *v = top(m, 2);
    if (!v) {
        return wrong_stack(m);
    }
    m->depth--;
    return tg_pk_build(&m->place, &v[0], &v[1]);
}

static tg_status persistent(machine *m) {
    pk_value *v = top(m, 1);
    return v ? tg_pk_persistent(&m->place, v, v) : wrong_stack(m);
}

/* ---- running -----------------------------------------------------------------------------------
 */

static tg_status with_size(machine *m, int width, tg_status (*use)(machine *, uint64_t)) {
    uint64_t index;
    return take_size(m, width, &index) ? use(m, index) : truncated(m);
}

static tg_status check_protocol(machine *m, uint64_t version) {
    return version >= 2 && version <= 5
               ? TG_OK
               : tg_pk_refuse(&m->place, "an unknown protocol of pickles", "protocol 2 to 5");
}

/* Frames only help readers that stream; their contents are opcodes like all others. */
static tg_status skip_frame(machine *m, uint64_t length) {
    return length <= m->bytes - m->at ? TG_OK : truncated(m);
}

static tg_status pop(machine *m) {
    if (m->depth == 0) {
        return wrong_stack(m);
    }
    m->depth--;
    return TG_OK;
}

static tg_status step(machine *m, int op) {
    size_t mark;
    const pk_value *v;
    switch (op) {
    case OP_PROTO:
        return with_size(m, 1, check_protocol);
    case OP_FRAME:
        return with_size(m, 8, skip_frame);
    case OP_MARK:
        return push(m, (pk_value){.kind = PK_MARK});
    case OP_POP:
        return pop(m);
    case OP_POP_MARK:
        if (!above_mark(m, &mark)) {
            return wrong_stack(m);
        }
        m->depth = mark;
        return TG_OK;
    case OP_DUP:
        v = top(m, 1);
        return v ? push(m, *v) : wrong_stack(m);
    case OP_NONE:
        return push(m, (pk_value){.kind = PK_NONE});
    case OP_NEWTRUE:
    case OP_NEWFALSE:
        return push(m, (pk_value){.kind = PK_BOOL, .as.b = op == OP_NEWTRUE});
    case OP_BININT1:
        return push_int(m, 1);
    case OP_BININT2:
        return push_int(m, 2);
    case OP_BININT:
        return push_int(m, 4);
    case OP_LONG1:
        return push_long(m, 1);
    case OP_LONG4:
        return push_long(m, 4);
    case OP_BINFLOAT:
        return push_float(m);
    case OP_SHORT_BINSTRING:
    case OP_SHORT_BINUNICODE:
        return push_text(m, 1, PK_STRING);
    case OP_BINSTRING:
    case OP_BINUNICODE:
        return push_text(m, 4, PK_STRING);
    case OP_BINUNICODE8:
        return push_text(m, 8, PK_STRING);
    case OP_SHORT_BINBYTES:
        return push_text(m, 1, PK_BYTES);
    case OP_BINBYTES:
        return push_text(m, 4, PK_BYTES);
    case OP_BINBYTES8:
    case OP_BYTEARRAY8:
        return push_text(m, 8, PK_BYTES);
    case OP_EMPTY_LIST:
    case OP_EMPTY_TUPLE:
    case OP_EMPTY_SET:
        return push_list(m, PK_LIST);
    case OP_EMPTY_DICT:
        return push_list(m, PK_DICT);
    case OP_APPEND:
        return extend_by(m, PK_LIST, 1);
    case OP_SETITEM:
        return extend_by(m, PK_DICT, 2);
    case OP_APPENDS:
    case OP_ADDITEMS:
        return extend_to_mark(m, PK_LIST);
    case OP_SETITEMS:
        return extend_to_mark(m, PK_DICT);
    case OP_TUPLE:
    case OP_LIST:
    case OP_FROZENSET:
        return gather_to_mark(m, PK_LIST);
    case OP_DICT:
        return gather_to_mark(m, PK_DICT);
    case OP_TUPLE1:
    case OP_TUPLE2:
    case OP_TUPLE3:
        return gather(m, (size_t)(op - OP_TUPLE1 + 1));
    case OP_BINPUT:
        return with_size(m, 1, put);
    case OP_LONG_BINPUT:
        return with_size(m, 4, put);
    case OP_MEMOIZE:
        return put(m, m->memo_count);
    case OP_BINGET:
        return with_size(m, 1, get);
    case OP_LONG_BINGET:
        return with_size(m, 4, get);
    case OP_GLOBAL:
        return push_global(m);
    case OP_STACK_GLOBAL:
        return push_stack_global(m);
    case OP_REDUCE:
    case OP_NEWOBJ:
        return reduce(m);
    case OP_BUILD:
        return build(m);
    case OP_BINPERSID:
        return persistent(m);
    default:
        return tg_pk_refuse(&m->place, "an opcode that is refused",
                            "those of tensors, arrays and plain Python values, protocol 2 to 5");
    }
}

tg_status tg_pk_run(tg_context *ctx, pk_pool *pool, const char *path, const uint8_t *data,
                    size_t bytes, size_t base, pk_value *out, size_t *used) {
    machine m = {.place = {ctx, pool, path, base, 0, "PROTO"}, .data = data, .bytes = bytes};
    char unknown[8];
    tg_status status = TG_OK;
    *out = (pk_value){.kind = PK_NONE};
    if (bytes < 2 || data[0] != OP_PROTO) {
        status = tg_pk_refuse(&m.place, "no pickle of protocol 2 or later", "the byte 0x80");
    }
    while (status == TG_OK) {
        if (m.at == bytes) {
            m.place.at = m.at;
            m.place.opcode = "STOP";
            status = truncated(&m);
            break;
        }
        m.place.at = m.at;
        int op = data[m.at++];
        snprintf(unknown, sizeof unknown, "0x%02x", op);
        m.place.opcode = tg_pk_opcode_name(op) ? tg_pk_opcode_name(op) : unknown;
        if (op == OP_STOP) {
            const pk_value *v = m.depth == 1 ? top(&m, 1) : NULL;
            status = v ? TG_OK : wrong_stack(&m);
            *out = v ? *v : *out;
            break;
        }
        status = step(&m, op);
    }
    *used = m.at;
    free(m.stack);
    free(m.memo);
    return status;
}
