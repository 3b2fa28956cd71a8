/* build/tests/bench_vanilla [threads [size [runs]]]: a frame of AD-NeRF's head and torso at the
 * published dimensions (8 x 256 trunk, 3 x 128 colour, 64 + 128 samples) with random weights: time,
 * and share of the multiply-add peak by the products that are really evaluated: what is constant
 * along a ray or in a picture, and colours of the coarse pass, are not evaluated and not counted.
 */
#include "bench.h"

#include "talkgen/render.h"

#include <math.h>

#define GOLDEN TG_BENCH_DIR "/golden/adnerf_orig/weights.safetensors"
static const char path[] = "bench_vanilla.safetensors";

/* The golden file has AD-NeRF's names and shapes but 32 and 16 wide layers: these become 256 and
 * 128. */
static int64_t widened(int64_t n) {
    enum { TRUNK = 32, COLOR = 16, VIEW = 27, HEAD = 127, TORSO = 169 };
    switch (n) {
    case TRUNK:
        return 256;
    case COLOR:
        return 128;
    case TRUNK + VIEW:
        return 256 + VIEW;
    case TRUNK + HEAD:
        return 256 + HEAD;
    case TRUNK + TORSO:
        return 256 + TORSO;
    default:
        return n;
    }
}

static tg_status write_person(tg_context *ctx) {
    tg_st *st = NULL;
    tg_status status = tg_st_open(ctx, GOLDEN, &st);
    if (status != TG_OK)
        return status;
    tg_st_writer *w = tg_st_writer_create();
    bool ok = w != NULL;
    for (int i = 0; i < tg_st_count(st) && ok; i++) {
        const tg_st_tensor *t = tg_st_at(st, i);
        int64_t dim[TG_MAX_DIMS], n = 1;
        for (int d = 0; d < t->ndim; d++) {
            dim[d] = strstr(t->name, ".model_") != NULL ? widened(t->dim[d]) : t->dim[d];
            n *= dim[d];
        }
        float *values = tg_alloc((size_t)n * sizeof *values);
        ok = values != NULL;
        if (ok) {
            const tg_rng rng = tg_rng_make(1, t->name, "weights");
            tg_rng_fill_normal(&rng, 0, values, (size_t)n);
            const float scale = t->ndim > 1 ? sqrtf(2.0f / (float)(n / dim[0])) : 0.1f;
            for (int64_t k = 0; k < n; k++)
                values[k] *= scale;
            ok = tg_st_add_f32(w, t->name, TG_F32, t->ndim, dim, values);
        }
        tg_free(values);
    }
    status = ok ? tg_st_write(ctx, w, path) : TG_ENOMEM;
    tg_st_writer_destroy(&w);
    tg_st_close(&st);
    return status;
}

static tg_status load(tg_context *ctx, const char *prefix, tg_vanilla **model) {
    tg_vanilla_config config = tg_vanilla_config_defaults();
    config.cond_win_size = 16;
    config.cond_from_head = config.adnerf_angles = true;
    tg_st *st = NULL;
    tg_status status = tg_st_open(ctx, path, &st);
    if (status == TG_OK)
        status = tg_vanilla_load(ctx, st, prefix, &config, model);
    tg_st_close(&st);
    return status;
}

/* Multiply-adds of one evaluation. */
static double work(const tg_vanilla *model, const tg_vanilla_mlp *mlp, bool color) {
    const int64_t position = 3 * (1 + 2 * model->config.position_octaves);
    double sum = 0;
    for (int l = 0; l < mlp->layers; l++) {
        const tg_tensor *w = mlp->density_w[l];
        int64_t in = w->dim[1];
        if (l == 0)
            in = position;
        else if (l == mlp->skip)
            in = position + mlp->density_w[l - 1]->dim[0];
        sum += (double)(w->dim[0] * in);
    }
    sum += (double)mlp->density_out_w->dim[1];
    for (int l = 0; l < mlp->color_layers && color; l++) {
        const tg_tensor *w = mlp->color_w[l];
        const int64_t in = l == 0 ? mlp->density_w[mlp->layers - 1]->dim[0] : w->dim[1];
        sum += (double)(w->dim[0] * in);
    }
    return sum + (color ? 3.0 * (double)mlp->color_out_w->dim[1] : 0);
}

