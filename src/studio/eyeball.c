#include "studio/features.h"

#include <math.h>
#include <string.h>

/* Least-squares sphere: |p - c|^2 = R^2 is linear in c and R^2 - |c|^2. */
static void fit_sphere(const float (*p)[3], const uint8_t *side, int wanted, int n,
                       const float mean[3], float center[3]) {
    double a[3][4] = {{0}};
    double mean_square = 0.0;
    int count = 0;
    for (int i = 0; i < n; i++) {
        if (side[i] == wanted) {
            for (int k = 0; k < 3; k++) {
                mean_square += (double)(p[i][k] - mean[k]) * (p[i][k] - mean[k]);
            }
            count++;
        }
    }
    mean_square /= count;
    for (int i = 0; i < n; i++) {
        if (side[i] != wanted) {
            continue;
        }
        double d[3], square = 0.0;
        for (int k = 0; k < 3; k++) {
            d[k] = (double)p[i][k] - mean[k];
            square += d[k] * d[k];
        }
        for (int k = 0; k < 3; k++) {
            for (int j = 0; j < 3; j++) {
                a[k][j] += 2.0 * d[k] * d[j];
            }
            a[k][3] += d[k] * (square - mean_square);
        }
    }
    for (int k = 0; k < 3; k++) {
        for (int row = k + 1; row < 3; row++) {
            double factor = a[k][k] != 0.0 ? a[row][k] / a[k][k] : 0.0;
            for (int j = k; j < 4; j++) {
                a[row][j] -= factor * a[k][j];
            }
        }
    }
    for (int k = 2; k >= 0; k--) {
        double v = a[k][3];
        for (int j = k + 1; j < 3; j++) {
            v -= a[k][j] * center[j];
        }
        center[k] = a[k][k] != 0.0 ? (float)(v / a[k][k]) : 0.0f;
    }
}

tg_status tg_eyeballs_measure(tg_context *ctx, const tg_surface *s, const float (*neutral)[3],
                              tg_eyeballs *eyes) {
    int n = s->mesh.vertices;
    eyes->side = tg_alloc((size_t)n);
    float(*p)[3] = tg_alloc((size_t)n * sizeof *p);
    if (!eyes->side || !p) {
        tg_free(p);
        return tg_fail(ctx, TG_ENOMEM, "eyes: out of memory");
    }
    float mean[2][3] = {{0}}, iris[2][3] = {{0}};
    int count[2] = {0, 0}, irises[2] = {0, 0};
    for (int i = 0; i < n; i++) {
        memcpy(p[i], neutral[s->control[i]], sizeof p[i]);
        int side = s->rest[3 * i] < 0.0f;
        bool in_iris = s->attr[TG_ATTR * i] < 0.5f;
        eyes->side[i] = (uint8_t)side;
        count[side]++;
        irises[side] += in_iris;
        for (int k = 0; k < 3; k++) {
            mean[side][k] += p[i][k];
            iris[side][k] += in_iris ? p[i][k] : 0.0f;
        }
    }
    for (int side = 0; side < 2; side++) {
        float size = 0.0f;
        for (int k = 0; k < 3; k++) {
            mean[side][k] /= (float)(count[side] ? count[side] : 1);
            iris[side][k] /= (float)(irises[side] ? irises[side] : 1);
        }
        fit_sphere((const float(*)[3])p, eyes->side, side, n, mean[side], eyes->center[side]);
        for (int k = 0; k < 3; k++) {
            eyes->axis[side][k] = iris[side][k] - mean[side][k] - eyes->center[side][k];
            size += eyes->axis[side][k] * eyes->axis[side][k];
        }
        for (int k = 0; k < 3; k++) {
            eyes->axis[side][k] /= fmaxf(sqrtf(size), 1e-9f);
        }
    }
    tg_free(p);
    return TG_OK;
}
