/* prelude_vectors.c: Texts of vector primitives, and of functions with instructions for lookups, bf16 and f16
 * numbers, tile registers and Helium. Each lane of a vector primitive, except dot_across, computes a scalar
 * primitive of word_primitives.h, integer_primitives.h or dsp_primitives.h (in nest/). The texts are in the
 * notation of prelude.c. If compilers do not generate the best instruction of x86-64 or AArch64 from C, the
 * text has it in assembly, because the instruction's intrinsic has other names in other compilers. */
// SPDX-License-Identifier: Apache-2.0
#include "emit/prelude.h"
#include <string.h>

/* instruction: text for x86-64 with AVX. four: text for 4 lanes, if `instruction` does not apply. If the text
 * that applies is NULL, `plain` is used. */
typedef struct VectorText {
  const Primitive *of;
  const char *arguments, *plain, *instruction, *four;
} VectorText;

#define OF_X_S "(@I x, @I s)"
#define OF_X_M "(@I x, @I m)"
#define OF_A_B "(@I a, @I b)"
#define OF_C_X_W "(@I c, @I x, @I w)"
#define LANES_OF(what)                                                                                       \
  "  @I r;\n  for (int i = 0; i < (int)(sizeof r / sizeof r[0]); i++) r[i] = " what ";\n  return r;\n"
#define HALVES "  typedef int16_t halves __attribute__((vector_size(sizeof(@I))));\n"
#define UNSIGNED "  typedef uint32_t words __attribute__((vector_size(sizeof(@I))));\n"
#define WRAPPING "  typedef uint16_t halves __attribute__((vector_size(sizeof(@I))));\n"
#define LONG "  typedef uint64_t pairs __attribute__((vector_size(sizeof(@I))));\n  pairs even, odd;\n"
#define PRODUCTS                                                                                             \
  "  __asm__(\"vpmuldq %2, %1, %0\" : \"=v\"(even) : \"v\"(x), \"v\"(m));\n"                                 \
  "  __asm__(\"vpmuldq %2, %1, %0\" : \"=v\"(odd) : \"v\"((pairs)x >> 32), \"v\"((pairs)m >> 32));\n"
#define UPPER "  return (@I)((even >> 32) | (odd & 0xffffffff00000000u));\n"
#define HALF_ADDED "  even += 0x80000000u, odd += 0x80000000u;\n"

/* Saturates v[0] and v[1] to the range from -largest - 1 to largest. */
#define CUT(type, largest)                                                                                   \
  "  for (int i = 0; i < 2; i++) {\n"                                                                        \
  "    const " type " above = v[i] > " largest ", below = v[i] < -" largest " - 1;\n"                        \
  "    v[i] = (above & " largest ") | (below & (-" largest " - 1)) | (~(above | below) & v[i]);\n"           \
  "  }\n"
/* In each 16-byte part of the result: packs the numbers of a, then those of b, and permutes the bytes. */
#define PACKED(instruction, order)                                                                           \
  "  typedef int8_t bytes __attribute__((vector_size(sizeof(@I)), aligned(1)));\n"                           \
  "  static const int8_t order[] = {" order ",\n    " order ",\n    " order ",\n    " order "};\n"           \
  "  @I r;\n"                                                                                                \
  "  __asm__(\"" instruction " %2, %1, %0\\n\\tvpshufb %3, %0, %0\"\n"                                       \
  "          : \"=&v\"(r) : \"v\"(a), \"v\"(b), \"v\"(*(const bytes *)order));\n"                            \
  "  return r;\n"

#define BYTE_PRODUCTS                                                                                        \
  "  for (int i = 0; i < 4; i++)\n"                                                                          \
  "    c += ((@I)((x >> 8 * i) & 255)) * ((w << (24 - 8 * i)) >> 24);\n"                                     \
  "  return c;\n"
#define SIGNED_PRODUCTS                                                                                      \
  "  for (int i = 0; i < 4; i++)\n"                                                                          \
  "    c += ((x << (24 - 8 * i)) >> 24) * ((w << (24 - 8 * i)) >> 24);\n"                                    \
  "  return c;\n"

#define NEAREST(below)                                                                                       \
  "  const @F least = @(-131072.f), most = @(131072.f);\n"                                                   \
  "  const @I low = " below ", high = y > most;\n"                                                           \
  "  const @F cut = (@F)((low & (@I)least) | (high & (@I)most) | (~(low | high) & (@I)y));\n"                \
  "  const @F nearest = cut + 12582912.f;\n"                                                                 \
  "  return __builtin_convertvector(nearest - 12582912.f, @I);\n"

