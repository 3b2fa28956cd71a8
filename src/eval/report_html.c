/* Charts, pictures and texts of a report. */
#include "eval/report_html.h"

#include "talkgen/io.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

enum { WIDTH = 560, HEIGHT = 260, LEFT = 52, RIGHT = 12, TOP = 12, BOTTOM = 40 };
enum { MAX_CSV = 1 << 28, COLUMNS = 16, MOST_POINTS = 600, MOST_TICKS = 12 };

void tg_html_text(FILE *page, const char *text) {
    for (; *text; text++) {
        switch (*text) {
        case '&':
            fputs("&amp;", page);
            break;
        case '<':
            fputs("&lt;", page);
            break;
        case '>':
            fputs("&gt;", page);
            break;
        case '"':
            fputs("&quot;", page);
            break;
        default:
            fputc(*text, page);
        }
    }
}

void tg_html_base64(FILE *page, const void *data, size_t bytes) {
    static const char digits[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    const uint8_t *p = data;
    for (size_t i = 0; i < bytes; i += 3) {
        uint32_t word = 0;
        for (size_t k = 0; k < 3; k++)
            word = word << 8 | (i + k < bytes ? p[i + k] : 0);
        for (size_t k = 0; k < 4; k++)
            fputc(i + k > bytes ? '=' : digits[word >> (18 - 6 * k) & 63], page);
    }
}

bool tg_html_point(html_series *s, double x, double y) {
    if (!isfinite(x) || !isfinite(y))
        return true;
    if (s->count == s->room) {
        int64_t room = s->room ? 2 * s->room : 256;
        double *xs = realloc(s->x, (size_t)room * sizeof *xs);
        s->x = xs ? xs : s->x;
        double *ys = xs ? realloc(s->y, (size_t)room * sizeof *ys) : NULL;
        if (!ys)
            return false;
        s->y = ys;
        s->room = room;
    }
    s->x[s->count] = x;
    s->y[s->count++] = y;
    return true;
}

void tg_html_series_free(html_series *s) {
    free(s->x);
    free(s->y);
    s->x = s->y = NULL;
    s->count = s->room = 0;
}

static double number_in(const char *field, size_t length) {
    char text[64], *end;
    snprintf(text, sizeof text, "%.*s", (int)(length < 63 ? length : 63), field);
    double x = strtod(text, &end);
    return end == text ? NAN : x;
}

/* One line of a CSV without quotes. */
static bool add_line(const char *line, size_t length, int x, int y, int at, const char *kind,
                     html_series *out) {
    const char *field[COLUMNS];
    size_t size[COLUMNS];
    int n = 0;
    for (const char *p = line, *end = line + length; n < COLUMNS; n++) {
        const char *comma = memchr(p, ',', (size_t)(end - p));
        field[n] = p;
        size[n] = (size_t)((comma ? comma : end) - p);
        if (!comma) {
            n++;
            break;
        }
        p = comma + 1;
    }
    if (x >= n || y >= n || at >= n)
        return true;
    if (at >= 0 && (strlen(kind) != size[at] || memcmp(kind, field[at], size[at]) != 0))
        return true;
    return tg_html_point(out, number_in(field[x], size[x]), number_in(field[y], size[y]));
}

tg_status tg_html_csv(tg_context *ctx, const char *path, int x, int y, int at, const char *kind,
                      html_series *out) {
    char *text = NULL;
    size_t bytes;
    if (!tg_file_exists(path))
        return TG_OK;
    tg_status s = tg_file_read(ctx, path, MAX_CSV, &text, &bytes);
    bool ok = true;
    for (char *line = text, *end; s == TG_OK && ok; line = end + 1) {
        end = memchr(line, '\n', bytes - (size_t)(line - text));
        if (!end)
            break;
        ok = add_line(line, (size_t)(end - line), x, y, at, kind, out);
    }
    tg_free(text);
    return ok ? s : tg_fail(ctx, TG_ENOMEM, "%s: no memory for its chart", path);
}

/* ---- charts -------------------------------------------------------------------------------- */

typedef struct {
    double low[2], high[2];
} range2;

/* 1, 2 or 5 times a power of ten: about `parts` of them in the range. */
static double tick_of(double range, int parts) {
    double raw = range / parts, power = pow(10, floor(log10(raw))), m = raw / power;
    return power * (m < 1.5 ? 1 : m < 3.5 ? 2 : m < 7.5 ? 5 : 10);
}

static bool find_range(const html_series *series, int count, range2 *r) {
    *r = (range2){{INFINITY, INFINITY}, {-INFINITY, -INFINITY}};
    int64_t points = 0;
    for (int k = 0; k < count; k++) {
        points += series[k].count;
        for (int64_t i = 0; i < series[k].count; i++) {
            r->low[0] = fmin(r->low[0], series[k].x[i]);
            r->high[0] = fmax(r->high[0], series[k].x[i]);
            r->low[1] = fmin(r->low[1], series[k].y[i]);
            r->high[1] = fmax(r->high[1], series[k].y[i]);
        }
    }
    bool any = points >= 2;
    for (int d = 0; any && d < 2; d++) {
        if (!(r->high[d] > r->low[d]))
            r->high[d] = r->low[d] + fmax(1, 1e-6 * fabs(r->low[d]));
    }
    if (any) {
        double margin = 0.05 * (r->high[1] - r->low[1]);
        r->low[1] -= margin;
        r->high[1] += margin;
    }
    return any;
}

static double place(const range2 *r, int axis, double v) {
    double share = (v - r->low[axis]) / (r->high[axis] - r->low[axis]);
    return axis == 0 ? LEFT + share * (WIDTH - LEFT - RIGHT)
                     : HEIGHT - BOTTOM - share * (HEIGHT - TOP - BOTTOM);
}

static void draw_axes(FILE *page, const range2 *r, const char *x_unit, const char *y_unit) {
    for (int axis = 0; axis < 2; axis++) {
        double step = tick_of(r->high[axis] - r->low[axis], axis == 0 ? 6 : 5);
        double first = ceil(r->low[axis] / step) * step;
        /* counted: beside numbers that are large enough, a step is nothing */
        for (int k = 0; k < MOST_TICKS; k++) {
            double v = first + k * step;
            if (!(v <= r->high[axis] + 1e-9 * step))
                break;
            double at = place(r, axis, v), shown = fabs(v) < 1e-9 * step ? 0 : v;
            if (axis == 0)
                fprintf(page,
                        "<path class=grid d=\"M%.1f %dV%d\"/><text x=%.1f y=%d "
                        "text-anchor=middle>%g</text>",
                        at, TOP, HEIGHT - BOTTOM, at, HEIGHT - BOTTOM + 16, shown);
            else
                fprintf(page,
                        "<path class=grid d=\"M%d %.1fH%d\"/><text x=%d y=%.1f "
                        "text-anchor=end>%g</text>",
                        LEFT, at, WIDTH - RIGHT, LEFT - 6, at + 4, shown);
        }
    }
    fprintf(page, "<text x=%d y=%d text-anchor=end>%s</text><text x=4 y=%d>%s</text>",
            WIDTH - RIGHT, HEIGHT - 8, x_unit, TOP + 2, y_unit);
}

void tg_html_chart(FILE *page, const char *title, const char *x_unit, const char *y_unit,
                   const html_series *series, int count) {
    range2 r;
    if (!find_range(series, count, &r))
        return;
    fprintf(page, "<figure><figcaption>%s</figcaption><svg viewBox=\"0 0 %d %d\" role=img>", title,
            WIDTH, HEIGHT);
    draw_axes(page, &r, x_unit, y_unit);
    for (int k = 0; k < count; k++) {
        const html_series *s = &series[k];
        int64_t every = s->count / MOST_POINTS + 1;
        if (s->count == 0)
            continue;
        fprintf(page, "<path class=line style=\"stroke:%s\" d=\"", s->colour);
        for (int64_t i = 0; i < s->count; i++)
            if (i % every == 0 || i + 1 == s->count)
                fprintf(page, "%c%.1f %.1f", i ? 'L' : 'M', place(&r, 0, s->x[i]),
                        place(&r, 1, s->y[i]));
        fputs("\"/>", page);
        for (int64_t i = 0; i < s->count && s->count <= 40; i++)
            fprintf(page, "<circle r=2.5 cx=%.1f cy=%.1f style=\"fill:%s\"/>",
                    place(&r, 0, s->x[i]), place(&r, 1, s->y[i]), s->colour);
    }
    fputs("</svg><div class=legend>", page);
    for (int k = 0; k < count; k++)
        if (series[k].count)
            fprintf(page, "<span><i style=\"background:%s\"></i>%s</span>", series[k].colour,
                    series[k].name);
    fputs("</div></figure>\n", page);
}
