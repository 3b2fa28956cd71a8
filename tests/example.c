/* The smallest program on top of libtalkgen: a recording and a person to a video.
 *
 *     cc example.c $(pkg-config --cflags --libs talkgen) && ./a.out demo.ckpt a.wav out.mp4
 */
#include <talkgen/talkgen.h>

#include <stdio.h>

int main(int argc, char **argv) {
    if (argc != 4) {
        fprintf(stderr, "usage: %s IDENTITY AUDIO OUTPUT\n", argv[0]);
        return 2;
    }
    talkgen *t = talkgen_open(argv[1], 0);
    talkgen_options options = talkgen_defaults();
    options.overwrite = 1;
    options.duration_s = 1;
    int status = talkgen_synthesize(t, argv[2], argv[3], &options);
    if (status != 0)
        fprintf(stderr, "%s\n", talkgen_message(t));
    talkgen_close(&t);
    return status;
}