static const VectorText texts[] = {
    {&primitive_dot_across, "(int32_t c, @I x, @I w)",
     "  for (int i = 0; i < 4; i++) {\n"
     "    const @I products = ((x << (24 - 8 * i)) >> 24) * ((w << (24 - 8 * i)) >> 24);\n"
     "    c += products[0] + products[1] + products[2] + products[3];\n"
     "  }\n"
     "  return c;\n",
     NULL, NULL},
    {&primitive_dot_bytes, OF_C_X_W, BYTE_PRODUCTS,
     "  __asm__(\"vpdpbusd %2, %1, %0\" : \"+v\"(c) : \"v\"(x), \"v\"(w));\n"
     "  return c;\n",
     NULL},
    {&primitive_dot_pairs, OF_C_X_W, BYTE_PRODUCTS, /* the sum of two adjacent products must fit in int16 */
     HALVES "  const halves ones = (halves){0} + 1;\n"
            "  @I products;\n"
            "  __asm__(\"vpmaddubsw %3, %2, %1\\n\\tvpmaddwd %4, %1, %1\\n\\tvpaddd %1, %0, %0\"\n"
            "          : \"+v\"(c), \"=&v\"(products) : \"v\"(x), \"v\"(w), \"v\"(ones));\n"
            "  return c;\n",
     NULL},
    {&primitive_dot_signed, OF_C_X_W, SIGNED_PRODUCTS, NULL,
     "#if defined(__aarch64__)\n"
     "  __asm__(\".arch_extension dotprod\\n\\tsdot %0.4s, %1.16b, %2.16b\" : \"+w\"(c) : \"w\"(x), "
     "\"w\"(w));\n"
     "  return c;\n"
     "#else\n" SIGNED_PRODUCTS "#endif\n"},
    {&primitive_dot_halves, OF_C_X_W,
     "  return c + ((x << 16) >> 16) * ((w << 16) >> 16) + (x >> 16) * (w >> 16);\n",
     "  @I products;\n"
     "  __asm__(\"vpmaddwd %3, %2, %1\\n\\tvpaddd %1, %0, %0\" : \"+v\"(c), \"=v\"(products) : \"v\"(x), "
     "\"v\"(w));\n"
     "  return c;\n",
     "#if defined(__wasm_simd128__)\n" HALVES
     "  return c + (@I)__builtin_wasm_dot_s_i32x4_i16x8((halves)x, (halves)w);\n"
     "#elif defined(__aarch64__)\n"
     "  @I products, upper;\n"
     "  __asm__(\"smull %0.4s, %2.4h, %3.4h\\n\\tsmull2 %1.4s, %2.8h, %3.8h\\n\\taddp %0.4s, %0.4s, %1.4s\"\n"
     "          : \"=&w\"(products), \"=&w\"(upper) : \"w\"(x), \"w\"(w));\n"
     "  return c + products;\n"
     "#else\n"
     "  return c + ((x << 16) >> 16) * ((w << 16) >> 16) + (x >> 16) * (w >> 16);\n"
     "#endif\n"},
    {&primitive_even_bytes, "(@I w)", HALVES "  return (@I)(((halves)w << 8) >> 8);\n", NULL, NULL},
    {&primitive_odd_bytes, "(@I w)", HALVES "  return (@I)((halves)w >> 8);\n", NULL, NULL},
    {&primitive_max_bytes, OF_A_B,
     "  typedef int8_t bytes __attribute__((vector_size(sizeof(@I))));\n"
     "  const bytes larger = (bytes)((bytes)a > (bytes)b);\n"
     "  return (@I)((larger & (bytes)a) | (~larger & (bytes)b));\n",
     NULL, NULL},
    {&primitive_bytes_up, "(@I w)", "  return w ^ (-0x7f7f7f7f - 1);\n", NULL, NULL},
    {&primitive_push_byte, "(@I w, @I q)", UNSIGNED "  return (@I)((words)w >> 8 | (words)q << 24);\n", NULL,
     NULL},
    {&primitive_push_half, "(@I w, @I q)", UNSIGNED "  return (@I)((words)w >> 16 | (words)q << 16);\n", NULL,
     NULL},
    {&primitive_low_halves, OF_A_B, UNSIGNED "  return (@I)(((words)a & 65535) | (words)b << 16);\n", NULL,
     NULL},
    {&primitive_high_halves, OF_A_B, UNSIGNED "  return (@I)((words)a >> 16 | ((words)b & 0xffff0000u));\n",
     NULL, NULL},
    {&primitive_even_of_two, OF_A_B,
     UNSIGNED "  return (@I)(((words)a & 0x00ff00ffu) | ((words)b << 8 & 0xff00ff00u));\n", NULL, NULL},
    {&primitive_odd_of_two, OF_A_B,
     UNSIGNED "  return (@I)(((words)a >> 8 & 0x00ff00ffu) | ((words)b & 0xff00ff00u));\n", NULL, NULL},
    {&primitive_cut_halves, OF_A_B,
     UNSIGNED
     "  @I v[2] = {a, b};\n" CUT("@I", "32767") "  return (@I)(((words)v[0] & 65535) | (words)v[1] << 16);\n",
     PACKED("vpackssdw", "0, 1, 8, 9, 2, 3, 10, 11, 4, 5, 12, 13, 6, 7, 14, 15"), NULL},
    {&primitive_cut_bytes, OF_A_B,
     HALVES "  halves v[2] = {(halves)a, (halves)b};\n" CUT(
         "halves", "127") "  return (@I)((v[0] & 255) | v[1] << 8);\n",
     PACKED("vpacksswb", "0, 8, 1, 9, 2, 10, 3, 11, 4, 12, 5, 13, 6, 14, 7, 15"), NULL},
    {&primitive_high_product, OF_X_M, LANES_OF("(int32_t)((int64_t)x[i] * m[i] >> 32)"), LONG PRODUCTS UPPER,
     NULL},
    {&primitive_high_product_rounded, OF_X_M,
     LANES_OF("(int32_t)(((int64_t)x[i] * m[i] + INT64_C(0x80000000)) >> 32)"),
     LONG PRODUCTS HALF_ADDED UPPER, NULL},
    {&primitive_shift_halves_away, "(@I x, @I half, @I s)",
     "  return (x + half + ((x >> 31) & (half != 0))) >> s;\n", NULL, NULL},
    {&primitive_shift_right, OF_X_S, "  return x >> s;\n", NULL, NULL},
    {&primitive_add_halves, OF_A_B, WRAPPING "  return (@I)((halves)a + (halves)b);\n", NULL, NULL},
    {&primitive_sub_halves, OF_A_B, WRAPPING "  return (@I)((halves)a - (halves)b);\n", NULL, NULL},
    {&primitive_wrap_sum, "(@I a, @I b, @I s)",
     UNSIGNED "  return (@I)((words)a + ((words)b << (words)s));\n", NULL, NULL},
    {&primitive_wrap_difference, OF_A_B, UNSIGNED "  return (@I)((words)a - (words)b);\n", NULL, NULL},
    {&primitive_part576, OF_X_S, UNSIGNED "  return (@I)((words)x * 0x38e38e39u) >> s;\n", NULL, NULL},
    {&primitive_shift_left, OF_X_S, UNSIGNED "  return (@I)((words)x << (words)s);\n", NULL, NULL},
    {&primitive_requantize_float, "(@I x, @F s)",
     "  const @F y = __builtin_convertvector(x, @F) * s;\n" NEAREST("y < least"), NULL, NULL},
    {&primitive_quantize_float, "(@F x, @F scale)", "  const @F y = x / scale;\n" NEAREST("~(y >= least)"),
     NULL, NULL},
    {&primitive_average, "(@I sum, @I n)", /* the rounding is exact for sums of at most 2^15 bytes */
     "  const @I half = n >> 1, minus = ~(sum > 0);\n"
     "  const @F y = __builtin_convertvector(sum + (half ^ minus) - minus, @F) / __builtin_convertvector(n, "
     "@F);\n"
     "  return __builtin_convertvector(y, @I);\n",
     NULL, NULL},
    {&primitive_average_even, "(@I sum, @I n)", /* exact for sums of at most 2^15 bytes */
     "  const @F nearest = __builtin_convertvector(sum, @F) / __builtin_convertvector(n, @F) + 12582912.f;\n"
     "  return __builtin_convertvector(nearest - 12582912.f, @I);\n",
     NULL, NULL},
};

