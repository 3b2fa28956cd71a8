/* talkgen: the small API for programs that embed it. Everything else is in the headers of the
 * rooms.
 *
 *     talkgen *t = talkgen_open("demo.ckpt", 0);
 *     talkgen_options options = talkgen_defaults();
 *     if (talkgen_synthesize(t, "a.wav", "out.mp4", &options) != 0)
 *         fprintf(stderr, "%s\n", talkgen_message(t));
 *     talkgen_close(&t);
 *
 * One handle serves one thread at a time; it uses all processors itself. Functions return 0 or an
 * exit code of the command line tool (2 usage, 3 input, 4 model, 5 output, 6 memory, 130
 * cancelled).
 */
#ifndef TALKGEN_TALKGEN_H
#define TALKGEN_TALKGEN_H

#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

typedef struct talkgen talkgen;

/* Loads a person. threads: 0 = all processors. Never NULL unless there is no memory for the handle
 * itself; a failure to load is told by the first talkgen_synthesize, or at once by talkgen_status.
 */
talkgen *talkgen_open(const char *identity, int threads);
void talkgen_close(talkgen **handle);
int talkgen_status(const talkgen *handle); /* 0 when the person is loaded */
/* Explains the last failure: up to three lines, what was wrong, what was expected, what to try.
 * Borrowed, valid until the next call. */
const char *talkgen_message(const talkgen *handle);

typedef struct {
    uint64_t seed;              /* of the sampled motion, 42 */
    float temperature;          /* 0.3; 0 = the mean */
    int width, height;          /* 0 = as recorded */
    double start_s, duration_s; /* part of the audio; duration 0 = to its end */
    const char *pose;           /* "replay", "auto", "still", "orbit" or a .npy */
    const char *blink;          /* "replay", "auto", "still" or "model"; NULL = replay */
    const char *background;     /* "dataset", a picture, or "#rrggbb" */
    int overwrite;              /* 0: an existing output is a usage error */
    /* Called after every frame, NULL = never; a result that is not 0 cancels. */
    int (*progress)(void *user, int64_t frame, int64_t frames);
    void *user;
} talkgen_options;
talkgen_options talkgen_defaults(void);

/* audio: anything FFmpeg or libsndfile reads. output: .mp4, frames_%05d.png, .y4m, .framemd5, null:
 */
int talkgen_synthesize(talkgen *handle, const char *audio, const char *output,
                       const talkgen_options *options);

#ifdef __cplusplus
}
#endif
#endif
