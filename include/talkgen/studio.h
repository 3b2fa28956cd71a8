/* talkgen studio: synthetic recordings with exact ground truth. A CC0 MakeHuman actor speaks a
 * generated text in a synthetic voice and is filmed into the data set layout of the talking-head
 * NeRF family, so that the whole training pipeline can be tried, taught and tested without footage
 * of a real person.
 *
 *     tg_studio_options o = tg_studio_defaults();
 *     o.actor_dir = "makehuman/data";
 *     o.seconds = 180;
 *     tg_studio_film(ctx, &o, "data/zoe");
 *
 * Everything is a function of the options: the same options give the same bytes, at any number of
 * threads.
 */
#ifndef TALKGEN_STUDIO_H
#define TALKGEN_STUDIO_H

#include "talkgen/core.h"

#ifdef __cplusplus
extern "C" {
#endif

typedef struct {
    const char *actor_dir;  /* MakeHuman's data folder, native formats; must be given */
    const char *tables_dir; /* our own tables; default "models/actor" */
    const char *character;  /* name in the tables, or "random" (by seed) */
    const char *voice;      /* "flite:slt", "espeak:de+m3", ...; NULL = flite by gender */
    int size;               /* square pictures, 64..1024 pixels a side */
    double seconds;         /* of speech at least; it ends with a sentence */
    int64_t frames;         /* film at most these; 0 = all */
    uint64_t seed;
} tg_studio_options;
/* tables "models/actor", character "zoe", 256 pixels, 180 s, seed 42. */
tg_studio_options tg_studio_defaults(void);

/* Films a person into the data set directory `dir`:
 *   ori_imgs/N.jpg gt_imgs/N.jpg  frames (equal, the background is static), N from 0
 *   parsing/N.png                 head blue, neck green, torso red, background white
 *   torso_imgs/N.png              RGBA, neck and torso grown upward below the head
 *   bc.jpg aud.wav (16 kHz) landmarks.npy [T,68,3] gaze.npy [T,2] phones.json
 * transforms_{train,val}.json and studio.json with the options. Sound, landmarks and poses of all
 * frames are complete before the first picture. Goes on where an interrupted run stopped; a
 * directory of other options is TG_EUSAGE. */
tg_status tg_studio_film(tg_context *ctx, const tg_studio_options *options, const char *dir);

/* The same performance as a video (any sink of io.h: .mp4, .framemd5, ...). overwrite: an existing
 * output may be replaced. */
tg_status tg_studio_clip(tg_context *ctx, const tg_studio_options *options, const char *path,
                         bool overwrite);

/* One still. Angles in degrees as in a portrait studio: + = to the subject's left, down, and
 * towards the subject's right shoulder; gaze + = left, up. */
typedef struct {
    const char *viseme;     /* "AA", NULL = none */
    const char *expression; /* "smile", "blink", NULL = "idle" */
    float head_yaw, head_pitch, head_roll;
    float gaze_yaw, gaze_pitch;
} tg_studio_pose;
/* Writes the picture to `path` (.png or .jpg). Unknown names: TG_EUSAGE listing the known ones. */
tg_status tg_studio_portrait(tg_context *ctx, const tg_studio_options *options,
                             const tg_studio_pose *pose, const char *path);

/* ---- the voice corpus ------------------------------------------------------------------ */

typedef struct {
    const char *actor_dir;  /* MakeHuman's data folder */
    const char *tables_dir; /* models/actor */
    double hours;           /* of speech, 0 < hours <= 1000 */
    int speakers;           /* voices with a face each; <= 0 = 300, conversation 60 */
    uint64_t seed;
    bool heldout; /* voices and variants that ordinary corpora never use, for tests */
    /* Takes of 30 to 75 s with pauses up to 8 s, in which faces listen: what talkgen train
     * behaviour wants */
    bool conversation;
} tg_studio_corpus_options;

/* Many voices with many faces: per clip NNNNN.flac (16 kHz mono, 6 to 20 s), NNNNN.npy (landmarks
 * [T,68,3] in head coordinates, dm, 25 fps), NNNNN.pose.npy (head poses [T,4,4], camera-to-world)
 * and NNNNN.json {"voice", "language", "speaker", "seconds", "phones": [["AA", start_s, end_s],
 * ...]}. A clip is a function of (seed, speakers,
 * heldout, index), at any number of threads: an interrupted run goes on where it stopped, and more
 * hours extend a finished corpus. corpus.json {"clips", "planned", ...} counts the clips that are
 * there, so that training may begin while more are made. A directory of other options is TG_EUSAGE;
 * missing actor files or espeak-ng data TG_EINPUT. */
tg_status tg_studio_corpus(tg_context *ctx, const char *dir,
                           const tg_studio_corpus_options *options);

/* ---- takes without a corpus ------------------------------------------------------------- */

/* One speaker with a face of their own who speaks for about half a minute. Arrays are owned: free
 * with tg_studio_take_free, or one by one with tg_free. */
typedef struct {
    float *samples; /* [count] 16 kHz mono, full scale 1 */
    int64_t count;
    float *landmarks; /* [frames,68,3] head coordinates, dm, 25 fps; NULL = without a face */
    int64_t frames;
    const char **phone; /* [phones] ARPAbet, "SIL" for silence; the names are static */
    float (*times)[2];  /* [phones] start and end in seconds, without gaps */
    int phones;
} tg_studio_take;
void tg_studio_take_free(tg_studio_take *take);

typedef struct {
    const char *actor_dir, *tables_dir; /* actor_dir NULL = voices without faces */
    uint64_t seed;
    bool heldout;   /* voices and languages that ordinary takes never use */
    bool festival;  /* its voices too, which must be installed */
    int processes;  /* that make takes ahead of the reader, 0 = 1, at most 16 */
    uint64_t first; /* take to begin with */
} tg_studio_takes_options;

/* Is festival there with all of its voices? Otherwise *missing names what is not. */
bool tg_studio_has_festival(const char **missing);

/* Takes first, first + 1, ... without end, made by processes of their own. A take is a function of
 * (seed, heldout, festival, its number), whatever the number of processes. Its sound is the
 * same with and without a face. Missing actor files TG_EINPUT. */
typedef struct tg_studio_takes tg_studio_takes;
tg_status tg_studio_takes_open(tg_context *ctx, const tg_studio_takes_options *options,
                               tg_studio_takes **out);
/* Waits for the next take; TG_ESTOPPED or TG_EINTR when ctx is cancelled meanwhile. */
tg_status tg_studio_takes_next(tg_context *ctx, tg_studio_takes *takes, tg_studio_take *out);
/* Ends the processes. */
void tg_studio_takes_close(tg_studio_takes **takes);

/* The speech synthesizers with their versions, one by one: NULL behind the last. version[64]. */
const char *tg_studio_engine(int i, char version[64]);

#ifdef __cplusplus
}
#endif
#endif
