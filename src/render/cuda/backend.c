/* Frames on the device: two under way, each with its own constants, picture and events. */
#include "backend.h"
#include "memory.h"

#include <stdio.h>
#include <string.h>

enum { LEAST_MAJOR = 8 /* compute capability that the kernels are compiled for */ };

/* What of a frame comes back besides the picture. */
typedef struct {
    unsigned long long counts[4];
    int32_t next, alive;
} tally;

typedef struct {
    float *host, *constants; /* biases and ranges of the frame: pinned, on the device */
    uint8_t *rgb8_host, *rgb8;
    float *floats; /* [pixels] x (rgb 3, alpha, depth, weights), NULL until somebody asks */
    tally *tally_host, *tally;
    cudaEvent_t drawn, ready;
    bool with_floats;
} slot;

struct tg_cuda {
    tg_cuda_memory memory;
    tg_cuda_scene scene;
    tg_cuda_plan plan;
    cudaStream_t draw, copy; /* a picture comes back while the next is drawn */
    slot slots[TG_CUDA_SLOTS];
    int begun, finished; /* frames so far */
    size_t pixels, constants, range;
    size_t at_sigma, at_color, at_torso, at_range; /* in a slot's constants */
    unsigned background;                           /* version on the device */
    char name[256];
};

/* ---- device ---- */

static tg_status choose_device(tg_context *ctx, tg_cuda *cuda) {
    int count = 0;
    cudaError_t error = cudaGetDeviceCount(&count);
    if (error != cudaSuccess || count < 1) {
        (void)cudaGetLastError();
        return tg_fail(
            ctx, TG_EUSAGE,
            "no GPU to render with: %s\n"
            "  expected: an NVIDIA GPU of compute capability %d.0 or later and its driver\n"
            "  try: nvidia-smi to look for it, or --device cpu",
            error != cudaSuccess ? cudaGetErrorString(error) : "none is there", LEAST_MAJOR);
    }
    struct cudaDeviceProp properties;
    memset(&properties, 0, sizeof properties);
    error = cudaGetDeviceProperties(&properties, 0);
    if (error == cudaSuccess) {
        error = cudaSetDevice(0);
    }
    if (error != cudaSuccess) {
        return tg_cuda_check(ctx, error, "opening the device");
    }
    if (properties.major < LEAST_MAJOR) {
        return tg_fail(ctx, TG_EUSAGE,
                       "the GPU '%.200s' has compute capability %d.%d\n"
                       "  expected: %d.0 or later\n  try: CUDA_VISIBLE_DEVICES to choose another "
                       "one, or --device cpu",
                       properties.name, properties.major, properties.minor, LEAST_MAJOR);
    }
    memcpy(cuda->name, properties.name, sizeof cuda->name - 1);
    cuda->plan.multiprocessors = properties.multiProcessorCount;
    return TG_OK;
}

void tg_cuda_describe(char *text, size_t size) {
    struct cudaDeviceProp properties;
    memset(&properties, 0, sizeof properties);
    int count = 0;
    cudaError_t error = cudaGetDeviceCount(&count);
    if (error == cudaSuccess && count > 0) {
        error = cudaGetDeviceProperties(&properties, 0);
    }
    if (error != cudaSuccess || count < 1) {
        (void)cudaGetLastError();
        snprintf(text, size, "no GPU: %s",
                 error != cudaSuccess ? cudaGetErrorString(error) : "none is there");
        return;
    }
    snprintf(text, size, "%.200s, compute capability %d.%d%s", properties.name, properties.major,
             properties.minor, properties.major < LEAST_MAJOR ? ", too old" : "");
}

/* ---- memory ---- */

static tg_status take_slot(tg_context *ctx, const tg_cuda *cuda, slot *s) {
    cudaError_t error = cudaMallocHost((void **)&s->host, cuda->constants * sizeof(float));
    if (error == cudaSuccess) {
        error = cudaMallocHost((void **)&s->rgb8_host, cuda->pixels * 3);
    }
    if (error == cudaSuccess) {
        error = cudaMallocHost((void **)&s->tally_host, sizeof *s->tally_host);
    }
    if (error == cudaSuccess) {
        error = cudaMalloc((void **)&s->constants, cuda->constants * sizeof(float));
    }
    if (error == cudaSuccess) {
        error = cudaMalloc((void **)&s->rgb8, cuda->pixels * 3);
    }
    if (error == cudaSuccess) {
        error = cudaMalloc((void **)&s->tally, sizeof *s->tally);
    }
    if (error == cudaSuccess) {
        error = cudaEventCreateWithFlags(&s->drawn, cudaEventDisableTiming);
    }
    if (error == cudaSuccess) {
        error = cudaEventCreateWithFlags(&s->ready, cudaEventDisableTiming);
    }
    return tg_cuda_check(ctx, error, "the pictures");
}

