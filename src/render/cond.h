/* The two networks that turn windows of audio features or landmarks into the code of a frame; the
 * grid NeRF and the vanilla NeRF have them under different names. */
#ifndef TALKGEN_RENDER_COND_H
#define TALKGEN_RENDER_COND_H

#include "talkgen/tensor.h"

/* AudioNet `net` ("aud_net"): windows [S, win, C] -> codes [S, out]. Strides shrink the window to
 * one frame; win 1 2 3 4 5 8 16. */
tg_tensor *tg_condition_codes(tg_tape *tape, tg_params *params, const char *net, int win,
                              tg_tensor *windows);
/* AudioAttNet `net` ("audatt_net"): codes [S, C] -> [1, C], their mean under softmax weights. The
 * weights see the first channels of each code, as many as the first convolution has inputs. */
tg_tensor *tg_condition_attend(tg_tape *tape, tg_params *params, const char *net, tg_tensor *codes);

#endif
