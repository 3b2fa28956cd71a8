/* GeneFace: audio -> HuBERT -> flow VAE -> postnet -> landmarks -> head over torso over background.
 */
#include "systems/portrait.h"

tg_status tg_render_motion(tg_context *ctx, const tg_identity *identity, tg_motion_source *motion,
                           const tg_portrait_options *options, const char *audio, double start_s,
                           double duration_s, tg_synth_report *report) {
    if (tg_identity_hears(identity))
        return tg_fail(ctx, TG_EUSAGE,
                       "'%s' is driven by logits, not by landmarks\n"
                       "  expected: an identity of system geneface\n  try: --features aud.npy",
                       identity->name);
    tg_condition *condition = NULL;
    const tg_pose_options pose = tg_portrait_pose(options, audio, start_s, duration_s);
    tg_status s = tg_condition_of_landmarks(ctx, identity, motion, &pose, &condition);
    if (s == TG_OK)
        s = tg_portrait_render(ctx, identity, condition, options, audio, start_s, duration_s,
                               report);
    tg_condition_close(&condition);
    return s;
}

tg_status tg_geneface_synthesize(tg_context *ctx, const tg_identity *identity,
                                 const tg_synth_options *options, tg_synth_report *report) {
    const tg_motion_options *heard = &options->motion;
    tg_motion_source *motion = NULL;
    tg_status s = tg_motion_source_open(ctx, identity, heard, &motion);
    if (s == TG_OK)
        s = tg_render_motion(ctx, identity, motion, &options->portrait, heard->audio,
                             heard->start_s, heard->duration_s, report);
    tg_motion_source_close(&motion);
    return s;
}
