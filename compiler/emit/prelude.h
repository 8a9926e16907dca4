/* prelude.h: Top of a generated file: the macros, vector types and small inline functions that its nests
 * use. */
// SPDX-License-Identifier: Apache-2.0
#ifndef CNNC_EMIT_PRELUDE_H
#define CNNC_EMIT_PRELUDE_H
#include "nest/nest.h"

typedef enum PreludeFn { /* in the order of printing: a function uses only earlier functions */
                         FN_BITS,
                         FN_FLOAT_OF,
                         FN_FROM_BF16,
                         FN_TO_BF16,
                         FN_FROM_F16,
                         FN_TO_F16,
                         FN_PAIRS,
                         FN_DOT,
                         FN_INTERLEAVE_LOW,
                         FN_INTERLEAVE_HIGH,
                         FN_STORE_PAIR,
                         FN_TILE_SHAPE,
                         FN_TILE_CLEAR,
                         FN_TILE_ADD,
                         FN_TILE_ADD_BYTES,
                         FN_TILE_AWAKE,
                         FN_TILE_STORE,
                         FN_SPLAT,
                         FN_SELECT,
                         FN_MAX,
                         FN_MIN,
                         FN_MAX_NAN,
                         FN_ABS,
                         FN_EXP,
                         FN_DECAY,
                         FN_LOG,
                         FN_SQRT,
                         FN_TANH,
                         FN_SIGMOID,
                         FN_CDF,
                         FN_POWER,
                         FN_SINE,
                         FN_SIN,
                         FN_COS,
                         FN_FLOOR,
                         FN_SUM,
                         FN_HIGHEST,
                         FN_RANDOM,
                         FN_CHOSEN,
                         FN_LOAD_PART,
                         FN_STORE_PART,
                         FN_WORDS,
                         FN_STORE_WORDS,
                         FN_LOOKUP,
                         FN_LOAD_BYTES,
                         FN_STORE_BYTES,
                         FN_COUNT
} PreludeFn;

enum { ROUTINES = 32 }; /* more than the number of Routine objects of the compiler */

/* The parts of the prelude that the printed text needs. In the masks, bit log2(lanes) is set if vectors of
 * that width are needed. */
typedef struct PreludeNeeds {
  uint8_t fn[FN_COUNT][ELEMS];        /* functions by element type and width */
  uint8_t convert[ELEMS][ELEMS];      /* conversions of vectors, indexed by [to][from] */
  uint8_t type[ELEMS], memory[ELEMS]; /* vector types: for values, and for unaligned memory */
  const Routine *routine[ROUTINES];   /* unused entries are NULL */
  uint8_t primitive[PRIMITIVES];      /* by index in primitive_table: bits for widths */
  bool inlined, kernel, unroll, roll, team, prefetch, pin, load2, load4, infinite; /* macros */
  bool pool;  /* the team's threads are from a pool */
  bool modes; /* the file sets the CPU's mode for subnormal floats: of a team's threads, and if the macro
                 `flush` is defined */
  const char *flush;
  bool helium; /* the file must include the header of Arm's intrinsics */
} PreludeNeeds;

/* The prefix and the suffix of names, as in "lenet5_" "max_x4" "_v4", and the macro before a function, such
 * as "LENET5_V4". All may be "". */
typedef struct PreludeNames {
  const char *prefix, *suffix, *attribute;
  bool helium; /* vectors of four use Arm's Helium, if the compiler supports it */
  bool vnni;   /* the functions may use AVX-512 VNNI */
  int bf16;    /* maximum lanes of vectors with instructions for bf16 numbers; 0: none */
  int f16;     /* maximum lanes of vectors with an instruction that converts f16 to f32; 0: none */
  bool amx;    /* TILED loops become products of tile registers */
} PreludeNames;

void prelude_need(PreludeNeeds *, PreludeFn, Elem, int lanes);
void prelude_need_type(PreludeNeeds *, Elem, int lanes, bool memory);
void prelude_need_convert(PreludeNeeds *, Elem to, Elem from, int lanes);
void prelude_need_routine(PreludeNeeds *, const Routine *);
void prelude_need_primitive(PreludeNeeds *, const Primitive *, int lanes);
void prelude_merge(PreludeNeeds *into, const PreludeNeeds *from);

