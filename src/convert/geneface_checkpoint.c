/* Files that GeneFace's trainer wrote, and what they turn out to be. */
#include "convert/geneface.h"

#include <stdio.h>
#include <string.h>

bool tg_checkpoint_has(const tg_checkpoint *checkpoint, const char *tensor) {
    return tg_st_find(checkpoint->state, tensor) != NULL;
}

/* TG_EMODEL: `lack` is what the file has not, and its kind tells where it belongs. */
static tg_status unsuited(tg_context *ctx, const tg_checkpoint *c, const char *lack,
                          const char *option, const char *wanted) {
    const char *path = tg_torch_path(c->file), *kind = tg_torch_guess(tg_torch_root(c->file));
    const char *command = tg_convert_command(kind);
    char look[1100];
    snprintf(look, sizeof look, "talkgen info %s", path);
    return tg_fail(ctx, TG_EMODEL,
                   "%s: %s is missing, the file holds: %s\n  expected: %s %s\n  try: %s", path,
                   lack, kind, option, wanted, command ? command : look);
}

tg_status tg_checkpoint_unsuited(tg_context *ctx, const tg_checkpoint *checkpoint,
                                 const char *tensor, const char *option, const char *wanted) {
    char lack[160];
    snprintf(lack, sizeof lack, "tensor %s", tensor);
    return unsuited(ctx, checkpoint, lack, option, wanted);
}

tg_status tg_checkpoint_open(tg_context *ctx, const char *path, const char *option,
                             const char *wanted, tg_checkpoint *out) {
    memset(out, 0, sizeof *out);
    if (tg_file_exists(path) && !tg_torch_recognise(path))
        return tg_fail(ctx, TG_EMODEL,
                       "%s: this is no PyTorch file\n  expected: %s %s\n"
                       "  try: the file as it was downloaded, model_ckpt_steps_N.ckpt",
                       path, option, wanted);
    tg_status s = tg_torch_open(ctx, path, &out->file);
    const tg_torch_value *state = NULL;
    if (s == TG_OK) {
        const tg_torch_value *root = tg_torch_root(out->file);
        state = tg_torch_get(root, "state_dict");
        s = tg_st_from_torch(ctx, out->file, state ? state : root, &out->state);
    }
    if (s == TG_OK && !state)
        s = unsuited(ctx, out, "state_dict", option, wanted);
    if (s != TG_OK)
        tg_checkpoint_close(out);
    return s;
}

void tg_checkpoint_close(tg_checkpoint *checkpoint) {
    tg_st_close(&checkpoint->state);
    tg_torch_close(&checkpoint->file);
}