static void free_pinned(void *block) {
    if (block != NULL) {
        cudaFreeHost(block);
    }
}

static void free_slot(slot *s) {
    free_pinned(s->host);
    free_pinned(s->rgb8_host);
    free_pinned(s->tally_host);
    cudaFree(s->constants);
    cudaFree(s->rgb8);
    cudaFree(s->floats);
    cudaFree(s->tally);
    if (s->drawn != NULL) {
        cudaEventDestroy(s->drawn);
    }
    if (s->ready != NULL) {
        cudaEventDestroy(s->ready);
    }
}

static size_t aligned(size_t n) {
    return (n + 3) / 4 * 4; /* of floats: kernels read pairs */
}

static void lay_out_constants(tg_cuda *cuda, const tg_renderer *r) {
    const tg_cuda_scene *s = &cuda->scene;
    cuda->at_sigma = aligned((size_t)s->width_ambient);
    cuda->at_color = cuda->at_sigma + aligned((size_t)s->width_sigma);
    cuda->at_torso = cuda->at_color + aligned((size_t)s->width_color);
    cuda->at_range = cuda->at_torso + aligned((size_t)(s->width_deform + s->width_canonical));
    cuda->range = (size_t)r->skip.across * (size_t)r->skip.down * 2;
    cuda->constants = cuda->at_range + cuda->range;
}

static tg_status take_pictures(tg_context *ctx, tg_cuda *cuda, const tg_renderer *r) {
    /* head and torso run one after the other */
    const int head = cuda->plan.head_blocks * cuda->plan.head_threads;
    const int torso = cuda->plan.torso_blocks * cuda->plan.torso_threads;
    const size_t warps = (size_t)(head > torso ? head : torso) / TG_CUDA_WARP;
    const size_t scratch = warps * (size_t)cuda->scene.scratch_rows * TG_CUDA_WARP * sizeof(float);
    tg_cuda_memory *m = &cuda->memory;
    tg_status status = tg_cuda_take(ctx, m, TG_CUDA_RGB_WEIGHT, cuda->pixels * 4 * sizeof(float));
    if (status == TG_OK) {
        status = tg_cuda_take(ctx, m, TG_CUDA_DEPTH_SUM, cuda->pixels * sizeof(float));
    }
    if (status == TG_OK && (tg_cuda_tensor_width(r) == 0 || cuda->plan.torso_full)) {
        status = tg_cuda_take(ctx, m, TG_CUDA_SCRATCH, scratch);
    }
    if (status == TG_OK && r->options.reference_schedule) {
        status = tg_cuda_take(ctx, m, TG_CUDA_RAYS, cuda->pixels * sizeof(tg_cuda_ray));
        for (int i = 0; status == TG_OK && i < 2; i++) {
            status = tg_cuda_take(ctx, m, TG_CUDA_ALIVE + i, cuda->pixels * sizeof(int32_t));
        }
    }
    for (int i = 0; status == TG_OK && i < TG_CUDA_SLOTS; i++) {
        status = take_slot(ctx, cuda, &cuda->slots[i]);
    }
    cuda->scene.scratch = m->block[TG_CUDA_SCRATCH];
    return status;
}

