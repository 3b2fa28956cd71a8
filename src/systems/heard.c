/* RAD-NeRF and AD-NeRF: logits of a speech recogniser (heard by a wav2vec2 encoder of the identity,
 * or from a file) -> windows -> head over torso over background. They differ in their renderer and
 * its inputs, which are the identity's, so that one wiring serves both. */
#include "systems/portrait.h"

tg_status tg_heard_synthesize(tg_context *ctx, const tg_identity *identity,
                              const tg_synth_options *options, tg_synth_report *report) {
    const tg_motion_options *heard = &options->motion;
    tg_condition *condition = NULL;
    tg_status s = tg_condition_of_speech(ctx, identity, heard, &condition);
    if (s == TG_OK)
        s = tg_portrait_render(ctx, identity, condition, &options->portrait, heard->audio,
                               heard->start_s, heard->duration_s, report);
    tg_condition_close(&condition);
    return s;
}
