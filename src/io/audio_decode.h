/* Inside io: audio that libsndfile does not read, decoded by FFmpeg. */
#ifndef TALKGEN_IO_AUDIO_DECODE_H
#define TALKGEN_IO_AUDIO_DECODE_H

#include "talkgen/core.h"

typedef struct tg_decoder tg_decoder;
/* Opens the first audio stream and decodes its first samples. TG_EINPUT when FFmpeg does not know
 * the file, it has no sound, or nothing of it decodes. */
tg_status tg_decoder_open(tg_context *ctx, const char *path, tg_decoder **out);
void tg_decoder_close(tg_decoder **decoder);
int tg_decoder_rate(const tg_decoder *decoder);
int tg_decoder_channels(const tg_decoder *decoder);
/* Up to `frames` interleaved frames; *got = 0 at the end. */
tg_status tg_decoder_read(tg_context *ctx, tg_decoder *decoder, float *out, int64_t frames,
                          int64_t *got);

#endif
