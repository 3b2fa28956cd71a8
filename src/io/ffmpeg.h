/* Inside io: what everything that calls FFmpeg shares. */
#ifndef TALKGEN_IO_FFMPEG_H
#define TALKGEN_IO_FFMPEG_H

#include "talkgen/core.h"

#include <libavformat/avformat.h>

/* FFmpeg writes its remarks to stderr; the library does not print. From the first call on they
 * are dropped, except that the last error of this thread is kept for our own message. */
void tg_ffmpeg_quiet(void);
/* What FFmpeg last complained about on this thread, or its text for `error`; clears it. The
 * pointer is good until the next call on this thread. */
const char *tg_ffmpeg_reason(int error);
/* Opens a local media file for reading: no other protocols, no playlists that pull in other files.
 * `kind` ("audio", "video") is for the message. */
tg_status tg_ffmpeg_open(tg_context *ctx, const char *path, const char *kind,
                         AVFormatContext **out);

#endif
