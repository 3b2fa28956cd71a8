/* golden DIR [case ...]: stored numbers against ours, one line per case, non-zero exit on any
 * failure.
 *
 * DIR holds tolerance.json and one folder per case. Without names every case in DIR that a room of
 * this program knows is run; a named case that is unknown or absent is a failure. A case with a
 * published checkpoint runs once more with the weights of that file. */
#include "golden.h"

#include <dirent.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

enum { MAX_CASES = 64, MAX_OUTPUTS = 256 };

static struct {
    const char *name;
    golden_fn *fn;
} table[MAX_CASES];
static int table_count;

/* Outputs of the running case that were compared. */
static char seen[MAX_OUTPUTS][96];
static int seen_count;

void golden_register(const char *case_name, golden_fn *fn) {
    if (table_count < MAX_CASES) {
        table[table_count].name = case_name;
        table[table_count++].fn = fn;
    }
}

static golden_fn *find_case(const char *name) {
    for (int i = 0; i < table_count; i++)
        if (strcmp(table[i].name, name) == 0)
            return table[i].fn;
    return NULL;
}

float *golden_input(golden_case *c, const char *name, const tg_st_tensor **t) {
    const tg_st_tensor *found = tg_st_find(c->inputs, name);
    if (t)
        *t = found;
    if (!found) {
        tg_fail(c->ctx, TG_EINPUT, "input '%s' is missing", name);
        return NULL;
    }
    size_t n = 1;
    for (int i = 0; i < found->ndim; i++)
        n *= (size_t)found->dim[i];
    float *data = tg_alloc(n * sizeof *data);
    if (data && tg_st_read_f32(c->ctx, c->inputs, found, data) != TG_OK) {
        tg_free(data);
        data = NULL;
    }
    return data;
}

const tg_st_tensor *golden_output(golden_case *c, const char *name) {
    return tg_st_find(c->outputs, name);
}

tg_json *golden_converted_config(golden_case *c) {
    const char *text = c->published ? tg_st_meta(c->weights, "talkgen.config") : NULL;
    tg_json *whole = NULL, *render = NULL;
    if (text && tg_json_parse(c->ctx, text, strlen(text), "talkgen.config", &whole) == TG_OK) {
        char *part = tg_json_print(tg_json_get(whole, "render"), false);
        if (part && tg_json_parse(c->ctx, part, strlen(part), "render", &render) != TG_OK)
            render = NULL;
        tg_free(part);
    }
    tg_json_destroy(&whole);
    return render;
}

static int64_t numel(const tg_st_tensor *t) {
    int64_t n = 1;
    for (int i = 0; i < t->ndim; i++)
        n *= t->dim[i];
    return n;
}

static int by_value(const void *a, const void *b) {
    float x = *(const float *)a, y = *(const float *)b;
    return (x > y) - (x < y);
}

static void fail_line(golden_case *c, const char *name, const char *why) {
    c->failed++;
    printf("     %s: %s: %s\n", c->name, name, why);
}

/* Marks `name` as compared and checks existence and size. */
static const tg_st_tensor *begin_compare(golden_case *c, const char *name, int64_t n) {
    c->compared++;
    if (!c->published && seen_count < MAX_OUTPUTS)
        snprintf(seen[seen_count++], sizeof seen[0], "%s", name);
    const tg_st_tensor *t = golden_output(c, name);
    char why[96];
    if (!t) {
        fail_line(c, name, "no such stored output");
        return NULL;
    }
    if (numel(t) != n) {
        snprintf(why, sizeof why, "we made %lld values, stored are %lld", (long long)n,
                 (long long)numel(t));
        fail_line(c, name, why);
        return NULL;
    }
    return t;
}