tg_status tg_cuda_create(tg_context *ctx, const tg_renderer *r, tg_cuda **out) {
    *out = NULL;
    tg_cuda *cuda = tg_calloc(sizeof *cuda);
    if (cuda == NULL) {
        return tg_fail(ctx, TG_ENOMEM, "not enough memory for the renderer");
    }
    cuda->pixels = (size_t)r->options.width * (size_t)r->options.height;
    tg_status status = choose_device(ctx, cuda);
    if (status == TG_OK) {
        cudaError_t error = cudaStreamCreateWithFlags(&cuda->draw, cudaStreamNonBlocking);
        if (error == cudaSuccess) {
            error = cudaStreamCreateWithFlags(&cuda->copy, cudaStreamNonBlocking);
        }
        status = tg_cuda_check(ctx, error, "opening the device");
    }
    if (status == TG_OK) {
        status = tg_cuda_update(ctx, cuda, r);
    }
    if (status == TG_OK) {
        const bool torso = !cuda->scene.torso || tg_cuda_tensor_torso(r);
        status = tg_cuda_check(
            ctx, tg_cuda_plan_make(&cuda->scene, tg_cuda_tensor_width(r), torso, &cuda->plan),
            "loading the kernels");
    }
    if (status == TG_OK) {
        lay_out_constants(cuda, r);
        status = take_pictures(ctx, cuda, r);
    }
    if (status != TG_OK) {
        tg_cuda_destroy(&cuda);
        return status;
    }
    *out = cuda;
    return TG_OK;
}

void tg_cuda_destroy(tg_cuda **out) {
    if (out == NULL || *out == NULL) {
        return;
    }
    tg_cuda *cuda = *out;
    if (cuda->draw != NULL) {
        cudaStreamSynchronize(cuda->draw);
        cudaStreamDestroy(cuda->draw);
    }
    if (cuda->copy != NULL) {
        cudaStreamSynchronize(cuda->copy);
        cudaStreamDestroy(cuda->copy);
    }
    for (int i = 0; i < TG_CUDA_SLOTS; i++) {
        free_slot(&cuda->slots[i]);
    }
    tg_cuda_memory_free(&cuda->memory);
    tg_free(cuda);
    *out = NULL;
}

tg_status tg_cuda_update(tg_context *ctx, tg_cuda *cuda, const tg_renderer *r) {
    float *scratch = cuda->scene.scratch;
    tg_status status =
        tg_cuda_check(ctx, cudaStreamSynchronize(cuda->draw), "waiting for the device");
    if (status == TG_OK) {
        status = tg_cuda_scene_fill(ctx, &cuda->memory, r, &cuda->scene);
    }
    cuda->scene.scratch = scratch;
    cuda->background = r->background_version;
    return status;
}

const char *tg_cuda_name(const tg_cuda *cuda) {
    return cuda->name;
}

/* ---- a frame ---- */

static void fill_constants(const tg_cuda *cuda, const tg_renderer *r, float *to) {
    const tg_nerf_config *c = &r->nerf->config;
    memset(to, 0, cuda->at_range * sizeof *to);
    memcpy(to, r->head.ambient_bias, (size_t)c->hidden_dim_ambient * sizeof *to);
    if (r->head.sigma_bias != NULL) {
        memcpy(to + cuda->at_sigma, r->head.sigma_bias, (size_t)c->hidden_dim_sigma * sizeof *to);
    }
    memcpy(to + cuda->at_color, r->head.color_bias, (size_t)c->hidden_dim_color * sizeof *to);
    if (r->has_torso) {
        const size_t deform = (size_t)c->torso_hidden_deform;
        memcpy(to + cuda->at_torso, r->torso.bias, deform * sizeof *to);
        memcpy(to + cuda->at_torso + cuda->scene.width_deform, r->torso.bias + deform,
               (size_t)c->torso_hidden_canonical * sizeof *to);
    }
    if (r->skips) {
        memcpy(to + cuda->at_range, r->skip.range, cuda->range * sizeof *to);
    }
}

static tg_cuda_view view_of(const tg_cuda *cuda, const tg_renderer *r, const slot *s, bool blind,
                            const float *rays_d) {
    const tg_cuda_memory *m = &cuda->memory;
    tg_cuda_view view = {.ambient_bias = s->constants,
                         .sigma_bias = s->constants + cuda->at_sigma,
                         .color_bias = s->constants + cuda->at_color,
                         .torso_bias = s->constants + cuda->at_torso,
                         .range = s->constants + cuda->at_range,
                         .rays_d = rays_d != NULL ? m->block[TG_CUDA_DIRECTIONS] : NULL,
                         .blind = blind,
                         .next = &s->tally->next,
                         .rays = m->block[TG_CUDA_RAYS],
                         .alive = {m->block[TG_CUDA_ALIVE], m->block[TG_CUDA_OTHER_ALIVE]},
                         .alive_count = &s->tally->alive,
                         .rgb_weight = m->block[TG_CUDA_RGB_WEIGHT],
                         .depth_sum = m->block[TG_CUDA_DEPTH_SUM],
                         .counts = s->tally->counts,
                         .rgb8 = s->rgb8};
    if (s->with_floats) {
        view.rgb = s->floats;
        view.alpha = view.rgb + 3 * cuda->pixels;
        view.depth = view.alpha + cuda->pixels;
        view.weights = view.depth + cuda->pixels;
    }
    memcpy(view.pose, r->pose, sizeof view.pose);
    return view;
}

