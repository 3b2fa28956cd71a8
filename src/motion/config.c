/* Reading checked integers from a network's configuration. */
#include "motion/config.h"

#include <math.h>

tg_status tg_config_int(tg_context *ctx, const tg_json *object, const char *name, const char *key,
                        int low, int high, int *value) {
    const tg_json *v = tg_json_get(object, key);
    if (!v)
        return TG_OK;
    double x = tg_json_number(v, NAN);
    if (!(x >= low && x <= high) || x != floor(x))
        return tg_fail(ctx, TG_EMODEL,
                       "%s: configuration value '%s' is not usable\n"
                       "  expected: a whole number from %d to %d\n"
                       "  try: talkgen info on the file",
                       name, key, low, high);
    *value = (int)x;
    return TG_OK;
}
