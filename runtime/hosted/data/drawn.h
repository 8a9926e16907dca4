/* drawn.h: Random samples for measurements: inputs as the net usually gets them, and targets for its losses.
 */
// SPDX-License-Identifier: MIT-0
#ifndef CNN_DRAWN_H
#define CNN_DRAWN_H
#include "hosted/base/number.h"
#include "hosted/data/batch.h"

double cnn_drawn_normal(cnn_random random, uint32_t counter); /* a normally distributed number */
/* Draws `samples` samples of an input; port->contents determines their distribution: normal with mean 0 and
 * standard deviation 1, the range of bytes, a tone in noise, valid indices, or ones. stream: selects the
 * random numbers. */
void cnn_drawn_input(const cnn_port *port, uint64_t stream, int64_t samples, void *values);
/* Draws the inputs and targets of all samples of the batch. Targets are valid classes; zeros and ones for
 * sigmoids; normally distributed numbers for other values; the inputs, if these are the targets. If a loss
 * reads objects, samples are images of synthetic:shapes; if these do not fit the net, they have no objects.
 */
void cnn_drawn_batch(cnn_batch *batch);
/* "bytes, 0 to 255", "normal, deviation 1", ... */
cnn_text cnn_drawn_text(const cnn_port *port);
#endif
