/* Inside io: a machine for Python's pickles that builds values and runs nothing.
 *
 * Protocols 2 to 5 as torch.save and NumPy write them. A pickle is a program for a stack machine
 * whose GLOBAL and REDUCE call any function by name; here the names are looked up in a fixed list
 * (pickle_call.c) and each stands for code of ours that builds a tensor, an array or a container.
 */
#ifndef TALKGEN_IO_PICKLE_H
#define TALKGEN_IO_PICKLE_H

#include "talkgen/io.h"

typedef enum {
    PK_NONE, /* zero, so that cleared memory holds None */
    PK_BOOL,
    PK_INT,
    PK_FLOAT,
    PK_STRING,
    PK_BYTES,
    PK_LIST, /* tuples and sets too */
    PK_DICT,
    PK_TENSOR,
    PK_STORAGE,
    PK_DTYPE,
    PK_GLOBAL,
    PK_LONG,  /* an int of more than 64 bits, as its bytes */
    PK_OTHER, /* something harmless that has only a name */
    PK_MARK
} pk_kind;

/* A text ends with a NUL that is not counted; bytes may lie in the file and then do not. */
typedef struct {
    size_t bytes;
    const char *data;
} pk_text;

typedef struct pk_list pk_list;
typedef struct pk_tensor pk_tensor;
typedef struct pk_storage pk_storage;
typedef struct pk_dtype pk_dtype;
typedef struct pk_global pk_global;

struct tg_torch_value {
    pk_kind kind;
    union {
        bool b;
        int64_t i;
        double f;
        const pk_text *text; /* string, bytes, long, other */
        pk_list *list;       /* list, dict */
        pk_tensor *tensor;
        pk_storage *storage;
        pk_dtype *dtype;
        const pk_global *global;
    } as;
};
typedef tg_torch_value pk_value;

/* The elements of a list; of a dict, key and value by turns. */
struct pk_list {
    pk_list *next; /* of all lists, to free the elements */
    size_t count, room;
    pk_value *item;
    bool visiting, visited; /* for the check of the whole tree */
    int height;
    uint64_t weight; /* values below, counted as often as they are reached */
};

struct pk_storage {
    pk_storage *next; /* of all storages, in the order of their first use */
    pk_storage *same_slot;
    const pk_text *key;
    const char *name; /* FloatStorage */
    int dtype;        /* -1: no tg_dtype */
    size_t size;      /* bytes of an element */
    int64_t count;
    const uint8_t *data; /* set by the container */
};

struct pk_tensor {
    tg_torch_tensor view; /* data is set when all storages have theirs */
    pk_tensor *next;      /* of all tensors */
    pk_storage *storage;  /* NULL: data is known */
    int64_t offset;
    bool built;        /* a NumPy array gets its contents after its creation */
    pk_list *objects;  /* NumPy array of objects */
    const char *other; /* a dtype without tg_dtype: its name */
};

/* A NumPy dtype. */
struct pk_dtype {
    char kind; /* f i u b; O objects; 0 others */
    size_t size;
    bool big_endian;
    const char *name;
};

/* Memory of all values of one file, with a limit that follows from the file's size. */
typedef struct pk_pool pk_pool;
enum { PK_SLOTS = 4096 };
struct pk_pool {
    size_t limit, used;
    struct pk_chunk *chunks;
    pk_list *lists;
    pk_tensor *tensors;
    pk_storage *storages, **last_storage;
    pk_storage *slot[PK_SLOTS]; /* by hash of the key */
};

void tg_pk_pool_init(pk_pool *pool, size_t file_bytes);
void tg_pk_pool_free(pk_pool *pool);
/* Counts `bytes` against the limit; false when it is reached. */
bool tg_pk_charge(pk_pool *pool, size_t bytes);
/* Zeroed and aligned for any value; NULL at the limit or without memory. */
void *tg_pk_alloc(pk_pool *pool, size_t bytes);
pk_list *tg_pk_list_new(pk_pool *pool);
bool tg_pk_list_add(pk_pool *pool, pk_list *list, const pk_value *values, size_t count);
/* data NULL: uninitialised room is left for it. */
pk_text *tg_pk_text_new(pk_pool *pool, const void *data, size_t bytes);
/* Appends key and value; *bad when the key is no text or number. */
bool tg_pk_dict_add(pk_pool *pool, pk_list *dict, const pk_value *key, const pk_value *value,
                    bool *bad);

/* Where a pickle is: for messages, and so that a called function can fail. */
typedef struct {
    tg_context *ctx;
    pk_pool *pool;
    const char *path; /* file, or file and member */
    size_t base;      /* of the pickle in the file */
    size_t at;        /* of the current opcode in the pickle */
    const char *opcode;
} pk_place;

/* TG_EMODEL: `what` at the place of the current opcode. */
tg_status tg_pk_refuse(const pk_place *p, const char *what, const char *expected);
tg_status tg_pk_no_memory(const pk_place *p);

/* Runs one pickle at `data`. *used is its length; *out its value. `base` is its place in the file.
 */
tg_status tg_pk_run(tg_context *ctx, pk_pool *pool, const char *path, const uint8_t *data,
                    size_t bytes, size_t base, pk_value *out, size_t *used);
/* Refuses cycles, depth and trees that are much larger than their file. */
tg_status tg_pk_check_tree(tg_context *ctx, const char *path, const pk_value *root,
                           size_t file_bytes);
/* Gives every tensor its address, once every storage has its own. */
void tg_pk_place_tensors(pk_pool *pool);

/* ---- what a pickle may call (pickle_call.c) -------------------------------------- */

const pk_global *tg_pk_find_global(const char *module, const char *name);
tg_status tg_pk_call(const pk_place *p, const pk_global *global, const pk_list *args,
                     pk_value *out);
tg_status tg_pk_build(const pk_place *p, pk_value *object, const pk_value *state);
/* ('storage', type, key, location, count[, view]) */
tg_status tg_pk_persistent(const pk_place *p, const pk_value *id, pk_value *out);
const char *tg_pk_global_name(const pk_global *global); /* "torch.float32" */

/* A contiguous array over bytes of the file. */
tg_status tg_pk_array(const pk_place *p, const pk_dtype *dtype, bool fortran, int ndim,
                      const int64_t *dim, const uint8_t *data, size_t bytes, pk_tensor *t);

#endif
