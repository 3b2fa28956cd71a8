#include "studio/take.h"

#include "studio/dice.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

void tg_studio_take_free(tg_studio_take *take) {
    tg_free(take->samples);
    tg_free(take->landmarks);
    tg_free(take->phone);
    tg_free(take->times);
    *take = (tg_studio_take){0};
}

static tg_status no_memory(tg_context *ctx) {
    return tg_fail(ctx, TG_ENOMEM, "no memory for a take");
}

static tg_status copy_phones(tg_context *ctx, const tg_phones *phones, tg_studio_take *out) {
    out->phone = tg_alloc((size_t)phones->count * sizeof *out->phone);
    out->times = tg_alloc((size_t)phones->count * sizeof *out->times);
    if (!out->phone || !out->times)
        return no_memory(ctx);
    out->phones = phones->count;
    for (int i = 0; i < phones->count; i++) {
        out->phone[i] = phones->phone[i].name;
        out->times[i][0] = (float)phones->phone[i].start;
        out->times[i][1] = (float)phones->phone[i].end;
    }
    return TG_OK;
}

static tg_status follow(tg_context *ctx, const tg_person *person, const tg_performance *p,
                        tg_studio_take *out) {
    out->landmarks = tg_alloc((size_t)p->frames * sizeof(float[TG_LANDMARKS][3]));
    if (!out->landmarks)
        return no_memory(ctx);
    for (int64_t i = 0; i < p->frames; i++)
        tg_person_landmarks(person, &p->state[i],
                            (float(*)[3])(out->landmarks + i * TG_LANDMARKS * 3));
    return TG_OK;
}

static void keep_samples(tg_speech *speech, tg_studio_take *out) {
    out->samples = speech->samples;
    out->count = speech->count;
    out->frames = tg_performance_frames(speech->count);
    speech->samples = NULL;
}

/* A face of the speaker's own follows the voice. */
static tg_status act(tg_context *ctx, const tg_actor *actor, tg_speaker *who,
                     const tg_read_options *read, tg_studio_take *out) {
    tg_person *person = NULL;
    tg_performance *p = NULL;
    tg_status status = tg_cast_face(ctx, actor, who, &person);
    if (status == TG_OK)
        status = tg_performance_record(ctx, actor, &who->voice, read, &who->style, &p);
    if (status == TG_OK)
        status = follow(ctx, person, p, out);
    if (status == TG_OK)
        status = copy_phones(ctx, &p->speech.phones, out);
    if (status == TG_OK)
        keep_samples(&p->speech, out);
    tg_performance_destroy(&p);
    tg_person_destroy(&person);
    return status;
}

/* Nobody is seen. */
static tg_status read_only(tg_context *ctx, const tg_speaker *who, const tg_read_options *read,
                           tg_studio_take *out) {
    tg_speech speech = {0};
    tg_status status = tg_read_aloud(ctx, &who->voice, read, &speech);
    if (status == TG_OK)
        status = copy_phones(ctx, &speech.phones, out);
    if (status == TG_OK)
        keep_samples(&speech, out);
    tg_speech_free(&speech);
    return status;
}

tg_status tg_take_make(tg_context *ctx, const tg_actor *actor, const tg_cast *cast, uint64_t index,
                       tg_studio_take *out) {
    *out = (tg_studio_take){0};
    char id[40];
    snprintf(id, sizeof id, "%stake %llu", cast->heldout ? "held-out " : "",
             (unsigned long long)index);
    tg_dice dice = tg_dice_make(cast->seed, id, "reading");
    tg_speaker who;
    tg_status status = tg_cast_speaker(ctx, cast, (int)(index % INT32_MAX), &who);
    tg_read_options read = {.seconds = tg_roll_between(&dice, 26, 44),
                            .longest = 50,
                            .first_pause = tg_roll_between(&dice, 0.2f, 1.2f),
                            .shortest_pause = tg_roll_between(&dice, 0.15f, 0.45f),
                            .seed = tg_hash_bytes(id, strlen(id), cast->seed)};
    /* One in six takes its time: silences of several seconds. */
    float hurry = tg_roll(&dice);
    read.widest_pause =
        read.shortest_pause + (hurry < 0.17f ? 4.0f : tg_roll_between(&dice, 0.2f, 1.6f));
    /* One in twelve sings all or some; others speak higher or lower than their engine. */
    if (tg_roll(&dice) < 0.08f)
        read.sung = tg_roll_between(&dice, 0.3f, 1.2f);
    if (tg_roll(&dice) < 0.5f)
        read.pitch = tg_roll_between(&dice, 0.75f, 1.35f);
    if (tg_roll(&dice) < 0.6f)
        read.breath = powf(10, tg_roll_between(&dice, -34, -9) / 20);
    /* kal and ked have no units for transitions that English lacks. */
    if (status == TG_OK && !strcmp(who.voice.language, "en") && who.voice.name[0] != 'k' &&
        tg_roll(&dice) < 0.35f)
        snprintf(who.voice.language, sizeof who.voice.language, "en-words");
    who.style.seed = read.seed;
    if (status == TG_OK)
        status = actor ? act(ctx, actor, &who, &read, out) : read_only(ctx, &who, &read, out);
    if (status != TG_OK)
        tg_studio_take_free(out);
    return status;
}
