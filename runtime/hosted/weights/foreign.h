/* foreign.h: Recognition of weight files of unsupported formats by their first bytes, or by a member of a zip
 * archive. Also built into the compiler (see file.h). */
// SPDX-License-Identifier: MIT-0
#ifndef CNN_FOREIGN_H
#define CNN_FOREIGN_H
#include <stddef.h>
#include "hosted/weights/zip.h"

/* For an unsupported format that is recognized, returns an error that names the format and explains how to
 * convert the file. For all other files, returns success. */
cnn_status cnn_foreign_check(const char *path, const unsigned char *bytes, size_t n);
cnn_status cnn_foreign_zip(const char *path, const cnn_zip *zip); /* like cnn_foreign_check, for a zip */
#endif
