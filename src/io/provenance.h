/* Inside io: outputs that say what they are. */
#ifndef TALKGEN_IO_PROVENANCE_H
#define TALKGEN_IO_PROVENANCE_H

#include "talkgen/io.h"

/* The URI of the IPTC for pictures made by a trained model. */
#define TG_DIGITAL_SOURCE "http://cv.iptc.org/newscodes/digitalsourcetype/trainedAlgorithmicMedia"

/* An XMP packet (ISO 16684-1), by tg_free; NULL without memory. frame_hash "" = not known. */
char *tg_provenance_xmp(const tg_provenance *p, const char *frame_hash);
/* One line for people and for tags. */
void tg_provenance_comment(const tg_provenance *p, char *out, size_t size);
/* Puts the packet behind the last box of an MP4 or MOV file. */
tg_status tg_provenance_append(tg_context *ctx, const char *path, const char *target,
                               const char *xmp);

/* A PNG file with the packet in front of its pixels. */
tg_status tg_image_write_png(tg_context *ctx, const char *path, int width, int height, int channels,
                             const uint8_t *data, const char *xmp);

#endif
