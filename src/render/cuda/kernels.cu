/* The kernels of a frame, and their launches.
 *
 * Rays: warps stay for the whole frame. A lane follows one ray and takes the next of the picture
 * when it ends, so that the 32 samples that a warp evaluates together are nearly always 32; rays
 * begin in the order of 8 x 8 squares, in Z order inside, so that what lies together is looked up
 * together. A ray's sums depend on nothing but itself: the picture is the same however rays meet.
 */
#include "launch.h"

#include "full.cuh"
#include "march.cuh"
#include "tensor.cuh"

/* Pixel number i in the order above; false outside of the picture. */
TG_DEVICE bool pixel_at(const tg_cuda_scene &s, int i, int *row, int *column) {
    const int square = i / 64;
    *row = square / s.across * TG_CUDA_SQUARE;
    *column = square % s.across * TG_CUDA_SQUARE;
    for (int bit = 0; bit < 3; bit++) {
        *column += (i >> (2 * bit) & 1) << bit;
        *row += (i >> (2 * bit + 1) & 1) << bit;
    }
    return *row < s.height && *column < s.width;
}

TG_DEVICE void write_ray(const tg_cuda_view &view, size_t pixel, const float rgb[3], float weight,
                         float depth) {
    float *to = view.rgb_weight + 4 * pixel;
    to[0] = rgb[0];
    to[1] = rgb[1];
    to[2] = rgb[2];
    to[3] = weight;
    view.depth_sum[pixel] = depth;
}

/* Density, weight and colour of the samples of a warp. */
template <class Head>
TG_DEVICE void add_samples(const tg_cuda_scene &s, Head &head, tg_cuda_ray &ray, bool has,
                           const float p[3], float dt, float t_after, int *colored) {
    const float sigma = head.density(p, has);
    float weight = 0.0f;
    if (has) {
        weight = add_density(s, ray, sigma, dt, t_after);
    }
    const uint32_t wanted = vote(has && weight > s.min_weight);
    if (wanted != 0) {
        float rgb[3] = {0.0f, 0.0f, 0.0f};
        head.color(wanted, rgb);
        if ((wanted >> lane_index() & 1u) != 0) {
            for (int c = 0; c < 3; c++) {
                ray.rgb[c] += weight * rgb[c];
            }
        }
    }
    *colored += count_bits(wanted);
}

template <class Head> TG_DEVICE void march(const tg_cuda_scene &s, const tg_cuda_view &view) {
    Head head(s, view);
    const int down = (s.height + TG_CUDA_SQUARE - 1) / TG_CUDA_SQUARE;
    const int total = down * s.across * 64, lane = lane_index();
    const uint32_t below = (1u << lane) - 1u;
    bool more = true, following = false;
    int pixel = 0, densities = 0, colors = 0;
    tg_cuda_ray ray = {};
    for (;;) {
        float p[3] = {0.0f, 0.0f, 0.0f}, dt = 0.0f, t_after = 0.0f;
        bool has = false;
        uint32_t all;
        for (;;) { /* until every lane has a sample, or there are no more rays */
            if (following && !has) {
                has = ray.samples < s.max_samples && next_sample(s, view, ray, p, &dt, &t_after);
                if (!has) {
                    write_ray(view, (size_t)pixel, ray.rgb, ray.weight, ray.depth);
                    following = false;
                }
            }
            all = vote(has);
            const uint32_t idle = vote(!following);
            if (idle == 0 || !more) {
                break;
            }
            int first = 0;
            if (lane == 0) {
                first = atomic_add(view.next, count_bits(idle));
            }
            first = shuffle(first, 0);
            const int i = first + count_bits(idle & below);
            more = first + count_bits(idle) < total;
            int row, column;
            if (!following && i < total && pixel_at(s, i, &row, &column)) {
                pixel = row * s.width + column;
                following = begin_ray(s, view, row, column, ray);
                if (following) {
                    head.begin(ray.d);
                } else {
                    write_ray(view, (size_t)pixel, ray.rgb, 0.0f, 0.0f);
                }
            }
        }
        if (all == 0) {
            break;
        }
        add_samples(s, head, ray, has, p, dt, t_after, &colors);
        densities += count_bits(all);
        if (has) {
            ray.samples++;
            if (ray.opaque) {
                write_ray(view, (size_t)pixel, ray.rgb, ray.weight, ray.depth);
                following = false;
            }
        }
    }
    if (lane == 0) {
        atomic_add(view.counts + 1, (unsigned long long)densities);
        atomic_add(view.counts + 2, (unsigned long long)colors);
    }
}

