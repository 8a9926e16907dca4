/* literals.h: Identifiers and literals of generated C. */
// SPDX-License-Identifier: Apache-2.0
#ifndef CNNC_LITERALS_H
#define CNNC_LITERALS_H
#include <stdint.h>
#include "base/text.h"
#include "lir/names.h"

/* ---- literals: exact, and the same under any locale ---- */
void put_float(Text *, float);                                         /* 0.1f: the shortest exact form */
void put_hex_float(Text *, float);                                     /* 0x1.99999ap-4f: for tables */
void put_floats(Text *, const float *, int64_t n, const char *indent); /* a table, without its braces */
void put_double(Text *, double);
void put_string(Text *, const char *); /* prints a string literal with its quotes */
/* Prints lines of a comment, each after `prefix`. Nothing in the lines can end the comment. */
void put_comment(Text *, const char *, const char *prefix);
void put_dims(Text *, int rank, const int64_t *dim); /* [6][1][5][5] */
#endif
