/* Speech and motion parts of an open file; private to systems. */
#ifndef TG_SYSTEMS_VOICE_H
#define TG_SYSTEMS_VOICE_H

#include "talkgen/systems.h"

#define TG_SPEECH_PREFIX "speech."
#define TG_MOTION_PREFIX "motion."

/* As tg_voice_open, from a file that is open already. */
tg_status tg_voice_from(tg_context *ctx, const tg_st *st, tg_hubert **hubert, tg_vae **vae);
/* TG_EMODEL naming both files and both widths when the motion model does not take what the encoder
 * gives. */
tg_status tg_voice_fits(tg_context *ctx, const tg_hubert *hubert, const char *encoder,
                        const tg_vae *vae, const char *model);
/* Metadata and tensors motion.*; false = no memory. */
bool tg_voice_add_vae(tg_st_writer *w, tg_vae *vae, tg_dtype dtype);

/* What stands in front of a person's renderer. The encoder: --encoder (NULL = not given), else
 * inside the identity `file`, else the file that its configuration names by path and hash; the
 * motion model (vae NULL = not wanted): the identity's own, else from the same file as the encoder.
 * voice_path[size]: where the encoder came from, "" = the identity. */
tg_status tg_voice_for(tg_context *ctx, const tg_st *file, const tg_json *config,
                       const char *encoder, char *voice_path, size_t size, tg_hubert **hubert,
                       tg_vae **vae);
/* The behaviour model of an open person: the identity's own, else the voice file's. TG_EMODEL when
 * there is none. */
tg_status tg_voice_behaviour(tg_context *ctx, const tg_identity *id, tg_behaviour **out);
/* The voice of `parts` into the identity `path` that is being written: named in `config`, or its
 * tensors in `w`, which refer to *voice: to be closed when the file is written. */
tg_status tg_voice_attach(tg_context *ctx, const char *path, const tg_identity_parts *parts,
                          tg_st_writer *w, tg_json *config, tg_st **voice);

#endif
