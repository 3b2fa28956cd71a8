/* How the weights lie for mma.m16n8k16, shared by the packer on the host and the kernels.
 *
 * A sample is a row of A, an input its column, so a layer is A [16,in] times B [in,out]. B is cut
 * into 16 inputs x 8 outputs; of such a piece lane 4 g + t holds inputs 2t, 2t+1 (first word) and
 * 2t+8, 2t+9 (second word) of output g. Pieces of two neighbouring blocks of outputs lie together,
 * so that a lane reads 16 bytes for four products, in the order [out / 16][in / 16][lane][4 words].
 * A last layer has at most 8 outputs: [in / 16][lane][2 words].
 */
#ifndef TALKGEN_RENDER_CUDA_FRAGMENTS_H
#define TALKGEN_RENDER_CUDA_FRAGMENTS_H

enum {
    TG_CUDA_FEATURES = 32, /* of a grid, at most: 16 levels */
    TG_CUDA_DEFORM = 64,   /* widths of the torso's networks, at most */
    TG_CUDA_CANONICAL = 32
};

/* Words of a layer; in and out multiples of 16. */
#define TG_CUDA_WORDS(in, out) ((in) / 16 * ((out) / 16) * 128)
#define TG_CUDA_WORDS_LAST(in) ((in) / 16 * 64)
/* Words of a network of equal widths. */
#define TG_CUDA_WORDS_NET(in, width, layers)                                                       \
    (TG_CUDA_WORDS(in, width) + ((layers)-2) * TG_CUDA_WORDS(width, width) +                       \
     TG_CUDA_WORDS_LAST(width))

#endif
