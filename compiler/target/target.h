/* target.h: Machine description for schedules. One row of target.c per target. */
// SPDX-License-Identifier: Apache-2.0
#ifndef CNNC_TARGET_H
#define CNNC_TARGET_H
#include <stdbool.h>
#include <stdint.h>

/* Block sizes, and limits of unrolled code. Most sizes in bytes are sizes of data that should stay in a
 * cache. Fields marked "layout" determine the layout of packed weights; these fields are read from the row of
 * the generated file's widest target. */
typedef struct Blocking {
  int64_t direct_panel;   /* layout: bytes of weights that the tiles of a direct convolution reuse */
  int64_t direct_weights; /* maximum bytes of weights of a convolution whose outer loop is over rows */
  int direct_sums;        /* few input channels: maximum number of vector multiply-adds of unrolled code */
  int unrolled_taps;      /* maximum number of unrolled taps of a kernel row */
  int edge_tiles; /* maximum number of tiles at the edges of a row, each with its own call; with more such
                     tiles, edges are computed pixel by pixel */
  int64_t winograd_channels; /* layout: minimum number of input channels for Winograd */
  int64_t winograd_block;    /* bytes of the transformed inputs and products of a block of tiles */
  int64_t winograd_tiles;    /* maximum number of tiles of an image that is computed as one block */
  int64_t winograd_products; /* number of output channels whose products are kept at a time, if the image has
                                several blocks */
  int64_t winograd_input;    /* maximum bytes of an input whose transform does not prefetch it */
  int64_t winograd_weights;  /* maximum bytes of weights that every thread reads, to save barriers */
  int64_t strassen_tiles;    /* number of tiles of a block with Strassen; 0: as with Winograd */
  int64_t dense_depth;       /* number of inputs of a block; all images reuse the block's weights (two vectors
                                per input) */
  int64_t dense_packed;      /* inference, packed weights: like dense_depth, with dense_vectors vectors per
                                input */
  int dense_vectors;         /* inference: vectors of a register tile with packed weights */
  int64_t rows_panel;        /* bytes of a convolution's weights that all images of a batch reuse */
  int dense_rows;            /* training: rows of a register tile of two vectors */
  int gradient_rows;         /* weight gradients: rows of a register tile of two vectors */
  int depthwise_pixels;      /* columns of a register tile of one vector and two rows */
  int depthwise_sums;        /* maximum multiply-adds of a tile whose taps are all unrolled */
} Blocking;

/* Throughput of schedules and cost of transforms, for the cost model. */
typedef struct Rates {
  double direct, winograd, strassen, plain, together,
      interleaved; /* throughput as a fraction of the core's peak multiply-adds; together: of batched kernels;
                      interleaved: with batch-innermost layout */
  /* cycles to transform a vector of channels of a 6x6 tile; far_input_tile: of an input larger than the L2
   * cache */
  double input_tile, far_input_tile, output_tile;
  /* cycles per product of Strassen. strassen_left: to compute a vector of the left factor; strassen_result:
   * to initialize a vector of sums, to store it, and to add it to the result */
  double strassen_left, strassen_result;
  /* fractions of load times during which the core computes nothing. strassen_loaded: while weights are loaded
   * from memory; strassen_first: while the first block reads the weights from the last-level cache */
  double strassen_loaded, strassen_first;
  double packed_point;  /* cycles to compute one transformed weight */
  double lane_store;    /* cycles to store a single lane of a vector */
  double lane_add;      /* cycles to add a single lane to memory */
  double row_sum;       /* cycles to load and store a vector of sums */
  double turned_weight; /* cycles to pack a weight, or to unpack a gradient */
  double joined_point;  /* cycles to combine a vector of weight gradients, per point of the transform */
  double gradients;     /* slowdown of weight gradients that are computed image by image, because they sum few
                           channels at a time */
  double gain;          /* a later candidate is chosen only if it needs less than this fraction of the first
                           candidate's time */
} Rates;

/* x86 features of a CPU and operating system beyond the baseline; each level includes the previous one. */
typedef enum AvxLevel {
  AVX_NONE, /* none of these, or another architecture */
  AVX_2,    /* AVX2 and FMA; every CPU with AVX2 also has F16C */
  AVX_512,  /* F, BW, DQ and VL of AVX-512 */
  AVX_VNNI, /* also VNNI of AVX-512 */
  AVX_BF16, /* also BF16 of AVX-512 */
  AVX_AMX,  /* also AMX, with products of bf16 numbers and of bytes; the operating system must permit it */
} AvxLevel;

