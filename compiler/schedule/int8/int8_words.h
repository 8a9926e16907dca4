/* int8_words.h: Common code of fast int8 kernels: a copy of the input as packed words, and requantization of
 * sums vector by vector.
 *
 * A word is one lane's operand of the target's dot product (words_kind): four bytes q + 128 or q, or two
 * int16 numbers q, called halves. The copy includes the padding, as elements that represent 0, so that loops
 * need not test edges. The zero point is not subtracted from the elements. Instead, the bias includes
 * -zero * (sum of weights), or -(zero + 128) * (sum of weights) for bytes q + 128. */
// SPDX-License-Identifier: Apache-2.0
#ifndef CNNC_INT8_WORDS_H
#define CNNC_INT8_WORDS_H
#include "ops/int8/int8.h"
#include "schedule/schedule.h"

/* The input of a correlation: [planes][rows][columns * pixel]. Words of bytes have one plane. Words of halves
 * have two planes: one for bytes 0 and 2 of every four bytes, one for bytes 1 and 3. With few channels, many
 * bytes of a pixel's words would be unused. Then a column is not a pixel, but the part of a row that one
 * window covers, as consecutive bytes (words_of_windows). Then words of bytes may begin at any byte of a row,
 * so the copy is I8: [1][rows][bytes]. */
typedef struct Words {
  Buf *buf;
  Dot dot;
  int planes;
  int64_t rows, columns;
  int64_t group, pixel; /* number of words of a column in a plane. group: for the channels of one group;
                           pixel: for all channels */
  int64_t step, unit; /* step: elements of the copy from one column to the next; unit: elements of a word: 1,
                         or 4 if elements are bytes */
  int64_t before[2];
  Extent in;
  int64_t channels; /* number of channels of a group */
  int64_t window;   /* number of bytes of a row of a window; 0 if columns are pixels */
  int64_t stride;   /* stride of windows, in pixels */
  int64_t pitch;    /* if the copy stores all rows as one row: number of columns from the start of a row to
                       the start of the next row; otherwise 0 */
} Words;

Words words_begin(Lower *, const Correlation *); /* creates the buffer */
/* Like words_begin, but all rows of the copy are joined to a single row, with `spare` more columns at its
 * end. */
Words words_in_line(Lower *, const Correlation *, int64_t spare);
Ref words_at(Nest *, const Words *, int plane, const Ix *y, const Ix *at); /* columns must be pixels */
bool words_see_windows(const Lower *, const Correlation *);
Words words_of_windows(Lower *, const Correlation *); /* creates the buffer */
void words_fill(Lower *, const Words *, LoopKind outer);
Dot words_kind(const Lower *); /* the kind of product of the layer's words */

/* The two even bytes of a word, or its two odd bytes, as halves. */
Val words_half(Nest *, const char *name, int odd, Val bytes);
Val halves_plus(Val, Val); /* adds each half of a word separately */
Val halves_minus(Val, Val);
Val wrapped_plus(Val, Val); /* modulo 2^32 */
Val wrapped_minus(Val, Val);
/* Winograd's F(4x4,3x3) along one axis: v = B'd, each half of a word separately; y = A'm, modulo 2^32. */
void winograd_split_halves(Nest *, Val v[6], const Val d[6]);
void winograd_join_words(Nest *, Val y[4], const Val m[6]);

/* Requantization of vectors of sums, by channel. Members of the model are padded to whole vectors of `unit`
 * lanes; channels of group g begin at vector g * vectors. */
typedef struct Finish {
  Dot dot;    /* kind of the words whose products are summed */
  bool inner; /* inner product (int8_inner.c): the bias includes -inner_of_weights of each filter */
  bool quads; /* the channels of four vectors alternate: lane i of vector v has channel 4i + v */
  Rounding rounding;
  Stored stored; /* `zero` is 0 if the rounding constants already include the zero point */
  int unit;
  int64_t vectors;                          /* number of vectors per group */
  Buf *bias, *factor, *half, *shift, *left; /* NULL if the rounding does not need the array */
} Finish;

/* Whether all partial sums, and the sums shifted left by the requantization, fit into int32, or may be
 * assumed to fit (lower_assumes). */
bool finish_may(const Lower *, Dot, const Int8Product *, const Correlation *);
Finish finish_begin(Lower *, Dot, const Int8Product *, const Correlation *, int unit, bool inner);
Finish finish_quads(Lower *, Dot, const Int8Product *, const Correlation *, int unit);
/* Create members of the model whose names end in `suffix`. The weights are words of four bytes: [vector of
 * channels][ky][kx * group + word][channel of the vector]. */
Buf *finish_bias(Lower *, const Finish *, const Int8Product *, const Correlation *, const char *suffix);
Buf *words_weights(Lower *, const Int8Product *, const Correlation *, const Finish *, const char *suffix);
Val finish_vector(Lower *, const Finish *, Val sum, const Ix *vector, const Ix *lane); /* I8 */
/* The result is I32. It is clamped by the activation, but not yet to the range of I8. */
Val finish_words(Lower *, const Finish *, Val sum, const Ix *vector, const Ix *lane);

/* Winograd's inner product (int8_inner.c). */
bool inner_gains(const Lower *); /* whether the target benefits from the inner product */
bool inner_pays(const Lower *, const Words *, const Correlation *);
int32_t inner_of_weights(const int8_t *weight, int64_t n,
                         int64_t stride); /* sum of the products of each even weight and the next weight */
Val inner_total(Val);                     /* sum of all lanes, modulo 2^32 */
Buf *inner_begin(Lower *, const Words *); /* [rows][columns] sums of the products of each even channel and the
                                             next channel */
NestFn *inner_function(Lower *, const Words *, Buf *);
void inner_fill(Lower *, const Words *, NestFn *, LoopKind outer);
#endif
