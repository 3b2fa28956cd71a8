/* One page that shows how good a person has become: WORK/report.html. */
#include "talkgen/eval.h"
#include "talkgen/systems.h"

#include "eval/report_html.h"
#include "eval/report_pictures.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { PATH_SIZE = 1200, MAX_FILM_BYTES = 24 << 20 };

static const double film_s = 20;

typedef struct {
    tg_context *ctx;
    const tg_report_options *o;
    const tg_identity *identity;
    FILE *page;
    tg_portrait_score pictures;
    tg_spoken_score spoken;
    report_pictures shown;
    char film[PATH_SIZE];
} report;

static const char style[] =
    "body{font:16px/1.5 system-ui,sans-serif;margin:0;background:#f6f6f4;color:#222}"
    "main{max-width:1180px;margin:auto;padding:24px}h1{font-size:1.7em;margin:.2em 0}"
    "h2{font-size:1.15em;margin:.9em 0 .5em}section{background:#fff;border:1px solid #e2e2de;"
    "border-radius:8px;padding:4px 20px 18px;margin:18px 0}table{border-collapse:collapse}"
    "td,th{padding:4px 14px 4px 0;text-align:right;border-bottom:1px solid "
    "#eee;font-variant-numeric:tabular-nums}td:first-child,th:first-child{text-align:left}"
    ".words td:last-child,.words "
    "th:last-child{text-align:left;color:#666}p.note,figcaption{color:#666;font-size:.9em}.charts{"
    "display:grid;gap:16px;"
    "grid-template-columns:repeat(auto-fit,minmax(420px,1fr))}figure{margin:0}svg{width:100%;"
    "font-size:11px;fill:#666}.grid{stroke:#e8e8e4}.line{fill:none;stroke-width:1.8}.legend "
    "span{margin-right:16px;font-size:.9em}.legend i{display:inline-block;width:14px;height:3px;"
    "margin-right:6px;vertical-align:middle}img,video{max-width:100%;display:block;border-radius:"
    "4px}.parts{display:grid;text-align:center;color:#666;font-size:.9em}.big{display:flex;"
    "flex-wrap:wrap;gap:14px 36px}.big b{display:block;font-size:1.7em;font-weight:600}"
    ".sheet{display:grid;grid-template-columns:5.5em 1fr;align-items:stretch}.rows{display:grid;"
    "grid-template-rows:1fr 1fr 1fr;align-items:center;color:#666;font-size:.9em}";

/* ---- parts --------------------------------------------------------------------------------- */

static void figure(report *r, double value, const char *format, const char *what) {
    if (!isfinite(value))
        return;
    fputs("<div><b>", r->page);
    fprintf(r->page, format, value);
    fprintf(r->page, "</b>%s</div>", what);
}

static void write_head(report *r) {
    const tg_identity *id = r->identity;
    fprintf(r->page, "<!doctype html><html lang=en><head><meta charset=utf-8><meta name=viewport "
                     "content=\"width=device-width\"><title>");
    tg_html_text(r->page, id->name);
    fprintf(r->page, " - talkgen training report</title><style>%s</style></head><body><main><h1>",
            style);
    tg_html_text(r->page, id->name);
    fprintf(r->page,
            "</h1><p class=note>Trained by talkgen %s from a recording of %lld frames, %d x %d. "
            "All figures are of held-out frames, which training never saw.</p><section><h2>In "
            "short</h2><div class=big>",
            tg_version(), (long long)id->poses, r->shown.width, r->shown.height);
    const tg_region_figures *f = r->pictures.region;
    figure(r, f[TG_REGION_HEAD].psnr, "%.1f dB", "head");
    figure(r, f[TG_REGION_MOUTH].psnr, "%.1f dB", "mouth");
    figure(r, r->pictures.control_psnr, "%.1f dB", "mouth, landmarks of 1 s later (control)");
    figure(r, f[TG_REGION_TORSO].psnr, "%.1f dB", "torso");
    if (r->spoken.frames > 0) /* else nobody listened */
        figure(r, r->spoken.gap_corr, "%.2f", "lip gap from sound against the truth");
    fputs("</div></section>\n", r->page);
}

