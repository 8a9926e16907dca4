/* npz.h: Reader and writer of NumPy's files: an .npy file has one array; an .npz file is a zip of .npy files.
 * Also built into the compiler (see file.h). */
// SPDX-License-Identifier: MIT-0
#ifndef CNN_NPZ_H
#define CNN_NPZ_H
#include "hosted/weights/zip.h"

/* Sets all fields of `tensor` except its name; the data stay in `bytes`. */
cnn_status cnn_npy_parse(cnn_tensor *tensor, const char *path, const unsigned char *bytes, size_t n);
/* Reads arrays under their names without ".npy"; other members are ignored. The archive's comment may contain
 * metadata. Stored members are used in place, deflated members are unpacked. */
cnn_status cnn_npz_parse(cnn_archive *archive, cnn_zip *zip);

/* cnn_npy_write and cnn_npz_write need numeric tensors, and keep the byte order of the tensors. The members
 * of an .npz are stored, not deflated. */
cnn_status cnn_npy_write(const char *path, const cnn_tensor *tensor);
/* Metadata is written to the archive's comment, which NumPy ignores; metadata that is too long for a comment
 * is omitted. */
cnn_status cnn_npz_write(const char *path, const cnn_tensor *tensor, int32_t count, const cnn_note *note,
                         int32_t notes);
#endif
