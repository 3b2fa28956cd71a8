/* hubert: published files to ours. */
#include "talkgen/convert.h"

tg_status tg_convert_hubert(tg_context *ctx, const tg_convert_options *options) {
    (void)options;
    return tg_fail(ctx, TG_EUSAGE, "convert hubert is not there yet");
}
