/* RGB to YUV 4:2:0, slowly and exactly: swscale's fast paths round and sample coarsely. */
#include "io/video_color.h"

#include <libavutil/opt.h>
#include <libswscale/swscale.h>
#include <string.h>

struct tg_yuv {
    int width, height;
    struct SwsContext *scale;
    AVFrame *frame;
    uint8_t *padded; /* NULL when the size is even */
};

static struct SwsContext *make_scaler(int width, int height, enum AVColorSpace matrix) {
    struct SwsContext *s = sws_alloc_context();
    if (!s) {
        return NULL;
    }
    av_opt_set_int(s, "srcw", width, 0);
    av_opt_set_int(s, "srch", height, 0);
    av_opt_set_int(s, "src_format", AV_PIX_FMT_RGB24, 0);
    av_opt_set_int(s, "src_range", 1, 0);
    av_opt_set_int(s, "dstw", width, 0);
    av_opt_set_int(s, "dsth", height, 0);
    av_opt_set_int(s, "dst_format", AV_PIX_FMT_YUV420P, 0);
    av_opt_set_int(s, "dst_range", 0, 0);
    /* MPEG-2 siting: chroma on the left column of its 2x2 block, between its rows (1/256). */
    av_opt_set_int(s, "dst_h_chr_pos", 0, 0);
    av_opt_set_int(s, "dst_v_chr_pos", 128, 0);
    av_opt_set_int(s, "sws_flags",
                   SWS_BICUBIC | SWS_ACCURATE_RND | SWS_FULL_CHR_H_INP | SWS_BITEXACT, 0);
    const int *table = sws_getCoefficients((int)matrix); /* SWS_CS_* are the AVCOL_SPC_* numbers */
    if (sws_setColorspaceDetails(s, table, 1, table, 0, 0, 1 << 16, 1 << 16) < 0 ||
        sws_init_context(s, NULL, NULL) < 0) {
        sws_freeContext(s);
        return NULL;
    }
    return s;
}

tg_yuv *tg_yuv_create(int width, int height, enum AVColorSpace matrix) {
    tg_yuv *yuv = tg_calloc(sizeof *yuv);
    if (!yuv) {
        return NULL;
    }
    int even_width = width + (width & 1), even_height = height + (height & 1);
    yuv->width = width;
    yuv->height = height;
    yuv->scale = make_scaler(even_width, even_height, matrix);
    yuv->frame = av_frame_alloc();
    bool good = yuv->scale && yuv->frame;
    if (good) {
        yuv->frame->format = AV_PIX_FMT_YUV420P;
        yuv->frame->width = even_width;
        yuv->frame->height = even_height;
        yuv->frame->colorspace = matrix;
        yuv->frame->color_range = AVCOL_RANGE_MPEG;
        yuv->frame->chroma_location = AVCHROMA_LOC_LEFT;
        good = av_frame_get_buffer(yuv->frame, 0) >= 0;
    }
    if (good && (even_width != width || even_height != height)) {
        yuv->padded = tg_alloc((size_t)even_width * (size_t)even_height * 3);
        good = yuv->padded != NULL;
    }
    if (!good) {
        tg_yuv_destroy(&yuv);
    }
    return yuv;
}

void tg_yuv_destroy(tg_yuv **yuv) {
    if (*yuv) {
        sws_freeContext((*yuv)->scale);
        av_frame_free(&(*yuv)->frame);
        tg_free((*yuv)->padded);
        tg_free(*yuv);
        *yuv = NULL;
    }
}

AVFrame *tg_yuv_convert(tg_yuv *yuv, const uint8_t *rgb) {
    AVFrame *frame = yuv->frame;
    /* The encoder may still hold the last frame's buffers. */
    if (av_frame_make_writable(frame) < 0) {
        return NULL;
    }
    size_t row = (size_t)yuv->width * 3, padded_row = (size_t)frame->width * 3;
    if (yuv->padded) {
        for (int y = 0; y < frame->height; y++) {
            const uint8_t *from = rgb + row * (size_t)(y < yuv->height ? y : yuv->height - 1);
            uint8_t *to = yuv->padded + padded_row * (size_t)y;
            memcpy(to, from, row);
            if (padded_row > row) {
                memcpy(to + row, from + row - 3, 3);
            }
        }
        rgb = yuv->padded;
    }
    const uint8_t *const planes[1] = {rgb};
    const int strides[1] = {(int)padded_row};
    int rows =
        sws_scale(yuv->scale, planes, strides, 0, frame->height, frame->data, frame->linesize);
    return rows == frame->height ? frame : NULL;
}
