/* Stored numbers against ours. A room registers a function per case name; the program in
 * golden_main.c opens the case's files, calls it, and applies the rule of the cases' README:
 * largest difference <= max(8 max_abs_diff, 2e-5 max_abs) and 99th percentile <= max(4
 * p99_abs_diff, 5e-6 max_abs), with the figures from tolerance.json; integers are equal.
 */
#ifndef TALKGEN_TESTS_GOLDEN_H
#define TALKGEN_TESTS_GOLDEN_H

#include "talkgen/core.h"
#include "talkgen/io.h"
#include "talkgen/tensor.h"

typedef struct golden_case {
    tg_context *ctx;
    const char *name; /* "vae" */
    const char *dir;  /* folder of the case */
    tg_json *config;  /* config.json */
    tg_st *weights;   /* NULL when the case has none */
    bool published;   /* second run: the weights are those of a published file, and sizes
                         are to be taken from the tensors */
    tg_st *inputs;
    tg_st *outputs;
    tg_json *tolerance; /* object of this case in tolerance.json */
    int compared, failed;
    char worst[256]; /* the output nearest to or beyond its bound */
    double worst_ratio;
    char also[48]; /* further weights that the outputs were computed with */
    double psnr;   /* of the worst picture, dB; 0 when there was none */
} golden_case;

/* Returns TG_OK when it ran (comparisons are counted in c); another status ends the case. */
typedef tg_status golden_fn(golden_case *c);
void golden_register(const char *case_name, golden_fn *fn);
#define GOLDEN(case_name, function)                                                                \
    __attribute__((constructor)) static void register_##function##_##case_name(void) {             \
        golden_register(#case_name, function);                                                     \
    }

/* Input tensor converted to float32, owned by the caller (tg_free); shape in *t unless NULL.
 * NULL and a message in ctx when absent. */
float *golden_input(golden_case *c, const char *name, const tg_st_tensor **t);
/* Shape of a stored output, NULL when the case has no such output. */
const tg_st_tensor *golden_output(golden_case *c, const char *name);
/* Compares n values with stored output `name` by the rule. Absent output: counted as a failure.
 * NaN equals NaN. */
void golden_compare(golden_case *c, const char *name, const float *ours, int64_t n);
/* The same for a rendered picture of values in [0,1]; also fails below GOLDEN_PSNR against the
 * stored one, and the case's line tells the worst. */
void golden_compare_picture(golden_case *c, const char *name, const float *ours, int64_t n);
enum { GOLDEN_PSNR = 60 }; /* dB */
/* For outputs without figures in tolerance.json, because both reference runs decide them in float32
 * (box entries, first samples, screen coordinates): every |ours - stored| <= 4e-7 max(1, |stored|),
 * three units in the last place. */
void golden_compare_float32(golden_case *c, const char *name, const float *ours, int64_t n);
/* Integers, equal to the last. */
void golden_compare_int(golden_case *c, const char *name, const int64_t *ours, int64_t n);
/* The configuration that came with converted weights ("render" of the identity), NULL with others;
 * owned by the caller. */
tg_json *golden_converted_config(golden_case *c);
/* Weights of the case's .pth or .tar by way of the converters; *out NULL when it has none. Only
 * where golden_convert.c is linked. */
__attribute__((weak)) tg_status golden_converted(golden_case *c, tg_st **out);
/* Every output of the case that was never compared is a failure: called by the program itself. */

#endif