/* Helium variants: Arm's intrinsics, which have the same names in all compilers. */
#define NUMBERS(x) "(int32x4_t)(" #x ")"
#define BYTES_OF(x) "(int8x16_t)(" #x ")"
#define MEAN(i) "(sum[" #i "] > 0 ? sum[" #i "] + n[" #i "] / 2 : sum[" #i "] - n[" #i "] / 2) / n[" #i "]"
#define EVEN_MEAN(i)                                                                                         \
  "sum[" #i "] / n[" #i "] + (2 * (sum[" #i "] % n[" #i "]) + (sum[" #i "] / n[" #i "] & 1) > n[" #i "])"    \
  " - (-2 * (sum[" #i "] % n[" #i "]) + (sum[" #i "] / n[" #i "] & 1) > n[" #i "])"
static const struct {
  const Primitive *of;
  const char *gives;
} helium_texts[] = {
    {&primitive_dot_across, "__arm_vmladavaq_s8(c, " BYTES_OF(x) ", " BYTES_OF(w) ")"},
    {&primitive_high_product, "(@I)__arm_vmulhq_s32(" NUMBERS(x) ", " NUMBERS(m) ")"},
    {&primitive_high_product_rounded, "(@I)__arm_vrmulhq_s32(" NUMBERS(x) ", " NUMBERS(m) ")"},
    {&primitive_shift_halves_away,
     "(@I)__arm_vrshlq_s32(" NUMBERS(x + ((x & -s) >> 31)) ", " NUMBERS(-s) ")"},
    {&primitive_shift_right, "(@I)__arm_vshlq_s32(" NUMBERS(x) ", " NUMBERS(-s) ")"},
    {&primitive_shift_left, "(@I)__arm_vshlq_s32(" NUMBERS(x) ", " NUMBERS(s) ")"},
    {&primitive_requantize_float,
     "(@I)__arm_vmaxq_s32(__arm_vdupq_n_s32(-131072), __arm_vminq_s32(__arm_vdupq_n_s32(131072),\n"
     "    __arm_vcvtnq_s32_f32(__arm_vmulq_f32(__arm_vcvtq_f32_s32(" NUMBERS(x) "), (float32x4_t)s))))"},
    {&primitive_average_even, "(@I){" EVEN_MEAN(0) ", " EVEN_MEAN(1) ", " EVEN_MEAN(2) ", " EVEN_MEAN(3) "}"},
    {&primitive_average,
     "(@I){" MEAN(0) ", " MEAN(1) ", " MEAN(2) ", " MEAN(3) "}"}, /* Helium cannot divide vectors */
    {NULL, NULL},
};

