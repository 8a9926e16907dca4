/* quantized.h: Reader of quantized weight files. */
// SPDX-License-Identifier: Apache-2.0
#ifndef CNNC_QUANTIZED_H
#define CNNC_QUANTIZED_H
#include "backend/weights.h"
#include "quantize/quant_file.h"

/* file: NULL for float weights (no metadata `cnnc.quantization`). False after an error [weights-file]: the
 * file cannot be read, or its metadata are invalid. */
bool quantized_read(Arena *, Diags *, const WeightsSource *, QuantFile **file);
/* Like quantized_read, for an open archive: `path` is for messages. */
struct cnn_archive;
bool quantized_take(Arena *, Diags *, const char *path, const struct cnn_archive *, QuantFile **file);
#endif
