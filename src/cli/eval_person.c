#include "cli/eval_person.h"

#include "talkgen/eval.h"
#include "talkgen/systems.h"

#include <math.h>
#include <stdio.h>

/* ---- tables -------------------------------------------------------------------------------- */

static void print_pictures(const tg_portrait_score *p) {
    printf("%lld held-out frames, true landmarks and poses\n"
           "region    PSNR dB    SSIM  pyramid  flicker\n",
           (long long)p->frames);
    for (tg_region r = 0; r < TG_REGIONS; r++) {
        const tg_region_figures *f = &p->region[r];
        printf("%-8s  %7.2f  %.4f   %.4f", tg_region_name(r), f->psnr, f->ssim, f->pyramid);
        if (isfinite(f->flicker))
            printf("   %.3f", f->flicker);
        printf("\n");
    }
    printf("control   %7.2f  mouth, landmarks of one second later\n", p->control_psnr);
    printf(
        "places of landmarks 17-67 %.2f pixels off (%.1f %% of the eyes' distance), of the mouth "
        "%.2f (control %.2f)\n",
        p->landmark_px, 100 * p->landmark_px / p->eyes_px, p->mouth_px, p->control_mouth_px);
}

static void print_sync(const char *name, const tg_sync_figures *f) {
    printf("sync expert, %-9s cosine %.3f, confidence %.3f at %+.0f ms\n", name, f->cosine,
           f->confidence, f->offset_ms);
}

static void print_domain(const char *name, const tg_domain_figures *f) {
    printf("%-16s mean face %.2f mm off, covariance %.2f off, variance %.2f of the person's\n",
           name, f->mean_mm, f->covariance, f->variance);
}

static void print_speech(const tg_spoken_score *s) {
    printf("motion from the recording's sound, %lld held-out frames\n"
           "temperature 0    mouth %.2f mm from the truth (a mouth that never moves: %.2f), gap "
           "correlation %.3f\n"
           "temperature 0.3  gap's deviation %.2f of the truth's, jitter %.2f mm (truth %.2f)\n"
           "temperature 1    four seeds differ by %.2f mm\n",
           (long long)s->frames, s->mouth_mm, s->mean_face_mm, s->gap_corr, s->gap_ratio, s->jitter,
           s->true_jitter, s->diversity_mm);
    print_domain("beside the person", &s->domain);
    if (s->has_postnet)
        print_domain("without postnet", &s->raw_domain);
    print_domain("its own halves", &s->own_domain);
    const tg_lipsync_figures *l = &s->lipsync.motion;
    if (s->has_lipsync)
        printf(
            "lip-sync score   close %.3f, open %.3f, silent %.3f, phone_corr %.3f, lag %.0f ms\n",
            l->close, l->open, l->silent, l->phone_corr, l->lag_ms);
    else
        printf(
            "lip-sync score   not measured: no phones.json in the recording, none by --phones\n");
    if (s->has_sync) {
        print_sync("made", &s->sync);
        print_sync("recorded", &s->true_sync);
    } else {
        printf("sync expert      not measured: --sync sync.safetensors of talkgen train motion\n");
    }
}

/* ---- JSON ---------------------------------------------------------------------------------- */

static void set(tg_json *object, const char *key, double value) {
    if (isfinite(value))
        tg_json_set_number(object, key, value);
}

static void pictures_json(tg_json *root, const tg_portrait_score *p) {
    set(root, "frames", (double)p->frames);
    tg_json *regions = tg_json_set_object(root, "regions");
    for (tg_region r = 0; r < TG_REGIONS; r++) {
        tg_json *o = tg_json_set_object(regions, tg_region_name(r));
        set(o, "psnr_db", p->region[r].psnr);
        set(o, "ssim", p->region[r].ssim);
        set(o, "pyramid_distance", p->region[r].pyramid);
        set(o, "flicker", p->region[r].flicker);
    }
    set(root, "control_psnr_db", p->control_psnr);
    tg_json *places = tg_json_set_object(root, "landmark_distance_px");
    set(places, "inner", p->landmark_px);
    set(places, "mouth", p->mouth_px);
    set(places, "mouth_control", p->control_mouth_px);
    set(places, "eyes_distance", p->eyes_px);
}