/* A file has at most one call of each, in this order: emit_precise, emit_contraction, emit_prelude_file,
 * emit_prelude_end. The first two print floating-point settings. emit_prelude_file prints the macros, vector
 * types, routines and scalar primitives that the targets of the file need. The file must first include
 * <stdint.h> and <stddef.h>. At the end of the file, emit_prelude_end resets macros and contraction, because
 * other files may follow in the same translation unit. */
void emit_precise(Text *);
void emit_contraction(Text *, bool fused);
/* Prints the macro that enables the CPU's instructions in functions with vectors of `lanes` floats. */
void emit_attribute(Text *, const char *macro, const char *attribute, int lanes);
void emit_prelude_file(Text *, const PreludeNeeds *, const char *prefix);
void emit_prelude_end(Text *, const PreludeNeeds *);

/* Prints the inline functions of a target. */
void emit_prelude(Text *, const PreludeNeeds *, const PreludeNames *);

bool prelude_has_name(const char *); /* whether the prelude may define the name: as a macro, or, without
                                        prefix and suffix, as a type or function */

/* The name of a vector type: "v16", "v16i", "v16b", "v16c". The name of the type of unaligned vectors has an
 * additional u at the end. These names are macros, which expand to names with the prefix. With one lane:
 * "float", "int32_t", "uint8_t", "int8_t". */
const char *prelude_type(Arena *, Elem, int lanes);
/* The name of a function: "lenet5_exp_x16_v4", "lenet5_max_x16i_v4", "lenet5_select_x1". The letter of the
 * element type is omitted for floats. */
const char *prelude_function(Arena *, const PreludeNames *, PreludeFn, Elem, int lanes);
/* "lenet5_f32_from_u8_x16_v4". */
const char *prelude_convert(Arena *, const PreludeNames *, Elem to, Elem from, int lanes);
/* "lenet5_dot_bytes_x16_v4"; lanes 1: "lenet5_dot_bytes". */
const char *prelude_primitive(Arena *, const PreludeNames *, const Primitive *, int lanes);

/* prelude_macros and prelude_has_macro are in prelude_macros.c, like emit_precise, emit_contraction,
 * emit_attribute and emit_prelude_end */
void prelude_macros(Text *, const PreludeNeeds *, const char *prefix);
void prelude_word_macros(Text *, const PreludeNeeds *); /* nest_words.c: LOAD2 and LOAD4 */
bool prelude_has_macro(const char *name);
bool prelude_loads(const PreludeNeeds *); /* whether vectors are loaded or stored */
void prelude_types(Text *, const PreludeNeeds *, const char *prefix); /* prefix NULL: undefines the types */

/* prelude_vectors.c: primitives of vectors. */
void prelude_vector_primitive(Text *, const Primitive *, int lanes, const PreludeNames *);
const char *prelude_helium(PreludeFn, Elem,
                           int lanes); /* the Helium text of a function; NULL: the common text */
/* The texts of FN_TILE_...: AMX. Registers 0 to 3 contain sums, for at most two blocks of rows times two
 * vectors of columns, or four blocks of rows times one vector. Registers 4 and 5 contain rows of the left
 * operand, 6 and 7 contain columns of the right operand. */
extern const char prelude_tile_shape[], prelude_tile_clear[], prelude_tile_add[], prelude_tile_add_bytes[],
    prelude_tile_awake[], prelude_tile_store[];
/* The text of a function with the bf16 instructions of AVX-512 (`most` is 16, lanes 8 or 16) or NEON (`most`
 * and lanes are 4), or NULL. */
const char *prelude_bf16(PreludeFn, int lanes, int most);
/* The text of FN_FROM_F16 with the instruction of NEON (`most` is 4) or of F16C (8 or 16), or NULL. */
const char *prelude_f16(int lanes, int most);
extern const char prelude_sine[], prelude_floor[]; /* text of FN_SINE and FN_FLOOR */
extern const char prelude_lookup[];                /* the text of FN_LOOKUP */
bool prelude_vector_of_floats(const Primitive *);  /* whether the primitive's text uses vectors of floats */
/* Prints a text that is in the notation of prelude.c. */
void prelude_text(Text *, const char *text, Elem, int lanes, const PreludeNames *);
#endif
