/* Inside io: RGB frames to planar YUV 4:2:0. */
#ifndef TALKGEN_IO_VIDEO_COLOR_H
#define TALKGEN_IO_VIDEO_COLOR_H

#include "talkgen/core.h"

#include <libavutil/frame.h>

/* Converts rgb [height,width,3] into limited-range yuv420p with left-sited chroma. Odd sizes are
 * padded to even ones by repeating the last column and row. */
typedef struct tg_yuv tg_yuv;
/* matrix: AVCOL_SPC_BT709 or AVCOL_SPC_SMPTE170M. NULL when out of memory. */
tg_yuv *tg_yuv_create(int width, int height, enum AVColorSpace matrix);
void tg_yuv_destroy(tg_yuv **yuv);
/* The converted frame, borrowed; overwritten by the next call. NULL when swscale or memory fails.
 */
AVFrame *tg_yuv_convert(tg_yuv *yuv, const uint8_t *rgb);

#endif
