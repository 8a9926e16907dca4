/* index.c: Indices and dimensions of buffers as text, for generated C and for dumps of nests; number of terms
 * of an index. */
// SPDX-License-Identifier: Apache-2.0
#include <stdlib.h>
#include "nest/nest.h"

bool index_constant(const Index *ix) {
  for (int s = 1; s < SLOTS; s++)
    if (ix->k[s]) return false;
  return true;
}

int index_terms(const Index *ix) {
  int n = ix->c != 0;
  for (int s = 1; s < SLOTS; s++) n += ix->k[s] != 0;
  return n;
}

static void put_size(Text *out, int64_t size, const char *number) {
  if (number) text_put(out, "%s", number);
  else text_put(out, "%lld", (long long)size);
}

void index_put_with(Text *out, const Index *index, const char *const name[SLOTS],
                    const char *const number[SLOTS]) { /* prints variables with positive coefficients first,
                                                          the constant last */
  Index ix = *index;
  bool any = false, lead = ix.c > 0; /* lead: the constant is first: 57 - y, not -y + 57 */
  for (int s = 1; s < SLOTS; s++) lead = lead && ix.k[s] <= 0;
  if (lead) {
    put_size(out, ix.c, number[0]);
    any = true;
    ix.c = 0;
  }
  for (int sign = 1; sign >= -1; sign -= 2)
    for (int s = 1; s < SLOTS; s++) {
      int64_t k = ix.k[s] * sign;
      if (k <= 0) continue;
      text_put(out, "%s", sign > 0 ? (any ? " + " : "") : any ? " - " : "-");
      if (k != 1) {
        put_size(out, k, number[s]);
        text_put(out, "*");
      }
      text_put(out, "%s", name[s]);
      any = true;
    }
  if (!any) put_size(out, ix.c, number[0]);
  else if (ix.c) {
    text_put(out, " %c ", ix.c < 0 ? '-' : '+');
    put_size(out, llabs(ix.c), number[0]);
  }
}

void index_put(Text *out, const Index *index, const char *const name[SLOTS]) {
  static const char *const themselves[SLOTS];
  index_put_with(out, index, name, themselves);
}

void buf_put_dims(Text *out, const Buf *buf) {
  for (int i = 0; i < buf->rank; i++) {
    text_put(out, "[%lld", (long long)buf->dim[i]);
    if (buf->room[i] != buf->dim[i]) text_put(out, " of %lld", (long long)buf->room[i]);
    text_put(out, "]");
  }
  if (buf->apart) text_put(out, " %lld apart", (long long)buf->apart);
}
