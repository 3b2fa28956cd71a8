/* What this program was built from. */
#include "talkgen/core.h"

#include "talkgen_commit.h"

const char *tg_commit(void) {
    return TALKGEN_COMMIT;
}

const char *tg_commit_date(void) {
    return TALKGEN_COMMIT_DATE;
}

const char *tg_build(void) {
    return TALKGEN_FLAGS;
}
