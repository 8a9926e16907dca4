/* suggest.c: "did you mean": the name that a misspelt word most likely stands for. */
// SPDX-License-Identifier: Apache-2.0
#include <string.h>
#include "base/text.h"

enum { LONGEST = 63, NO_MATCH = 1000 };

static char plain(char c) { return (char)(c >= 'A' && c <= 'Z' ? c - 'A' + 'a' : c); }

static int least(int a, int b) { return a < b ? a : b; }

/* Edit distance with swaps of neighbours (Damerau-Levenshtein, restricted), blind to case. Three rows of the table are enough. */
static int edit_distance(const char *a, int n, const char *b, int m) {
  int rows[3][LONGEST + 1];
  for (int j = 0; j <= m; j++) rows[0][j] = j;
  for (int i = 1; i <= n; i++) {
    int *now = rows[i % 3];
    const int *above = rows[(i - 1) % 3], *two_above = rows[(i + 1) % 3];
    now[0] = i;
    for (int j = 1; j <= m; j++) {
      const bool same = plain(a[i - 1]) == plain(b[j - 1]);
      now[j] = least(least(above[j] + 1, now[j - 1] + 1), above[j - 1] + !same);
      const bool swapped = i > 1 && j > 1 && plain(a[i - 1]) == plain(b[j - 2]) && plain(a[i - 2]) == plain(b[j - 1]);
      if (swapped) now[j] = least(now[j], two_above[j - 2] + 1);
    }
  }
  return rows[n % 3][m];
}

/* One word is the other's beginning, or its last part after a '_': kernel_size and kernel, learning_rate and rate. */
static bool is_part(const char *word, int n, const char *name, int m) {
  const int shorter = least(n, m), longer = n + m - shorter;
  const char *inner = n < m ? word : name, *outer = n < m ? name : word;
  if (shorter < 4 || shorter == longer) return false;
  if (memcmp(inner, outer, (size_t)shorter) == 0) return true;
  return outer[longer - shorter - 1] == '_' && memcmp(inner, outer + longer - shorter, (size_t)shorter) == 0;
}

/* What other frameworks and papers call the same thing. */
static const char *const elsewhere[][2] = {
  {"linear", "dense"}, {"fc", "dense"}, {"fully_connected", "dense"}, {"affine", "dense"}, {"inner_product", "dense"}, {"convolution", "conv"},
  {"deconv", "conv_transpose"}, {"deconvolution", "conv_transpose"}, {"transposed_conv", "conv_transpose"}, {"conv2d_transpose", "conv_transpose"},
  {"depthwise_conv", "depthwise"}, {"average_pool", "avgpool"}, {"average_pooling", "avgpool"}, {"max_pooling", "maxpool"},
  {"gap", "global_avgpool"}, {"global_average_pool", "global_avgpool"}, {"global_average_pooling", "global_avgpool"},
  {"global_max_pooling", "global_maxpool"}, {"swish", "silu"}, {"relu_6", "relu6"}, {"bn", "batchnorm"}, {"batch_normalization", "batchnorm"},
  {"local_response_norm", "lrn"}, {"cat", "concat"}, {"concatenate", "concat"}, {"plus", "add"}, {"sum", "add"}, {"minus", "subtract"},
  {"sub", "subtract"}, {"times", "multiply"}, {"mul", "multiply"}, {"div", "divide"}, {"max", "maximum"}, {"padding", "zero_pad"},
  {"upsampling", "upsample"}, {"pixel_shuffle", "depth_to_space"}, {"xavier", "glorot"}, {"kaiming", "he"},
  {"padding", "pad"}, {"size", "kernel"}, {"pool_size", "kernel"}, {"window", "kernel"}, {"out_channels", "filters"}, {"channels", "filters"},
  {"out_features", "units"}, {"neurons", "units"}, {"p", "rate"}, {"lr", "rate"}, {"eps", "epsilon"}, {"kernel_initializer", "init"},
  {"bce", "binary_cross_entropy"}, {"nll", "cross_entropy"}, {"ce", "cross_entropy"}, {"l1", "mae"}, {"l2", "mse"}, {"smooth_l1", "huber"},
};

static const char *called_here(const char *word, int n, const char *const *names) {
  for (size_t i = 0; i < sizeof elsewhere / sizeof *elsewhere; i++) {
    const int m = (int)strlen(elsewhere[i][0]);
    if (m != n || edit_distance(word, n, elsewhere[i][0], m) != 0) continue;
    for (const char *const *name = names; *name; name++)
      if (strcmp(*name, elsewhere[i][1]) == 0) return *name;
  }
  return NULL;
}

const char *suggest(const char *word, const char *const *names) {
  const size_t length = strlen(word);
  if (length == 0 || length > LONGEST) return NULL;
  const int n = (int)length;
  const int limit = n < 5 ? 1 : n < 9 ? 2 : 3; /* a third of the word may be wrong */
  const char *best = called_here(word, n, names);
  if (best) return best;
  int best_distance = NO_MATCH;
  for (; *names; names++) {
    if (strlen(*names) > LONGEST || strcmp(word, *names) == 0) continue;
    const int m = (int)strlen(*names);
    int distance = edit_distance(word, n, *names, m);
    if (distance > limit || distance >= n || distance >= m) distance = is_part(word, n, *names, m) ? limit + 1 : NO_MATCH;
    if (distance < best_distance) {
      best = *names;
      best_distance = distance;
    }
  }
  return best;
}
