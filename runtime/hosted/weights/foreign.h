/* foreign.h: weight files of unsupported formats, recognized by their first bytes. Also built into
 * the compiler (see file.h). */
// SPDX-License-Identifier: MIT-0
#ifndef CNN_FOREIGN_H
#define CNN_FOREIGN_H
#include <stddef.h>
#include "hosted/weights/zip.h"

/* Names the format, and the line of Python that converts the file; success if it is none of those
 * known. */
cnn_status cnn_foreign_check(const char *path, const unsigned char *bytes, size_t n);
cnn_status cnn_foreign_zip(const char *path, const cnn_zip *zip); /* the same for a zip */
#endif
