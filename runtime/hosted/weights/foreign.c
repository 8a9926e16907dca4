/* foreign.c: Recognition of unsupported files: pickles, old PyTorch files, and Keras, ONNX and TensorFlow
 * Lite models. The error messages explain how to convert the weights. These files are not parsed: pickles can
 * run code, and models contain more than weights. */
// SPDX-License-Identifier: MIT-0
#include "hosted/weights/foreign.h"

#include <stdbool.h>
#include <string.h>

static bool begins(const unsigned char *bytes, size_t n, const char *with, size_t m) {
  return n >= m && memcmp(bytes, with, m) == 0;
}

/* Whether the bytes begin like an ONNX ModelProto: its first field is the version of the format, which is a
 * small number, and one of its other fields follows. */
static bool is_onnx(const unsigned char *bytes, size_t n) {
  return n > 16 && bytes[0] == 0x08 && bytes[1] > 0 && bytes[1] < 64 && bytes[2] != 0 &&
         memchr("\x12\x1a\x22\x28\x32\x3a\x42", bytes[2], 7) && bytes[8] != '{';
}

/* Whether the bytes begin like a pickle of protocol 2 to 5: PROTO, then an opcode with which a number, a
 * container, a text, a name or a frame begins. */
static bool is_pickle(const unsigned char *bytes, size_t n) {
  return n > 4 && bytes[0] == 0x80 && bytes[1] >= 2 && bytes[1] <= 5 && bytes[2] != 0 &&
         memchr("\x8a}](\x63\x95\x8c", bytes[2], 7);
}

static cnn_status legacy_torch(const char *path) {
  return cnn_failure(CNN_BAD_FORMAT,
                     "%s: is a PyTorch file from before 1.6 (2020), which is not supported. In Python "
                     "this converts it to the current format:\n"
                     "import torch\n"
                     "torch.save(torch.load(\"%s\", map_location=\"cpu\"), \"weights.pt\")",
                     path, path);
}

static cnn_status pickle(const char *path) {
  return cnn_failure(
      CNN_BAD_FORMAT,
      "%s: is a pickle that torch.save did not write, and could run code. If you trust it, "
      "and it is a dictionary of arrays, this Python code converts it to an .npz, which is supported:\n"
      "import numpy, pickle\n"
      "numpy.savez(\"weights.npz\", **pickle.load(open(\"%s\", \"rb\")))",
      path, path);
}

static cnn_status keras(const char *path, const char *what) {
  return cnn_failure(
      CNN_BAD_FORMAT,
      "%s: is %s, which is not supported. Keras's kernels have another order of dimensions and "
      "other names: with the Python package 'python3 -m cnnc convert' changes both "
      "(docs/from-keras.md). These lines write an .npz with Keras's names and order:\n"
      "import keras, numpy\n"
      "numpy.savez(\"weights.npz\", **{w.path: w.numpy() for w in "
      "keras.models.load_model(\"%s\").weights})",
      path, what, path);
}

cnn_status cnn_foreign_zip(const char *path, const cnn_zip *zip) {
  static const char weights[] = "model.weights.h5";
  const size_t n = sizeof weights - 1;
  for (int32_t i = 0; i < zip->count; i++)
    if (zip->member[i].name_bytes == n && memcmp(zip->member[i].name, weights, n) == 0)
      return keras(path, "a Keras model");
  return cnn_success();
}

cnn_status cnn_foreign_check(const char *path, const unsigned char *bytes, size_t n) {
  static const char legacy[] = "\x80\2\x8a\n\x6c\xfc\x9c\x46\xf9\x20\x6a\xa8\x50\x19";
  if (begins(bytes, n, legacy, sizeof legacy - 1)) return legacy_torch(path);
  if (is_pickle(bytes, n)) return pickle(path);
  if (begins(bytes, n, "\x89HDF\r\n\x1a\n", 8)) return keras(path, "an HDF5 file, a format of Keras");
  if (n >= 8 && memcmp(bytes + 4, "TFL3", 4) == 0)
    return cnn_failure(CNN_BAD_FORMAT,
                       "%s: is a TensorFlow Lite model, not a weight file: save the weights of the "
                       "original model as .safetensors or .npz",
                       path);
  if (is_onnx(bytes, n))
    return cnn_failure(CNN_BAD_FORMAT,
                       "%s: is an ONNX model, not a weight file. In Python this writes an .npz of its "
                       "weights, which is supported:\n"
                       "import numpy, onnx\n"
                       "model = onnx.load(\"%s\")\n"
                       "numpy.savez(\"weights.npz\", **{t.name: onnx.numpy_helper.to_array(t) for t in "
                       "model.graph.initializer})",
                       path, path);
  return cnn_success();
}