static double work_of_ray(const tg_vanilla *model) {
    const int n = model->config.n_samples_per_ray;
    return n * work(model, &model->coarse, false) +
           (n + model->config.n_samples_per_ray_fine) * work(model, &model->fine, true);
}

int main(int argc, char **argv) {
    enum { MOST_RUNS = 100, WINDOWS = 8 * 16 * 29 };
    tg_context *ctx = tg_context_create(argc > 1 ? atoi(argv[1]) : 2);
    const int size = argc > 2 ? atoi(argv[2]) : 64, asked = argc > 3 ? atoi(argv[3]) : 3;
    const int runs = asked < 1 ? 1 : asked < MOST_RUNS ? asked : MOST_RUNS;
    static const float c2w[16] = {1, 0, 0, 0.02f, 0, 1, 0, -0.01f, 0, 0, 1, 0.6f, 0, 0, 0, 1};
    tg_vanilla *head = NULL, *torso = NULL;
    tg_vanilla_renderer *renderer = NULL;
    tg_vanilla_options options = tg_vanilla_options_defaults(size, size, 1.5f * (float)size);
    options.torso_c2w = c2w;
    tg_status status = write_person(ctx);
    if (status == TG_OK)
        status = load(ctx, "head.", &head);
    if (status == TG_OK)
        status = load(ctx, "body.", &torso);
    if (status == TG_OK)
        status = tg_vanilla_renderer_create(ctx, head, torso, &options, &renderer);
    remove(path);
    if (status != TG_OK) {
        fprintf(stderr, "%s\n", tg_message(ctx));
        return 1;
    }
    float *rgb = tg_calloc((size_t)size * (size_t)size * 3 * sizeof *rgb), windows[WINDOWS];
    const tg_rng rng = tg_rng_make(1, "", "windows");
    tg_rng_fill_normal(&rng, 0, windows, WINDOWS);
    const double ray = work_of_ray(head) + work_of_ray(torso);
    const double flop = 2 * ray * size * size, before = bench_peak(ctx);
    double wall[MOST_RUNS], cpu[MOST_RUNS];
    for (int r = 0; r < runs; r++) {
        const tg_picture picture = {.rgb = rgb};
        bench_time start = bench_now();
        if (tg_vanilla_renderer_frame(ctx, renderer, windows, NULL, c2w, &picture) != TG_OK) {
            fprintf(stderr, "%s\n", tg_message(ctx));
            return 1;
        }
        bench_time t = bench_since(start);
        wall[r] = t.wall;
        cpu[r] = t.cpu;
    }
    const double after = bench_peak(ctx), peak = before > after ? before : after;
    const double wall_median = bench_median(wall, runs), cpu_median = bench_median(cpu, runs);
    const int threads = tg_pool_threads(tg_context_pool(ctx));
    const double share = peak > 0 ? flop / peak * threads : 0;
    printf("talkgen threads %d level %s picture %dx%d gmac %.1f wall_least %.3f wall_median %.3f "
           "cpu_least %.3f cpu_median %.3f peak_gflops %.1f share_best %.3f share_median %.3f\n",
           threads, tg_cpu_level_name(tg_context_cpu(ctx)), size, size, flop * 0.5e-9, wall[0],
           wall_median, cpu[0], cpu_median, peak * 1e-9, share / cpu[0], share / cpu_median);
    tg_vanilla_renderer_destroy(&renderer);
    tg_vanilla_destroy(&head);
    tg_vanilla_destroy(&torso);
    tg_free(rgb);
    tg_context_destroy(&ctx);
    return 0;
}