static tg_status write_film(report *r) {
    static const char *const parts[3] = {"recording", "true motion, painted",
                                         "motion from the sound, painted"};
    int n = r->shown.spoken ? 3 : 2;
    int width = n * r->shown.width * (r->shown.width < 300 ? 2 : 1); /* as shown */
    char *film = NULL;
    size_t bytes;
    tg_status s = tg_file_read(r->ctx, r->film, MAX_FILM_BYTES, &film, &bytes);
    fprintf(r->page,
            "<section><h2>Side by side</h2><p class=note>The first %.1f s that were held out, with "
            "their sound.</p><video controls loop playsinline preload=auto style=\"width:%dpx\" "
            "poster=\"data:image/png;base64,",
            (double)r->shown.film_frames / 25, width);
    tg_html_base64(r->page, r->shown.poster, r->shown.poster_bytes);
    fputs("\" src=\"", r->page);
    if (s == TG_OK) {
        fputs("data:video/mp4;base64,", r->page);
        tg_html_base64(r->page, film, bytes);
    } else { /* a film too large to carry along lies beside the page */
        fputs("comparison.mp4", r->page);
    }
    fprintf(r->page,
            "\"></video><div class=parts style=\"width:min(100%%,%dpx);grid-template-columns:"
            "repeat(%d,1fr)\">",
            width, n);
    for (int k = 0; k < n; k++)
        fprintf(r->page, "<span>%s</span>", parts[k]);
    fputs("</div></section>\n", r->page);
    tg_free(film);
    return s == TG_EINPUT ? TG_OK : s;
}

static void write_sheet(report *r) {
    fputs(
        "<section><h2>Held-out frames</h2><div class=sheet><div class=rows><span>recording</span>"
        "<span>painted</span><span>difference, three times</span></div><img alt=\"held-out frames, "
        "recorded and painted\" style=\"width:100%\" src=\"data:image/png;base64,",
        r->page);
    tg_html_base64(r->page, r->shown.png, r->shown.png_bytes);
    fputs("\"></div></section>\n", r->page);
}

static void cell(FILE *page, double value, const char *format) {
    fputs("<td>", page);
    if (isfinite(value))
        fprintf(page, format, value);
    else
        fputs("-", page);
}

static void write_table(report *r) {
    const tg_portrait_score *p = &r->pictures;
    fprintf(r->page,
            "<section><h2>Pictures: %lld held-out frames, true motion</h2><table><tr><th>region<th>"
            "PSNR dB<th>SSIM<th>pyramid distance<th>flicker",
            (long long)p->frames);
    for (tg_region k = 0; k < TG_REGIONS; k++) {
        fprintf(r->page, "<tr><td>%s", tg_region_name(k));
        cell(r->page, p->region[k].psnr, "%.2f");
        cell(r->page, p->region[k].ssim, "%.4f");
        cell(r->page, p->region[k].pyramid, "%.4f");
        cell(r->page, p->region[k].flicker, "%.2f");
    }
    fputs("<tr><td>mouth, landmarks of 1 s later", r->page);
    cell(r->page, p->control_psnr, "%.2f");
    fprintf(r->page,
            "<td><td><td></table><p class=note>Face and hair divide the head at the outline of the "
            "landmarks. Pyramid distance: lost or misplaced detail at four scales, 0 none, 0.7 all "
            "of it; our own measure, not LPIPS. Flicker: change from frame to frame over the "
            "recording's, 1 = as much. Pictures around the landmarks lie %.2f pixels from where "
            "they belong (%.1f %% of the eyes' distance), at the mouth %.2f, with the landmarks of "
            "one second later %.2f.</p></section>\n",
            p->landmark_px, 100 * p->landmark_px / p->eyes_px, p->mouth_px, p->control_mouth_px);
}

static void row(FILE *page, const char *what, double value, const char *format,
                const char *compare) {
    fprintf(page, "<tr><td>%s", what);
    cell(page, value, format);
    fprintf(page, "<td>%s", compare);
}

/* What a domain figure is read beside: the person's own scatter, and the motion without postnet. */
static void beside(char out[128], const char *unit, double own, bool has_raw, double raw) {
    char without[48] = "";
    if (has_raw)
        snprintf(without, sizeof without, "; %.2f%s without the postnet", raw, unit);
    snprintf(out, 128, "%.2f%s of its own halves%s", own, unit, without);
}

