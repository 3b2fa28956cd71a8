/* Held-out frames of a recording against what a finished identity makes of their true landmarks and
 * poses: head over torso over background, by region. */
#include "eval/displacement.h"
#include "eval/face_region.h"
#include "eval/portrait_frames.h"

#include <math.h>
#include <string.h>

enum { CONTROL_SHIFT = 25 /* landmarks of one second later */, FIRST_INNER = 17, FIRST_MOUTH = 48 };

const char *tg_region_name(tg_region region) {
    static const char *const names[TG_REGIONS] = {"head", "face", "hair", "mouth", "torso", "all"};
    return names[region];
}

typedef struct {
    double sum, n;
} mean_sum;

static void add(mean_sum *m, double x) {
    if (isfinite(x)) {
        m->sum += x;
        m->n++;
    }
}

static double mean_of(const mean_sum *m) {
    return m->n > 0 ? m->sum / m->n : NAN;
}

typedef struct {
    portrait_frames frames;
    tg_region_score region[TG_REGIONS], control;
    double pyramid[TG_REGIONS];
    mean_sum inner, mouth, control_mouth, eyes; /* displacements and the eyes' distance, pixels */
    double change[TG_REGIONS], true_change[TG_REGIONS];
    int64_t pairs;
    uint8_t *rgb, *before, *mask;
    float *ssim, *pyramid_map, *grey, *true_grey;
} measuring;

static const float *landmarks_of(const measuring *m, int64_t frame) {
    const tg_dataset *data = m->frames.data;
    return data->landmarks + data->image_id[frame] * TG_COND_DIM;
}

static const uint8_t *truth_of(const measuring *m, int64_t frame) {
    return m->frames.data->frame_rgb + (size_t)frame * m->frames.pixels * 3;
}

static tg_status paint(tg_context *ctx, const measuring *m, int64_t frame, int64_t row,
                       uint8_t *rgb) {
    const tg_dataset *data = m->frames.data;
    return tg_portrait_frame(ctx, &m->frames, frame, data->landmarks, data->landmark_rows, row,
                             rgb);
}

/* Which bits of m->mask, or which box, a region is. */
static int bits_of(tg_region region) {
    static const int bits[TG_REGIONS] = {
        TG_PIXEL_HEAD_REGION, TG_PIXEL_FACE, TG_PIXEL_HAIR, 0, TG_PIXEL_TORSO_REGION, 0};
    return bits[region];
}

static double sum_map(const measuring *m, tg_region region, const tg_box *box) {
    const tg_dataset *data = m->frames.data;
    double sum = 0;
    for (int y = box->top; y < box->bottom; y++)
        for (int x = box->left; x < box->right; x++) {
            int64_t i = (int64_t)y * data->width + x;
            if (!bits_of(region) || (m->mask[i] & bits_of(region)))
                sum += (double)m->pyramid_map[i];
        }
    return sum;
}

static tg_status compare_pictures(tg_context *ctx, measuring *m, int64_t frame) {
    const tg_dataset *data = m->frames.data;
    const uint8_t *truth = truth_of(m, frame);
    int w = data->width, h = data->height;
    const tg_box all = {0, 0, w, h}, mouth = tg_dataset_mouth(data, frame);
    tg_status s = tg_ssim_map(ctx, w, h, m->rgb, truth, m->ssim);
    if (s == TG_OK)
        s = tg_pyramid_map(ctx, w, h, m->rgb, truth, m->pyramid_map);
    for (tg_region r = 0; s == TG_OK && r < TG_REGIONS; r++) {
        const tg_box *box = r == TG_REGION_MOUTH ? &mouth : &all;
        tg_region_add(&m->region[r], w, h, m->rgb, truth, m->ssim, bits_of(r) ? m->mask : NULL,
                      bits_of(r), box);
        m->pyramid[r] += sum_map(m, r, box);
    }
    return s;
}

/* Displacements of the patches around the inner landmarks; m->true_grey is the frame's. */
static void measure_places(const measuring *m, int64_t frame, mean_sum *inner, mean_sum *mouth) {
    const tg_dataset *data = m->frames.data;
    int radius = data->width / 32 > 3 ? data->width / 32 : 3;
    for (int i = FIRST_INNER; i < 68; i++) {
        float xy[2];
        if (!tg_dataset_project(data, frame, landmarks_of(m, frame) + 3 * i, xy))
            continue;
        double d = tg_displacement(m->true_grey, m->grey, data->width, data->height, (double)xy[0],
                                   (double)xy[1], radius);
        if (inner)
            add(inner, d);
        if (i >= FIRST_MOUTH)
            add(mouth, d);
    }
}

static void measure_eyes(measuring *m, int64_t frame) {
    float a[2], b[2];
    const float *lm = landmarks_of(m, frame);
    if (tg_dataset_project(m->frames.data, frame, lm + 3 * 36, a) &&
        tg_dataset_project(m->frames.data, frame, lm + 3 * 45, b))
        add(&m->eyes, hypot((double)a[0] - (double)b[0], (double)a[1] - (double)b[1]));
}