static void sync_json(tg_json *o, const tg_sync_figures *f) {
    set(o, "cosine", f->cosine);
    set(o, "confidence", f->confidence);
    set(o, "offset_ms", f->offset_ms);
}

static void domain_json(tg_json *o, const tg_domain_figures *f) {
    set(o, "mean_mm", f->mean_mm);
    set(o, "covariance", f->covariance);
    set(o, "variance", f->variance);
}

static void speech_json(tg_json *root, const tg_spoken_score *s) {
    tg_json *o = tg_json_set_object(root, "motion");
    set(o, "frames", (double)s->frames);
    set(o, "mouth_mm", s->mouth_mm);
    set(o, "mean_face_mm", s->mean_face_mm);
    set(o, "gap_corr", s->gap_corr);
    set(o, "gap_ratio", s->gap_ratio);
    set(o, "diversity_mm", s->diversity_mm);
    set(o, "jitter_mm", s->jitter);
    set(o, "true_jitter_mm", s->true_jitter);
    domain_json(tg_json_set_object(root, "domain"), &s->domain);
    if (s->has_postnet)
        domain_json(tg_json_set_object(root, "domain_without_postnet"), &s->raw_domain);
    domain_json(tg_json_set_object(root, "domain_of_own_halves"), &s->own_domain);
    if (s->has_lipsync) {
        const tg_lipsync_figures *l = &s->lipsync.motion;
        tg_json *lips = tg_json_set_object(root, "lipsync");
        set(lips, "close", l->close);
        set(lips, "open", l->open);
        set(lips, "silent", l->silent);
        set(lips, "phone_corr", l->phone_corr);
        set(lips, "lag_ms", l->lag_ms);
        set(lips, "round_d", l->round_d);
    }
    if (s->has_sync) {
        sync_json(tg_json_set_object(root, "sync"), &s->sync);
        sync_json(tg_json_set_object(root, "sync_recorded"), &s->true_sync);
    }
}

/* ---- commands ------------------------------------------------------------------------------ */

static tg_status open_person(tg_context *ctx, const cli_args *args, bool voice, tg_identity **out) {
    tg_status s = cli_need(ctx, args->identity, "identity", "the person");
    if (s == TG_OK)
        s = cli_need(ctx, args->data, "data", "the recording");
    return s == TG_OK ? tg_identity_open(ctx, args->identity, args->encoder, voice, out) : s;
}

tg_status cli_eval_psnr(tg_context *ctx, const cli_args *args, tg_march_rule march) {
    tg_identity *person = NULL;
    tg_portrait_score score;
    tg_status s = open_person(ctx, args, false, &person);
    if (s == TG_OK)
        s = tg_eval_portrait(ctx, person, args->data, args->frames, march, &score);
    tg_identity_close(&person);
    if (s == TG_OK && args->json) {
        tg_json *root = tg_json_new_object();
        pictures_json(root, &score);
        return cli_print_json(ctx, root);
    }
    if (s == TG_OK)
        print_pictures(&score);
    return s;
}

tg_status cli_eval_person(tg_context *ctx, const cli_args *args, tg_march_rule march) {
    tg_identity *person = NULL;
    tg_portrait_score pictures;
    tg_spoken_score speech;
    char phones[1200];
    tg_spoken_options o = {.phones = args->phones, .sync = args->sync, .seed = args->seed};
    tg_status s = open_person(ctx, args, true, &person);
    if (s == TG_OK && !o.phones) {
        snprintf(phones, sizeof phones, "%s/phones.json", args->data);
        o.phones = tg_file_exists(phones) ? phones : NULL;
    }
    if (s == TG_OK)
        s = tg_eval_spoken(ctx, person, args->data, &o, &speech);
    if (s == TG_OK)
        s = tg_eval_portrait(ctx, person, args->data, args->frames, march, &pictures);
    tg_identity_close(&person);
    if (s == TG_OK && args->json) {
        tg_json *root = tg_json_new_object();
        pictures_json(root, &pictures);
        speech_json(root, &speech);
        return cli_print_json(ctx, root);
    }
    if (s == TG_OK) {
        print_pictures(&pictures);
        print_speech(&speech);
    }
    return s;
}