void golden_compare(golden_case *c, const char *name, const float *ours, int64_t n) {
    const tg_st_tensor *t = begin_compare(c, name, n);
    if (!t)
        return;
    if (n == 0)
        return;
    const tg_json *tol = tg_json_get(c->tolerance, name);
    double max_diff = tg_json_number(tg_json_get(tol, "max_abs_diff"), -1);
    double p99_diff = tg_json_number(tg_json_get(tol, "p99_abs_diff"), -1);
    double max_abs = tg_json_number(tg_json_get(tol, "max_abs"), -1);
    if (max_diff < 0 || p99_diff < 0 || max_abs < 0) {
        fail_line(c, name, "no entry in tolerance.json");
        return;
    }
    float *stored = tg_alloc((size_t)n * sizeof *stored);
    float *diff = tg_alloc((size_t)n * sizeof *diff);
    if (!stored || !diff || tg_st_read_f32(c->ctx, c->outputs, t, stored) != TG_OK) {
        fail_line(c, name, "stored output cannot be read");
        tg_free(stored);
        tg_free(diff);
        return;
    }
    int64_t worst_at = 0;
    double worst = -1;
    for (int64_t i = 0; i < n; i++) {
        bool both_nan = isnan(stored[i]) && isnan(ours[i]);
        double d = both_nan || stored[i] == ours[i] ? 0 : fabs((double)ours[i] - (double)stored[i]);
        if (isnan(d))
            d = INFINITY;
        diff[i] = (float)d;
        if (d > worst) {
            worst = d;
            worst_at = i;
        }
    }
    qsort(diff, (size_t)n, sizeof *diff, by_value);
    double p99 = diff[(int64_t)floor(0.99 * (double)(n - 1))];
    double max_bound = fmax(8 * max_diff, 2e-5 * max_abs);
    double p99_bound = fmax(4 * p99_diff, 5e-6 * max_abs);
    double ratio = fmax(max_bound > 0 ? worst / max_bound : (worst > 0 ? INFINITY : 0),
                        p99_bound > 0 ? p99 / p99_bound : (p99 > 0 ? INFINITY : 0));
    if (ratio >= c->worst_ratio) {
        c->worst_ratio = ratio;
        snprintf(c->worst, sizeof c->worst, "%s max %.2g of %.2g, p99 %.2g of %.2g", name, worst,
                 max_bound, p99, p99_bound);
    }
    if (!(worst <= max_bound && p99 <= p99_bound)) {
        char why[200];
        snprintf(why, sizeof why,
                 "max %.3g (bound %.3g) at %lld: ours %.7g stored %.7g; p99 %.3g (bound %.3g)",
                 worst, max_bound, (long long)worst_at, ours[worst_at], stored[worst_at], p99,
                 p99_bound);
        fail_line(c, name, why);
    }
    tg_free(stored);
    tg_free(diff);
}

void golden_compare_picture(golden_case *c, const char *name, const float *ours, int64_t n) {
    golden_compare(c, name, ours, n);
    const tg_st_tensor *t = golden_output(c, name);
    float *stored = t && numel(t) == n && n > 0 ? tg_alloc((size_t)n * sizeof *stored) : NULL;
    if (!stored || tg_st_read_f32(c->ctx, c->outputs, t, stored) != TG_OK) {
        tg_free(stored);
        return; /* told by golden_compare */
    }
    double sum = 0;
    for (int64_t i = 0; i < n; i++) {
        const double d = (double)ours[i] - (double)stored[i];
        sum += d * d;
    }
    tg_free(stored);
    const double psnr = sum > 0 ? 10 * log10((double)n / sum) : sum == 0 ? 200 : 0;
    c->psnr = c->psnr == 0 || psnr < c->psnr ? psnr : c->psnr;
    if (!(psnr >= GOLDEN_PSNR)) {
        char why[64];
        snprintf(why, sizeof why, "%.1f dB, at least %d expected", psnr, GOLDEN_PSNR);
        fail_line(c, name, why);
    }
}

void golden_compare_float32(golden_case *c, const char *name, const float *ours, int64_t n) {
    const tg_st_tensor *t = begin_compare(c, name, n);
    if (!t)
        return;
    float *stored = tg_alloc((size_t)n * sizeof *stored);
    if (!stored || tg_st_read_f32(c->ctx, c->outputs, t, stored) != TG_OK) {
        fail_line(c, name, "stored output cannot be read");
        tg_free(stored);
        return;
    }
    int64_t wrong = 0, first = -1;
    for (int64_t i = 0; i < n; i++) {
        const double bound = 4e-7 * fmax(1, fabs((double)stored[i]));
        if (stored[i] != ours[i] && !(fabs((double)ours[i] - (double)stored[i]) <= bound)) {
            first = first < 0 ? i : first;
            wrong++;
        }
    }
    if (wrong) {
        char why[160];
        snprintf(why, sizeof why, "%lld of %lld differ, first at %lld: ours %.9g stored %.9g",
                 (long long)wrong, (long long)n, (long long)first, ours[first], stored[first]);
        fail_line(c, name, why);
    }
    tg_free(stored);
}