static const char *helium_text(const Primitive *primitive) {
  int i = 0;
  while (helium_texts[i].of && helium_texts[i].of != primitive) i++;
  return helium_texts[i].gives;
}

#define MVE_IF "#if defined(__ARM_FEATURE_MVE)%s\n"

static const VectorText *text_of(const Primitive *primitive) {
  int i = 0;
  while (texts[i].of != primitive) i++; /* every primitive with lanes is in the table */
  return &texts[i];
}

/* Masked operations on 16 lanes. Without masks, compilers would generate permutations, which need a vector of
 * lane numbers. */
#define UPPER_MASKED                                                                                         \
  "  __asm__(\"vmovshdup %1, %0%{%2%}\" : \"+v\"(odd) : \"v\"(even), \"Yk\"((uint16_t)0x5555));\n"           \
  "  return (@I)odd;\n"

#define HALVES_MASKED(shifted, other, mask)                                                                  \
  UNSIGNED "  words r = (words)" shifted ";\n"                                                               \
           "  __asm__(\"vmovdqu16 %1, %0%{%2%}\" : \"+v\"(r) : \"v\"(" other "), \"Yk\"((uint32_t)" mask     \
           "));\n"                                                                                           \
           "  return (@I)r;\n"
static const struct {
  const Primitive *of;
  const char *instruction;
} masked_texts[] = {
    {&primitive_high_product, LONG PRODUCTS UPPER_MASKED},
    {&primitive_high_product_rounded, LONG PRODUCTS HALF_ADDED UPPER_MASKED},
    {&primitive_low_halves, HALVES_MASKED("b << 16", "a", "0x55555555")},
    {&primitive_high_halves, HALVES_MASKED("a >> 16", "b", "0xaaaaaaaa")},
    {NULL, NULL},
};

/* The instruction's text, or NULL. AVX-512 VNNI adds both products of int16 pairs in one instruction. */
static const char *instruction_of(const VectorText *text, int lanes, const PreludeNames *names) {
  for (int i = 0; lanes == 16 && masked_texts[i].of; i++)
    if (masked_texts[i].of == text->of) return masked_texts[i].instruction;
  return names->vnni && text->of == &primitive_dot_halves
             ? "  __asm__(\"vpdpwssd %2, %1, %0\" : \"+v\"(c) : \"v\"(x), \"v\"(w));\n  return c;\n"
             : text->instruction;
}