static void tell_domain(report *r, const tg_spoken_score *s) {
    const tg_domain_figures *own = &s->own_domain, *raw = &s->raw_domain;
    char mean[128], covariance[128], variance[128];
    beside(mean, " mm", own->mean_mm, s->has_postnet, raw->mean_mm);
    beside(covariance, "", own->covariance, s->has_postnet, raw->covariance);
    beside(variance, "", own->variance, s->has_postnet, raw->variance);
    row(r->page, "mean face off the person's, held-out frames, temperature 0.3", s->domain.mean_mm,
        "%.2f mm", mean);
    row(r->page, "covariance of the landmarks off the person's, share", s->domain.covariance,
        "%.2f", covariance);
    row(r->page, "variance of the landmarks over the person's", s->domain.variance, "%.2f",
        variance);
}

static void write_spoken(report *r) {
    const tg_spoken_score *s = &r->spoken;
    char other[96];
    if (s->frames == 0)
        return;
    fputs("<section><h2>Motion from the sound</h2><table "
          "class=words><tr><th>measure<th>value<th>beside",
          r->page);
    snprintf(other, sizeof other, "%.2f mm for a mouth that never moves", s->mean_face_mm);
    row(r->page, "distance of the mouth from the truth, temperature 0", s->mouth_mm, "%.2f mm",
        other);
    row(r->page, "lip gap against the truth, temperature 0", s->gap_corr, "%.3f", "1");
    row(r->page, "lip gap's deviation over the truth's, temperature 0.3", s->gap_ratio, "%.2f",
        "1");
    snprintf(other, sizeof other, "%.2f mm in the recording", s->true_jitter);
    row(r->page, "jitter, temperature 0.3", s->jitter, "%.2f mm", other);
    row(r->page, "four seeds at temperature 1 differ by", s->diversity_mm, "%.2f mm", "");
    tell_domain(r, s);
    if (s->has_lipsync) {
        const tg_lipsync_figures *l = &s->lipsync.motion, *e = &s->lipsync.envelope;
        snprintf(other, sizeof other, "%.2f for a mouth that follows loudness", e->close);
        row(r->page, "lips close on P, B, M", l->close, "%.2f", other);
        row(r->page, "lips open on vowels", l->open, "%.2f", "");
        row(r->page, "lips rest in silence", l->silent, "%.2f", "");
        snprintf(other, sizeof other, "%.2f for a mouth that follows loudness", e->phone_corr);
        row(r->page, "gap against the phones, loudness taken out", l->phone_corr, "%.2f", other);
    }
    if (s->has_sync) {
        snprintf(other, sizeof other, "%.2f in the recording", s->true_sync.confidence);
        row(r->page, "sync expert's confidence", s->sync.confidence, "%.2f", other);
    }
    fputs("</table></section>\n", r->page);
}

/* ---- curves -------------------------------------------------------------------------------- */

typedef struct {
    const char *name, *colour, *file;
    int y, at;
    const char *kind;
} curve;

static tg_status write_chart(report *r, const char *title, const char *unit, const curve *curves,
                             int count) {
    html_series series[4];
    tg_status s = TG_OK;
    memset(series, 0, sizeof series);
    for (int k = 0; k < count && s == TG_OK; k++) {
        char path[PATH_SIZE];
        snprintf(path, sizeof path, "%s/%s", r->o->work, curves[k].file);
        series[k].name = curves[k].name;
        series[k].colour = curves[k].colour;
        s = tg_html_csv(r->ctx, path, 1, curves[k].y, curves[k].at, curves[k].kind, &series[k]);
        for (int64_t i = 0; i < series[k].count; i++)
            series[k].x[i] /= 60;
    }
    if (s == TG_OK)
        tg_html_chart(r->page, title, "minutes", unit, series, count);
    for (int k = 0; k < count; k++)
        tg_html_series_free(&series[k]);
    return s;
}

