/* Inside convert: the parts of a GeneFace person, each from its published files. */
#ifndef TALKGEN_CONVERT_GENEFACE_H
#define TALKGEN_CONVERT_GENEFACE_H

#include "talkgen/convert.h"

/* ---- checkpoints ---- */

/* A file of GeneFace's trainer and the tensors of its state_dict, "model.block3.1.bias". */
typedef struct {
    tg_torch *file;
    tg_st *state;
} tg_checkpoint;
/* TG_EMODEL when it is no PyTorch file or holds no state_dict; option ("--postnet") and wanted
 * (what the option takes) are for the message. */
tg_status tg_checkpoint_open(tg_context *ctx, const char *path, const char *option,
                             const char *wanted, tg_checkpoint *out);
void tg_checkpoint_close(tg_checkpoint *checkpoint);
bool tg_checkpoint_has(const tg_checkpoint *checkpoint, const char *tensor);
/* TG_EMODEL: the tensor that is missing, what the file seems to be, and what to give instead. */
tg_status tg_checkpoint_unsuited(tg_context *ctx, const tg_checkpoint *checkpoint,
                                 const char *tensor, const char *option, const char *wanted);

/* ---- motion (geneface_motion.c) ---- */

/* VAE, as adapted with the postnet, and postnet of a checkpoint of lm3d_postnet_sync[_pitch]. */
tg_status tg_geneface_motion(tg_context *ctx, const char *path, tg_vae **vae, tg_postnet **postnet);

/* ---- renderer (geneface_render.c) ---- */

/* Either the grid NeRF or, with head set, the vanilla one. */
typedef struct {
    tg_nerf *nerf;
    tg_vanilla *head, *torso;
    float clamp_std, smooth; /* as the published inference of this renderer has them */
} tg_geneface_renderer;
/* Of options->torso, options->head and the configuration. */
tg_status tg_geneface_render(tg_context *ctx, const tg_convert_options *options,
                             tg_geneface_renderer *out);
void tg_geneface_render_free(tg_geneface_renderer *renderer);

/* ---- the recording (geneface_dataset.c) ---- */

typedef struct {
    int width, height;
    float focal, cx, cy; /* pixels */
    tg_image background;
    tg_motion_stats stats; /* of idexp_lm3d */
    int64_t frames;
    float *pose; /* [frames,4,4] camera-to-world, training frames first, as recorded */
    float *lle;  /* [frames, TG_LLE_DIM] idexp_lm3d_normalized of points 0-47, or NULL */
} tg_geneface_dataset;
/* trainval_dataset.npy, a folder that holds it, or the processed folder of a recording
 * (transforms_train.json, transforms_val.json, bc.jpg) with idexp_lm3d_mean.npy and
 * idexp_lm3d_std.npy in it. */
tg_status tg_geneface_dataset_open(tg_context *ctx, const char *path, tg_geneface_dataset *out);
void tg_geneface_dataset_free(tg_geneface_dataset *dataset);

#endif
