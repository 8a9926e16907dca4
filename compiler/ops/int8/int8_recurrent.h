/* int8_recurrent.h: Int8 cores of recurrent layers. */
// SPDX-License-Identifier: Apache-2.0
#ifndef CNNC_INT8_RECURRENT_H
#define CNNC_INT8_RECURRENT_H
#include "ops/int8/int8.h"
#include "ops/recurrent/recurrent.h"

/* The core of one direction of lstm, gru or rnn. Its inputs are the int16 gates of all rows, with the scale
 * 2^-12, and the initial states. In an lstm c is int16, and h is int8 or, with `wide`, int16. In gru, and in
 * rnn with tanh, h is int16 with the scale 2^-15; weights are multiplied by its upper 8 bits, which are also
 * the layer's value. */
enum { GATE_BITS = 12, UNIT_BITS = 15 };
typedef struct Int8Recurrent {
  Recurrent r;
  Rounding rounding;
  bool litert;              /* an lstm with the arithmetic of LiteRT's kernel */
  bool wide;                /* an lstm with int16 h, whose sums are int64 */
  const int8_t *weight;     /* weights of h: [gates*units][outputs] */
  const int32_t *bias;      /* bias of the sums W_hh h; NULL: zeros */
  const Multiplier *factor; /* factors that convert the sums W_hh h to the scale 2^-12 */
  int32_t zero;             /* zero point of h */
  Stored stored;            /* zero point and bounds of the value */
  Multiplier out;           /* factor from o*tanh(c), or from relu(sum) of rnn, to the value's scale */
  Multiplier forget, add;   /* lstm: factors of f*c and i*g to the scale of c, 2^bits */
  int32_t bits, clip;       /* clip: limit of |c|; negative if there is none */
} Int8Recurrent;

extern const Op op_int8_recurrent;
extern const Curve int8_gate_sigmoid, int8_gate_tanh; /* for sums with the scale 2^-12 */
Curve int8_cell_curve(const Int8Recurrent *);         /* tanh of c */
void int8_recurrent_lower(Lower *);
/* Op.keep of a core (int8_recurrent_keep.c). With r.keeps, the core returns for each row the state that the
 * next row needs. */
Node *int8_recurrent_keep(Graph *, Node *core, Node *calls, int64_t rows, int64_t offset);
/* Gate values with which a state of 0 remains 0 in the next row. */
const double *int8_idle_gates(Arena *, const Int8Recurrent *);
Val int8_upper_byte(Nest *, Val wide);

/* ---- int8_recurrent_words.c: recurrent layers on boards ---- */
typedef struct RecurrentWords {
  const Int8Recurrent *p;
  int first, gates;    /* the gates are first .. first + gates - 1 */
  int64_t words;       /* number of words of h, with two channels each */
  Buf *halves, *bytes; /* weights. halves: of pairs of gates; bytes: of the last gate, if `gates` is odd */
  Buf *steps, *window; /* window: h, widened to int16 */
} RecurrentWords;
/* Whether the functions below can be used. bias: the bias of each sum, including the term for the zero point
 * of h. */
bool int8_recurrent_has_words(const Lower *, const Int8Recurrent *, const int32_t *bias);
/* Fills the array: element 0 for the gates that read h, element 1 for the gate that reads r*h (gru with
 * reset=before). */
void int8_recurrent_words(Lower *, const Int8Recurrent *, const int32_t *bias, RecurrentWords[2]);
void int8_recurrent_window(Lower *, RecurrentWords *, Buf *h);
/* The sums of the gates of unit u, without biases. */
void int8_recurrent_sums(Lower *, const RecurrentWords *, const Ix *u, Val sum[]);
/* Adds the bias, and rounds. */
Val int8_recurrent_rounded_sum(Lower *, const RecurrentWords *, Val sum, int gate, const Ix *u);
/* x times the multiplier, rounded. x must be a product of two int16 numbers that are not both INT16_MIN. */
Val int8_recurrent_rounded(Lower *, Rounding, Val, Multiplier);
#endif
