/* talkgen io: files and streams. Every reader treats its file as hostile: what comes from it is
 * checked before use, and a message names the file, the place in it and what was expected.
 * Every writer writes beside the target under a temporary name and renames when complete.
 */
#ifndef TALKGEN_IO_H
#define TALKGEN_IO_H

#include "talkgen/core.h"
#include "talkgen/tensor.h"

#ifdef __cplusplus
extern "C" {
#endif

/* ---- JSON ------------------------------------------------------------------- */

/* A parsed or growing JSON value. Only roots are destroyed; children are borrowed. Reading
 * functions accept NULL and wrong types and then return the default, so that a chain of gets
 * needs one check at its end. Text whose tree would need more than 4 times its bytes and 64 MiB is
 * refused (TG_EINPUT). */
typedef struct tg_json tg_json;
tg_status tg_json_read(tg_context *ctx, const char *path, tg_json **out);
tg_status tg_json_parse(tg_context *ctx, const char *text, size_t bytes, const char *name,
                        tg_json **out);
/* Offset of the first byte that is no JSON, `bytes` when all of it is one value. */
size_t tg_json_mistake(const char *text, size_t bytes);
void tg_json_destroy(tg_json **root);
tg_json *tg_json_get(const tg_json *object, const char *key); /* NULL when absent */
tg_json *tg_json_at(const tg_json *array, int index);
int tg_json_count(const tg_json *value); /* elements of an array or object, else 0 */
/* Walks the children in order, NULL at the end; at(i) counts from the start each time. */
tg_json *tg_json_first(const tg_json *value);
tg_json *tg_json_next(const tg_json *child);
const char *tg_json_key(const tg_json *child); /* name of an object's child */
bool tg_json_is_number(const tg_json *v);
bool tg_json_is_string(const tg_json *v);
bool tg_json_is_array(const tg_json *v);
bool tg_json_is_object(const tg_json *v);
double tg_json_number(const tg_json *v, double otherwise);
bool tg_json_bool(const tg_json *v, bool otherwise);
const char *tg_json_string(const tg_json *v, const char *otherwise);
/* Building: object NULL keys are for arrays. Bytes that are not UTF-8 become U+FFFD. */
tg_json *tg_json_new_object(void);
tg_json *tg_json_new_array(void);
tg_json *tg_json_set_number(tg_json *parent, const char *key, double value);
tg_json *tg_json_set_string(tg_json *parent, const char *key, const char *value);
tg_json *tg_json_set_bool(tg_json *parent, const char *key, bool value);
tg_json *tg_json_set_object(tg_json *parent, const char *key); /* returns the new child */
tg_json *tg_json_set_array(tg_json *parent, const char *key);
tg_json *tg_json_set_json(tg_json *parent, const char *key, tg_json *owned);
/* Free with tg_free; NULL = no memory, now or when one of the members above was set. */
char *tg_json_print(const tg_json *v, bool pretty);
tg_status tg_json_write(tg_context *ctx, const char *path, const tg_json *v);

/* ---- YAML ----------------------------------------------------------------------- */

/* One document, a mapping, with scalars typed as PyYAML does (YAML 1.1: yes and off are bools, 010
 * is eight), except that 1e-4, a text there, is a number here; infinity and NaN stay texts. The
 * last of equal keys wins. TG_EINPUT with line and column: not YAML, tags of other languages, more
 * than 64 KiB, 32 levels or 8192 values (each use of an alias counted). */
tg_status tg_yaml_parse(tg_context *ctx, const char *text, size_t bytes, const char *name,
                        tg_json **out);
/* A file with GeneFace's inheritance: base_config names one file or a list, read first, depth
 * first, each file once; later values replace earlier ones, mappings are merged. "./x" is seen from
 * the file's folder, other paths from the nearest folder above that has them. A base that is
 * missing or leads back is TG_EINPUT. A file with a work_dir is what training wrote: complete, its
 * bases are not read. */
tg_status tg_yaml_read(tg_context *ctx, const char *path, tg_json **out);

/* ---- safetensors --------------------------------------------------------------- */

typedef enum {
    TG_F64,
    TG_F32,
    TG_F16,
    TG_BF16,
    TG_I64,
    TG_I32,
    TG_I16,
    TG_U8,
    TG_I8,
    TG_BOOL
} tg_dtype;
size_t tg_dtype_size(tg_dtype dtype);
const char *tg_dtype_name(tg_dtype dtype); /* as in the file: "F32" */

typedef struct {
    const char *name;
    tg_dtype dtype;
    int ndim;
    int64_t dim[8];
    const void *data; /* into the map */
    size_t bytes;
} tg_st_tensor;

/* A mapped, checked safetensors file. */
typedef struct tg_st tg_st;
/* TG_EMODEL with a message that recognises foreign files (PyTorch zip or pickle: "this is a PyTorch
 * file"; truncated: how many bytes are missing). */
tg_status tg_st_open(tg_context *ctx, const char *path, tg_st **out);
void tg_st_close(tg_st **st);
/* The same open file once more; it stays mapped until every one of them is closed. Any thread. */
tg_st *tg_st_share(const tg_st *st);
const char *tg_st_path(const tg_st *st);
size_t tg_st_bytes(const tg_st *st); /* of the file */
int tg_st_count(const tg_st *st);
const tg_st_tensor *tg_st_at(const tg_st *st, int index);
const tg_st_tensor *tg_st_find(const tg_st *st, const char *name); /* NULL when absent */
const char *tg_st_meta(const tg_st *st, const char *key);          /* NULL when absent */
int tg_st_meta_count(const tg_st *st);
const char *tg_st_meta_at(const tg_st *st, int index, const char **value); /* returns the key */
/* Converts any float or integer dtype to float32. out holds the tensor's elements. */
tg_status tg_st_read_f32(tg_context *ctx, const tg_st *st, const tg_st_tensor *t, float *out);
/* Finds `name` and checks its shape; message names file, tensor, found and expected. */
tg_status tg_st_expect(tg_context *ctx, const tg_st *st, const char *name, int ndim,
                       const int64_t *dim, const tg_st_tensor **out);
/* The same, and converts. */
tg_status tg_st_load(tg_context *ctx, const tg_st *st, const char *name, int ndim,
                     const int64_t *dim, float *out);

/* MD5 of all tensor data in the order of the file, 32 hex digits. A file that is opened often and
 * is large carries it as metadata TG_ST_HASH, so that it can be told apart without reading it. */
#define TG_ST_HASH "talkgen.hash"
tg_status tg_st_hash(tg_context *ctx, const tg_st *st, char out[33]);
/* The hash as the file states it, NULL when it states none or something else than 32 hex digits. */
const char *tg_st_stated_hash(const tg_st *st);

/* Tensors lie in the file by the size of their elements, widest first, those whose bytes are a
 * multiple of 64 before the others: float32 ones can be used where they are mapped. */
typedef struct tg_st_writer tg_st_writer;
tg_st_writer *tg_st_writer_create(void);
void tg_st_writer_destroy(tg_st_writer **w);
/* Copies; converts float32 `data` to dtype F32, F16 or BF16. false = no memory or name taken. */
bool tg_st_add_f32(tg_st_writer *w, const char *name, tg_dtype dtype, int ndim, const int64_t *dim,
                   const float *data);
bool tg_st_add_raw(tg_st_writer *w, const char *name, tg_dtype dtype, int ndim, const int64_t *dim,
                   const void *data);
/* Copies nothing: `data` must stay as it is until the file is written. */
bool tg_st_add_view(tg_st_writer *w, const char *name, tg_dtype dtype, int ndim, const int64_t *dim,
                    const void *data);
/* Computed while the file is written, so that only one such tensor is in memory: fill gets room for
 * all of it. A status other than TG_OK ends the writing. */
typedef tg_status tg_st_fill_fn(tg_context *ctx, void *user, void *out);
bool tg_st_add_later(tg_st_writer *w, const char *name, tg_dtype dtype, int ndim,
                     const int64_t *dim, tg_st_fill_fn *fill, void *user);
bool tg_st_add_meta(tg_st_writer *w, const char *key, const char *value);
/* Metadata TG_ST_HASH, which becomes known while the file is written. */
bool tg_st_add_hash(tg_st_writer *w);
tg_status tg_st_write(tg_context *ctx, tg_st_writer *w, const char *path);

/* The tensor of parameter prefix + name, under the newer names of weight norm too; NULL. */
const tg_st_tensor *tg_st_find_param(const tg_st *st, const char *prefix, const char *name);
/* Every parameter and buffer of `set` from tensors named prefix + name. Missing or misshapen:
 * TG_EMODEL. Accepts weight_norm's newer names (parametrizations.weight.original0/1). */
tg_status tg_params_load(tg_context *ctx, tg_params *set, const tg_st *st, const char *prefix);
/* The same without copies where the file allows: float32 values are used where they are mapped
 * (tg_params_borrow), and the set keeps the file open. The others are converted. */
tg_status tg_params_map(tg_context *ctx, tg_params *set, const tg_st *st, const char *prefix);
bool tg_params_store(tg_st_writer *w, tg_params *set, const char *prefix, tg_dtype dtype);

/* ---- npy ------------------------------------------------------------------------ */

typedef struct {
    int ndim;
    int64_t dim[8];
    float *data; /* owned; float32, C order */
} tg_npy;
/* Reads <f4, <f8, <f2 and integer arrays, C or Fortran order, into float32. */
tg_status tg_npy_read(tg_context *ctx, const char *path, tg_npy *out);
void tg_npy_free(tg_npy *npy);
tg_status tg_npy_write(tg_context *ctx, const char *path, int ndim, const int64_t *dim,
                       const float *data);

/* ---- PyTorch files and pickles ---------------------------------------------------- */

/* What torch.save writes (zip container, and the older stream of pickles that GeneFace writes),
 * pickled NumPy objects in .npy, plain .npy and .npz, as one tree. Nothing in the file is executed:
 * a pickle may only name tensors, arrays and plain Python values, anything else is refused with
 * its opcode, its name and its byte offset. Tensors stay in the mapped file until they are read.
 *
 * The tree has no cycles, is at most 128 levels deep, and visiting all of it is bounded by the size
 * of the file. Like those of JSON, the walking functions accept NULL and wrong kinds. */
typedef struct tg_torch tg_torch;
typedef struct tg_torch_value tg_torch_value; /* borrowed, lives as long as its tg_torch */
typedef enum {
    TG_TORCH_NONE, /* None, and NULL */
    TG_TORCH_BOOL,
    TG_TORCH_NUMBER, /* int, float and NumPy scalars */
    TG_TORCH_STRING,
    TG_TORCH_BYTES,
    TG_TORCH_LIST, /* list, tuple, set, torch.Size, NumPy array of objects */
    TG_TORCH_DICT,
    TG_TORCH_TENSOR, /* torch tensor or parameter, NumPy array of numbers */
    TG_TORCH_OTHER   /* a type or a tensor of a dtype that cannot be read; has a name */
} tg_torch_kind;

typedef struct {
    tg_dtype dtype;
    int ndim;
    int64_t dim[8];
    int64_t stride[8]; /* in elements, never negative; 0 where a dimension is expanded */
    int64_t count;     /* elements: product of dim */
    const void *data;  /* first element, any alignment */
} tg_torch_tensor;

/* Whether the first bytes of the file are those of a zip, pickle or npy file. */
bool tg_torch_recognise(const char *path);
/* TG_EMODEL when it is none of them, damaged, or asks for anything outside the list; TG_ENOMEM when
 * its values need more than 3 times the file and 40 MiB; TG_EINPUT for a bad .npy header. */
tg_status tg_torch_open(tg_context *ctx, const char *path, tg_torch **out);
void tg_torch_close(tg_torch **file);
const char *tg_torch_path(const tg_torch *file);
/* "PyTorch zip", "PyTorch legacy", "Python pickle", "NumPy npy" or "NumPy npz". */
const char *tg_torch_container(const tg_torch *file);
/* The saved object; of .npz a dict of its arrays; of an array without dimensions its object. */
const tg_torch_value *tg_torch_root(const tg_torch *file);

tg_torch_kind tg_torch_kind_of(const tg_torch_value *v);
int64_t tg_torch_count(const tg_torch_value *v); /* elements of a list or dict, else 0 */
const tg_torch_value *tg_torch_at(const tg_torch_value *v, int64_t index); /* of list or dict */
/* Name of a dict's element; numbers as decimal text ("0"). NULL out of range. */
const char *tg_torch_key(const tg_torch_value *dict, int64_t index);
const tg_torch_value *tg_torch_get(const tg_torch_value *dict, const char *key);
/* Descends by names and indices joined by dots. Names may hold dots themselves:
 * "state_dict.model.cond_prenet.encoder_conv.0.weight". NULL when absent. */
const tg_torch_value *tg_torch_find(const tg_torch_value *v, const char *path);
double tg_torch_number(const tg_torch_value *v, double otherwise); /* bools are 0 and 1 */
bool tg_torch_bool(const tg_torch_value *v, bool otherwise);
/* Text of a string or the name of TG_TORCH_OTHER. */
const char *tg_torch_string(const tg_torch_value *v, const char *otherwise);
const tg_torch_tensor *tg_torch_tensor_of(const tg_torch_value *v); /* NULL for other kinds */

/* Elements in C order whatever the strides, out[count]. */
void tg_torch_read_f32(const tg_torch_tensor *t, float *out);
/* The same without conversion: count * tg_dtype_size(dtype) bytes. */
void tg_torch_read_raw(const tg_torch_tensor *t, void *out);
/* Finds `path` below v, checks its shape and converts (dim[i] < 0: any size); the message names
 * file, tensor, found and expected. */
tg_status tg_torch_load(tg_context *ctx, const tg_torch *file, const tg_torch_value *v,
                        const char *path, int ndim, const int64_t *dim, float *out);

/* The tensors of a dict and of the dicts in it, under their keys joined by dots
 * ("model.net.weight", whether the file nests them or not), for everything that loads from a tg_st.
 * Data stays in the file, which must stay open; what is no tensor is left out. */
tg_status tg_st_from_torch(tg_context *ctx, const tg_torch *file, const tg_torch_value *dict,
                           tg_st **out);
/* The same under other names, "" = left out. */
enum { TG_ST_NAME_ROOM = 512 };
typedef void tg_st_rename_fn(void *user, const char *name, char out[TG_ST_NAME_ROOM]);
tg_status tg_st_from_torch_as(tg_context *ctx, const tg_torch *file, const tg_torch_value *dict,
                              tg_st_rename_fn *rename, void *user, tg_st **out);

/* ---- audio ------------------------------------------------------------------------ */

/* A streamed audio file: libsndfile first, FFmpeg for everything it does not read. */
typedef struct tg_audio tg_audio;
/* TG_EINPUT: missing, unreadable, 0 samples. */
tg_status tg_audio_open(tg_context *ctx, const char *path, tg_audio **out);
void tg_audio_close(tg_audio **audio);
int tg_audio_rate(const tg_audio *audio);
int tg_audio_channels(const tg_audio *audio);
/* Sample frames (per channel); -1 while unknown (some compressed streams, before their end). */
int64_t tg_audio_frames(const tg_audio *audio);
/* Up to `frames` interleaved float frames; *got = 0 at the end. NaN or infinite samples:
 * TG_EINPUT naming the first (index and time). */
tg_status tg_audio_read(tg_context *ctx, tg_audio *audio, float *out, int64_t frames, int64_t *got);
tg_status tg_audio_rewind(tg_context *ctx, tg_audio *audio);
/* Everything at once. *out interleaved, owned by the caller (tg_free). */
tg_status tg_audio_read_all(tg_context *ctx, const char *path, float **out, int64_t *frames,
                            int *channels, int *rate);
/* Writes 16-bit WAV (.wav) or FLAC (.flac). */
tg_status tg_audio_write(tg_context *ctx, const char *path, const float *samples, int64_t frames,
                         int channels, int rate);

/* ---- pictures ------------------------------------------------------------------------ */

typedef struct {
    int width, height, channels; /* 1, 3 or 4 */
    uint8_t *data;               /* owned, rows top-down, interleaved */
} tg_image;
/* PNG or JPEG. channels 0 = as stored, 3 or 4 = converted. */
tg_status tg_image_read(tg_context *ctx, const char *path, int channels, tg_image *out);
/* .png, or .jpg at quality 98 (4:4:4). */
tg_status tg_image_write(tg_context *ctx, const char *path, int width, int height, int channels,
                         const uint8_t *data);
/* PNG from and to memory, for pictures inside checkpoints. *out by tg_free. */
tg_status tg_image_encode_png(tg_context *ctx, int width, int height, int channels,
                              const uint8_t *data, uint8_t **out, size_t *bytes);
tg_status tg_image_decode(tg_context *ctx, const uint8_t *data, size_t bytes, const char *name,
                          int channels, tg_image *out);
void tg_image_free(tg_image *image);

/* ---- video ------------------------------------------------------------------------------ */

/* Where frames go. The kind follows from the path: *.mp4/.m4v/.mov/.mkv (H.264 + AAC), a path with
 * %d such as f_%05d.png (sequence, numbered from 0), *.y4m or "-" (YUV4MPEG2, on stdout for "-"),
 * *.framemd5, "null:". Movies are BT.709, limited range, tagged so; y4m has no tag and is BT.601,
 * which its readers assume. Odd sizes are padded to even ones in both (edge repeated). Sound is cut
 * or filled with silence to the length of the pictures. "-" closes with EPIPE as TG_EOUTPUT when
 * the caller ignores SIGPIPE.
 */
typedef struct tg_sink tg_sink;
/* What an output says about its origin, besides that it is synthetic. */
typedef struct {
    const char *identity; /* name of the person, NULL = not told */
    const char *job;      /* 32 hex digits, NULL = not told */
    uint64_t seed;        /* told with the job */
    int64_t first, end,
        frames; /* a part of a clip: [first, end) of so many; frames 0 = all of it */
} tg_provenance;
typedef struct {
    bool synthetic; /* IPTC digital source type trainedAlgorithmicMedia */
    char program[64], identity[128], job[33], frame_hash[33]; /* "" = not told */
    uint64_t seed;
    int64_t first, end, frames; /* frames 0: no part */
} tg_provenance_found;
/* Of MP4 and MOV files (XMP in a top-level uuid box), of Matroska less (tags). Nothing found is no
 * failure. TG_EINPUT: not a readable file. */
tg_status tg_provenance_read(tg_context *ctx, const char *path, tg_provenance_found *out);
/* Called once when the whole output is on the disk under its temporary name, right before it gets
 * its own: a status other than TG_OK drops it. */
typedef tg_status tg_sink_ready_fn(tg_context *ctx, void *user, const char *temporary,
                                   const char frame_hash[33]);
typedef struct {
    int width, height;
    int channels; /* 0 = 3; 4 = RGBA with straight alpha, PNG sequences only */
    int fps_num, fps_den;
    const char *audio_path;  /* muxed with its own rate and channels; NULL = silent */
    double audio_start_s;    /* part of the audio that belongs to the video */
    double audio_duration_s; /* <= 0: to the end */
    int crf;                 /* 0 = default 18 */
    bool overwrite;          /* false: an existing output is TG_EUSAGE */
    /* frames of a GOP that stands alone, so that parts cut on this grid can be joined without
     * encoding again; 0 = GOPs of 5 s that share their bits */
    int gop;
    int64_t first_number;            /* of the first frame, in names of sequences and in framemd5 */
    const tg_provenance *provenance; /* borrowed; NULL = nothing is said */
    tg_sink_ready_fn *ready;         /* or NULL; for outputs that are one file */
    void *ready_user;
    /* A directory, perhaps of another disk, where the output grows before it is copied beside its
     * name at once; NULL: it grows there. Sequences of pictures do not take it. */
    const char *tmp_dir;
} tg_sink_options;
tg_status tg_sink_open(tg_context *ctx, const char *path, const tg_sink_options *options,
                       tg_sink **out);
/* rgb [height,width,channels] bytes, sRGB. */
tg_status tg_sink_write(tg_context *ctx, tg_sink *sink, const uint8_t *rgb);
/* Writes what is left, moves the file to its name. */
tg_status tg_sink_finish(tg_context *ctx, tg_sink **sink);
/* Removes what was written so far. NULL is fine. */
void tg_sink_abort(tg_sink **sink);
/* The frame hash: MD5 over the RGB (RGBA) bytes of all frames written so far, 32 hex digits. */
void tg_sink_frame_hash(const tg_sink *sink, char out[33]);
/* Joins movies whose pictures were encoded alike (the parts of one clip) without encoding again,
 * and encodes the sound of options->audio_path, all in the order given. Only the sound,
 * `overwrite`, `provenance` and `ready` of the options are used. *frames = pictures in all.
 * TG_EINPUT: a part that is no movie or does not fit the first. */
tg_status tg_movie_join(tg_context *ctx, const char *const *parts, int count, const char *path,
                        const tg_sink_options *options, int64_t *frames);
/* Name of the encoder in use ("libx264", "mpeg4", ...), for doctor and notes. */
const char *tg_video_encoder_name(void);
/* Decodes a video's frames one by one (for eval): TG_OK and *done=true at the end. */
typedef struct tg_video tg_video;
tg_status tg_video_open(tg_context *ctx, const char *path, tg_video **out);
void tg_video_size(const tg_video *v, int *width, int *height, double *fps);
tg_status tg_video_read(tg_context *ctx, tg_video *v, uint8_t *rgb, bool *done);
void tg_video_close(tg_video **v);
/* The encoders that a movie may use, one by one: NULL behind the last. *offered: whether this
 * FFmpeg has it. */
const char *tg_movie_encoder(int i, bool *offered);
/* The linked libraries of this room with their versions, one by one: NULL behind the last.
 * version[64]. */
const char *tg_io_library(int i, char version[64]);
/* What the linked libraries mean for the licence of the binary, one line per library. */
const char *tg_io_licences(void);

/* ---- files ------------------------------------------------------------------------------- */

tg_status tg_file_read(tg_context *ctx, const char *path, size_t limit, char **out, size_t *bytes);

/* Landmarks of a frame, 68 lines "x y" in pixels (RAD-NeRF's ori_imgs/N.lms). TG_EINPUT for
 * anything else, other errors as tg_file_read; out is undefined then. */
enum { TG_LMS_POINTS = 68 };
tg_status tg_lms_read(tg_context *ctx, const char *path, double out[TG_LMS_POINTS][2]);
tg_status tg_file_write(tg_context *ctx, const char *path, const void *data, size_t bytes);
/* The same, on the disk before the file gets its name. */
tg_status tg_file_write_synced(tg_context *ctx, const char *path, const void *data, size_t bytes);
bool tg_file_exists(const char *path);
/* Whether path ends in `.extension` (without the dot), in any case of letters. */
bool tg_has_extension(const char *path, const char *extension);
/* Whether a sink of that name is a movie: .mp4, .m4v, .mov or .mkv. */
bool tg_is_movie(const char *path);
tg_status tg_make_dirs(tg_context *ctx, const char *path);
/* TG_EOUTPUT with the one message for output that cannot be written; error is an errno. */
tg_status tg_write_failed(tg_context *ctx, const char *path, int error);

tg_status tg_file_md5(tg_context *ctx, const char *path, char out[33]);
tg_status tg_md5_bytes(tg_context *ctx, const void *data, size_t bytes, char out[33]);

/* A journal grows line by line while its readers follow it. A line goes out at once and whole or
 * not at all: what a full disk took of it is taken back, and half a line that a killed process left
 * is ended before the next one. One thread at a time. */
typedef struct tg_journal tg_journal;
/* Appends to path; - is standard output. TG_EOUTPUT. */
tg_status tg_journal_open(tg_context *ctx, const char *path, tg_journal **journal);
/* line has no newline. That it could not be written, tg_journal_close tells. */
void tg_journal_line(tg_journal *journal, const char *line);
/* TG_EOUTPUT with the place and the bytes at which a line was lost first. */
tg_status tg_journal_close(tg_context *ctx, tg_journal **journal);

#ifdef __cplusplus
}
#endif
#endif
