/* The loop over the frames of a clip, shared by all systems that render with a NeRF; private. */
#ifndef TG_SYSTEMS_PORTRAIT_H
#define TG_SYSTEMS_PORTRAIT_H

#include "systems/condition.h"
#include "systems/painter.h"

/* Renders every frame of the condition (borrowed) with its pose and writes it; `audio` (or NULL)
 * becomes the sound. */
tg_status tg_portrait_render(tg_context *ctx, const tg_identity *identity, tg_condition *condition,
                             const tg_portrait_options *options, const char *audio, double start_s,
                             double duration_s, tg_synth_report *report);

/* Whose head goes where in such a clip. */
tg_pose_options tg_portrait_pose(const tg_portrait_options *options, const char *audio,
                                 double start_s, double duration_s);

/* Camera and size of the pictures that the options ask for; other members stay. The torso is a
 * field over the recording's picture, so the aspect has to stay. */
tg_status tg_portrait_camera(tg_context *ctx, const tg_identity *identity,
                             const tg_portrait_options *options, tg_painter_options *camera);

/* The systems: which blocks, in which order. */
tg_status tg_geneface_synthesize(tg_context *ctx, const tg_identity *identity,
                                 const tg_synth_options *options, tg_synth_report *report);
tg_status tg_heard_synthesize(tg_context *ctx, const tg_identity *identity,
                              const tg_synth_options *options, tg_synth_report *report);

#endif
