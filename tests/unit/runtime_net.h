/* runtime_net.h: A handwritten net description, as the compiler would emit it, of a linear classifier of 6x6
 * images. It has everything that training must handle: a running statistic, a frozen weight, and noise that
 * depends on seed, step and sample. */
// SPDX-License-Identifier: Apache-2.0
#ifndef RUNTIME_NET_H
#define RUNTIME_NET_H
#include "cnn.h"

enum {
  NET_SIDE = 6,
  NET_PIXELS = 36,
  NET_CLASSES = 4,
  NET_PARAMETERS = NET_CLASSES * NET_PIXELS + NET_CLASSES + 1 + 1,
  NET_TRAIN_BATCH = 16
};

extern const cnn_recipe net_recipe;
cnn_network net_make(const cnn_recipe *recipe); /* NULL: without training */
#endif