/* GeneFace's rounds: how many samples a ray gets depends on how many rays are left, so the host
 * waits for every round. */
static cudaError_t run_rounds(tg_cuda *cuda, const tg_renderer *r, slot *s,
                              const tg_cuda_view *view, tg_probe *probe) {
    const int32_t pixels = (int32_t)cuda->pixels;
    const int max_steps = r->nerf->config.max_steps;
    int32_t alive = pixels;
    cudaError_t error = tg_cuda_launch_rounds(&cuda->plan, &cuda->scene, view, true, cuda->draw);
    int n = 0;
    for (int step = 0, round = 0; error == cudaSuccess && step < max_steps && alive > 0;
         step += n, round++) {
        n = pixels / alive;
        n = n < 1 ? 1 : n > TG_ROUND_SAMPLES ? TG_ROUND_SAMPLES : n;
        if (probe != NULL && probe->schedule != NULL) {
            probe->schedule[round][0] = alive;
            probe->schedule[round][1] = n;
            probe->rounds = round + 1;
        }
        error = cudaMemsetAsync(&s->tally->alive, 0, sizeof s->tally->alive, cuda->draw);
        if (error == cudaSuccess) {
            error = tg_cuda_launch_round(&cuda->plan, &cuda->scene, view, round % 2, alive, n,
                                         cuda->draw);
        }
        if (error == cudaSuccess) {
            error = cudaMemcpyAsync(&s->tally_host->alive, &s->tally->alive, sizeof alive,
                                    cudaMemcpyDeviceToHost, cuda->draw);
        }
        if (error == cudaSuccess) {
            error = cudaStreamSynchronize(cuda->draw);
        }
        alive = s->tally_host->alive;
    }
    return error == cudaSuccess
               ? tg_cuda_launch_rounds(&cuda->plan, &cuda->scene, view, false, cuda->draw)
               : error;
}

static tg_status read_probe(tg_context *ctx, const tg_cuda *cuda, tg_probe *probe) {
    if (probe == NULL || probe->samples == NULL || cuda->memory.block[TG_CUDA_RAYS] == NULL) {
        return TG_OK;
    }
    const size_t bytes = cuda->pixels * sizeof(tg_cuda_ray);
    tg_cuda_ray *rays = tg_alloc(bytes);
    if (rays == NULL) {
        return tg_fail(ctx, TG_ENOMEM, "not enough memory for the rays of a picture");
    }
    cudaError_t error = cudaStreamSynchronize(cuda->draw);
    if (error == cudaSuccess) {
        error = cudaMemcpy(rays, cuda->memory.block[TG_CUDA_RAYS], bytes, cudaMemcpyDeviceToHost);
    }
    for (size_t i = 0; error == cudaSuccess && i < cuda->pixels; i++) {
        probe->samples[i] = rays[i].samples;
        probe->near[i] = rays[i].near;
        probe->far[i] = rays[i].far;
    }
    tg_free(rays);
    return tg_cuda_check(ctx, error, "copying rays");
}

static tg_status prepare(tg_context *ctx, tg_cuda *cuda, const tg_renderer *r, const float *rays_d,
                         slot *s) {
    tg_status status = TG_OK;
    if (cuda->background != r->background_version) {
        status = tg_cuda_check(ctx, cudaStreamSynchronize(cuda->draw), "waiting for the device");
        if (status == TG_OK) {
            status = tg_cuda_put(ctx, &cuda->memory, TG_CUDA_BACKGROUND, r->background,
                                 cuda->pixels * 3 * sizeof(float));
        }
        cuda->background = r->background_version;
    }
    if (status == TG_OK && rays_d != NULL) {
        status = tg_cuda_put(ctx, &cuda->memory, TG_CUDA_DIRECTIONS, rays_d,
                             cuda->pixels * 3 * sizeof(float));
    }
    if (status == TG_OK && s->with_floats && s->floats == NULL) {
        status = tg_cuda_check(
            ctx, cudaMalloc((void **)&s->floats, cuda->pixels * 6 * sizeof(float)), "a picture");
    }
    return status;
}

