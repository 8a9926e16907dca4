/* npz.h: NumPy's files: .npy, one array, and .npz, a zip of them. Also built into the compiler (see file.h).
 */
// SPDX-License-Identifier: MIT-0
#ifndef CNN_NPZ_H
#define CNN_NPZ_H
#include "hosted/weights/zip.h"

/* Sets all of `tensor` but its name; the data stay in `bytes`. */
cnn_status cnn_npy_parse(cnn_tensor *tensor, const char *path, const unsigned char *bytes, size_t n);
/* Arrays under their names without ".npy"; other members are passed over. Its comment may be notes. Stored
 * members stay where they are, deflated ones are unpacked. */
cnn_status cnn_npz_parse(cnn_archive *archive, cnn_zip *zip);

/* Both write numeric tensors in this machine's order of bytes, as NumPy does; an .npz is stored, not
 * deflated. */
cnn_status cnn_npy_write(const char *path, const cnn_tensor *tensor);
/* Notes go into the archive's comment, where NumPy does not see them; too many for one are left out. */
cnn_status cnn_npz_write(const char *path, const cnn_tensor *tensor, int32_t count, const cnn_note *note,
                         int32_t notes);
#endif
