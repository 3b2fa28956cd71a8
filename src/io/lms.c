/* 2-D landmarks of a frame as RAD-NeRF's preparation writes them: 68 lines "x y". */
#include "talkgen/io.h"

#include <ctype.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

enum { NUMBERS = 2 * TG_LMS_POINTS, MOST_BYTES = 1 << 16 };
static const double most_pixels = 1e5; /* beyond which an area of them could overflow */

tg_status tg_lms_read(tg_context *ctx, const char *path, double out[TG_LMS_POINTS][2]) {
    char *text = NULL;
    size_t bytes;
    tg_status status = tg_file_read(ctx, path, MOST_BYTES, &text, &bytes);
    if (status != TG_OK)
        return status;
    int n = 0;
    bool good = true;
    for (char *p = text, *end; good; p = end) {
        while (isspace((unsigned char)*p) || *p == ',')
            p++;
        if (!*p)
            break;
        const double x = strtod(p, &end);
        good = end != p && fabs(x) < most_pixels && n < NUMBERS;
        if (good) {
            out[n / 2][n % 2] = x;
            n++;
        }
    }
    good = good && n == NUMBERS && strlen(text) == bytes;
    tg_free(text);
    if (!good)
        return tg_fail(ctx, TG_EINPUT,
                       "%s: these are no 68 landmarks\n  expected: 68 lines \"x y\" in pixels\n"
                       "  try: detecting the landmarks of this frame again",
                       path);
    return TG_OK;
}
