/* fix.h: Application of suggested fixes to the files of a program (--fix). */
// SPDX-License-Identifier: Apache-2.0
#ifndef CNNC_FIX_H
#define CNNC_FIX_H
#include "sema.h"

typedef struct FixInput {
  const char *path;               /* path of the program */
  WordList directories, warnings; /* arguments of -I and -W */
  Defines defines;
  bool prints; /* prints a line for each changed file */
} FixInput;

/* Applies fixes until none is left, for at most 20 rounds. Changes the program and its imports, except
 * imports that were found through -I or among cnnc's own files. Each file is written atomically. False: *path
 * is the file that could not be written, and *why is the reason. */
bool fix_program(Arena *, const FixInput *, const char **path, const char **why);
#endif
