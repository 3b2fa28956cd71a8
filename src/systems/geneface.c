/* GeneFace: audio -> HuBERT -> flow VAE -> postnet -> head NeRF over torso over background. */
#include "talkgen/systems.h"

tg_synth_options tg_synth_defaults(void) {
    return (tg_synth_options){
        .motion = {.seed = 42, .clip_id = "", .temperature = 0.3f, .eyes = TG_EYES_REPLAY},
        .portrait = {.pose = "replay", .background = "dataset", .crf = 18},
    };
}

tg_status tg_synthesize(tg_context *ctx, const tg_identity *identity,
                        const tg_synth_options *options, tg_synth_report *report) {
    double began = tg_now_s();
    tg_motion_source *motion = NULL;
    tg_status s = tg_motion_source_open(ctx, identity, &options->motion, &motion);
    if (s == TG_OK)
        s = tg_render_motion(ctx, identity, motion, &options->portrait, options->motion.audio,
                             options->motion.start_s, options->motion.duration_s, report);
    report->wall_s = tg_now_s() - began;
    tg_motion_source_close(&motion);
    return s;
}
