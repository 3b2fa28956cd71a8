/* Inside io: what the calls of a pickle share (pickle_call.c), and those of NumPy (pickle_numpy.c).
 */
#ifndef TALKGEN_IO_PICKLE_CALL_H
#define TALKGEN_IO_PICKLE_CALL_H

#include "io/pickle.h"

/* TG_EMODEL: "arguments that NAME does not take". */
tg_status tg_pk_wrong_arguments(const pk_place *p, const char *name);
bool tg_pk_is_kind(const pk_list *args, size_t index, pk_kind kind);
/* Something harmless of which only the name is kept. */
tg_status tg_pk_other_value(const pk_place *p, const char *name, pk_value *out);
/* Empty; NULL at the limit or without memory. */
pk_tensor *tg_pk_new_tensor(pk_pool *pool);
/* A tuple of at most 8 sizes, none negative; false otherwise. */
bool tg_pk_take_sizes(const pk_value *v, int *n, int64_t *out);
/* Sets the count of what has a shape; NULL, or what is wrong with it. */
const char *tg_pk_count_elements(tg_torch_tensor *t);

/* ---- NumPy ------------------------------------------------------------------------------- */

/* dtype('f4'); names that are not numbers stay as names. */
tg_status tg_pk_make_dtype(const pk_place *p, const pk_global *g, const pk_list *args,
                           pk_value *out);
/* Its state: (version, byte order, ...) */
tg_status tg_pk_build_dtype(const pk_place *p, pk_dtype *dtype, const pk_list *state);
/* _reconstruct(ndarray, (0,), b'b'): an empty array that BUILD fills */
tg_status tg_pk_make_array(const pk_place *p, const pk_global *g, const pk_list *args,
                           pk_value *out);
/* (version, shape, dtype, fortran, data); before version 1 without the first */
tg_status tg_pk_build_array(const pk_place *p, pk_tensor *t, const pk_list *state);
/* _frombuffer(bytes, dtype, shape, order) */
tg_status tg_pk_from_buffer(const pk_place *p, const pk_global *g, const pk_list *args,
                            pk_value *out);
/* scalar(dtype, bytes) */
tg_status tg_pk_make_scalar(const pk_place *p, const pk_global *g, const pk_list *args,
                            pk_value *out);

#endif
