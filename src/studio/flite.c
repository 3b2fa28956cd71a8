/* flite: five English voices in this process, phone times from the Segment relation. Three of them
 * (awb, rms, slt) are statistical voices of real speakers, two are diphone voices.
 *
 * The libraries flite_cmu_us_* export only their registration functions, without a header. Each
 * utterance is spoken in a process of its own (child.h), so nothing is ever freed. */
#include <setjmp.h>
#include <string.h>

#include <flite/cst_error.h>
#include <flite/flite.h>

#include "studio/child.h"

cst_voice *register_cmu_us_awb(const char *voxdir);
cst_voice *register_cmu_us_kal(const char *voxdir);
cst_voice *register_cmu_us_kal16(const char *voxdir);
cst_voice *register_cmu_us_rms(const char *voxdir);
cst_voice *register_cmu_us_slt(const char *voxdir);

typedef struct {
    const char *name;
    cst_voice *(*make)(const char *voxdir);
    float f0_hz;   /* mean F0 of the voice as delivered */
    double late_s; /* how much later than its labels the voice sounds, measured on closures */
} flite_voice;

static const flite_voice voices[] = {
    {"awb", register_cmu_us_awb, 130, 0.003},    {"kal", register_cmu_us_kal, 95, 0.009},
    {"kal16", register_cmu_us_kal16, 95, 0.009}, {"rms", register_cmu_us_rms, 101, 0.005},
    {"slt", register_cmu_us_slt, 172, 0.014},
};

static const flite_voice *find_voice(const char *name) {
    for (size_t i = 0; i < sizeof voices / sizeof *voices; i++)
        if (!strcmp(voices[i].name, name))
            return &voices[i];
    return NULL;
}

bool tg_flite_has_voice(const char *name) {
    return find_voice(name) != NULL;
}

/* Segments end where the next begins. */
static bool take_phones(cst_utterance *utterance, double late_s, double total_s, tg_phones *out) {
    double start = 0;
    for (const cst_item *s = relation_head(utt_relation(utterance, "Segment")); s;
         s = item_next(s)) {
        const char *name = tg_phone_intern(item_feat_string(s, "name"));
        double end = item_next(s) ? item_feat_float(s, "end") + late_s : total_s;
        if (end > total_s)
            end = total_s;
        if (!name)
            name = "SIL";
        if (end <= start)
            continue;
        if (!tg_phones_add(out, name, start, end))
            return false;
        start = end;
    }
    return true;
}

/* flite ends the process on an inner error unless somebody waits at cst_errjmp; NULL then. */
static cst_utterance *synthesize(cst_utterance *utterance) {
    jmp_buf trap;
    cst_utterance *volatile done = NULL;
    cst_errjmp = &trap;
    if (setjmp(trap) == 0)
        done = utt_synth(utterance);
    cst_errjmp = NULL;
    return done;
}

static tg_status collect(tg_context *ctx, cst_utterance *utterance, const flite_voice *v,
                         tg_raw_speech *out) {
    const cst_wave *wave = utterance ? utt_wave(utterance) : NULL;
    if (!wave || wave->num_samples <= 0)
        return tg_fail(ctx, TG_EINTERNAL, "flite voice %s gave no sound", v->name);
    out->count = wave->num_samples;
    out->rate = wave->sample_rate;
    out->samples = tg_alloc((size_t)out->count * sizeof(float));
    if (!out->samples ||
        !take_phones(utterance, v->late_s, (double)out->count / out->rate, &out->phones))
        return tg_fail(ctx, TG_ENOMEM, "no memory for speech");
    for (int64_t i = 0; i < out->count; i++)
        out->samples[i] = (float)wave->samples[i] / 32768.0f;
    return TG_OK;
}

static tg_status speak(tg_context *ctx, const tg_voice *voice, float tempo, const char *text,
                       tg_raw_speech *out) {
    const flite_voice *v = find_voice(voice->name);
    flite_init();
    cst_utterance *u = new_utterance();
    utt_set_input_text(u, text);
    utt_init(u, v->make(NULL));
    float stretch = flite_get_param_float(u->features, "duration_stretch", 1.0f);
    float spread = flite_get_param_float(u->features, "int_f0_target_stddev", 0.0f);
    flite_feat_set_float(u->features, "duration_stretch", stretch / tempo);
    flite_feat_set_float(u->features, "int_f0_target_mean", v->f0_hz * voice->pitch);
    if (spread > 0)
        flite_feat_set_float(u->features, "int_f0_target_stddev", spread * voice->range);
    return collect(ctx, synthesize(u), v, out);
}

tg_status tg_flite_speak(tg_context *ctx, const tg_voice *voice, float tempo, const char *text,
                         tg_raw_speech *out) {
    *out = (tg_raw_speech){0};
    if (!find_voice(voice->name))
        return tg_fail(
            ctx, TG_EUSAGE,
            "unknown flite voice \"%s\"\n  expected: awb, kal, kal16, rms or slt\n  try: flite:rms",
            voice->name);
    return tg_speak_in_child(ctx, speak, voice, tempo, text, out);
}
