/* quantized.h: Reader of quantized weight files. */
// SPDX-License-Identifier: Apache-2.0
#ifndef CNNC_QUANTIZED_H
#define CNNC_QUANTIZED_H
#include "backend/weights.h"
#include "quantize/quant_file.h"

/* Sets *file to the contents, or to NULL for float weights (without metadata `cnnc.quantization`). Returns
 * false after an error [weights-file]. */
bool quantized_read(Arena *, Diags *, const WeightsSource *, QuantFile **file);
/* Like quantized_read, for an open archive; `path` is only used in messages. */
struct cnn_archive;
bool quantized_take(Arena *, Diags *, const char *path, const struct cnn_archive *, QuantFile **file);
bool quantized_is(const char *path); /* whether the file can be read and has the metadata */
#endif
