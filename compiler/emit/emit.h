/* emit.h: Printer of a layout (lir/layout.h) as C: NAME.c and NAME.h, described in docs/c-interface.md. */
// SPDX-License-Identifier: Apache-2.0
#ifndef CNNC_EMIT_H
#define CNNC_EMIT_H
#include "base/diag.h"
#include "base/text.h"
#include "graph/graph.h"
#include "lir/layout.h"

typedef enum Embed {                /* how weights are compiled in if they have more than embed_text bytes */
                     EMBED_TEXT,    /* as a string in the C text */
                     EMBED_BESIDE,  /* as a file next to the C file, named embed_file */
                     EMBED_BACKEND, /* as the file embed_file, which exists only while the backend runs */
                     EMBED_OBJECT,  /* as another object, which the backend builds from the text of
                                       emit_weights_object and the file embed_file */
} Embed;

typedef struct EmitOptions {
  const char *header;   /* the file name of the header; NULL: the C file contains the header's text */
  const char *summary;  /* the table of layers */
  bool openmp, pool;    /* threads with OpenMP, or with a pool; both false: one thread */
  bool no_fma;          /* no fused multiply-adds */
  bool flush;           /* calls treat subnormal floats as zeros */
  bool acsl;            /* annotations for Frama-C */
  bool network;         /* the file defines NAME_network */
  bool program;         /* generates a main function */
  bool training;        /* the file contains the training code */
  const float *weights; /* the weights, in the layout of the weights struct; or NULL */
  Embed embed;
  int64_t embed_text;
  const char *embed_file;
} EmitOptions;

bool prelude_has_name(const char *);
typedef struct Net Net; /* a layout with the text of its functions */
Net *emit_net(Layout *, const Sources *, const EmitOptions *);
void emit_c(Text *, Net *);
typedef struct EmitUnit { /* a translation unit; the objects of all units are linked together */
  Text text;
  UnitUse use;
} EmitUnit;
/* The C text; split into several units if `several` is true and the text is long. */
EmitUnit *emit_units(Arena *, Net *, bool several, int *n);
void emit_header(Text *, Net *);
const void *emit_weights(Net *, size_t *n); /* contents of embed_file; NULL if the file is not needed */
void emit_weights_object(Text *, Net *);
const void *emit_model(Net *, size_t *n); /* --emit=model: the contents of a file for NAME_open */
typedef struct LibraryMetadata {
  const char *version, *author, *url, *command;
} LibraryMetadata;
typedef struct LibraryFile {
  const char *path; /* path inside the folder; NULL marks the end of the list */
  Text text;
} LibraryFile;
const LibraryFile *emit_library(Net *, const LibraryMetadata *); /* --emit=library */
/* With --acsl: the entry point of Frama-C for NAME.c, with the command that checks NAME.c. */
void emit_acsl_entry(Text *, Net *, const char *c_file);
void emit_embed(Text *, Net *); /* an example program for NAME.c with compiled-in weights */
const char *library_mark(Arena *, const char *name); /* text that each file of a library contains */
bool library_name_taken(const char *name);           /* whether a system header has this name */
struct Lower;
/* A program that runs a kernel with n schedules. It prints the shortest time of each schedule in
 * microseconds, one number per line. */
void emit_timing(Text *, const Target *, int n, const struct Lower *const *, int64_t weight_bytes);
const float *constant_weights(Arena *, const Graph *); /* the weights of a net whose parameters are all frozen
                                                          and start from constants; otherwise NULL */
#endif
