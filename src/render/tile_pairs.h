/* What layers share whose inputs are multiplied in pairs (bf16, 16-bit integers): blocks of 8
 * outputs, each [in/2][8][2], the last one [in/2][out % 8][2]. */
#ifndef TALKGEN_RENDER_TILE_PAIRS_H
#define TALKGEN_RENDER_TILE_PAIRS_H

#include "tile.h"

enum { MAX_PAIRS = 320 };

static inline int pairs_of(int in) {
    return (in + 1) / 2;
}

/* BLOCK(weight, width, at, outputs) for the outputs from `at` on, in the widest pieces: weight is
 * that of the first of them, `width` outputs lie side by side, `outputs` is a constant. */
#define EACH_BLOCK_OF_PAIRS(layer, BLOCK)                                                          \
    do {                                                                                           \
        const uint32_t *w_ = (layer)->weight;                                                      \
        for (int at_ = 0; at_ < (layer)->out; at_ += TG_LAYER_BLOCK) {                             \
            const int left_ = (layer)->out - at_;                                                  \
            const int width_ = left_ < TG_LAYER_BLOCK ? left_ : TG_LAYER_BLOCK;                    \
            for (int o_ = 0; o_ < width_;) {                                                       \
                if (width_ == 8) {                                                                 \
                    BLOCK(w_, 8, at_, 8);                                                          \
                    o_ += 8;                                                                       \
                } else if (width_ - o_ >= 4) {                                                     \
                    BLOCK(w_ + o_, width_, at_ + o_, 4);                                           \
                    o_ += 4;                                                                       \
                } else if (width_ - o_ >= 2) {                                                     \
                    BLOCK(w_ + o_, width_, at_ + o_, 2);                                           \
                    o_ += 2;                                                                       \
                } else {                                                                           \
                    BLOCK(w_ + o_, width_, at_ + o_, 1);                                           \
                    o_ += 1;                                                                       \
                }                                                                                  \
            }                                                                                      \
            w_ += (size_t)pairs_of((layer)->in) * (size_t)width_;                                  \
        }                                                                                          \
    } while (0)

#endif
