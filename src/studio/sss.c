#include "studio/sss.h"

#include <math.h>
#include <string.h>

enum { MAX_RADIUS = 48, MAX_WIDTH = 8192 };

typedef struct {
    const tg_sss *sss;
    const float *source;
    float *target;
    bool vertical;
    int first, last;
    int radius[3];
    float depth_scale[3]; /* 1 / (2 sigma^2) */
    float share[3];       /* of the light that goes that far */
    float weight[3][MAX_RADIUS + 1];
} job;

/* First and last cell of a row (or of a span) that is skin; last < first if none. */
static void skin_span(const float *depth, int n, int *first, int *last) {
    *first = n;
    *last = -1;
    for (int x = 0; x < n; x++)
        if (depth[x] < TG_SSS_OUTSIDE) {
            *first = *first < x ? *first : x;
            *last = x;
        }
}

/* One channel of one row: sums over taps lie outermost so that the inner loop runs along the row.
 */
static void blur_row(const job *j, int channel, int y, int x0, int x1, float *sum, float *norm) {
    const tg_sss *s = j->sss;
    int w = s->width;
    size_t plane = (size_t)channel * (size_t)w * (size_t)s->height;
    const float *z0 = s->depth + (size_t)y * (size_t)w;
    float scale = j->depth_scale[channel];
    memset(sum, 0, sizeof(float) * (size_t)w);
    memset(norm, 0, sizeof(float) * (size_t)w);
    for (int d = -j->radius[channel]; d <= j->radius[channel]; d++) {
        float g = j->weight[channel][d < 0 ? -d : d];
        int from = x0, to = x1;
        const float *z, *e;
        if (j->vertical) {
            if (y + d < 0 || y + d >= s->height)
                continue;
            z = s->depth + (size_t)(y + d) * (size_t)w;
            e = j->source + plane + (size_t)(y + d) * (size_t)w;
        } else {
            from = from + d < 0 ? -d : from;
            to = to + d >= w ? w - 1 - d : to;
            z = z0 + d;
            e = j->source + plane + (size_t)y * (size_t)w + d;
        }
        for (int x = from; x <= to; x++) {
            /* exp(-q) as 1 / (1 + q + q^2/2): a depth step of a few sigma counts as nothing */
            float dz = z[x] - z0[x], q = dz * dz * scale;
            float k = g / (1 + q + 0.5f * q * q);
            sum[x] += k * e[x];
            norm[x] += k;
        }
    }
}

static void blur_rows(void *arg, int64_t begin, int64_t end, int worker) {
    (void)worker;
    const job *j = arg;
    int w = j->sss->width;
    float sum[MAX_WIDTH], norm[MAX_WIDTH];
    for (int64_t i = begin; i < end; i++) {
        int y = j->first + (int)i, x0, x1;
        skin_span(j->sss->depth + (size_t)y * (size_t)w, w, &x0, &x1);
        for (int c = 0; c < 3; c++) {
            size_t row = ((size_t)c * (size_t)j->sss->height + (size_t)y) * (size_t)w;
            blur_row(j, c, y, x0, x1, sum, norm);
            if (!j->vertical) /* the vertical pass reads the whole row, if only with weight 0 */
                memset(j->target + row, 0, sizeof(float) * (size_t)w);
            /* The vertical pass still finds the light of the surface in its target. */
            for (int x = x0; x <= x1; x++) {
                float *t = j->target + row + (size_t)x, wide = sum[x] / norm[x];
                *t = j->vertical ? *t + j->share[c] * (wide - *t) : wide;
            }
        }
    }
}

void tg_sss_blur(const tg_sss *sss, const float sigma[3], const float share[3], float pixels_per_dm,
                 int first, int last, tg_pool *pool) {
    job j = {.sss = sss, .first = first, .last = last};
    if (last < first || sss->width > MAX_WIDTH)
        return;
    for (int c = 0; c < 3; c++) {
        float s = sigma[c] * pixels_per_dm;
        int radius = (int)ceilf(2.2f * s);
        j.radius[c] = radius < MAX_RADIUS ? radius : MAX_RADIUS;
        j.share[c] = share[c];
        j.depth_scale[c] = 0.5f / (sigma[c] * sigma[c]);
        for (int d = 0; d <= j.radius[c]; d++)
            j.weight[c][d] = expf(-0.5f * (float)(d * d) / (s * s));
    }
    /* Horizontal sums are needed for the rows that the vertical pass reaches into. */
    int reach = j.radius[0], top = first - reach, bottom = last + reach;
    job h = j;
    h.source = sss->irradiance;
    h.target = sss->scratch;
    h.first = top > 0 ? top : 0;
    h.last = bottom < sss->height - 1 ? bottom : sss->height - 1;
    tg_pool_run(pool, h.last - h.first + 1, 8, blur_rows, &h);
    j.source = sss->scratch;
    j.target = sss->irradiance;
    j.vertical = true;
    tg_pool_run(pool, last - first + 1, 8, blur_rows, &j);
}