bool prelude_vector_of_floats(const Primitive *primitive) { return strstr(text_of(primitive)->plain, "@F"); }

void prelude_vector_primitive(Text *out, const Primitive *primitive, int lanes, const PreludeNames *names) {
  const VectorText *text = text_of(primitive);
  const char *instruction = *names->attribute ? instruction_of(text, lanes, names) : NULL;
  const bool helium = names->helium && lanes == 4 && helium_text(primitive);
  prelude_text(out, primitive_across(primitive) ? "INLINE @aint32_t " : "INLINE @a@I ", I32, lanes, names);
  text_put(out, "%s", prelude_primitive(out->arena, names, primitive, lanes));
  prelude_text(out, text->arguments, I32, lanes, names);
  text_put(out, " {\n");
  if (instruction) {
    text_put(out,
             "#if (defined(__x86_64__) || defined(_M_X64)) && (defined(__GNUC__) || defined(__clang__))\n");
    prelude_text(out, instruction, I32, lanes, names);
    text_put(out, "#else\n");
  }
  if (helium) {
    text_put(out, MVE_IF, prelude_vector_of_floats(primitive) ? " && (__ARM_FEATURE_MVE & 2)" : "");
    if (primitive == &primitive_shift_halves_away) text_put(out, "  (void)half;\n");
    prelude_text(out, "  return ", I32, lanes, names);
    prelude_text(out, helium_text(primitive), I32, lanes, names);
    text_put(out, ";\n#else\n");
  }
  prelude_text(out, lanes == 4 && text->four ? text->four : text->plain, I32, lanes, names);
  text_put(out, instruction || helium ? "#endif\n}\n" : "}\n");
}

/* ---- tables ---- */
/* The function lookup for 16 lanes. With AVX-512, the table is read as 128 pairs of bytes. An instruction
 * looks up one of 64 pairs; the text then selects one byte of the pair. */
const char prelude_lookup[] =
    "// table[b + 128] for each byte b.\n"
    "INLINE @a@T lookup@l(const int8_t *table, @T x) {\n"
    "#if (defined(__x86_64__) || defined(_M_X64)) && (defined(__GNUC__) || defined(__clang__))\n"
    "  typedef uint16_t pairs __attribute__((@S));\n"
    "  typedef uint16_t anywhere __attribute__((@S, aligned(1), may_alias));\n"
    "  const anywhere *from = (const anywhere *)table;\n"
    "  const pairs a = from[0], b = from[1], c = from[2], d = from[3], all = (pairs)x ^ 0x8080;\n"
    "  pairs got[2];\n"
    "  for (int odd = 0; odd < 2; odd++) {\n"
    "    const pairs at = odd ? all >> 8 : all & 255, pair = at >> 1, high = (pairs)(pair > 63);\n"
    "    pairs low = pair, upper = pair;\n"
    "    __asm__(\"vpermi2w %2, %1, %0\" : \"+v\"(low) : \"v\"(a), \"v\"(b));\n"
    "    __asm__(\"vpermi2w %2, %1, %0\" : \"+v\"(upper) : \"v\"(c), \"v\"(d));\n"
    "    got[odd] = (((high & upper) | (~high & low)) >> (at % 2 * 8)) & 255;\n"
    "  }\n"
    "  return (@T)(got[0] | got[1] << 8);\n"
    "#else\n"
    "  for (int i = 0; i < (int)(sizeof x / sizeof x[0]); i++) {\n"
    "    uint32_t word = 0;\n"
    "    for (int j = 0; j < 32; j += 8)\n"
    "      word |= (uint32_t)(uint8_t)table[(int8_t)((uint32_t)x[i] >> j & 255) + 128] << j;\n"
    "    x[i] = (int32_t)word;\n"
    "  }\n"
    "  return x;\n"
    "#endif\n}\n";

/* ---- functions with instructions for bf16 numbers ---- */
#define INTERLEAVE_BY(name, instruction, register)                                                           \
  "INLINE @a@I interleave_" name "@l(@I x, @I y) {\n  @I r;\n  __asm__(\"" instruction                       \
  "\" : \"=" register "\"(r) : \"" register "\"(x), \"" register "\"(y));\n  return r;\n}\n"

