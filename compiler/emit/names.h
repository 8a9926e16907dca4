/* names.h: identifiers and literals of generated C. */
// SPDX-License-Identifier: Apache-2.0
#ifndef CNNC_NAMES_H
#define CNNC_NAMES_H
#include <stdbool.h>
#include <stdint.h>
#include "base/arena.h"
#include "base/table.h"
#include "base/text.h"

/* ---- names ---- */
typedef struct Names {
  Arena *arena;
  const struct Names *file, *macros; /* of a function: the names around it, which are taken too; NULL: none */
  const char *prefix;                /* file: what they begin with in the text, "lenet5_" */
  Table last;                        /* by name taken: the last number that was put behind it, 1: none */
} Names;                             /* of one scope */
bool names_taken(const Names *, const char *name);
void names_reserve(Names *, const char *name);
const char *names_unique(Names *, const char *name); /* the name, or name_2, ...: taken from now on */
const char *
name_identifier(Arena *,
                const char *name);      /* "stage1.conv1" -> "stage1_conv1"; a keyword gets a '_' behind it */
bool name_of_c(const char *name);       /* a word of C or C++, or one that the file has from their headers */
bool name_of_runtime(const char *name); /* names of the shared header begin as this one does */
const char *name_upper(Arena *, const char *name);

/* ---- literals: exact, and the same under any locale ---- */
void put_float(Text *, float);                                         /* 0.1f: shortest */
void put_hex_float(Text *, float);                                     /* 0x1.99999ap-4f: for tables */
void put_floats(Text *, const float *, int64_t n, const char *indent); /* a table, without its braces */
void put_double(Text *, double);
void put_string(Text *, const char *); /* with quotes */
void put_comment(Text *, const char *,
                 const char *prefix);                /* lines inside a comment: nothing in them can end it */
void put_dims(Text *, int rank, const int64_t *dim); /* [6][1][5][5] */
#endif
