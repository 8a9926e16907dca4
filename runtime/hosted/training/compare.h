/* compare.h: Check that processes that train together have the same program, settings, data and weights. */
// SPDX-License-Identifier: MIT-0
#ifndef CNN_COMPARE_H
#define CNN_COMPARE_H
#include "hosted/training/exchange.h"
#include "hosted/training/run.h"

/* Compares everything before the first step: the program, checkpoint, data, settings and weights. */
cnn_status cnn_compare_begin(Exchange *, const cnn_data *, const cnn_run *, const cnn_train_options *);
/* Compares weights at the end of an epoch, or before the first epoch. */
cnn_status cnn_compare_weights(Exchange *, const cnn_run *, const cnn_train_options *);
#endif
