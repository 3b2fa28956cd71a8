#include "sh_terms.h"

#include "talkgen/render.h"

void tg_sh_encode(const float d[3], float out[16]) {
    tg_sh_terms(d, out);
}
