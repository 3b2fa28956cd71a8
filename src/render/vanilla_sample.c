/* Where AD-NeRF samples a ray, and how it sums the samples up (Mildenhall et al. 2020, equation 3,
 * with the background as the last sample; Guo et al. 2021). */
#include "vanilla.h"

#include <math.h>

void tg_vanilla_depths(float near, float far, int n, float *z) {
    for (int i = 0; i < n; i++) {
        const float t = n > 1 ? (float)i / (float)(n - 1) : 0.0f;
        z[i] = near * (1.0f - t) + far * t;
    }
}

static double sigmoid(double x) {
    return 1.0 / (1.0 + exp(-x));
}

void tg_vanilla_integrate(const float *raw, const float *z, int n, float length,
                          const float background[3], float *weights, tg_vanilla_pixel *pixel) {
    /* Sums of hundreds of small terms: in double they cost nothing beside the perceptron. */
    double transmittance = 1.0, foreground[3] = {0}, distance = 0, opacity = 0;
    for (int i = 0; i < n; i++) {
        const double interval = (i + 1 < n ? (double)z[i + 1] - (double)z[i] : 1e10) * length;
        const float *at = raw + 4 * i;
        /* never quite empty: the last sample, of an endless interval, takes all that is left */
        const double density = (at[3] > 0.0f ? (double)at[3] : 0.0) + 1e-6;
        const double through = exp(-density * interval);
        const double weight = (1.0 - through) * transmittance;
        transmittance *= through + 1e-10;
        weights[i] = (float)weight;
        if (i + 1 < n && pixel != NULL) {
            for (int c = 0; c < 3; c++) {
                foreground[c] += weight * sigmoid((double)at[c]);
            }
            distance += weight * (double)z[i];
            opacity += weight;
        }
    }
    if (pixel == NULL) {
        return;
    }
    const double last = (double)weights[n - 1], all = opacity + last;
    for (int c = 0; c < 3; c++) {
        pixel->foreground[c] = (float)foreground[c];
        pixel->rgb[c] = (float)(foreground[c] + last * (double)background[c]);
    }
    pixel->last_weight = weights[n - 1];
    pixel->opacity = (float)all;
    pixel->disparity = (float)(1.0 / fmax(1e-10, (distance + last * (double)z[n - 1]) / all));
    pixel->depth = opacity > 0.0 ? (float)(distance / opacity) : z[n - 1];
}

void tg_vanilla_refine(const float *z, const float *weights, int n, int more, float *out) {
    /* A step function: bins between the middles of the coarse intervals, inner weights. */
    const int bins = n - 2;
    double total = 0;
    for (int i = 0; i < bins; i++) {
        total += (double)weights[1 + i] + 1e-5;
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
                above = below + ((double)weights[1 + bin] + 1e-5) / total;
            }
        }
        const int low = bin < 0 ? 0 : bin, high = low < bins ? low + 1 : bins;
        const double a = 0.5 * ((double)z[low] + (double)z[low + 1]);
        const double b = 0.5 * ((double)z[high] + (double)z[high + 1]);
        double part = high > low ? above - below : 0.0;
        if (part < 1e-5) {
            part = 1.0;
        }
        const float sample = (float)(a + (u - below) / part * (b - a));
        int at = n + i;
        for (; at > 0 && out[at - 1] > sample; at--) {
            out[at] = out[at - 1];
        }
        out[at] = sample;
    }
}