/* aarch64 features of a CPU; each level includes the previous one. */
typedef enum A64Level {
  A64_NONE,
  A64_DOTPROD, /* products of bytes */
  A64_BF16,    /* also the instructions for bf16 numbers */
} A64Level;

/* Instructions for int8 dot products, one 32-bit word per lane. */
typedef enum Dot {
  DOT_NONE,
  DOT_HALVES, /* two products of signed 16-bit numbers */
  DOT_BYTES,  /* four products of an unsigned byte and a signed byte */
  DOT_PAIRS,  /* like DOT_BYTES, for weights so small that sums of two adjacent products fit in int16 */
  DOT_SIGNED, /* four products of signed bytes */
  DOT_ACROSS, /* sixteen products of signed bytes, accumulated across all lanes of a vector */
} Dot;

typedef struct Target {
  const char *name;   /* "x86-64-v4" */
  const char *cpu;    /* the CPU (cpu.h) whose throughput this row has, for example "znver4"; NULL: any */
  const char *suffix; /* suffix of C names, for example "v4" */
  int lanes;          /* number of floats per vector; 1: no vectors */
  int registers;      /* number of vector registers */
  bool fma;
  int64_t l1, l2, l3; /* bytes */
  double fmas;        /* vector multiply-adds per cycle */
  double dots;  /* multiply-adds of bf16 numbers, relative to fmas; 0: bf16 numbers are converted to floats */
  double tiles; /* multiply-adds in tile registers, relative to fmas; 0: there are no tile registers */
  double l2_rate, l3_rate, memory_rate; /* bytes per cycle from the L2 cache, the L3 cache and memory */
  int64_t most_bytes;                   /* maximum object size with 32-bit addresses; 0: no limit */
  int line;                             /* bytes of a cache line */
  int chains;                           /* independent sums that saturate the multiply-adds: latency * fmas */
  int stores;                           /* stores that can be pending without a stall; 0: unlimited */
  Blocking blocking;
  const Rates *rates;
  const char *condition; /* condition of the #if around the code of the target; NULL: any CPU */
  const char *attribute; /* attribute of the functions of the target; NULL: none. The lowest target of a
                            generated file needs none */
  AvxLevel avx;          /* the code needs a CPU with these features */
  A64Level arm;          /* the code needs an aarch64 CPU with these features */
  Dot dot;
  /* better for int8 models, or for bf16 layers, than the last row above it without these flags */
  bool for_int8, for_bf16;
  int march_level;              /* order within an architecture */
  const char *arch;             /* architecture of object files, for example "x86-64"; NULL: any */
  const char *const *cross;     /* clang's options for cross-compiled objects; NULL: none */
  bool bare;                    /* the target has no shared libraries */
  const struct Target *vectors; /* the target with vectors for int8 kernels, used if the generated file has
                                   only one target; NULL: this target */
  bool dsp; /* int8 models use the schedules of dsp.h, if all targets of the generated file have this flag */
} Target;
extern const Target target_table[]; /* ends with name NULL */
const Target *target_find(const char *name);
bool target_is_scalar_board(const Target *); /* a microcontroller without vectors */
/* Lanes of the vectors that one instruction converts from half precision to float; 0: there is none. */
int target_f16_lanes(const Target *);
const Target *target_of_lanes(int lanes); /* the first target with `lanes` lanes */
/* The target with the longest vectors. If several targets have such vectors: a target whose `dsp` is false or
 * whose `vectors` is NULL is preferred; otherwise the first of them. */
const Target *target_widest(int n, const Target *const *);
const Target *target_native(void); /* the best target for float nets on this CPU */
/* Returns target n of a list, or NULL after its end. The list has all targets that are better than the given
 * target for int8 models (int8) or for nets with bf16 layers (!int8), the best target first.
 */
const Target *target_better(const Target *, bool int8, int n);
/* Whether code for a target that target_better returned runs on this CPU, and is faster there than code for
 * the given target. AVX_BF16 is not faster on CPUs with AMX: there, its instructions reach only half the rate
 * of float multiply-adds. */
bool target_pays_here(const Target *);
/* The length of a row of floats, rounded up to an odd number of cache lines, so that adjacent rows are in
 * different cache sets. */
int64_t target_odd_lines(const Target *, int64_t floats);
bool target_runs_here(const Target *);
bool target_is_foreign(const Target *); /* whether the target has another architecture than this CPU */
#endif
