/* Which speech synthesizers are built in. */
#include "talkgen/studio.h"

#include <espeak-ng/speak_lib.h>
#include <flite/flite_version.h>
#include <stdio.h>

const char *tg_studio_engine(int i, char version[64]) {
    if (i != 0 && i != 1)
        return NULL;
    snprintf(version, 64, "%s", i == 0 ? FLITE_PROJECT_VERSION : espeak_Info(NULL));
    return i == 0 ? "flite" : "espeak-ng";
}
