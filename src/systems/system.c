/* The systems by name. */
#include "systems/portrait.h"

static const struct {
    const char *name;
    tg_status (*synthesize)(tg_context *ctx, const tg_identity *identity,
                            const tg_synth_options *options, tg_synth_report *report);
} systems[] = {
    [TG_SYSTEM_GENEFACE] = {"geneface", tg_geneface_synthesize},
    [TG_SYSTEM_RADNERF] = {"radnerf", tg_heard_synthesize},
    [TG_SYSTEM_ADNERF] = {"adnerf", tg_heard_synthesize},
};

const char *tg_system_name(tg_system system) {
    return (unsigned)system < sizeof systems / sizeof systems[0] ? systems[system].name : NULL;
}

tg_synth_options tg_synth_defaults(void) {
    return (tg_synth_options){
        .motion = {.seed = 42, .clip_id = "", .temperature = 0.3f, .eyes = TG_EYES_REPLAY},
        .portrait =
            {.pose = "replay", .gaze = "pose", .background = "dataset", .crf = 18, .eye_area = -1},
    };
}

tg_status tg_synthesize(tg_context *ctx, const tg_identity *identity,
                        const tg_synth_options *options, tg_synth_report *report) {
    double began = tg_now_s();
    tg_synth_options o = *options;
    o.portrait.seed = o.motion.seed;
    o.portrait.clip_id = o.motion.clip_id;
    o.portrait.eyes = o.motion.eyes;
    o.portrait.blink_gain = o.motion.blink_gain;
    tg_status s = systems[identity->system].synthesize(ctx, identity, &o, report);
    report->wall_s = tg_now_s() - began;
    return s;
}