static const char *bf16_of_neon(PreludeFn fn) {
  if (fn == FN_DOT)
    return "INLINE @a@F dot@n(@I x, @I w, @F sum) {\n"
           "  __asm__(\".arch_extension bf16\\n\\tbfdot %0.4s, %1.8h, %2.8h\" : \"+w\"(sum) : \"w\"(x), "
           "\"w\"(w));\n"
           "  return sum;\n"
           "}\n";
  if (fn == FN_INTERLEAVE_LOW) return INTERLEAVE_BY("low", "zip1 %0.8h, %1.8h, %2.8h", "w");
  if (fn == FN_INTERLEAVE_HIGH) return INTERLEAVE_BY("high", "zip2 %0.8h, %1.8h, %2.8h", "w");
  if (fn == FN_TO_BF16)
    return "INLINE @a@T upper_of@l(@F x) {\n"
           "  @T r;\n"
           "  __asm__(\".arch_extension bf16\\n\\tbfcvtn %0.4h, %1.4s\" : \"=w\"(r) : \"w\"(x));\n"
           "  return r;\n"
           "}\n";
  return NULL;
}

const char *prelude_bf16(PreludeFn fn, int lanes, int most) {
  if (most == 4) return lanes == 4 ? bf16_of_neon(fn) : NULL;
  if (lanes < 8) return NULL;
  if (fn == FN_DOT)
    return "INLINE @a@F dot@n(@I x, @I w, @F sum) {\n"
           "  __asm__(\"vdpbf16ps %2, %1, %0\" : \"+v\"(sum) : \"v\"(x), \"v\"(w));\n"
           "  return sum;\n"
           "}\n";
  if (fn == FN_INTERLEAVE_LOW) return INTERLEAVE_BY("low", "vpunpcklwd %2, %1, %0", "v");
  if (fn == FN_INTERLEAVE_HIGH) return INTERLEAVE_BY("high", "vpunpckhwd %2, %1, %0", "v");
  if (fn == FN_TO_BF16)
    return "INLINE @a@T upper_of@l(@F x) {\n"
           "  @T r;\n"
           "  __asm__(\"vcvtneps2bf16 %1, %0\" : \"=v\"(r) : \"v\"(x));\n"
           "  return r;\n"
           "}\n";
  if (fn == FN_STORE_PAIR)
    return "// Stores two vectors as adjacent bf16 numbers.\n"
           "INLINE @avoid store_pair@l(uint16_t *p, @F a, @F b) {\n"
           "  typedef uint16_t halves __attribute__((@S, aligned(2), may_alias));\n"
           "  halves r;\n"
           "  __asm__(\"vcvtne2ps2bf16 %1, %2, %0\" : \"=v\"(r) : \"v\"(a), \"v\"(b));\n"
           "  *(halves *)p = r;\n"
           "}\n";
  return NULL;
}

const char *prelude_f16(int lanes, int most) {
  if (most == 4 && lanes == 4)
    return "INLINE @a@F float_of_half@l(@T x) {\n"
           "  @F r;\n"
           "  __asm__(\"fcvtl %0.4s, %1.4h\" : \"=w\"(r) : \"w\"(x));\n"
           "  return r;\n"
           "}\n";
  if (most >= 8 && lanes >= 8)
    return "INLINE @a@F float_of_half@l(@T x) {\n"
           "  @F r;\n"
           "  __asm__(\"vcvtph2ps %1, %0\" : \"=v\"(r) : \"v\"(x));\n"
           "  return r;\n"
           "}\n";
  return NULL;
}

/* ---- tile registers ---- */
const char prelude_tile_shape[] =
    "// Sets the shapes of the tile registers; NULL: releases the registers.\n"
    "INLINE @avoid tile_shape@l(const uint8_t *shape) {\n"
    "  if (shape) __asm__ volatile(\"ldtilecfg (%0)\" : : \"r\"(shape) : \"memory\");\n"
    "  else __asm__ volatile(\"tilerelease\");\n"
    "}\n";
const char prelude_tile_clear[] = "INLINE @avoid tile_clear@l(int sums) {\n"
                                  "  __asm__ volatile(\"tilezero %tmm0\");\n"
                                  "  if (sums > 1) __asm__ volatile(\"tilezero %tmm1\");\n"
                                  "  if (sums > 2) __asm__ volatile(\"tilezero %tmm2\");\n"
                                  "  if (sums > 3) __asm__ volatile(\"tilezero %tmm3\");\n"
                                  "}\n";
