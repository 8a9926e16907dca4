/* int8_recurrent.h: cores of recurrent layers of 8 bits. */
// SPDX-License-Identifier: Apache-2.0
#ifndef CNNC_INT8_RECURRENT_H
#define CNNC_INT8_RECURRENT_H
#include "ops/int8/int8.h"
#include "ops/recurrent/recurrent.h"

/* One direction of lstm, gru or rnn: its core, which reads the gates of all rows of 16 bits with the scale
 * 2^-12, and what it starts from. Of an lstm c has 16 bits and h 8; of gru, and rnn with tanh, h has 16 bits
 * with the scale 2^-15, and weights and readers see its upper 8. */
enum { GATE_BITS = 12, UNIT_BITS = 15 };
typedef struct Int8Recurrent {
  Recurrent r;
  Rounding rounding;
  bool litert;              /* an lstm as LiteRT's kernel computes it */
  const int8_t *weight;     /* of h: [gates*units][outputs] */
  const int32_t *bias;      /* of its sums */
  const Multiplier *factor; /* the same, into 2^-12 */
  int32_t zero;             /* of the h that these are of */
  Stored stored;            /* of the value */
  Multiplier out;           /* into the value's scale: of o*tanh(c), of relu's sum */
  Multiplier forget, add;   /* lstm: of f*c and i*g, into the scale of c, 2^bits */
  int32_t bits, clip;       /* clip below 0: none */
} Int8Recurrent;

extern const Op op_int8_recurrent;
Curve int8_cell_curve(const Int8Recurrent *); /* tanh of c */
void int8_recurrent_lower(Lower *);
#endif
