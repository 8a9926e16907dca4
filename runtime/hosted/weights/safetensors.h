/* safetensors.h: Reader and writer of Hugging Face's safetensors format: 8 bytes with the length of a JSON
 * header, little-endian; the header with each tensor's name, dtype, shape and offsets; the tensors, without
 * gaps. Also built into the compiler (see file.h). */
// SPDX-License-Identifier: MIT-0
#ifndef CNN_SAFETENSORS_H
#define CNN_SAFETENSORS_H
#include "hosted/weights/archive.h"

/* The tensors point into `bytes`. Everything that the format forbids is an error, whose message states the
 * problem and, if the problem is in one tensor, the name of this tensor. */
cnn_status cnn_safetensors_parse(cnn_archive *archive, const char *path, const unsigned char *bytes,
                                 size_t n);

/* Writes tensors and metadata like the reference implementation, byte for byte: tensors of wider types come
 * first, and tensors of one type are sorted by name. */
cnn_status cnn_safetensors_write(const char *path, const cnn_tensor *tensor, int32_t count,
                                 const cnn_note *note, int32_t notes);
#endif