/* ---- the published schedule: rounds over the whole picture ---- */

TG_DEVICE void start_rounds(const tg_cuda_scene &s, const tg_cuda_view &view) {
    const int pixels = s.width * s.height;
    for (int i = block_index() * block_threads() + thread_index(); i < pixels;
         i += block_count() * block_threads()) {
        tg_cuda_ray ray;
        begin_ray(s, view, i / s.width, i % s.width, ray);
        view.rays[i] = ray;
        view.alive[0][i] = i;
    }
}

/* `samples` more of every ray of list `from`; those that go on are the other list. */
template <class Head>
TG_DEVICE void run_round(const tg_cuda_scene &s, const tg_cuda_view &view, int from, int alive,
                         int samples) {
    Head head(s, view);
    const int lane = lane_index(), warps = block_threads() / TG_CUDA_WARP;
    int densities = 0, colors = 0;
    for (int at = (block_index() * warps + warp_index()) * TG_CUDA_WARP; at < alive;
         at += block_count() * warps * TG_CUDA_WARP) {
        const bool here = at + lane < alive;
        const int id = here ? view.alive[from][at + lane] : 0;
        tg_cuda_ray ray = view.rays[id];
        head.begin(ray.d);
        bool ended = !here;
        for (int k = 0; k < samples; k++) {
            float p[3] = {0.0f, 0.0f, 0.0f}, dt = 0.0f, t_after = 0.0f;
            if (!ended) {
                ended = !next_sample(s, view, ray, p, &dt, &t_after);
                ray.samples += !ended;
            }
            const uint32_t all = vote(!ended);
            if (all == 0) {
                break;
            }
            add_samples(s, head, ray, !ended && !ray.opaque, p, dt, t_after, &colors);
            densities += count_bits(all);
        }
        ray.ended = ended;
        if (here) {
            view.rays[id] = ray;
        }
        const uint32_t going = vote(here && !ended && !ray.opaque);
        int first = 0;
        if (lane == 0) {
            first = atomic_add(view.alive_count, count_bits(going));
        }
        first = shuffle(first, 0);
        if ((going >> lane & 1u) != 0) {
            view.alive[1 - from][first + count_bits(going & ((1u << lane) - 1u))] = id;
        }
    }
    if (lane == 0) {
        atomic_add(view.counts + 1, (unsigned long long)densities);
        atomic_add(view.counts + 2, (unsigned long long)colors);
    }
}

TG_DEVICE void end_rounds(const tg_cuda_scene &s, const tg_cuda_view &view) {
    const int pixels = s.width * s.height;
    for (int i = block_index() * block_threads() + thread_index(); i < pixels;
         i += block_count() * block_threads()) {
        const tg_cuda_ray *ray = view.rays + i;
        write_ray(view, (size_t)i, ray->rgb, ray->weight, ray->depth);
    }
}

/* ---- head over torso over background ---- */

TG_DEVICE float screen_coord(int k, int size) {
    return size < 2 ? 0.0f : (float)k / (float)(size - 1) * 2.0f - 1.0f;
}

TG_DEVICE float clamp_unit(float x) {
    return x < 0.0f ? 0.0f : x > 1.0f ? 1.0f : x;
}

