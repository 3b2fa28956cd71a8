#include "train/speech_corpus.h"

#include "talkgen/io.h"
#include "talkgen/speech.h"

#include "dataset/motion.h"

#include <ctype.h>
#include <dirent.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static const char *const phone_names[TG_PHONES] = {
    "SIL", "AA", "AE", "AH", "AO", "AW", "AY", "B", "CH", "D", "DH", "EH", "ER", "EY",
    "F",   "G",  "HH", "IH", "IY", "JH", "K",  "L", "M",  "N", "NG", "OW", "OY", "P",
    "R",   "S",  "SH", "T",  "TH", "UH", "UW", "V", "W",  "Y", "Z",  "ZH"};

int tg_phone_class(const char *name) {
    char letters[8];
    size_t n = 0;
    for (; *name != 0 && n < sizeof letters - 1; name++)
        if (isalpha((unsigned char)*name))
            letters[n++] = (char)toupper((unsigned char)*name);
    letters[n] = 0;
    if (strcmp(letters, "PAU") == 0 || strcmp(letters, "SP") == 0)
        return 0;
    for (int i = 0; i < TG_PHONES; i++)
        if (strcmp(letters, phone_names[i]) == 0)
            return i;
    return -1;
}

const char *tg_phone_name(int phone) {
    return phone_names[phone];
}

float tg_phone_importance(int phone) {
    const char *name = phone > 0 ? phone_names[phone] : "";
    if (strcmp(name, "P") == 0 || strcmp(name, "B") == 0 || strcmp(name, "M") == 0)
        return 1.3f;
    return strcmp(name, "F") == 0 || strcmp(name, "V") == 0 ? 1.2f : 1;
}

static void free_clip(tg_speech_clip *clip) {
    tg_free(clip->samples);
    tg_free(clip->segments);
    tg_free(clip->lips);
    *clip = (tg_speech_clip){0};
}

void tg_speech_corpus_free(tg_speech_corpus *corpus) {
    for (int i = 0; i < corpus->count; i++)
        free_clip(&corpus->clips[i]);
    tg_free(corpus->clips);
    corpus->clips = NULL;
    corpus->count = corpus->capacity = 0;
}

static tg_status no_memory(tg_context *ctx, const char *path) {
    return tg_fail(ctx, TG_ENOMEM, "%s: out of memory", path);
}

/* samples [clip->n]. */
static tg_status keep_samples(tg_context *ctx, const char *path, const float *samples,
                              tg_speech_clip *clip) {
    clip->samples = tg_alloc(sizeof(int16_t) * (size_t)clip->n);
    if (clip->samples == NULL)
        return no_memory(ctx, path);
    for (int64_t i = 0; i < clip->n; i++)
        clip->samples[i] = (int16_t)lrintf(fmaxf(-1, fminf(1, samples[i])) * 32767);
    return TG_OK;
}

static tg_status load_samples(tg_context *ctx, const char *path, tg_speech_clip *clip) {
    tg_wave16k *wave = NULL;
    float *samples = NULL;
    tg_status status = tg_wave16k_open(ctx, path, NULL, &wave);
    if (status == TG_OK)
        status = tg_wave16k_read_all(ctx, wave, &samples, &clip->n);
    tg_wave16k_close(&wave);
    if (status != TG_OK)
        return status;
    status = keep_samples(ctx, path, samples, clip);
    tg_free(samples);
    return status;
}

static tg_status load_segments(tg_context *ctx, const char *path, tg_speech_clip *clip) {
    tg_json *json = NULL;
    tg_status status = tg_json_read(ctx, path, &json);
    if (status != TG_OK)
        return status;
    const tg_json *phones = tg_json_get(json, "phones");
    int n = tg_json_count(phones);
    clip->segments = tg_alloc(sizeof *clip->segments * (size_t)(n > 0 ? n : 1));
    if (clip->segments == NULL)
        status = no_memory(ctx, path);
    double last = 0;
    for (int i = 0; i < n && status == TG_OK; i++) {
        const tg_json *item = tg_json_at(phones, i);
        const char *name = tg_json_string(tg_json_at(item, 0), "");
        double start = tg_json_number(tg_json_at(item, 1), -1);
        double end = tg_json_number(tg_json_at(item, 2), -1);
        if (!(start >= 0 && end >= start && start >= last - 0.5 && end < 1e6)) {
            status = tg_fail(ctx, TG_EINPUT,
                             "%s: phones[%d]: not [name, start, end] in order of time\n"
                             "  expected: [\"AA\", 0.25, 0.31]\n"
                             "  try: making the corpus again with talkgen studio",
                             path, i);
            break;
        }
        last = start;
        clip->segments[clip->segment_count++] = (tg_speech_segment){
            .start_s = (float)start, .end_s = (float)end, .phone = tg_phone_class(name)};
    }
    tg_json_destroy(&json);
    return status;
}

