/* prelude_periodic.c: Sine, cosine and floor of generated code, in the notation of prelude.c. The same text
 * is used for scalars and vectors: the sine accesses the lanes of a vector, or the scalar, through a
 * union. */
// SPDX-License-Identifier: Apache-2.0
#include "emit/prelude.h"

const char prelude_sine[] =
    "// Sine of x + turn*pi/2, within 2.7 ulp for results above 2^-6, for x of any size. |x| = (q + f)*pi/2 "
    "with |f| <= 1/2:\n// an integer product with the relevant digits of 2/pi computes q and f; then the "
    "sine is a polynomial in f*pi/2.\n"
    "INLINE @a@F sine@n(@F x, uint32_t turn) {\n"
    "  static const uint32_t digits[] = {0,           0xa2f9836eu, 0x4e441529u, 0xfc2757d1u,\n"
    "                                    0xf534ddc0u, 0xdb629599u, 0x3c439041u};\n"
    "  union { @F v; float of[sizeof(@F) / sizeof(float)]; } r = {abs@n(x)};\n"
    "  union { @U v; uint32_t of[sizeof(@F) / sizeof(float)]; } u = {bits@n(r.v)};\n"
    "  for (int i = 0; i < (int)(sizeof r / sizeof(float)); i++) {\n"
    "    const uint32_t exponent = u.of[i] >> 23, m = (u.of[i] & 0x007fffffu) | 0x00800000u;\n"
    "    u.of[i] = 0;\n"
    "    if (exponent < 126) continue; // below 1/2\n"
    "    const uint32_t *d = digits + (exponent - 120) / 32, s = (exponent - 120) % 32;\n"
    "    const uint32_t high = d[0] << s | d[1] >> 1 >> (31 - s), low = d[1] << s | d[2] >> 1 >> (31 - s);\n"
    "    const uint64_t p = ((uint64_t)(m * high) << 32) + (uint64_t)m * low; // the angle in quarter turns, "
    "modulo 4, "
    "times 2^62\n"
    "    u.of[i] = (uint32_t)((p + (UINT64_C(1) << 61)) >> 62);\n"
    "    r.of[i] = exponent == 255 ? r.of[i] - r.of[i] : (float)(int32_t)(uint32_t)(p >> 30) * "
    "3.65729520e-10f;\n"
    "  }\n"
    "  const @F z = r.v * r.v;\n"
    "  @F s = z * -1.95172353e-4f + 8.33217800e-3f, c = z * 2.44383791e-5f - 1.38873665e-3f;\n"
    "  s = s * z - 1.66666552e-1f, c = c * z + 4.16666456e-2f;\n"
    "  s = s * (z * r.v) + r.v, c = c * (z * z) - 0.5f * z + 1.f;\n"
    "  const @U q = u.v + turn;\n"
    "  const @F y = select@n((@I)((q & 1u) != 0u), c, s);\n"
    "  return float_of@n(bits@n(y) ^ ((q & 2u) << 30) ^ (bits@n(x) & ((turn - 1u) & 0x80000000u)));\n"
    "}\n";

const char prelude_floor[] =
    "INLINE @a@F floor@n(@F x) {\n"
    "  const @F a = abs@n(x), n = float_of@n(bits@n((a + 8388608.f) - 8388608.f) | (bits@n(x) & "
    "0x80000000u)); // the nearest integer\n"
    "  return select@n(a < @(8388608.f), select@n(n > x, n - 1.f, n), x);\n"
    "}\n";