TG_DEVICE void write_pixel(const tg_cuda_scene &s, const tg_cuda_view &view, size_t pixel, int row,
                           int column, const float head[4], const float rgba[4]) {
    const float *background = s.background + 3 * pixel;
    const float alpha = rgba[0];
    for (int c = 0; c < 3; c++) {
        const float behind = rgba[1 + c] * alpha + background[c] * (1.0f - alpha);
        const float value = clamp_unit(head[c] + (1.0f - head[3]) * behind);
        if (view.rgb != NULL) {
            view.rgb[3 * pixel + (size_t)c] = value;
        }
        if (view.rgb8 != NULL) {
            view.rgb8[3 * pixel + (size_t)c] = (uint8_t)(value * 255.0f);
        }
    }
    if (view.alpha != NULL) {
        view.alpha[pixel] = clamp_unit(1.0f - (1.0f - head[3]) * (1.0f - alpha));
    }
    if (view.weights != NULL) {
        view.weights[pixel] = head[3];
    }
    if (view.depth != NULL) {
        float d[3], near, far;
        ray_direction(s, view, row, column, d);
        ray_box(s, view, d, &near, &far);
        const float depth = view.depth_sum[pixel] - near;
        view.depth[pixel] = (depth > 0.0f ? depth : 0.0f) / (far - near);
    }
}

/* The same limit as compose.c: it could change a byte by a quarter. */
TG_DEVICE bool torso_shows(const tg_cuda_scene &s, size_t pixel, float weight) {
    return s.torso_mask[pixel] != 0 && (s.see_all || weight < 1.0f - 1.0f / 1024.0f);
}

template <class Torso> TG_DEVICE void compose(const tg_cuda_scene &s, const tg_cuda_view &view) {
    Torso torso(s, view);
    const int pixels = s.width * s.height, warps = block_threads() / TG_CUDA_WARP;
    int evaluated = 0;
    for (int at = (block_index() * warps + warp_index()) * TG_CUDA_WARP; at < pixels;
         at += block_count() * warps * TG_CUDA_WARP) {
        const int i = at + lane_index() < pixels ? at + lane_index() : pixels - 1;
        const int row = i / s.width, column = i % s.width;
        float head[4], rgba[4] = {0.0f, 0.0f, 0.0f, 0.0f};
        for (int c = 0; c < 4; c++) {
            head[c] = view.rgb_weight[4 * (size_t)i + (size_t)c];
        }
        const bool here = at + lane_index() < pixels;
        const bool shows = here && s.torso && torso_shows(s, (size_t)i, head[3]);
        const uint32_t wanted = vote(shows);
        if (wanted != 0) {
            const float screen[2] = {screen_coord(row, s.height), screen_coord(column, s.width)};
            float seen[4], out[4];
            for (int c = 0; c < 4; c++) {
                seen[c] = view.blind ? 0.0f : head[c];
                out[c] = 0.0f;
            }
            torso.evaluate(row, column, screen, seen, shows, out);
            for (int c = 0; c < 4; c++) {
                rgba[c] = shows ? out[c] : 0.0f;
            }
            evaluated += count_bits(wanted);
        }
        if (here) {
            write_pixel(s, view, (size_t)i, row, column, head, rgba);
        }
    }
    if (lane_index() == 0) {
        atomic_add(view.counts + 3, (unsigned long long)evaluated);
    }
}

/* ---- kernels ----
 *
 * TG_KERNEL(threads, blocks): so many registers that this many blocks fit a multiprocessor, which
 * has 65,536 of them. What ptxas 13.0 says for sm_80 and sm_90, with the shared memory of the demo
 * person's layers (3, 3 and 2):
 *
 *                    registers   stack, B   shared memory              warps on a multiprocessor
 *   narrow_march     158, 166      0,  0    48.8 KiB, weights 41.0     12 of 3 blocks: 146 KiB
 *   narrow_cached    168, 168     16, 16    7.8 KiB                    12 of 3 blocks
 *   wide_march       255, 255     48, 64    144.5 KiB, weights 130.0   8 of one block
 *   wide_cached      255, 255     88, 40    14.5 KiB                   8 of one block
 *   plain_compose    168, 168     40,  8    none                       12 of 3 blocks
 *   aware_compose    168, 168      0,  8    none                       12 of 3 blocks
 *   full_march        96,  96     32, 32    none                       8 of 4 blocks
 *
 * Few warps, then, but each has four independent products under way (two halves of its samples, two
 * blocks of outputs) and 16 lookups of 4 to 8 rows that depend on nothing but the point, which is
 * where latency is hidden. Of the weights a warp reads 512 bytes of shared memory for four products
 * of 2048 multiply-adds: 4 cycles of its bandwidth for 32 of one of the four tensor cores of sm_80,
 * so that all four keep it half busy.
 */