tg_status tg_cuda_begin(tg_context *ctx, tg_cuda *cuda, const tg_renderer *r, const float *rays_d,
                        tg_probe *probe, bool floats) {
    if (cuda->begun - cuda->finished >= TG_CUDA_SLOTS) {
        return tg_fail(ctx, TG_EINTERNAL, "a third frame was begun before the first was taken");
    }
    slot *s = &cuda->slots[cuda->begun % TG_CUDA_SLOTS];
    s->with_floats = floats;
    tg_status status = prepare(ctx, cuda, r, rays_d, s);
    if (status != TG_OK) {
        return status;
    }
    fill_constants(cuda, r, s->host);
    const tg_cuda_view view = view_of(cuda, r, s, probe != NULL && probe->blind_torso, rays_d);
    cudaError_t error = cudaMemcpyAsync(s->constants, s->host, cuda->constants * sizeof(float),
                                        cudaMemcpyHostToDevice, cuda->draw);
    if (error == cudaSuccess) {
        error = cudaMemsetAsync(s->tally, 0, sizeof *s->tally, cuda->draw);
    }
    if (error == cudaSuccess) {
        error = r->options.reference_schedule
                    ? run_rounds(cuda, r, s, &view, probe)
                    : tg_cuda_launch_march(&cuda->plan, &cuda->scene, &view, cuda->draw);
    }
    if (error == cudaSuccess) {
        error = tg_cuda_launch_compose(&cuda->plan, &cuda->scene, &view, cuda->draw);
    }
    if (error == cudaSuccess) {
        error = cudaEventRecord(s->drawn, cuda->draw);
    }
    if (error == cudaSuccess) {
        error = cudaStreamWaitEvent(cuda->copy, s->drawn, 0);
    }
    if (error == cudaSuccess) {
        error = cudaMemcpyAsync(s->rgb8_host, s->rgb8, cuda->pixels * 3, cudaMemcpyDeviceToHost,
                                cuda->copy);
    }
    if (error == cudaSuccess) {
        error = cudaMemcpyAsync(s->tally_host, s->tally, sizeof *s->tally, cudaMemcpyDeviceToHost,
                                cuda->copy);
    }
    if (error == cudaSuccess) {
        error = cudaEventRecord(s->ready, cuda->copy);
    }
    status = tg_cuda_check(ctx, error, "rendering a frame");
    if (status == TG_OK) {
        status = read_probe(ctx, cuda, probe);
    }
    cuda->begun += status == TG_OK;
    return status;
}

tg_status tg_cuda_finish(tg_context *ctx, tg_cuda *cuda, const tg_picture *picture,
                         tg_render_counts *counts) {
    if (cuda->begun == cuda->finished) {
        return tg_fail(ctx, TG_EINTERNAL, "a frame is waited for that was never begun");
    }
    const slot *s = &cuda->slots[cuda->finished++ % TG_CUDA_SLOTS];
    const size_t pixels = cuda->pixels;
    cudaError_t error = cudaEventSynchronize(s->ready);
    if (error == cudaSuccess && picture->rgb8 != NULL) {
        memcpy(picture->rgb8, s->rgb8_host, pixels * 3);
    }
    float *const to[4] = {picture->rgb, picture->alpha, picture->depth, picture->weights};
    static const size_t at[4] = {0, 3, 4, 5}, width[4] = {3, 1, 1, 1};
    for (int i = 0; error == cudaSuccess && i < 4; i++) {
        if (to[i] != NULL && s->with_floats) {
            error = cudaMemcpy(to[i], s->floats + at[i] * pixels, width[i] * pixels * sizeof(float),
                               cudaMemcpyDeviceToHost);
        }
    }
    const unsigned long long *n = s->tally_host->counts;
    if (error == cudaSuccess) {
        *counts = (tg_render_counts){.rays = (int64_t)pixels,
                                     .density_samples = (int64_t)n[1],
                                     .color_samples = (int64_t)n[2],
                                     .torso_pixels = (int64_t)n[3]};
    }
    return tg_cuda_check(ctx, error, "rendering a frame");
}
