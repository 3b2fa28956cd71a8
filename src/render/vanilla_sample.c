/* Where AD-NeRF samples a ray, and how it sums the samples up (Mildenhall et al. 2020, equation 3,
 * with the background as the last sample; Guo et al. 2021). */
#include "vanilla.h"

#include <math.h>

void tg_vanilla_depths(double near, double far, int n, double *z) {
    for (int i = 0; i < n; i++) {
        const double t = n > 1 ? (double)i / (double)(n - 1) : 0.0;
        z[i] = near * (1.0 - t) + far * t;
    }
}

static double sigmoid(double x) {
    return 1.0 / (1.0 + exp(-x));
}

void tg_vanilla_integrate(const float *raw, const double *z, int n, double length,
                          const float background[3], double *weights, tg_vanilla_pixel *pixel) {
    /* Sums of hundreds of small terms: in double they cost nothing beside the perceptron. */
    double transmittance = 1.0, foreground[3] = {0}, distance = 0, opacity = 0;
    for (int i = 0; i < n; i++) {
        const double interval = (i + 1 < n ? z[i + 1] - z[i] : 1e10) * length;
        const float *at = raw + 4 * i;
        /* never quite empty: the last sample, of an endless interval, takes all that is left */
        const double density = (at[3] > 0.0f ? (double)at[3] : 0.0) + 1e-6;
        const double through = exp(-density * interval);
        const double weight = (1.0 - through) * transmittance;
        transmittance *= through + 1e-10;
        weights[i] = weight;
        if (i + 1 < n && pixel != NULL) {
            for (int c = 0; c < 3; c++) {
                foreground[c] += weight * sigmoid((double)at[c]);
            }
            distance += weight * z[i];
            opacity += weight;
        }
    }
    if (pixel == NULL) {
        return;
    }
    const double last = weights[n - 1], all = opacity + last;
    for (int c = 0; c < 3; c++) {
        pixel->foreground[c] = (float)foreground[c];
        pixel->rgb[c] = (float)(foreground[c] + last * (double)background[c]);
    }
    pixel->last_weight = (float)last;
    pixel->opacity = (float)all;
    pixel->disparity = (float)(1.0 / fmax(1e-10, (distance + last * z[n - 1]) / all));
    pixel->depth = opacity > 0.0 ? (float)(distance / opacity) : (float)z[n - 1];
}

void tg_vanilla_refine(const double *z, const double *weights, int n, int more, double *out) {
    /* A step function: bins between the middles of the coarse intervals, inner weights. */
    const int bins = n - 2;
    double total = 0;
    for (int i = 0; i < bins; i++) {
        total += weights[1 + i] + 1e-5;
    }
    for (int i = 0; i < n; i++) {
        out[i] = z[i];
    }
    double below = 0, above = 0; /* of the cumulative distribution at the bin's edges */
    int bin = -1;
    for (int i = 0; i < more; i++) {
        const double u = more > 1 ? (double)i / (double)(more - 1) : 0.0;
        while (bin < bins && u >= above) {
            bin++;
            below = above;
            if (bin < bins) {
                above = below + (weights[1 + bin] + 1e-5) / total;
            }
        }
        const int low = bin < 0 ? 0 : bin, high = low < bins ? low + 1 : bins;
        const double a = 0.5 * (z[low] + z[low + 1]);
        const double b = 0.5 * (z[high] + z[high + 1]);
        double part = high > low ? above - below : 0.0;
        if (part < 1e-5) {
            part = 1.0;
        }
        const double sample = a + (u - below) / part * (b - a);
        int at = n + i;
        for (; at > 0 && out[at - 1] > sample; at--) {
            out[at] = out[at - 1];
        }
        out[at] = sample;
    }
}
