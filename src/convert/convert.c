/* What all converters share. */
#include "talkgen/convert.h"

tg_convert_options tg_convert_defaults(void) {
    return (tg_convert_options){0};
}
