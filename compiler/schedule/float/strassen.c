// strassen.c: Additions of Strassen's algorithm as statements, and its rounding error.
// SPDX-License-Identifier: Apache-2.0
//
// The code has no multiplications, so a C compiler cannot fuse additions with products.
#include "schedule/float/strassen.h"
#include <math.h>

/* worst: the error bound of a sum over half the channels is multiplied by 18 for each application of the
 * algorithm (Higham, Accuracy and Stability of Numerical Algorithms, 2002, section 23.2.2). typical: the
 * block of the result with the largest error is a sum of four products. In the first product, both factors
 * are single blocks. In the second product, both factors are sums of 3 blocks; in the third and fourth
 * product, both factors are sums of 2 blocks. For random blocks, the standard deviations of these products
 * are 1, 3, 2 and 2, relative to a product of two blocks. The root of the sum of their squares is 3 times the
 * standard deviation of the result. */
WinogradError strassen_error(int levels, int64_t channels) {
  const double unit = 0x1p-24, steps = (double)channels / (double)(1 << levels) + 6;
  return (WinogradError){.typical = 1.5 * unit * pow(3, levels) * sqrt(steps / 6),
                         .worst = unit * pow(9, levels) * steps};
}

const StrassenSums strassen_floats = {add, sub};

void strassen_left(Nest *b, const StrassenSums *of, const Val *x, Val *y) {
  Val s1 = nest_let(b, "s", of->add(x[2], x[3])), s2 = nest_let(b, "s", of->sub(s1, x[0]));
  y[0] = x[0];
  y[1] = x[1];
  y[2] = of->sub(x[1], s2);
  y[3] = x[3];
  y[4] = s1;
  y[5] = s2;
  y[6] = of->sub(x[0], x[2]);
}

void strassen_right(Nest *b, const StrassenSums *of, const Val *x, Val *y) {
  Val t1 = nest_let(b, "t", of->sub(x[1], x[0])), t2 = nest_let(b, "t", of->sub(x[3], t1));
  y[0] = x[0];
  y[1] = x[2];
  y[2] = x[3];
  y[3] = of->sub(x[2], t2);
  y[4] = t1;
  y[5] = t2;
  y[6] = of->sub(x[3], x[1]);
}

void strassen_result(Nest *b, const StrassenSums *of, const Val *x, Val *y) {
  Val u2 = nest_let(b, "u", of->add(x[0], x[5])), u3 = nest_let(b, "u", of->add(u2, x[6]));
  y[0] = of->add(x[0], x[1]);
  y[1] = of->add(of->add(u2, x[4]), x[2]);
  y[2] = of->add(u3, x[3]);
  y[3] = of->add(u3, x[4]);
}
