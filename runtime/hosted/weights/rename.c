/* rename.c: Renaming of a weight file's tensors by the rules of another file: lines "theirs = ours". A '*' in
 * theirs matches any text, which replaces the '*' in ours. */
// SPDX-License-Identifier: MIT-0
#include <stdio.h>
#include <string.h>
#include "hosted/weights/matching.h"

enum { NAME_MOST = 500, STARS = 8 };

typedef struct Part {
  const char *text;
  size_t n;
} Part;

typedef struct Rule {
  Part theirs, ours; /* ours is empty: the array is left out */
  int32_t line;
} Rule;

static Part trimmed(const char *text, size_t n) {
  while (n > 0 && (*text == ' ' || *text == '\t')) text++, n--;
  while (n > 0 && (text[n - 1] == ' ' || text[n - 1] == '\t' || text[n - 1] == '\r')) n--;
  return (Part){text, n};
}

static int32_t stars(Part part) {
  int32_t count = 0;
  for (size_t i = 0; i < part.n; i++) count += part.text[i] == '*';
  return count;
}

/* ---- The file */

static cnn_status rule_read(Rule *rule, const char *path, Part line) {
  const char *equals = memchr(line.text, '=', line.n);
  if (!equals)
    return cnn_failure(CNN_BAD_FORMAT, "%s:%d: has no '=': lines are 'theirs = ours', or begin with '#'",
                       path, (int)rule->line);
  rule->theirs = trimmed(line.text, (size_t)(equals - line.text));
  rule->ours = trimmed(equals + 1, line.n - (size_t)(equals + 1 - line.text));
  if (rule->theirs.n == 0)
    return cnn_failure(CNN_BAD_FORMAT, "%s:%d: there is no name before '='", path, (int)rule->line);
  if (rule->theirs.n > NAME_MOST || rule->ours.n > NAME_MOST || stars(rule->theirs) > STARS)
    return cnn_failure(CNN_BAD_FORMAT, "%s:%d: a name may have at most %d characters, and at most %d '*'",
                       path, (int)rule->line, NAME_MOST, STARS);
  if (stars(rule->ours) > 0 && stars(rule->theirs) != stars(rule->ours))
    return cnn_failure(CNN_BAD_FORMAT,
                       "%s:%d: our name (on the right) must have as many '*' as theirs, or none; here it has "
                       "%d, and theirs has %d",
                       path, (int)rule->line, (int)stars(rule->theirs), (int)stars(rule->ours));
  return cnn_success();
}

/* Reads all rules into memory of the archive. */
static cnn_status rules_read(cnn_archive *archive, const char *path, const cnn_file *file, Rule **rules,
                             size_t *count) {
  const char *at;
  size_t length, lines = 1;
  cnn_status status = cnn_text_of(path, file->data, file->size, &at, &length);
  if (status.code != CNN_OK) return status;
  const char *const end = at + length;
  for (const char *c = at; c < end; c++) lines += *c == '\n';
  if (lines > INT32_MAX) return cnn_failure(CNN_BAD_FORMAT, "%s: has more than 2147483647 lines", path);
  *count = 0;
  *rules = cnn_archive_alloc(archive, sizeof **rules * lines);
  if (!*rules) return cnn_failure(CNN_NO_MEMORY, "%s: out of memory", path);
  for (int32_t line = 1; at < end && status.code == CNN_OK; line++) {
    const char *stop = memchr(at, '\n', (size_t)(end - at));
    const Part part = trimmed(at, (size_t)((stop ? stop : end) - at));
    at = stop ? stop + 1 : end;
    if (part.n == 0 || *part.text == '#') continue;
    Rule *rule = &(*rules)[(*count)++];
    rule->line = line;
    status = rule_read(rule, path, part);
  }
  return status;
}

/* ---- Names */

static const char *find(const char *text, size_t n, Part part) {
  for (; n >= part.n; text++, n--)
    if (memcmp(text, part.text, part.n) == 0) return text;
  return NULL;
}

/* Returns the text up to the next '*' of a pattern; removes this text and the '*' from the pattern. */
static Part literal(Part *pattern) {
  const char *star = memchr(pattern->text, '*', pattern->n);
  const Part part = {pattern->text, star ? (size_t)(star - pattern->text) : pattern->n};
  const size_t used = part.n + (star ? 1 : 0);
  *pattern = (Part){pattern->text + used, pattern->n - used};
  return part;
}

/* Whether the name matches the pattern. found[]: the text that each '*' matches; each text except the last is
 * as short as possible. */
static bool fits(Part pattern, const char *name, Part found[STARS]) {
  const int32_t count = stars(pattern);
  size_t n = strlen(name);
  Part part = literal(&pattern);
  if (n < part.n || memcmp(name, part.text, part.n) != 0) return false;
  name += part.n;
  n -= part.n;
  if (count == 0) return n == 0;
  for (int32_t i = 0; i < count; i++) {
    part = literal(&pattern);
    if (n < part.n) return false;
    const char *at = i + 1 < count ? find(name, n, part) : name + n - part.n;
    if (!at || memcmp(at, part.text, part.n) != 0) return false;
    found[i] = (Part){name, (size_t)(at - name)};
    n -= found[i].n + part.n;
    name = at + part.n;
  }
  return true;
}

static const char *name_make(cnn_archive *archive, Part ours, const Part found[STARS]) {
  size_t n = 1;
  int32_t star = 0;
  for (size_t i = 0; i < ours.n; i++) n += ours.text[i] == '*' ? found[star++].n : 1;
  char *name = cnn_archive_alloc(archive, n), *at = name;
  star = 0;
  for (size_t i = 0; name && i < ours.n; i++) {
    const Part part = ours.text[i] == '*' ? found[star++] : (Part){ours.text + i, 1};
    memcpy(at, part.text, part.n);
    at += part.n;
  }
  return name;
}

/* Finds the last rule that fits a name, because later lines have priority. */
static const Rule *rule_for(const Rule *rules, size_t count, const char *name, Part found[STARS]) {
  for (size_t r = count; r-- > 0;)
    if (fits(rules[r].theirs, name, found)) return &rules[r];
  return NULL;
}

static cnn_status apply(cnn_archive *archive, const char *path, const Rule *rules, size_t count) {
  const int32_t all = archive->count;
  archive->count = 0;
  for (int32_t t = 0; t < all; t++) {
    Part found[STARS];
    cnn_tensor *tensor = &archive->tensor[t];
    const Rule *rule = rule_for(rules, count, tensor->name, found);
    if (rule && rule->ours.n == 0) continue;
    if (rule) tensor->name = name_make(archive, rule->ours, found);
    if (!tensor->name) return cnn_failure(CNN_NO_MEMORY, "%s: out of memory", path);
    archive->tensor[archive->count++] = *tensor;
  }
  const char *twice = NULL;
  if (!cnn_archive_twice(archive, &twice)) return cnn_failure(CNN_NO_MEMORY, "%s: out of memory", path);
  if (!twice) return cnn_success();
  return cnn_failure(CNN_BAD_FORMAT, "%s: two arrays would be renamed to \"%.200s\"", path, twice);
}

cnn_status cnn_rename(cnn_archive *archive, const char *path) {
  cnn_file file;
  Rule *rules = NULL;
  size_t count = 0;
  cnn_status status = cnn_file_open(&file, path);
  if (status.code != CNN_OK) return status;
  if (file.size > 0) status = rules_read(archive, path, &file, &rules, &count);
  if (status.code == CNN_OK) status = apply(archive, path, rules, count);
  cnn_file_close(&file);
  return status;
}