/* Gap, width and chin from landmarks [clip->lip_frames,68,3], each brought to mean 0 and deviation
 * 1 over the clip: the encoder shall hear how far the mouth is open, not whose mouth it is. */
static tg_status measure_lips(tg_context *ctx, const char *path, const float *landmarks,
                              tg_speech_clip *clip) {
    int64_t frames = clip->lip_frames;
    clip->lips = tg_alloc(sizeof(float) * TG_LIPS * (size_t)frames);
    if (clip->lips == NULL)
        return no_memory(ctx, path);
    for (int64_t t = 0; t < frames; t++) {
        const float *p = landmarks + t * 68 * 3;
        double gap = 0, width = 0;
        static const int inner[3][2] = {{61, 67}, {62, 66}, {63, 65}};
        for (int k = 0; k < 3; k++)
            gap += hypot(p[inner[k][0] * 3 + 1] - p[inner[k][1] * 3 + 1],
                         p[inner[k][0] * 3 + 2] - p[inner[k][1] * 3 + 2]) /
                   3;
        for (int d = 0; d < 3; d++)
            width += pow(p[48 * 3 + d] - p[54 * 3 + d], 2);
        clip->lips[t * TG_LIPS] = (float)gap;
        clip->lips[t * TG_LIPS + 1] = (float)sqrt(width);
        clip->lips[t * TG_LIPS + 2] = p[8 * 3 + 1];
    }
    for (int k = 0; k < TG_LIPS; k++) {
        double sum = 0, squares = 0;
        for (int64_t t = 0; t < frames; t++) {
            double x = clip->lips[t * TG_LIPS + k];
            sum += x;
            squares += x * x;
        }
        double mean = sum / (double)frames;
        double deviation = sqrt(fmax(squares / (double)frames - mean * mean, 0));
        for (int64_t t = 0; t < frames; t++) {
            float *x = &clip->lips[t * TG_LIPS + k];
            *x = (float)((*x - mean) / fmax(deviation, 1e-4));
        }
    }
    return TG_OK;
}

static tg_status load_lips(tg_context *ctx, const char *path, tg_speech_clip *clip) {
    tg_npy npy;
    tg_status status = tg_landmarks_read(ctx, path, &npy);
    if (status != TG_OK)
        return status;
    clip->lip_frames = npy.dim[0];
    status = measure_lips(ctx, path, npy.data, clip);
    tg_npy_free(&npy);
    return status;
}

static float speech_level(const tg_speech_clip *clip) {
    double sum = 0;
    int64_t count = 0;
    for (int i = 0; i < clip->segment_count; i++) {
        if (clip->segments[i].phone <= 0)
            continue;
        int64_t end = (int64_t)(clip->segments[i].end_s * TG_SPEECH_RATE);
        if (end > clip->n)
            end = clip->n;
        for (int64_t k = (int64_t)(clip->segments[i].start_s * TG_SPEECH_RATE); k < end; k++) {
            sum += (double)clip->samples[k] * clip->samples[k];
            count++;
        }
    }
    return count > 0 ? (float)(sqrt(sum / (double)count) / 32768) : 0;
}

static tg_status load_clip(tg_context *ctx, const char *dir, int number, tg_speech_clip *clip,
                           bool *complete) {
    char audio[1200], phones[1200], lips[1200];
    snprintf(audio, sizeof audio, "%.1000s/%05d.flac", dir, number);
    snprintf(phones, sizeof phones, "%.1000s/%05d.json", dir, number);
    snprintf(lips, sizeof lips, "%.1000s/%05d.npy", dir, number);
    *clip = (tg_speech_clip){.number = number};
    *complete = tg_file_exists(audio) && tg_file_exists(phones) && tg_file_exists(lips);
    if (!*complete)
        return TG_OK;
    tg_status status = load_samples(ctx, audio, clip);
    if (status == TG_OK)
        status = load_segments(ctx, phones, clip);
    if (status == TG_OK)
        status = load_lips(ctx, lips, clip);
    if (status != TG_OK)
        free_clip(clip);
    else
        clip->level = speech_level(clip);
    return status;
}

static int by_number(const void *a, const void *b) {
    int x = *(const int *)a, y = *(const int *)b;
    return (x > y) - (x < y);
}

/* Numbers of all NNNNN.json in the directory, ascending. */
static tg_status list_numbers(tg_context *ctx, const char *dir, int **out, int *count) {
    *out = NULL;
    *count = 0;
    DIR *d = opendir(dir);
    if (d == NULL)
        return TG_OK;
    int capacity = 0;
    tg_status status = TG_OK;
    for (struct dirent *e; status == TG_OK && (e = readdir(d)) != NULL;) {
        if (strlen(e->d_name) != 10 || strspn(e->d_name, "0123456789") != 5 ||
            strcmp(e->d_name + 5, ".json") != 0)
            continue;
        if (*count == capacity) {
            capacity = capacity * 2 + 256;
            int *grown = tg_alloc(sizeof(int) * (size_t)capacity);
            if (grown == NULL) {
                status = no_memory(ctx, dir);
                break;
            }
            if (*count > 0)
                memcpy(grown, *out, sizeof(int) * (size_t)*count);
            tg_free(*out);
            *out = grown;
        }
        (*out)[(*count)++] = atoi(e->d_name);
    }
    closedir(d);
    if (status == TG_OK && *count > 0)
        qsort(*out, (size_t)*count, sizeof(int), by_number);
    return status;
}

