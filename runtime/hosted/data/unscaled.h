/* unscaled.h: Detection of inputs whose numbers are still large at the first weights, because no operator
 * scales them, or because a normalize leaves them large. */
// SPDX-License-Identifier: MIT-0
#ifndef CNN_UNSCALED_H
#define CNN_UNSCALED_H
#include "cnn_data.h"

typedef struct cnn_unscaled {
  bool there;             /* false: the numbers are small, or the net scales them itself */
  double low, high, made; /* made: result of the net's normalize for `high`; 0: no normalize */
  char remedy[40];        /* "normalize(scale=1/255)" */
} cnn_unscaled;

/* Checks the first samples of a part; `samples` is the number of samples in the part. */
cnn_status cnn_data_unscaled(const cnn_data *data, const cnn_network *network, cnn_part part, int64_t samples,
                             cnn_unscaled *found);

/* Text of the hint for a net whose own normalize leaves the numbers large (found->made > 0). */
typedef struct cnn_unscaled_hint {
  char text[320];
} cnn_unscaled_hint;
cnn_unscaled_hint cnn_unscaled_text(const cnn_unscaled *found, const char *input);

/* Prints a hint on standard error if the input's numbers are large. Other tools usually scale images outside
 * of the net, so weights of other tools need the same scaling here. */
cnn_status cnn_data_hint_unscaled(const cnn_data *data, const cnn_network *network, cnn_part part);
#endif