#define MARCH(name, threads, blocks, ...)                                                          \
    TG_KERNEL(threads, blocks)                                                                     \
    name##_march(TG_CONSTANT tg_cuda_scene s, TG_CONSTANT tg_cuda_view view) {                     \
        march<__VA_ARGS__>(s, view);                                                               \
    }                                                                                              \
    TG_KERNEL(threads, blocks)                                                                     \
    name##_round(TG_CONSTANT tg_cuda_scene s, TG_CONSTANT tg_cuda_view view, int from, int alive,  \
                 int samples) {                                                                    \
        run_round<__VA_ARGS__>(s, view, from, alive, samples);                                     \
    }
#define COMPOSE(name, threads, blocks, ...)                                                        \
    TG_KERNEL(threads, blocks)                                                                     \
    name##_compose(TG_CONSTANT tg_cuda_scene s, TG_CONSTANT tg_cuda_view view) {                   \
        compose<__VA_ARGS__>(s, view);                                                             \
    }

typedef tensor_head<64, true> head_64;
typedef tensor_head<64, false> head_64_cached;
typedef tensor_head<128, true> head_128;
typedef tensor_head<128, false> head_128_cached;

MARCH(full, TG_CUDA_FULL_THREADS, 4, full_head)
MARCH(narrow, TG_CUDA_HEAD_THREADS_64, 3, head_64)
MARCH(narrow_cached, TG_CUDA_HEAD_THREADS_64, 3, head_64_cached)
MARCH(wide, TG_CUDA_HEAD_THREADS_128, 1, head_128)
MARCH(wide_cached, TG_CUDA_HEAD_THREADS_128, 1, head_128_cached)
COMPOSE(full, TG_CUDA_FULL_THREADS, 4, full_torso)
COMPOSE(plain, TG_CUDA_TORSO_THREADS, 3, tensor_torso<false>)
COMPOSE(aware, TG_CUDA_TORSO_THREADS, 3, tensor_torso<true>)

TG_KERNEL(256, 2) rounds_start(TG_CONSTANT tg_cuda_scene s, TG_CONSTANT tg_cuda_view view) {
    start_rounds(s, view);
}
TG_KERNEL(256, 2) rounds_end(TG_CONSTANT tg_cuda_scene s, TG_CONSTANT tg_cuda_view view) {
    end_rounds(s, view);
}

/* ---- launches ---- */

enum { FULL, NARROW, NARROW_CACHED, WIDE, WIDE_CACHED };

template <class March, class Round>
static cudaError_t choose(tg_cuda_plan *plan, int kind, int threads, size_t bytes, March march,
                          Round round) {
    int blocks = 0;
    plan->head_kind = kind;
    plan->head_threads = threads;
    plan->head_bytes = bytes;
    plan->head_blocks = 1;
    cudaError_t error = prepare(round, threads, bytes, &blocks);
    if (error == cudaSuccess) {
        error = prepare(march, threads, bytes, &blocks);
    }
    if (error != cudaSuccess) {
        return error;
    }
    plan->head_blocks = blocks * plan->multiprocessors;
    return blocks > 0 ? cudaSuccess : cudaErrorInvalidValue;
}

