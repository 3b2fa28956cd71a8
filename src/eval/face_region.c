#include "eval/face_region.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

enum { JAW = 17, BROW = 17, BROWS = 10, FOOT = 33, CORNERS = JAW + 2 * BROWS };

typedef struct {
    double x, y;
} corner;

static int by_place(const void *a, const void *b) {
    const corner *p = a, *q = b;
    return p->x != q->x ? (p->x > q->x) - (p->x < q->x) : (p->y > q->y) - (p->y < q->y);
}

static double turn(corner a, corner b, corner c) {
    return (b.x - a.x) * (c.y - a.y) - (b.y - a.y) * (c.x - a.x);
}

/* Convex hull (Andrew's monotone chain), counted round; returns its size. */
static int hull(corner *p, int n, corner *out) {
    int m = 0;
    qsort(p, (size_t)n, sizeof *p, by_place);
    for (int pass = 0; pass < 2; pass++) {
        int base = m;
        for (int i = 0; i < n; i++) {
            corner c = p[pass ? n - 1 - i : i];
            while (m >= base + 2 && turn(out[m - 2], out[m - 1], c) <= 0)
                m--;
            out[m++] = c;
        }
        m--; /* the last is the first of the other chain */
    }
    return m;
}

static bool inside(const corner *h, int n, double x, double y) {
    for (int i = 0; i < n; i++)
        if (turn(h[i], h[(i + 1) % n], (corner){x, y}) < 0)
            return false;
    return n > 2;
}

static bool outline(const tg_dataset *set, int64_t frame, corner out[CORNERS]) {
    const float *lm = set->landmarks + set->image_id[frame] * TG_COND_DIM;
    float px[68][2];
    double up[2] = {0, 0};
    for (int i = 0; i < 68; i++)
        if (!tg_dataset_project(set, frame, lm + 3 * i, px[i]) || !isfinite(px[i][0]) ||
            !isfinite(px[i][1]))
            return false;
    for (int d = 0; d < 2; d++)
        for (int i = 0; i < BROWS; i++)
            up[d] += 0.6 * ((double)px[BROW + i][d] - (double)px[FOOT][d]) / BROWS;
    for (int i = 0; i < JAW; i++)
        out[i] = (corner){(double)px[i][0], (double)px[i][1]};
    for (int i = 0; i < BROWS; i++) {
        const float *p = px[BROW + i];
        out[JAW + i] = (corner){(double)p[0], (double)p[1]};
        out[JAW + BROWS + i] = (corner){(double)p[0] + up[0], (double)p[1] + up[1]};
    }
    return true;
}

void tg_face_region(const tg_dataset *set, int64_t frame, uint8_t *mask) {
    int64_t pixels = (int64_t)set->width * set->height;
    corner points[CORNERS], h[2 * CORNERS];
    memcpy(mask, set->parsing + frame * pixels, (size_t)pixels);
    int n = outline(set, frame, points) ? hull(points, CORNERS, h) : 0;
    for (int y = 0; y < set->height; y++)
        for (int x = 0; x < set->width; x++) {
            uint8_t *m = &mask[(int64_t)y * set->width + x];
            bool in = inside(h, n, x + 0.5, y + 0.5);
            if (in && (*m & TG_PIXEL_CLASS) == TG_PIXEL_HEAD)
                *m |= TG_PIXEL_FACE;
            else if (!in && (*m & TG_PIXEL_HEAD_REGION))
                *m |= TG_PIXEL_HAIR;
        }
}
