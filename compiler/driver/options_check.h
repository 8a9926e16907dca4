/* options_check.h: options that want others. What returns false has said why on standard error. */
// SPDX-License-Identifier: Apache-2.0
#ifndef CNNC_OPTIONS_CHECK_H
#define CNNC_OPTIONS_CHECK_H
#include "options.h"

bool options_after(const Options *);   /* --after, a pass of the graph that is shown */
bool options_weights(const Options *); /* what is about the file of --weights */
bool options_library(const Options *); /* --emit=library, and what is about it */
bool options_machine(Options *);       /* sets the machine of what the backend makes */
bool options_mpi(const Options *);     /* --mpi, of programs that are trained */
bool options_memory(const Options *);  /* --memory, of code that trains */
/* A whole number from 1 to 65536. */
bool options_number(const char *option, const char *text, int64_t *number);
bool options_onnx(const Options *); /* what a model of ONNX takes and what is about it alone */

/* ---- options_targets.c ---- */
bool options_read_targets(Options *, Arena *, const char *list);
bool options_read_cpu(Options *, Arena *, const char *name);
/* A number of bytes, or of so many times 1024 of them. */
bool options_read_bytes(const char *option, const char *text, int64_t *bytes);
bool options_choose_targets(Options *,
                            Arena *); /* those of the CPU, or the usual ones, where none is named */
#endif
