/* Inside io: MD5 in a few lines, over libavutil. */
#ifndef TALKGEN_IO_MD5_H
#define TALKGEN_IO_MD5_H

#include <stddef.h>

typedef struct tg_md5 tg_md5;
tg_md5 *tg_md5_create(void); /* NULL when out of memory */
void tg_md5_destroy(tg_md5 **md5);
void tg_md5_add(tg_md5 *md5, const void *data, size_t bytes);
/* Digest of everything added so far; adding may go on. */
void tg_md5_digest(const tg_md5 *md5, char out[33]);

#endif
