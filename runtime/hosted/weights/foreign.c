/* foreign.c: PyTorch's, Keras's, ONNX's and TensorFlow Lite's files of weights: told apart, and what to do
 * about each. None of them is opened: pickles can run code, and the others hold whole nets. */
// SPDX-License-Identifier: MIT-0
#include "hosted/weights/foreign.h"

#include <stdbool.h>
#include <string.h>

static bool begins(const unsigned char *bytes, size_t n, const char *with, size_t m) {
  return n >= m && memcmp(bytes, with, m) == 0;
}

/* Whether a zip's directory, which stands at the end, has a member of this name, in whatever folder. */
static bool zip_holds(const unsigned char *bytes, size_t n, const char *name) {
  enum { ENTRY = 46, TAIL = 1 << 22 };
  size_t m = strlen(name);
  for (size_t i = n > TAIL ? n - TAIL : 0; i + ENTRY + m <= n; i++) {
    if (memcmp(bytes + i, "PK\1\2", 4) != 0) continue;
    size_t length = (size_t)bytes[i + 28] | (size_t)bytes[i + 29] << 8;
    if (length < m || length > n - i - ENTRY) continue;
    const unsigned char *end = bytes + i + ENTRY + length;
    if (memcmp(end - m, name, m) == 0 && (length == m || end[-(long)m - 1] == '/')) return true;
  }
  return false;
}

/* The first fields of a ModelProto: the version of the format, a small number, and one of those that follow.
 */
static bool is_onnx(const unsigned char *bytes, size_t n) {
  return n > 16 && bytes[0] == 0x08 && bytes[1] > 0 && bytes[1] < 64 && bytes[2] != 0 &&
         memchr("\x12\x1a\x22\x28\x32\x3a\x42", bytes[2], 7) && bytes[8] != '{';
}

/* Opcodes of a pickle of protocol 2 to 5: PROTO, then what a number, a dictionary, a tuple, a name or a frame
 * begins with. */
static bool is_pickle(const unsigned char *bytes, size_t n) {
  return n > 4 && bytes[0] == 0x80 && bytes[1] >= 2 && bytes[1] <= 5 && bytes[2] != 0 &&
         memchr("\x8a}](\x63\x95\x8c", bytes[2], 7);
}

static cnn_status torch(const char *path) {
  return cnn_failure(CNN_BAD_FORMAT,
                     "%s: is a file of PyTorch: a pickle, which can run code, so it is not opened. In Python "
                     "this makes an .npz of it, which is read:\n"
                     "import numpy, torch\n"
                     "state = torch.load(\"%s\", map_location=\"cpu\")  # a state dict; of a whole module: "
                     ".state_dict()\n"
                     "numpy.savez(\"weights.npz\", **{name: value.float().numpy() for name, value in "
                     "state.items()})",
                     path, path);
}

static cnn_status keras(const char *path, const char *what) {
  return cnn_failure(CNN_BAD_FORMAT,
                     "%s: is %s, which is not read. Keras's kernels have another order of dimensions and "
                     "other names: docs/from-keras.md has the Python lines that change both. These make an "
                     ".npz of it as it is:\n"
                     "import keras, numpy\n"
                     "numpy.savez(\"weights.npz\", **{w.path: w.numpy() for w in "
                     "keras.models.load_model(\"%s\").weights})",
                     path, what, path);
}

cnn_status cnn_foreign_check(const char *path, const unsigned char *bytes, size_t n) {
  static const char legacy[] =
      "\x80\2\x8a\n\x6c\xfc\x9c\x46\xf9\x20\x6a\xa8\x50\x19"; /* PyTorch's before 1.6 */
  if (begins(bytes, n, "PK\3\4", 4)) {
    if (zip_holds(bytes, n, "data.pkl") || zip_holds(bytes, n, "constants.pkl")) return torch(path);
    if (zip_holds(bytes, n, "model.weights.h5")) return keras(path, "a model of Keras");
    return cnn_success();
  }
  if (begins(bytes, n, legacy, sizeof legacy - 1) || is_pickle(bytes, n)) return torch(path);
  if (begins(bytes, n, "\x89HDF\r\n\x1a\n", 8)) return keras(path, "an HDF5 file, as Keras writes them");
  if (n >= 8 && memcmp(bytes + 4, "TFL3", 4) == 0)
    return cnn_failure(CNN_BAD_FORMAT,
                       "%s: is a model of TensorFlow Lite, which is not read: save the weights of the model "
                       "that it was made from as .safetensors or .npz",
                       path);
  if (is_onnx(bytes, n))
    return cnn_failure(CNN_BAD_FORMAT,
                       "%s: is a model of ONNX, not a file of weights. In Python this makes an .npz of its "
                       "weights, which is read:\n"
                       "import numpy, onnx\n"
                       "model = onnx.load(\"%s\")\n"
                       "numpy.savez(\"weights.npz\", **{t.name: onnx.numpy_helper.to_array(t) for t in "
                       "model.graph.initializer})",
                       path, path);
  return cnn_success();
}
