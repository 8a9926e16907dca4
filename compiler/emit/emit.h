/* emit.h: Printer of a layout (lir/layout.h) as C: NAME.c and NAME.h, described in docs/c-interface.md.
 * Nothing is decided here. */
// SPDX-License-Identifier: Apache-2.0
#ifndef CNNC_EMIT_H
#define CNNC_EMIT_H
#include "base/diag.h"
#include "base/text.h"
#include "graph/graph.h"
#include "lir/layout.h"

typedef enum Embed {                /* how weights of more than embed_text bytes are compiled in */
                     EMBED_TEXT,    /* as text */
                     EMBED_BESIDE,  /* as a file next to the C file, named embed_file */
                     EMBED_BACKEND, /* as the file embed_file, which is there while the backend runs */
                     EMBED_OBJECT,  /* as another object, whose text emit_weights_object prints, made by the
                                       backend with the file embed_file */
} Embed;

typedef struct EmitOptions {
  const char *header;  /* the header's file name; NULL: its text goes into the C file */
  const char *summary; /* the table of layers */
  bool openmp;
  bool no_fma;          /* no fused multiply-adds */
  bool network;         /* with NAME_network */
  bool program;         /* a program: with a main function */
  bool training;        /* with the training code */
  const float *weights; /* as the weights struct, or NULL */
  Embed embed;
  int64_t embed_text;
  const char *embed_file;
} EmitOptions;

bool prelude_has_name(const char *);
typedef struct Net Net; /* a layout, and the text of its functions */
Net *emit_net(Layout *, const Sources *, const EmitOptions *);
void emit_c(Text *, Net *);
typedef struct EmitUnit { /* a text of several that are linked */
  Text text;
  UnitUse use;
} EmitUnit;
EmitUnit *emit_units(Arena *, Net *, bool several,
                     int *n); /* emit_c's text, or, where it is long, the same as several */
void emit_header(Text *, Net *);
const void *emit_weights(Net *, size_t *n); /* what is in embed_file; NULL if it is not needed */
void emit_weights_object(Text *, Net *);
const void *emit_model(Net *, size_t *n); /* --emit=model: what NAME_open takes */
typedef struct LibraryFacts {
  const char *version, *author, *url, *command;
} LibraryFacts;
typedef struct LibraryFile {
  const char *path; /* in the folder; NULL: there are no more */
  Text text;
} LibraryFile;
const LibraryFile *emit_library(Net *, const LibraryFacts *); /* --emit=library */
void emit_embed(Text *, Net *);                      /* a program around NAME.c with its weights inside */
const char *library_mark(Arena *, const char *name); /* what each of these files has in it */
bool library_name_taken(const char *name);           /* C has a header of that name */
struct Lower;
void emit_timing(
    Text *, const Target *, int n, const struct Lower *const *,
    int64_t weight_bytes); /* a program that runs a kernel in n ways; it prints the microseconds of each */
const float *constant_weights(Arena *, const Graph *); /* the weights of a net whose parameters are all frozen
                                                          and start from constants; else NULL */
#endif