static bool room_for_one(tg_speech_corpus *corpus) {
    if (corpus->count < corpus->capacity)
        return true;
    int capacity = corpus->capacity * 2 + 256;
    tg_speech_clip *grown = tg_calloc(sizeof *grown * (size_t)capacity);
    if (grown == NULL)
        return false;
    if (corpus->count > 0)
        memcpy(grown, corpus->clips, sizeof *grown * (size_t)corpus->count);
    tg_free(corpus->clips);
    corpus->clips = grown;
    corpus->capacity = capacity;
    return true;
}

tg_status tg_speech_corpus_scan(tg_context *ctx, tg_speech_corpus *corpus, int limit) {
    int *numbers, count, loaded = 0, known = 0;
    tg_status status = list_numbers(ctx, corpus->dir, &numbers, &count);
    for (int i = 0; i < count && status == TG_OK && (limit == 0 || loaded < limit); i++) {
        /* Clips are appended in order; what was skipped once comes after them. */
        for (known = 0; known < corpus->count; known++)
            if (corpus->clips[known].number == numbers[i])
                break;
        if (known < corpus->count)
            continue;
        if (!room_for_one(corpus)) {
            status = no_memory(ctx, corpus->dir);
            break;
        }
        bool complete;
        tg_speech_clip *clip = &corpus->clips[corpus->count];
        status = load_clip(ctx, corpus->dir, numbers[i], clip, &complete);
        if (status == TG_OK && complete) {
            corpus->count++;
            corpus->samples += clip->n;
            loaded++;
        }
        if (status == TG_OK)
            status = tg_cancelled(ctx);
    }
    tg_free(numbers);
    return status;
}

static tg_status keep_take(tg_context *ctx, const tg_train_take *take, tg_speech_clip *clip) {
    static const char *const what = "a take";
    clip->n = take->count;
    clip->lip_frames = take->frames;
    clip->segments = tg_alloc(sizeof *clip->segments * (size_t)(take->phones + 1));
    if (clip->segments == NULL)
        return no_memory(ctx, what);
    for (; clip->segment_count < take->phones; clip->segment_count++) {
        int i = clip->segment_count;
        clip->segments[i] = (tg_speech_segment){.start_s = take->times[i][0],
                                                .end_s = take->times[i][1],
                                                .phone = tg_phone_class(take->phone[i])};
    }
    tg_status status = keep_samples(ctx, what, take->samples, clip);
    if (status == TG_OK)
        status = measure_lips(ctx, what, take->landmarks, clip);
    clip->level = status == TG_OK ? speech_level(clip) : 0;
    return status;
}

tg_status tg_speech_corpus_take(tg_context *ctx, tg_speech_corpus *corpus,
                                const tg_train_take *takes, int count) {
    for (; corpus->count > 0; corpus->count--)
        free_clip(&corpus->clips[corpus->count - 1]);
    corpus->samples = 0;
    for (int i = 0; i < count; i++) {
        if (!room_for_one(corpus))
            return no_memory(ctx, "takes");
        tg_speech_clip *clip = &corpus->clips[corpus->count++];
        *clip = (tg_speech_clip){.number = i};
        tg_status status = keep_take(ctx, &takes[i], clip);
        if (status != TG_OK)
            return status;
        corpus->samples += clip->n;
    }
    return TG_OK;
}

int tg_speech_phone_at(const tg_speech_clip *clip, double time_s) {
    int low = 0, high = clip->segment_count;
    while (low < high) {
        int middle = (low + high) / 2;
        if (clip->segments[middle].end_s <= time_s)
            low = middle + 1;
        else
            high = middle;
    }
    if (low == clip->segment_count || clip->segments[low].start_s > time_s)
        return 0;
    return clip->segments[low].phone;
}

bool tg_speech_lips_at(const tg_speech_clip *clip, double time_s, float out[TG_LIPS]) {
    double frame = time_s * 25 - 0.5;
    if (clip->lips == NULL || frame < -0.5 || frame > (double)clip->lip_frames - 0.5)
        return false;
    frame = fmax(0, fmin(frame, (double)clip->lip_frames - 1));
    int64_t i = (int64_t)frame, next = i + 1 < clip->lip_frames ? i + 1 : i;
    float part = (float)(frame - (double)i);
    for (int k = 0; k < TG_LIPS; k++)
        out[k] = clip->lips[i * TG_LIPS + k] * (1 - part) + clip->lips[next * TG_LIPS + k] * part;
    return true;
}