extern "C" cudaError_t tg_cuda_plan_make(const tg_cuda_scene *s, int tensor_width,
                                         bool tensor_torso_fits, tg_cuda_plan *plan) {
    cudaError_t error;
    const int narrow = TG_CUDA_HEAD_THREADS_64, wide = TG_CUDA_HEAD_THREADS_128;
    /* without room for the weights (GPUs with 100 KiB, or networks of many layers): cached ones */
    if (tensor_width == 64) {
        error =
            choose(plan, NARROW, narrow, head_64::bytes(*s, narrow), narrow_march, narrow_round);
        if (error != cudaSuccess) {
            (void)cudaGetLastError();
            error = choose(plan, NARROW_CACHED, narrow, head_64_cached::bytes(*s, narrow),
                           narrow_cached_march, narrow_cached_round);
        }
    } else if (tensor_width == 128) {
        error = choose(plan, WIDE, wide, head_128::bytes(*s, wide), wide_march, wide_round);
        if (error != cudaSuccess) {
            (void)cudaGetLastError();
            error = choose(plan, WIDE_CACHED, wide, head_128_cached::bytes(*s, wide),
                           wide_cached_march, wide_cached_round);
        }
    } else {
        error = choose(plan, FULL, TG_CUDA_FULL_THREADS, 0, full_march, full_round);
    }
    plan->torso_full = !tensor_torso_fits;
    plan->torso_threads = tensor_torso_fits ? TG_CUDA_TORSO_THREADS : TG_CUDA_FULL_THREADS;
    plan->torso_blocks = plan->multiprocessors * 4;
    return error;
}

extern "C" cudaError_t tg_cuda_launch_march(const tg_cuda_plan *plan, const tg_cuda_scene *s,
                                            const tg_cuda_view *view, cudaStream_t stream) {
    const int blocks = plan->head_blocks, threads = plan->head_threads;
    const size_t bytes = plan->head_bytes;
    switch (plan->head_kind) {
    case NARROW:
        return launch(narrow_march, blocks, threads, bytes, stream, *s, *view);
    case NARROW_CACHED:
        return launch(narrow_cached_march, blocks, threads, bytes, stream, *s, *view);
    case WIDE:
        return launch(wide_march, blocks, threads, bytes, stream, *s, *view);
    case WIDE_CACHED:
        return launch(wide_cached_march, blocks, threads, bytes, stream, *s, *view);
    default:
        return launch(full_march, blocks, threads, bytes, stream, *s, *view);
    }
}

extern "C" cudaError_t tg_cuda_launch_round(const tg_cuda_plan *plan, const tg_cuda_scene *s,
                                            const tg_cuda_view *view, int from, int alive,
                                            int samples, cudaStream_t stream) {
    const int blocks = plan->head_blocks, threads = plan->head_threads;
    const size_t bytes = plan->head_bytes;
    switch (plan->head_kind) {
    case NARROW:
        return launch(narrow_round, blocks, threads, bytes, stream, *s, *view, from, alive,
                      samples);
    case NARROW_CACHED:
        return launch(narrow_cached_round, blocks, threads, bytes, stream, *s, *view, from, alive,
                      samples);
    case WIDE:
        return launch(wide_round, blocks, threads, bytes, stream, *s, *view, from, alive, samples);
    case WIDE_CACHED:
        return launch(wide_cached_round, blocks, threads, bytes, stream, *s, *view, from, alive,
                      samples);
    default:
        return launch(full_round, blocks, threads, bytes, stream, *s, *view, from, alive, samples);
    }
}

extern "C" cudaError_t tg_cuda_launch_rounds(const tg_cuda_plan *plan, const tg_cuda_scene *s,
                                             const tg_cuda_view *view, bool start,
                                             cudaStream_t stream) {
    const int blocks = plan->multiprocessors * 2;
    return start ? launch(rounds_start, blocks, 256, 0, stream, *s, *view)
                 : launch(rounds_end, blocks, 256, 0, stream, *s, *view);
}

extern "C" cudaError_t tg_cuda_launch_compose(const tg_cuda_plan *plan, const tg_cuda_scene *s,
                                              const tg_cuda_view *view, cudaStream_t stream) {
    const int blocks = plan->torso_blocks, threads = plan->torso_threads;
    if (plan->torso_full) {
        return launch(full_compose, blocks, threads, 0, stream, *s, *view);
    }
    return s->head_aware ? launch(aware_compose, blocks, threads, 0, stream, *s, *view)
                         : launch(plain_compose, blocks, threads, 0, stream, *s, *view);
}