/* How much pictures change from one frame to the next: m->rgb after m->before, and the truth. */
static void measure_flicker(measuring *m, int64_t frame) {
    const uint8_t *now = truth_of(m, frame), *last = truth_of(m, frame - 1);
    const tg_dataset *data = m->frames.data;
    tg_box mouth = tg_dataset_mouth(data, frame);
    for (size_t i = 0; i < m->frames.pixels; i++) {
        int x = (int)(i % (size_t)data->width), y = (int)(i / (size_t)data->width);
        int change = 0, true_change = 0;
        for (size_t c = 3 * i; c < 3 * i + 3; c++) {
            int d = (int)m->rgb[c] - m->before[c], e = (int)now[c] - last[c];
            change += d < 0 ? -d : d;
            true_change += e < 0 ? -e : e;
        }
        for (tg_region r = 0; r < TG_REGIONS; r++) {
            bool in = r == TG_REGION_MOUTH
                          ? x >= mouth.left && x < mouth.right && y >= mouth.top && y < mouth.bottom
                          : !bits_of(r) || (m->mask[i] & bits_of(r));
            m->change[r] += in ? change : 0;
            m->true_change[r] += in ? true_change : 0;
        }
    }
    m->pairs++;
}

/* known: m->before is the frame before this one. */
static tg_status measure_frame(tg_context *ctx, measuring *m, int64_t frame, bool known) {
    const tg_dataset *data = m->frames.data;
    int64_t row = data->image_id[frame], pixels = (int64_t)m->frames.pixels;
    bool neighbour = frame > data->train_frames && data->image_id[frame - 1] == row - 1;
    tg_status s = TG_OK;
    tg_face_region(data, frame, m->mask);
    if (neighbour && !known)
        s = paint(ctx, m, frame - 1, row - 1, m->before);
    if (s == TG_OK)
        s = paint(ctx, m, frame, row, m->rgb);
    if (s == TG_OK)
        s = compare_pictures(ctx, m, frame);
    if (s != TG_OK)
        return s;
    if (neighbour)
        measure_flicker(m, frame);
    tg_grey(truth_of(m, frame), pixels, m->true_grey);
    tg_grey(m->rgb, pixels, m->grey);
    measure_places(m, frame, &m->inner, &m->mouth);
    measure_eyes(m, frame);

    /* The last second of the recording has no later landmarks and is left out of the control. */
    uint8_t *kept = m->before;
    m->before = m->rgb;
    m->rgb = kept;
    if (row + CONTROL_SHIFT >= data->landmark_rows)
        return TG_OK;
    s = paint(ctx, m, frame, row + CONTROL_SHIFT, m->rgb);
    if (s == TG_OK) {
        tg_box mouth = tg_dataset_mouth(data, frame);
        tg_region_add(&m->control, data->width, data->height, m->rgb, truth_of(m, frame), NULL,
                      NULL, 0, &mouth);
        tg_grey(m->rgb, pixels, m->grey);
        measure_places(m, frame, NULL, &m->control_mouth);
    }
    return s;
}

static void summarize(const measuring *m, tg_portrait_score *out) {
    double eyes = mean_of(&m->eyes);
    for (tg_region r = 0; r < TG_REGIONS; r++)
        out->region[r] = (tg_region_figures){
            .psnr = tg_region_psnr(&m->region[r]),
            .ssim = tg_region_ssim(&m->region[r]),
            .pyramid = m->pyramid[r] / (double)m->region[r].pixels,
            .flicker = m->pairs && m->true_change[r] > 0 ? m->change[r] / m->true_change[r] : NAN};
    out->control_psnr = tg_region_psnr(&m->control);
    out->landmark_px = mean_of(&m->inner);
    out->mouth_px = mean_of(&m->mouth);
    out->control_mouth_px = mean_of(&m->control_mouth);
    out->eyes_px = eyes;
    out->pairs = m->pairs;
}

static tg_status alloc(tg_context *ctx, measuring *m) {
    size_t n = m->frames.pixels;
    m->rgb = tg_alloc(3 * n);
    m->before = tg_alloc(3 * n);
    m->mask = tg_alloc(n);
    m->ssim = tg_alloc(n * sizeof *m->ssim);
    m->pyramid_map = tg_alloc(n * sizeof *m->pyramid_map);
    m->grey = tg_alloc(n * sizeof *m->grey);
    m->true_grey = tg_alloc(n * sizeof *m->true_grey);
    if (m->rgb && m->before && m->mask && m->ssim && m->pyramid_map && m->grey && m->true_grey)
        return TG_OK;
    return tg_fail(ctx, TG_ENOMEM, "not enough memory to measure %d x %d pictures",
                   m->frames.data->width, m->frames.data->height);
}

tg_status tg_eval_portrait(tg_context *ctx, const tg_identity *identity, const char *dataset,
                           int64_t limit, tg_march_rule march, tg_portrait_score *out) {
    measuring m;
    memset(&m, 0, sizeof m);
    memset(out, 0, sizeof *out);
    tg_status s = tg_portrait_frames_open(ctx, identity, dataset, march, &m.frames);
    if (s == TG_OK)
        s = alloc(ctx, &m);
    const tg_dataset *data = m.frames.data;
    int64_t held_out = s == TG_OK ? data->frames - data->train_frames : 0;
    int64_t count = limit > 0 && limit < held_out ? limit : held_out, last = -2;
    for (int64_t i = 0; s == TG_OK && i < count; i++) {
        int64_t frame = data->train_frames + i * held_out / count;
        s = measure_frame(ctx, &m, frame, last == frame - 1);
        last = frame;
        tg_progress(ctx, "eval", (double)(i + 1), (double)count, "");
        if (s == TG_OK)
            s = tg_cancelled(ctx);
    }
    if (s == TG_OK) {
        out->frames = count;
        summarize(&m, out);
    }
    tg_portrait_frames_close(&m.frames);
    tg_free(m.rgb);
    tg_free(m.before);
    tg_free(m.mask);
    tg_free(m.ssim);
    tg_free(m.pyramid_map);
    tg_free(m.grey);
    tg_free(m.true_grey);
    return s;
}
