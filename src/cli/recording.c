#include "cli/recording.h"

#include "cli/options.h"

#include "talkgen/dataset.h"
#include "talkgen/io.h"

#include <stdio.h>

static void print_summary(const char *directory, const tg_dataset_report *r) {
    printf("%s: %lld frames (%lld to train on, %lld held out), %d x %d, %.1f s of sound\n",
           directory, (long long)r->frames, (long long)r->train_frames,
           (long long)(r->frames - r->train_frames), r->width, r->height, r->audio_s);
    if (!r->has_motion)
        return;
    printf("motion: %s", tg_motion_origin_name(r->motion));
    if (r->motion == TG_FROM_LMS)
        printf(", lifted to 3-D by the head poses");
    if (r->motion == TG_FROM_GENEFACE)
        printf(", placed by ori_imgs/*.lms");
    if (r->motion != TG_FROM_LANDMARKS)
        printf(" (noise %.2f pixels, the head turns %.1f degrees about its mean)", r->noise_px,
               r->turn_deg);
    printf("\n");
}

static void print_findings(const tg_findings *f, bool notes) {
    int number = 0;
    for (int i = 0; i < f->count; i++) {
        char text[1024];
        if (f->entry[i].note != notes)
            continue;
        tg_finding_text(&f->entry[i], text, sizeof text);
        if (notes)
            printf("note: %s\n      %s\n", text, f->entry[i].todo);
        else
            printf("%2d. %s\n    to do: %s\n", ++number, text, f->entry[i].todo);
    }
}

tg_status cli_check_recording(tg_context *ctx, const char *directory, const char *landmarks,
                              bool overwrite) {
    tg_status s = cli_new_file(ctx, landmarks, overwrite);
    if (s != TG_OK)
        return s;
    tg_dataset_report *r = tg_calloc(sizeof *r);
    s = r ? tg_dataset_check(ctx, directory, r)
          : tg_fail(ctx, TG_ENOMEM, "out of memory to look %s through", directory);
    if (s == TG_OK) {
        print_summary(directory, r);
        print_findings(&r->findings, true);
        print_findings(&r->findings, false);
        fflush(stdout);
    }
    if (s == TG_OK && r->findings.wrong)
        s = tg_fail(ctx, TG_EMODEL,
                    "%s: %d %s wrong with this recording, as listed\n"
                    "  expected: the layout of the RAD-NeRF family, 25 frames per second\n"
                    "  try: what the list says, then talkgen train check --data %s",
                    directory, r->findings.wrong,
                    r->findings.wrong == 1 ? "thing is" : "things are", directory);
    if (s == TG_OK && landmarks && r->landmarks)
        s = tg_npy_write(ctx, landmarks, 3, (int64_t[]){r->rows, 68, 3}, r->landmarks);
    if (r)
        tg_dataset_report_free(r);
    tg_free(r);
    return s;
}
