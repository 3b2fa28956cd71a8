/* Manifests of batch, JSON Lines and CSV: every clip of one, and what a good clip has. */
#include "fuzz.h"

#include "talkgen/batch.h"

/* Whether a path has a part "..". */
static bool leaves(const char *path) {
    return strncmp(path, "../", 3) == 0 || strstr(path, "/../");
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t bytes) {
    tg_context *ctx = fuzz_context();
    tg_manifest *manifest;
    tg_status status = tg_manifest_open(ctx, fuzz_file(data, bytes), &manifest);
    fuzz_check(status);
    int64_t line = 0, wrong = 0;
    while (status == TG_OK) {
        tg_clip *clip;
        status = tg_manifest_next(ctx, manifest, &clip);
        fuzz_check(status);
        if (status != TG_OK || !clip) {
            break;
        }
        if (clip->line <= line || !clip->id) {
            abort();
        }
        line = clip->line;
        wrong += clip->problem != NULL;
        if (clip->problem
                ? clip->column < 1
                : !clip->audio || !clip->out || clip->out[0] == '/' || leaves(clip->out) ||
                      !(clip->start_s >= 0) || !(clip->duration_s >= 0)) {
            abort();
        }
        tg_clip_free(&clip);
    }
    fuzz_accepted = status == TG_OK && line > 0 && wrong == 0;
    tg_manifest_close(&manifest);
    return 0;
}
