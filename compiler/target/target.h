/* target.h: what schedules know of a CPU. A row of target.c a target. */
// SPDX-License-Identifier: Apache-2.0
#ifndef CNNC_TARGET_H
#define CNNC_TARGET_H
#include <stdbool.h>
#include <stdint.h>

/* How much of a kernel's work is done at a time: what has to stay in a cache, what may be unrolled. Bytes
 * where nothing else is said. The packed weights of a file are laid out by the row of its widest target;
 * fields marked "layout" are read from there. */
typedef struct Blocking {
  int64_t direct_panel;   /* layout: weights that the tiles of a direct convolution read again and again */
  int64_t direct_weights; /* all weights of a convolution up to which rows are its outer loop */
  int direct_sums;   /* multiply-adds of vectors in one piece of unrolled code, with few input channels */
  int unrolled_taps; /* of a row of the kernel */
  int edge_tiles;    /* of a row, each with a call of its own; more go pixel by pixel */
  int64_t winograd_channels; /* layout: the fewest input channels */
  int64_t winograd_block;    /* transformed inputs and products of a block of tiles */
  int64_t winograd_tiles;    /* of a picture, up to which they are one block */
  int64_t winograd_products; /* output channels whose products are kept at a time, where blocks are many */
  int64_t winograd_input;    /* above it, what the transform will read next is prefetched */
  int64_t winograd_weights;  /* that each thread reads for itself rather than to wait for the others */
  int64_t dense_depth;  /* inputs whose weights, two vectors of each, the images of a batch read one after the
                           other */
  int64_t dense_packed; /* likewise where weights are packed, in inference, dense_vectors of each */
  int dense_vectors;    /* of a register tile there, in rows of packed weights */
  int64_t rows_panel;   /* weights of a convolution that all images of a batch read one after the other */
  int dense_rows;       /* of a register tile in training, by two vectors */
  int gradient_rows;    /* of a register tile of a weight gradient, by two vectors */
  int depthwise_pixels; /* columns of a register tile of one vector by two rows */
  int depthwise_sums;   /* multiply-adds of a tile up to which the code of all its taps is unrolled */
} Blocking;

/* What schedules reach and what transforms take, for the cost model. */
typedef struct Rates {
  double direct, winograd, strassen, plain, together,
      interleaved;                                /* of the multiply-adds that a core could start */
  double input_tile, far_input_tile, output_tile; /* cycles to transform a vector of channels of a 6x6 tile */
  double strassen_left, strassen_result; /* for each product: cycles to make a vector of a factor; to begin
                                            and to store a vector of sums, and to add it to the result */
  double packed_point;                   /* cycles to transform the weights of two channels, for each point */
  double lane_store;                     /* cycles to store a lane of a vector alone */
  double lane_add;                       /* to add it to memory */
  double row_sum;                        /* to read a vector of sums and to write it again */
  double row_run;                        /* to begin a loop over a row of the images */
  double turned_weight; /* to bring a weight into the order of a kernel, or a gradient back from it */
  double joined_point;  /* to join a vector of weight gradients, for each point */
  double gradients; /* so much longer they take image by image: those of weights sum few channels at a time */
} Rates;

/* What a CPU of x86 and its operating system have beyond the baseline; each includes those before it. */
typedef enum AvxLevel {
  AVX_NONE, /* or another architecture */
  AVX_2,    /* AVX2 and FMA */
  AVX_512,  /* F, BW, DQ and VL of AVX-512 */
  AVX_VNNI, /* VNNI of AVX-512, too */
} AvxLevel;

/* The instructions that nets of 8 bits add products by, a word of 32 bits a lane. */
typedef enum Dot {
  DOT_NONE,
  DOT_HALVES, /* two products of signed halves */
  DOT_BYTES,  /* four of bytes without and with a sign */
  DOT_PAIRS,  /* the same, where no two products side by side exceed 16 bits: of narrow weights */
  DOT_SIGNED, /* four of signed bytes */
  DOT_ACROSS, /* sixteen of signed bytes, all lanes of a vector in one sum */
} Dot;

typedef struct Target {
  const char *name;   /* "x86-64-v4" */
  const char *suffix; /* of C names: "v4" */
  int lanes;          /* floats of a vector; 1: no vectors */
  int registers;      /* vector registers */
  bool fma;
  int64_t l1, l2, l3;                   /* bytes */
  double fmas;                          /* vector multiply-adds that it starts in a cycle */
  double l2_rate, l3_rate, memory_rate; /* bytes that arrive in a cycle from there */
  int64_t most_bytes;                   /* of an object, where addresses have 32 bits; 0: 64 bits, or any */
  int line;                             /* bytes of a cache line */
  int chains; /* sums apart that keep the multiply-adds busy: their latency * fmas */
  int stores; /* that can wait for their values while what follows them goes on; 0: no limit is known */
  Blocking blocking;
  const Rates *rates;
  const char *condition; /* of #if, NULL: any CPU */
  const char *attribute; /* of every function, NULL: none (the lowest target of a file needs none) */
  AvxLevel avx;          /* that a CPU must have to run it */
  bool dotprod;          /* a CPU of aarch64 must have DotProd */
  Dot dot;
  bool for_bytes;               /* differs from the row before it in nets of 8 bits alone */
  int march_level;              /* order within an architecture */
  const char *arch;             /* what one object can hold: "x86-64"; NULL: any */
  const char *const *cross;     /* clang's options for objects made on another CPU, NULL: none */
  bool bare;                    /* no shared libraries */
  const struct Target *vectors; /* the same CPU as kernels of 8 bits see it, with their vectors, if the file
                                   is for it alone; NULL: as it is */
  bool dsp; /* nets of 8 bits take the schedules of dsp.h, if all targets of the file do */
} Target;
extern const Target target_table[]; /* ends with name NULL */
const Target *target_find(const char *name);
const Target *target_of_lanes(int lanes); /* the first of the table whose vectors have so many */
/* The first of them with the longest vectors; of those, without `dsp`. */
const Target *target_widest(int n, const Target *const *);
const Target *target_native(void);              /* the best of the table that this CPU runs, for floats */
const Target *target_for_bytes(const Target *); /* the better one for nets of 8 bits, or NULL */
/* Rows of an odd number of cache lines, at least so many floats, so that a step along a row or a plane
 * changes the set. */
int64_t target_odd_lines(const Target *, int64_t floats);
bool target_runs_here(const Target *);
bool target_is_foreign(const Target *); /* of another architecture than this machine's */
#endif