/* Stores tile register 6 to one cache line: the stride is 0, so all rows have the same address. */
#define TILE_AWAKE                                                                                           \
  "__asm__ volatile(\"tilestored %%tmm6, (%0,%1,1)\" : : \"r\"(awake), \"r\"((ptrdiff_t)0) : \"memory\");\n"
#define TILE_ADD(name, type, instruction)                                                                    \
  "// Multiplies rows of words by rows of weights, and adds the products to the tile registers. Rows\n"      \
  "// of words are `row` bytes apart, blocks of rows `block` bytes, and rows of weights `line`\n"            \
  "// bytes. wide: offset in bytes of a second vector of columns (for at most two blocks), or 0.\n"          \
  "// Each step prefetches `lines` cache lines of weights; step 0 prefetches the lines at `ahead`.\n"        \
  "// After each `every` steps (0: never), a register is stored to 64 bytes at `awake`: see tile_awake.\n"   \
  "INLINE @avoid " name "@l(const " type " *left, ptrdiff_t row, ptrdiff_t block, int blocks, const " type   \
  " *right,\n"                                                                                               \
  "    ptrdiff_t line, ptrdiff_t wide, int words, int steps, const void *ahead, int lines, void *awake,\n"   \
  "    int every) {\n"                                                                                       \
  "  const char *x = (const char *)left, *w = (const char *)right;\n"                                        \
  "  for (int i = 0; i < steps; i++) {\n"                                                                    \
  "    for (int j = 0; j < lines; j++)\n"                                                                    \
  "      __builtin_prefetch((const char *)ahead + i * line * words + 64 * j, 0, 2);\n"                       \
  "    __asm__ volatile(\"tileloadd (%0,%1,1), %%tmm6\\n\\ttileloadd (%2,%3,1), %%tmm4\\n\\t\"\n"            \
  "                     \"" instruction " %%tmm6, %%tmm4, %%tmm0\"\n"                                        \
  "                     : : \"r\"(w), \"r\"(line), \"r\"(x), \"r\"(row) : \"memory\");\n"                    \
  "    if (wide)\n"                                                                                          \
  "      __asm__ volatile(\"tileloadd (%0,%1,1), %%tmm7\\n\\t" instruction " %%tmm7, %%tmm4, %%tmm1\"\n"     \
  "                       : : \"r\"(w + wide), \"r\"(line) : \"memory\");\n"                                 \
  "    if (blocks > 1 && wide)\n"                                                                            \
  "      __asm__ volatile(\"tileloadd (%0,%1,1), %%tmm5\\n\\t" instruction                                   \
  " %%tmm6, %%tmm5, %%tmm2\\n\\t\"\n"                                                                        \
  "                       \"" instruction " %%tmm7, %%tmm5, %%tmm3\"\n"                                      \
  "                       : : \"r\"(x + block), \"r\"(row) : \"memory\");\n"                                 \
  "    if (blocks > 1 && !wide)\n"                                                                           \
  "      __asm__ volatile(\"tileloadd (%0,%1,1), %%tmm5\\n\\t" instruction " %%tmm6, %%tmm5, %%tmm1\"\n"     \
  "                       : : \"r\"(x + block), \"r\"(row) : \"memory\");\n"                                 \
  "    if (blocks > 2)\n"                                                                                    \
  "      __asm__ volatile(\"tileloadd (%0,%1,1), %%tmm4\\n\\t" instruction " %%tmm6, %%tmm4, %%tmm2\"\n"     \
  "                       : : \"r\"(x + 2 * block), \"r\"(row) : \"memory\");\n"                             \
  "    if (blocks > 3)\n"                                                                                    \
  "      __asm__ volatile(\"tileloadd (%0,%1,1), %%tmm5\\n\\t" instruction " %%tmm6, %%tmm5, %%tmm3\"\n"     \
  "                       : : \"r\"(x + 3 * block), \"r\"(row) : \"memory\");\n"                             \
  "    x += 4 * words, w += line * words;\n"                                                                 \
  "    if (every && i % every == every - 1) {\n"                                                             \
  "      " TILE_AWAKE "    }\n"                                                                              \
  "  }\n"                                                                                                    \
  "}\n"
const char prelude_tile_add[] = TILE_ADD("tile_add", "uint16_t", "tdpbf16ps"),
           prelude_tile_add_bytes[] = TILE_ADD("tile_add_bytes", "int32_t", "tdpbusd");