static int64_t stored_int(const tg_st_tensor *t, int64_t i) {
    switch (t->dtype) {
    case TG_I64:
        return ((const int64_t *)t->data)[i];
    case TG_I32:
        return ((const int32_t *)t->data)[i];
    case TG_I16:
        return ((const int16_t *)t->data)[i];
    case TG_I8:
        return ((const int8_t *)t->data)[i];
    default:
        return ((const uint8_t *)t->data)[i];
    }
}

void golden_compare_int(golden_case *c, const char *name, const int64_t *ours, int64_t n) {
    const tg_st_tensor *t = begin_compare(c, name, n);
    if (!t)
        return;
    if (t->dtype == TG_F32 || t->dtype == TG_F64 || t->dtype == TG_F16 || t->dtype == TG_BF16) {
        fail_line(c, name, "stored as a float, compared as an integer");
        return;
    }
    int64_t wrong = 0, first = -1;
    for (int64_t i = 0; i < n; i++)
        if (stored_int(t, i) != ours[i]) {
            first = first < 0 ? i : first;
            wrong++;
        }
    if (wrong) {
        char why[160];
        snprintf(why, sizeof why, "%lld of %lld differ, first at %lld: ours %lld stored %lld",
                 (long long)wrong, (long long)n, (long long)first, (long long)ours[first],
                 (long long)stored_int(t, first));
        fail_line(c, name, why);
    }
}

static bool is_file(const char *path) {
    struct stat st;
    return stat(path, &st) == 0 && S_ISREG(st.st_mode);
}

static tg_status open_part(golden_case *c, const char *file, tg_st **st) {
    char path[4096];
    snprintf(path, sizeof path, "%s/%s", c->dir, file);
    return is_file(path) ? tg_st_open(c->ctx, path, st) : TG_OK;
}

/* Once more with other weights. */
static tg_status run_with(golden_case *c, golden_fn *fn, tg_st *state, const char *kind) {
    tg_st *stored = c->weights;
    c->weights = state;
    c->published = true;
    tg_status status = fn(c);
    c->weights = stored;
    snprintf(c->also + strlen(c->also), sizeof c->also - strlen(c->also), " and %s", kind);
    return status;
}

static tg_status run_converted(golden_case *c, golden_fn *fn) {
    tg_st *state = NULL;
    if (!golden_converted || !c->weights)
        return TG_OK;
    tg_status status = golden_converted(c, &state);
    if (status == TG_OK && state)
        status = run_with(c, fn, state, "converted");
    tg_st_close(&state);
    return status;
}

/* With the published file's, under the names of weights.safetensors. */
static tg_status run_published(golden_case *c, golden_fn *fn) {
    char path[4096];
    snprintf(path, sizeof path, "%s/model_ckpt_steps_1.ckpt", c->dir);
    if (!c->weights || !is_file(path))
        return TG_OK;
    tg_torch *file = NULL;
    const tg_st *stored = c->weights;
    tg_st *state = NULL;
    bool several = false;
    for (int i = 0; i < tg_st_count(stored); i++)
        several = several || strncmp(tg_st_at(stored, i)->name, "model.", 6) == 0;
    tg_status status = tg_torch_open(c->ctx, path, &file);
    if (status == TG_OK)
        status = tg_st_from_torch(
            c->ctx, file,
            tg_torch_find(tg_torch_root(file), several ? "state_dict" : "state_dict.model"),
            &state);
    if (status == TG_OK)
        status = run_with(c, fn, state, ".ckpt");
    tg_st_close(&state);
    tg_torch_close(&file);
    return status;
}

