/* geneface: published files to ours. */
#include "talkgen/convert.h"

tg_status tg_convert_geneface(tg_context *ctx, const tg_convert_options *options) {
    (void)options;
    return tg_fail(ctx, TG_EUSAGE, "convert geneface is not there yet");
}