const char prelude_tile_awake[] = "// Stores a register to 64 bytes, which are overwritten later, so that "
                                  "later stores are fast: after some 600 cycles\n"
                                  "// without a store of a tile register, the next store takes 0.25 us.\n"
                                  "INLINE @avoid tile_awake@l(void *awake) {\n  " TILE_AWAKE "}\n";
#define TILE_STORED(tile)                                                                                    \
  "__asm__ volatile(\"tilestored %%" tile ", (%0,%1,1)\" : : \"r\"(at), \"r\"(row) : \"memory\");\n"
const char prelude_tile_store[] =
    "// Stores the sums: rows are `row` bytes apart, and blocks `block` bytes.\n"
    "INLINE @avoid tile_store@l(void *to, ptrdiff_t row, ptrdiff_t block, int blocks, int wide) {\n"
    "  char *at = to;\n"
    "  " TILE_STORED("tmm0") "  at += wide ? 64 : block;\n"
                             "  if (wide || blocks > 1)\n"
                             "    " TILE_STORED("tmm1") "  at = (char *)to + (wide ? block : 2 * block);\n"
                                                        "  if (wide ? blocks > 1 : blocks > 2)\n"
                                                        "    " TILE_STORED(
                                                            "tmm2") "  at += wide ? 64 : block;\n"
                                                                    "  if (wide ? blocks > 1 : blocks > 3)\n"
                                                                    "    " TILE_STORED("tmm3") "}\n";

/* ---- functions with Helium vectors ---- */
#define MVE(there, elsewhere) "#if defined(__ARM_FEATURE_MVE)\n" there "#else\n" elsewhere "#endif\n}\n"

#define BYTES_LOADED(sign)                                                                                   \
  "// The first n bytes at p as numbers, then zeros.\nINLINE @a@I load_bytes@l(const @E *p, int n) {\n" MVE( \
      "  return (@I)(n == 4 ? __arm_vldrbq_" sign "32(p) : __arm_vldrbq_z_" sign                             \
      "32(p, __arm_vctp32q((uint32_t)n)));\n",                                                               \
      "  @I v = {0};\n  for (int i = 0; i < n; i++) v[i] = p[i];\n  return v;\n")
#define BYTES_STORED(sign, type)                                                                             \
  "// Stores the low bytes of n numbers.\nINLINE @avoid store_bytes@l(@E *p, @I v, int n) {\n" MVE(          \
      "  if (n == 4) __arm_vstrbq_" sign "32(p, (" type ")v);\n"                                             \
      "  else __arm_vstrbq_p_" sign "32(p, (" type ")v, __arm_vctp32q((uint32_t)n));\n",                     \
      "  for (int i = 0; i < n; i++) p[i] = (@E)v[i];\n")

const char *prelude_helium(PreludeFn fn, Elem elem, int lanes) {
  if (lanes != 4 || elem == F32) return NULL;
  switch ((int)fn) {
  case FN_MAX:
  case FN_MIN:
    if (elem != I32) return NULL;
    return fn == FN_MAX ? "INLINE @a@T max@l(@T a, @T b) {\n" MVE(
                              "  return (@T)__arm_vmaxq_s32((int32x4_t)a, (int32x4_t)b);\n",
                              "  return select@l(a > b, a, b);\n")
                        : "INLINE @a@T min@l(@T a, @T b) {\n" MVE(
                              "  return (@T)__arm_vminq_s32((int32x4_t)a, (int32x4_t)b);\n",
                              "  return select@l(a < b, a, b);\n");
  case FN_WORDS:
    return "// Four bytes per lane, unaligned.\nINLINE @a@T words@l(const int8_t *p) {\n" MVE(
        "#ifdef __clang__\n  return (@T)__arm_vldrbq_s8(p);\n#else // gcc would hoist all loads and run out "
        "of registers\n"
        "  int8x16_t v;\n"
        "  __asm__ volatile(\"vldrb.8 %q0, %1\" : \"=w\"(v) : \"m\"(*(const int8x16_t *)p));\n"
        "  return (@T)v;\n#endif\n",
        "  typedef int32_t words __attribute__((@S, aligned(1), may_alias));\n"
        "  return (@T)*(const words *)p;\n");
  case FN_LOAD_BYTES: return elem == I8 ? BYTES_LOADED("s") : BYTES_LOADED("u");
  case FN_STORE_BYTES: return elem == I8 ? BYTES_STORED("s", "int32x4_t") : BYTES_STORED("u", "uint32x4_t");
  default: return NULL;
  }
}
