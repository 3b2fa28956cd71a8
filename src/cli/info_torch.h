/* talkgen info for the files of PyTorch and NumPy. */
#ifndef TG_CLI_INFO_TORCH_H
#define TG_CLI_INFO_TORCH_H

#include "talkgen/core.h"

/* Prints the tree of the file, or with json its tensors, values and lists by path. */
tg_status info_torch(tg_context *ctx, const char *path, bool json);

#endif
