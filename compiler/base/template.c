/* template.c: Expansion of templates. */
// SPDX-License-Identifier: Apache-2.0
#include "base/template.h"
#include <string.h>

/* The placeholder that begins with the @ at `at`, and its length; NULL: there is none. */
static const Blank *blank_at(const char *at, const Blank *blanks, size_t *length) {
  const size_t n = strspn(at + 1, "ABCDEFGHIJKLMNOPQRSTUVWXYZ_");
  *length = n + 2;
  if (n == 0 || at[n + 1] != '@') return NULL;
  for (; blanks->name; blanks++)
    if (strlen(blanks->name) == n && memcmp(blanks->name, at + 1, n) == 0) return blanks;
  return NULL;
}

static bool is_dropped(const char *line, const Blank *blanks) {
  size_t length;
  const Blank *blank = *line == '@' ? blank_at(line, blanks, &length) : NULL;
  return blank && !*blank->text && line[length] == '\n';
}

void template_put(Text *out, const char *template, const Blank *blanks) {
  for (const char *at = template; *at;) {
    size_t length = strcspn(at, "@");
    if (length) {
      text_bytes(out, at, length);
      at += length;
      continue;
    }
    const bool dropped = (at == template || at[-1] == '\n') && is_dropped(at, blanks);
    const Blank *blank = blank_at(at, blanks, &length);
    if (!blank) text_bytes(out, at, length = 1);
    else text_put(out, "%s", blank->text);
    at += length + dropped;
  }
}