/* True when the case passed. */
static bool run_case(tg_context *ctx, const char *root, const tg_json *tolerance,
                     const char *name) {
    char dir[3072], path[4096];
    snprintf(dir, sizeof dir, "%s/%s", root, name);
    golden_case c = {
        .ctx = ctx, .name = name, .dir = dir, .tolerance = tg_json_get(tolerance, name)};
    golden_fn *fn = find_case(name);
    tg_status status = TG_OK;
    seen_count = 0;
    if (!fn)
        status = tg_fail(ctx, TG_EUSAGE, "unknown case");
    if (status == TG_OK && !c.tolerance)
        status = tg_fail(ctx, TG_EINPUT, "no entry in tolerance.json");
    snprintf(path, sizeof path, "%s/config.json", dir);
    if (status == TG_OK)
        status = tg_json_read(ctx, path, &c.config);
    if (status == TG_OK)
        status = open_part(&c, "weights.safetensors", &c.weights);
    if (status == TG_OK)
        status = open_part(&c, "inputs.safetensors", &c.inputs);
    if (status == TG_OK)
        status = open_part(&c, "outputs.safetensors", &c.outputs);
    if (status == TG_OK && (!c.inputs || !c.outputs))
        status = tg_fail(ctx, TG_EINPUT, "inputs.safetensors or outputs.safetensors is missing");
    if (status == TG_OK)
        status = fn(&c);
    if (status == TG_OK)
        status = run_published(&c, fn);
    if (status == TG_OK)
        status = run_converted(&c, fn);
    for (int i = 0; status == TG_OK && i < tg_st_count(c.outputs); i++) {
        const char *output = tg_st_at(c.outputs, i)->name;
        bool found = false;
        for (int k = 0; k < seen_count; k++)
            found = found || strcmp(seen[k], output) == 0;
        if (!found)
            fail_line(&c, output, "stored output was never compared");
    }
    char psnr[48] = "";
    if (c.psnr > 0)
        snprintf(psnr, sizeof psnr, "; picture %.1f dB", c.psnr);
    bool ok = status == TG_OK && c.failed == 0 && c.compared > 0;
    if (status != TG_OK)
        printf("FAIL %-26s %s\n", name, tg_message(ctx));
    else
        printf("%s %-26s %d outputs%s, %d failed; nearest its bound: %s%s\n", ok ? "ok  " : "FAIL",
               name, c.compared, c.also, c.failed, c.worst, psnr);
    tg_st_close(&c.weights);
    tg_st_close(&c.inputs);
    tg_st_close(&c.outputs);
    tg_json_destroy(&c.config);
    return ok;
}

static int by_name(const void *a, const void *b) {
    return strcmp(*(char *const *)a, *(char *const *)b);
}

int main(int argc, char **argv) {
    if (argc < 2) {
        fprintf(stderr, "usage: golden DIR [case ...]\n");
        return 2;
    }
    tg_context *ctx = tg_context_create(0);
    const char *level = getenv("TALKGEN_CPU_LEVEL");
    tg_cpu_level cpu;
    if (level && (!tg_cpu_level_parse(level, &cpu) || tg_context_set_cpu(ctx, cpu) != TG_OK)) {
        fprintf(stderr, "TALKGEN_CPU_LEVEL=%s is not a level of this machine\n", level);
        return 2;
    }
    char path[4096];
    snprintf(path, sizeof path, "%s/tolerance.json", argv[1]);
    tg_json *tolerance = NULL;
    if (tg_json_read(ctx, path, &tolerance) != TG_OK) {
        fprintf(stderr, "golden: %s\n", tg_message(ctx));
        return 1;
    }
    char *names[MAX_CASES];
    int count = 0, failed = 0;
    for (int i = 2; i < argc && count < MAX_CASES; i++)
        names[count++] = strdup(argv[i]);
    if (argc == 2) {
        DIR *dir = opendir(argv[1]);
        for (struct dirent *e; dir && count < MAX_CASES && (e = readdir(dir));)
            if (find_case(e->d_name))
                names[count++] = strdup(e->d_name);
        if (dir)
            closedir(dir);
        qsort(names, (size_t)count, sizeof *names, by_name);
    }
    for (int i = 0; i < count; i++) {
        failed += !run_case(ctx, argv[1], tolerance, names[i]);
        free(names[i]);
    }
    printf("golden: %d cases, %d failed (%s)\n", count, failed,
           tg_cpu_level_name(tg_context_cpu(ctx)));
    tg_json_destroy(&tolerance);
    tg_context_destroy(&ctx);
    return failed || count == 0 ? 1 : 0;
}
