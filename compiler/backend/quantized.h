/* quantized.h: reads the file of a quantized net. */
// SPDX-License-Identifier: Apache-2.0
#ifndef CNNC_QUANTIZED_H
#define CNNC_QUANTIZED_H
#include "backend/weights.h"
#include "quantize/quant_file.h"

/* *file is NULL if it is of floats: it has no metadata `cnnc.quantization`. False: [weights-file], as it
 * cannot be read, or as the metadata are not what they should be. */
bool quantized_read(Arena *, Diags *, const WeightsWay *, QuantFile **file);
/* The same of an archive that is open: `path` is for messages. */
struct cnn_archive;
bool quantized_take(Arena *, Diags *, const char *path, const struct cnn_archive *, QuantFile **file);
#endif