static tg_status write_curves(report *r) {
    static const curve head[] = {{"training rays", "#b9c3cf", "head/head.csv", 3, 2, "train"},
                                 {"held-out head", "#1f6feb", "head/head.csv", 3, 2, "held_out"},
                                 {"held-out mouth", "#d1495b", "head/head.csv", 5, 2, "held_out"},
                                 {"control", "#e0a458", "head/head.csv", 6, 2, "held_out"}};
    static const curve torso[] = {
        {"training pixels", "#b9c3cf", "torso/torso.csv", 3, 2, "train"},
        {"held-out torso", "#1f6feb", "torso/torso.csv", 3, 2, "held_out"}};
    static const curve error[] = {
        {"held-out mouth error", "#d1495b", "postnet/postnet_check.csv", 2, -1, NULL}};
    static const curve gap[] = {
        {"held-out gap correlation", "#1f6feb", "postnet/postnet_check.csv", 3, -1, NULL}};
    char path[PATH_SIZE];
    snprintf(path, sizeof path, "%s/%s", r->o->work, head[0].file);
    if (!tg_file_exists(path)) /* trained elsewhere */
        return TG_OK;
    fputs("<section><h2>Training</h2><div class=charts>", r->page);
    tg_status s = write_chart(r, "Head", "dB", head, 4);
    if (s == TG_OK)
        s = write_chart(r, "Torso", "dB", torso, 2);
    if (s == TG_OK)
        s = write_chart(r, "Postnet", "RMS", error, 1);
    if (s == TG_OK)
        s = write_chart(r, "Postnet", "r", gap, 1);
    fputs("</div></section>\n", r->page);
    return s;
}

/* ---- all ----------------------------------------------------------------------------------- */

static tg_status measure(report *r) {
    tg_context *ctx = r->ctx;
    char audio[PATH_SIZE], phones[PATH_SIZE];
    snprintf(audio, sizeof audio, "%s/aud.wav", r->o->dataset);
    snprintf(phones, sizeof phones, "%s/phones.json", r->o->dataset);
    tg_spoken_options o = {
        .phones = tg_file_exists(phones) ? phones : NULL, .sync = r->o->sync, .seed = r->o->seed};
    tg_status s =
        tg_eval_portrait(ctx, r->identity, r->o->dataset, r->o->limit, TG_MARCH_FAST, &r->pictures);
    if (s == TG_OK && r->identity->vae && tg_file_exists(audio))
        s = tg_eval_spoken(ctx, r->identity, r->o->dataset, &o, &r->spoken);
    if (s == TG_OK)
        s = tg_report_pictures(ctx, r->identity, r->o->dataset, r->film, film_s, &r->shown);
    return s;
}

static tg_status write_page(report *r, const char *path) {
    char *text = NULL;
    size_t bytes = 0;
    r->page = open_memstream(&text, &bytes);
    if (!r->page)
        return tg_fail(r->ctx, TG_ENOMEM, "%s: no memory for the report", path);
    write_head(r);
    tg_status s = write_film(r);
    write_sheet(r);
    write_table(r);
    write_spoken(r);
    if (s == TG_OK)
        s = write_curves(r);
    fputs("</main></body></html>\n", r->page);
    bool whole = !ferror(r->page);
    whole = fclose(r->page) == 0 && whole;
    if (s == TG_OK && !whole)
        s = tg_fail(r->ctx, TG_ENOMEM, "%s: no memory for the report", path);
    if (s == TG_OK)
        s = tg_file_write(r->ctx, path, text, bytes);
    free(text);
    return s;
}

tg_status tg_report_write(tg_context *ctx, const struct tg_identity *identity,
                          const tg_report_options *options, char path[1024]) {
    report *r = tg_calloc(sizeof *r);
    if (!r)
        return tg_fail(ctx, TG_ENOMEM, "%s: no memory for the report", options->work);
    r->ctx = ctx;
    r->o = options;
    r->identity = identity;
    snprintf(r->film, sizeof r->film, "%s/comparison.mp4", options->work);
    snprintf(path, 1024, "%s/report.html", options->work);
    tg_status s = tg_make_dirs(ctx, options->work);
    if (s == TG_OK)
        s = measure(r);
    if (s == TG_OK)
        s = write_page(r, path);
    tg_free(r->shown.png);
    tg_free(r->shown.poster);
    tg_free(r);
    return s;
}
