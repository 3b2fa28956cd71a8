/* voice IN OUT: a voice file without its sync expert and behaviour, for tests. */
#include "talkgen/systems.h"

#include <stdio.h>

int main(int argc, char **argv) {
    if (argc != 3)
        return 2;
    tg_context *ctx = tg_context_create(1);
    tg_hubert *hubert = NULL;
    tg_vae *vae = NULL;
    tg_status s = tg_voice_open(ctx, argv[1], &hubert, &vae);
    if (s == TG_OK)
        s = tg_voice_write(ctx, argv[2], hubert, vae, NULL);
    if (s != TG_OK)
        fprintf(stderr, "%s\n", tg_message(ctx));
    tg_vae_destroy(&vae);
    tg_hubert_destroy(&hubert);
    tg_context_destroy(&ctx);
    return s == TG_OK ? 0 : 1;
}
