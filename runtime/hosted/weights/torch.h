/* torch.h: PyTorch files: since version 1.6, a zip of the numbers and a pickle, which is read and never
 * executed. Also built into the compiler (see file.h). */
// SPDX-License-Identifier: MIT-0
#ifndef CNN_TORCH_H
#define CNN_TORCH_H
#include "hosted/weights/zip.h"

bool cnn_torch_is(const cnn_zip *zip);
/* Reads the tensors of the dictionary with this `key` ("ema", "state.net"). Without a key (NULL), reads the
 * tensors of the outermost dictionary. If this dictionary contains no tensors, reads the first of its
 * dictionaries "state_dict", "model_state_dict", "model", "net" and "ema" that contains tensors. */
cnn_status cnn_torch_parse(cnn_archive *archive, const cnn_zip *zip, const char *key);
#endif
