/* emit.h: from plans to C text: NAME.c and NAME.h, as docs/c-interface.md describes them. */
// SPDX-License-Identifier: Apache-2.0
#ifndef CNNC_EMIT_H
#define CNNC_EMIT_H
#include "base/diag.h"
#include "base/text.h"
#include "graph/graph.h"
#include "lir/lir.h"

typedef enum Embed {                /* how weights of more than embed_text bytes are compiled in */
                     EMBED_TEXT,    /* as text */
                     EMBED_BESIDE,  /* as a file beside the C file, named embed_file */
                     EMBED_BACKEND, /* as the file embed_file, which is there while the backend runs */
                     EMBED_OBJECT,  /* as another object, whose text emit_weights_object prints, made by the
                                       backend with the file embed_file */
} Embed;

typedef struct EmitOptions {
  const char *prefix;  /* of C names */
  const char *header;  /* the header's file name; NULL: its text goes into the C file */
  const char *summary; /* the table of layers */
  int64_t batch;
  int ntargets;
  const Target *const *target; /* best first */
  bool openmp;
  bool no_fma;   /* no fused multiply-adds */
  bool network;  /* with NAME_network */
  bool program;  /* a program: with a main function */
  bool training; /* with the training code */
  bool alike;    /* little flash: layers that differ in numbers alone share a function; inference only */
  const float *weights; /* as the weights struct, or NULL */
  Embed embed;
  int64_t embed_text;
  const char *embed_file;
} EmitOptions;

typedef struct Net Net; /* a net, lowered and named */
Net *emit_begin(Arena *, const Graph *, const Programs *, const Sources *, const EmitOptions *);
typedef struct NetSizes {
  int64_t model_bytes, workspace_bytes, workspace_bound, training_bytes, training_bound, shards;
} NetSizes; /* bound: the least possible for these kernels in this order */
NetSizes emit_sizes(const Net *);
void emit_c(Text *, Net *);
typedef enum EmitUse {              /* of the functions of a unit */
                       USE_STEADY,  /* by inference and training */
                       USE_PACKING, /* once a step: compilers take long to unroll copies, and gain nothing */
                       USE_SELDOM,  /* by what looks inside */
} EmitUse;
typedef struct EmitUnit { /* a text of several that are linked */
  Text text;
  EmitUse use;
} EmitUnit;
EmitUnit *emit_units(Arena *, Net *, bool several,
                     int *n); /* emit_c's text, or, where it is long, the same as several */
void emit_header(Text *, Net *);
const void *emit_weights(Net *, size_t *n); /* what is in embed_file; NULL if it is not needed */
void emit_weights_object(Text *, Net *);
const void *emit_model(Net *, size_t *n); /* --emit=model: what NAME_open takes */
/* What inference takes of a board. Code is in none of it. */
typedef struct LayerFootprint {
  const char *name; /* of its function, without the net's */
  int64_t flash;    /* constants that no layer before it reads */
  int64_t ram;      /* of the arena, while it runs */
  int64_t stack;    /* of its function; -1: not known */
} LayerFootprint;
typedef struct Footprint {
  int64_t flash; /* weights, tables, labels */
  int64_t model; /* of RAM: weights that are not compiled in */
  int64_t workspace;
  int64_t stack; /* of NAME_infer, by a compiler that optimizes; -1: not known, or not looked at: no board */
  int n;         /* layers, in the order of their calls */
  LayerFootprint *layer;
} Footprint;
Footprint emit_footprint(Net *);
void emit_footprint_json(Text *, Net *);        /* a member of an object */
void emit_memory(Text *, Net *, bool training); /* tables: what of flash, what of RAM; by layer on a board */
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
void emit_nests(Text *, Net *);                      /* --emit=nests */
struct Lower;
void emit_timing(
    Text *, const Target *, int n, const struct Lower *const *,
    int64_t weight_bytes); /* a program that runs a kernel in n ways; it prints the microseconds of each */
const float *constant_weights(Arena *, const Graph *); /* the weights of a net whose parameters are all frozen
                                                          and start from constants; else NULL */
#endif
