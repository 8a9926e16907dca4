/* matching.c: Matching of a net's weights with the tensors of a file, by name or by order; the shapes must
 * fit. Elements are never permuted. In a match by name, three differences are allowed: a common prefix of all
 * names; layers of a PyTorch stack (rnn.weight_ih_l1), which are iterations of a repeat here
 * (rnn.1.weight_ih_l0); and PyTorch's parameters without a module of their own (see bare_name). */
// SPDX-License-Identifier: MIT-0
#include "hosted/weights/matching.h"

#include <ctype.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include "hosted/base/similar.h"

enum { LINE = 700, CANDIDATES = 16, KIND = 64, MOST_KINDS = 64 };

/* Kinds of parameters: the last parts of names, such as weight and running_mean, in the net's order. */
typedef struct Kinds {
  char name[MOST_KINDS][KIND];
  int32_t n;
} Kinds;

typedef struct Match {
  cnn_archive *archive;
  const cnn_wanted *wanted;
  int32_t count;
  const char *prefix;
  bool *used;  /* per tensor: whether it is matched to a weight, or suggested for one */
  bool blind;  /* no tensors are suggested for missing weights */
  Kinds kinds; /* in a match by order: the kinds of the net's weights */
  cnn_matching *out;
  bool failed; /* no memory */
} Match;

#ifdef __GNUC__
__attribute__((format(printf, 2, 3)))
#endif
static const char *text_of(cnn_archive *archive, const char *format, ...) {
  char line[LINE];
  va_list arguments;
  va_start(arguments, format);
  int n = vsnprintf(line, sizeof line, format, arguments);
  va_end(arguments);
  for (char *at = line; n >= 0 && *at; at++) /* names in files may contain terminal control codes */
    if ((unsigned char)*at < ' ' || *at == 127) *at = '?';
  char *text = n < 0 ? NULL : cnn_archive_alloc(archive, strlen(line) + 1);
  return text ? strcpy(text, line) : NULL;
}

static void line_add(Match *match, const char *line) {
  if (line) match->out->line[match->out->lines++] = line;
  else match->failed = true;
}

/* ---- Shapes */

static cnn_tensor shape_of(const cnn_wanted *wanted) {
  cnn_tensor tensor = {.name = wanted->name, .dtype = CNN_DTYPE_F32, .rank = wanted->rank};
  memcpy(tensor.dim, wanted->dim, sizeof wanted->dim);
  cnn_tensor_measure(&tensor); /* cannot fail: the compiler checked the size */
  return tensor;
}

static bool same_shape(const cnn_tensor *a, const cnn_tensor *b) {
  return a->rank == b->rank && memcmp(a->dim, b->dim, sizeof a->dim[0] * (size_t)a->rank) == 0;
}

static bool dims_are(const cnn_tensor *tensor, int32_t rank, const int64_t *dim) {
  return tensor->rank == rank && memcmp(tensor->dim, dim, sizeof *dim * (size_t)rank) == 0;
}

static bool all_ones(const int64_t *dim, int32_t n) {
  for (int32_t d = 0; d < n; d++)
    if (dim[d] != 1) return false;
  return true;
}

/* Whether the shape is the net's, or becomes the net's without dimensions of 1 at its beginning or end: an
 * nn.Parameter of 1x1x64 fits a constant of 1x64. A matrix, such as the weight of PyTorch's Linear, also fits
 * a 1x1 convolution, because the convolution applies this matrix at each position. */
static bool fits(const cnn_tensor *own, const cnn_tensor *found) {
  const int32_t more = found->rank - own->rank, same = more < 0 ? found->rank : own->rank;
  const size_t bytes = sizeof own->dim[0] * (size_t)same;
  if (more < 0) return same == 2 && all_ones(own->dim + 2, -more) && memcmp(own->dim, found->dim, bytes) == 0;
  return (all_ones(found->dim, more) && memcmp(own->dim, found->dim + more, bytes) == 0) ||
         (all_ones(found->dim + same, more) && memcmp(own->dim, found->dim, bytes) == 0);
}

static bool same_without_ones(const cnn_tensor *a, const cnn_tensor *b) {
  int32_t i = 0, j = 0;
  for (;;) {
    while (i < a->rank && a->dim[i] == 1) i++;
    while (j < b->rank && b->dim[j] == 1) j++;
    if (i == a->rank || j == b->rank) return i == a->rank && j == b->rank;
    if (a->dim[i++] != b->dim[j++]) return false;
  }
}

/* Text that explains how to convert the file's array to the weight's shape; "" if unknown. */
static const char *remedy(const cnn_tensor *own, const cnn_tensor *found, const int64_t from[3]) {
  const int64_t *w = own->dim;
  if (own->rank == 2 && from[0] > 0 && dims_are(found, 4, (const int64_t[]){w[0], from[2], from[0], from[1]}))
    return ": its columns are in the order channels, height, width, as in PyTorch; w.reshape(len(w), -1) "
           "gives the "
           "order "
           "of flatten(order=chw)";
  if (own->rank == 2 && from[0] > 0 && dims_are(found, 4, (const int64_t[]){w[0], from[0], from[1], from[2]}))
    return ": its columns are in the order height, width, channels; w.reshape(len(w), -1) gives the order of "
           "flatten";
  if (own->rank == 4 && dims_are(found, 4, (const int64_t[]){w[2], w[3], w[1], w[0]}))
    return ": its kernel is height, width, in, out, as in TensorFlow; w.transpose(3, 2, 0, 1) gives the "
           "net's order";
  bool depthwise =
      own->rank == 4 && found->rank == 4 && w[1] == 1 && found->dim[0] == w[2] && found->dim[1] == w[3];
  if (depthwise && found->dim[2] * found->dim[3] == w[0])
    return ": its kernel is height, width, channels, multiplier, as in TensorFlow; w.transpose(2, 3, 0, "
           "1).reshape(the net's shape) gives the net's order";
  if (own->rank == 3 && dims_are(found, 3, (const int64_t[]){w[2], w[1], w[0]}))
    return ": its kernel is length, in, out, as in TensorFlow; w.transpose(2, 1, 0) gives the net's "
           "order";
  if (own->rank == 2 && dims_are(found, 2, (const int64_t[]){w[1], w[0]}))
    return ": it is transposed; w.T gives the net's order";
  if (same_without_ones(own, found))
    return ": it differs by dimensions of 1; w.reshape(the net's shape) removes them";
  return "";
}

/* ---- Names */

/* The name after the prefix; NULL: the name does not have this prefix. */
static const char *name_behind(const Match *match, const cnn_tensor *tensor) {
  size_t n = strlen(match->prefix);
  return strncmp(tensor->name, match->prefix, n) == 0 ? tensor->name + n : NULL;
}

static const cnn_tensor *find_exactly(const Match *match, const char *prefix, const char *name) {
  size_t n = strlen(prefix);
  for (int32_t t = 0; t < match->archive->count; t++) {
    const cnn_tensor *tensor = &match->archive->tensor[t];
    if (strncmp(tensor->name, prefix, n) == 0 && strcmp(tensor->name + n, name) == 0) return tensor;
  }
  return NULL;
}

/* Converts the name of a recurrent layer's parameter in iteration K of a repeat to PyTorch's name:
 * rnn.1.weight_ih_l0 becomes rnn.weight_ih_l1. Returns false for other names. */
static bool stacked_name(const char *name, char *out, size_t room) {
  static const char ending[] = "_l0";
  const char *member = strrchr(name, '.'), *round = member, *level = member ? strstr(member, ending) : NULL;
  if (!level || (level[3] && strcmp(level + 3, "_reverse") != 0)) return false;
  while (round > name && isdigit((unsigned char)round[-1])) round--;
  if (round == member || round < name + 2 || round[-1] != '.') return false;
  const int n = snprintf(out, room, "%.*s%.*s_l%.*s%s", (int)(round - 1 - name), name, (int)(level - member),
                         member, (int)(member - round), round, level + 3);
  return n > 0 && (size_t)n < room;
}

/* Converts the name of a weight or bias to PyTorch's name for a parameter without a module of its own: number
 * 0, attention.weight to attention.in_proj_weight of nn.MultiheadAttention; number 1, cls.weight to cls, an
 * nn.Parameter. Returns false if there is no such name. */
static bool bare_name(const char *name, int number, char *out, size_t room) {
  const char *member = strrchr(name, '.');
  if (!member || member == name) return false;
  if (strcmp(member, ".weight") != 0 && (number || strcmp(member, ".bias") != 0)) return false;
  const int n = number ? snprintf(out, room, "%.*s", (int)(member - name), name)
                       : snprintf(out, room, "%.*s.in_proj_%s", (int)(member - name), name, member + 1);
  return n > 0 && (size_t)n < room;
}

static const cnn_tensor *find(const Match *match, const char *prefix, const char *name) {
  char other[400];
  const cnn_tensor *tensor = find_exactly(match, prefix, name);
  if (!tensor && stacked_name(name, other, sizeof other)) tensor = find_exactly(match, prefix, other);
  for (int number = 0; number < 2 && !tensor; number++)
    if (bare_name(name, number, other, sizeof other)) tensor = find_exactly(match, prefix, other);
  return tensor;
}

/* Parameter names of Keras and TensorFlow, each with PyTorch's name for the same parameter. */
static const char *const members[][2] = {{"gamma", "weight"},
                                         {"beta", "bias"},
                                         {"kernel", "weight"},
                                         {"moving_mean", "running_mean"},
                                         {"moving_variance", "running_var"},
                                         {"depthwise_kernel", "weight"},
                                         {"embeddings", "weight"}};

/* Converts a name to a common form: lower case, '.' between its parts, PyTorch's names of parameters,
 * without TensorFlow's ":0". */
static void normalize(const char *name, char *out, size_t room) {
  size_t n = 0;
  for (; *name && *name != ':' && n + 1 < room; name++)
    out[n++] = *name == '/' || *name == '_' ? '.' : (char)tolower((unsigned char)*name);
  out[n] = 0;
  for (size_t m = 0; m < sizeof members / sizeof *members; m++) {
    char theirs[32];
    size_t length = strlen(members[m][0]);
    for (size_t i = 0; i <= length; i++) theirs[i] = members[m][0][i] == '_' ? '.' : members[m][0][i];
    if (n <= length || out[n - length - 1] != '.' || strcmp(out + n - length, theirs) != 0) continue;
    snprintf(out + n - length, room - n + length, "%s", members[m][1]);
    for (char *c = out; *c; c++) *c = *c == '_' ? '.' : *c;
    return;
  }
}

/* The tensor with the shape of `own`, if exactly one unmatched weight and one unmatched tensor have this
 * shape; otherwise NULL. */
static const cnn_tensor *only_one(const Match *match, const cnn_tensor *own) {
  const cnn_tensor *only = NULL;
  int32_t lacking = 0, there = 0;
  for (int32_t w = 0; w < match->count; w++) {
    cnn_tensor other = shape_of(&match->wanted[w]);
    lacking += !match->out->source[w] && same_shape(own, &other);
  }
  for (int32_t t = 0; t < match->archive->count; t++) {
    const cnn_tensor *tensor = &match->archive->tensor[t];
    if (match->used[t] || !name_behind(match, tensor) || !same_shape(own, tensor) ||
        !cnn_tensor_numeric(tensor))
      continue;
    only = tensor;
    there++;
  }
  return lacking == 1 && there == 1 ? only : NULL;
}

/* The tensor that probably belongs to a weight without a match: of the tensors of the same size, the one with
 * the most similar name. If no name is similar, only_one decides. */
static const cnn_tensor *likely(const Match *match, const cnn_tensor *own) {
  char mine[200], theirs[200];
  const cnn_tensor *best = NULL;
  normalize(own->name, mine, sizeof mine);
  int32_t least = (int32_t)strlen(mine) / 4 + 1;
  for (int32_t t = 0; t < match->archive->count; t++) {
    const cnn_tensor *tensor = &match->archive->tensor[t];
    const char *name = name_behind(match, tensor);
    if (!name || match->used[t] || tensor->size != own->size || !cnn_tensor_numeric(tensor)) continue;
    normalize(name, theirs, sizeof theirs);
    int32_t letters = cnn_letters_between(mine, theirs);
    if (letters < least) {
      best = tensor;
      least = letters;
    }
  }
  return best ? best : only_one(match, own);
}

/* ---- a prefix of the names in the file */

/* Number of the net's weights that the file contains with this prefix before their names. */
static int32_t count_behind(const Match *match, const char *prefix) {
  int32_t count = 0;
  for (int32_t w = 0; w < match->count; w++) count += find(match, prefix, match->wanted[w].name) != NULL;
  return count;
}

/* Looks for a prefix of the names in the file. If a name ends with the name of a weight, the text
 * before the weight's name is a candidate. The candidate with which the file has the most weights is used. */
static void prefix_look(Match *match) {
  int32_t tried = 0;
  for (int32_t w = 0; w < match->count && tried < CANDIDATES; w++) {
    size_t n = strlen(match->wanted[w].name);
    for (int32_t t = 0; t < match->archive->count && tried < CANDIDATES; t++) {
      const char *name = match->archive->tensor[t].name;
      size_t length = strlen(name);
      bool ends =
          length > n && name[length - n - 1] == '.' && strcmp(name + length - n, match->wanted[w].name) == 0;
      if (!ends) continue;
      char *prefix = cnn_archive_alloc(match->archive, length - n + 1);
      if (!prefix) {
        match->failed = true;
        return;
      }
      memcpy(prefix, name, length - n);
      tried++;
      int32_t behind = count_behind(match, prefix);
      if (behind > match->out->behind) {
        match->out->prefix = prefix;
        match->out->behind = behind;
      }
    }
    if (tried > 0) return;
  }
}

/* ---- Kinds of parameters */

/* Writes the kind of a parameter, the last part of its name: PyTorch's word for it, and for a stack of
 * recurrent layers (weight_ih_l1) that of the first layer. Returns the layer's number in the stack. */
static long kind_read(const char *name, char kind[KIND]) {
  const char *last = name + strlen(name), *end = last;
  while (last > name && last[-1] != '.' && last[-1] != '/') last--;
  snprintf(kind, KIND, "%.*s", (int)(end - last), last);
  kind[strcspn(kind, ":")] = 0;
  for (size_t m = 0; m < sizeof members / sizeof *members; m++)
    if (strcmp(kind, members[m][0]) == 0) snprintf(kind, KIND, "%s", members[m][1]);
  char *level = strstr(kind, "_l");
  if (!level || !isdigit((unsigned char)level[2])) return 0;
  char *after;
  const long number = strtol(level + 2, &after, 10);
  memmove(level + 3, after, strlen(after) + 1);
  level[2] = '0';
  return number;
}

/* The index of a kind; -1: the net has none of this kind. */
static int32_t kind_find(const Kinds *kinds, const char *kind) {
  for (int32_t i = 0; i < kinds->n; i++)
    if (strcmp(kinds->name[i], kind) == 0) return i;
  return -1;
}

static int32_t kind_of(const Kinds *kinds, const char *name) {
  char kind[KIND];
  kind_read(name, kind);
  return kind_find(kinds, kind);
}

static void kinds_collect(Match *match) {
  Kinds *kinds = &match->kinds;
  for (int32_t w = 0; w < match->count && kinds->n < MOST_KINDS; w++) {
    kind_read(match->wanted[w].name, kinds->name[kinds->n]);
    if (kind_find(kinds, kinds->name[kinds->n]) < 0) kinds->n++;
  }
}

/* Whether the net has parameters of both kinds, so that a bias is not a weight, whatever its shape. */
static bool other_kind(const Match *match, const cnn_wanted *wanted, const cnn_tensor *tensor) {
  const int32_t theirs = kind_of(&match->kinds, tensor->name);
  return theirs >= 0 && theirs != kind_of(&match->kinds, wanted->name);
}

/* ---- Matching */

/* The weight's name, followed by its name in the file if that differs. */
static const char *called(const Match *match, const cnn_wanted *wanted, const cnn_tensor *tensor,
                          char name[420]) {
  if (strcmp(tensor->name + strlen(match->prefix), wanted->name) == 0) return wanted->name;
  snprintf(name, 420, "%.200s (paired with %.200s)", wanted->name, tensor->name);
  return name;
}

static void differ(Match *match, const cnn_wanted *wanted, const cnn_tensor *tensor) {
  char found[200], expected[200], name[420];
  cnn_tensor own = shape_of(wanted);
  cnn_tensor_shape(&own, expected, sizeof expected);
  cnn_tensor_shape(tensor, found, sizeof found);
  match->out->differing++;
  if (!fits(&own, tensor))
    line_add(match, text_of(match->archive, "another shape: %.420s is %s in the file, %s in the net%s",
                            called(match, wanted, tensor, name), found, expected,
                            remedy(&own, tensor, wanted->flattened)));
  else if (!cnn_tensor_numeric(tensor))
    line_add(match, text_of(match->archive, "another type: %.420s is %s in the file",
                            called(match, wanted, tensor, name), cnn_dtype_name(tensor->dtype)));
  else
    line_add(match, text_of(match->archive, "another kind of parameter: %.420s",
                            called(match, wanted, tensor, name)));
}

/* Matches by name. This must precede compare, which suggests only unmatched tensors for the other weights. */
static void take_by_name(Match *match) {
  for (int32_t w = 0; w < match->count; w++) {
    const cnn_tensor *tensor = match->out->source[w] = find(match, match->prefix, match->wanted[w].name);
    if (tensor) match->used[tensor - match->archive->tensor] = true;
  }
}

/* If the file is a single array without a name, and the net has a single weight, matches them. */
static void take_nameless(Match *match) {
  const cnn_archive *archive = match->archive;
  if (match->count != 1 || archive->count != 1 || strcmp(archive->tensor->name, CNN_NAMELESS) != 0) return;
  match->out->source[0] = archive->tensor;
  match->used[0] = true;
}

static void tell_missing(Match *match, const cnn_wanted *wanted) {
  char found[200], expected[200];
  cnn_tensor own = shape_of(wanted);
  cnn_tensor_shape(&own, expected, sizeof expected);
  const cnn_tensor *other = match->blind ? NULL : likely(match, &own);
  match->out->missing++;
  if (!other) {
    line_add(match, text_of(match->archive, "missing: %.200s %s", wanted->name, expected));
    return;
  }
  match->used[other - match->archive->tensor] = true;
  match->out->extra++;
  cnn_tensor_shape(other, found, sizeof found);
  line_add(match, text_of(match->archive, "missing: %.200s %s; did you mean the file's %.200s %s%s",
                          wanted->name, expected, other->name, found,
                          fits(&own, other) ? "" : remedy(&own, other, wanted->flattened)));
}

static void tell_extra(Match *match) {
  char shape[200];
  for (int32_t t = 0; t < match->archive->count; t++) {
    const cnn_tensor *tensor = &match->archive->tensor[t];
    if (match->used[t] || !name_behind(match, tensor) || cnn_tensor_is_counter(tensor)) continue;
    match->out->extra++;
    line_add(match, text_of(match->archive, "not in the net: %.200s %s", tensor->name,
                            cnn_tensor_shape(tensor, shape, sizeof shape)));
  }
}

/* Whether the order of flattened values in the file is unknown: channels first or channels last. The order is
 * known for files written by programs that cnnc built, and for files whose metadata name a framework other
 * than PyTorch. */
static bool order_unknown(const cnn_archive *archive) {
  const char *format = cnn_archive_note(archive, "format");
  if (cnn_archive_note(archive, "net")) return false;
  return !format || strcmp(format, "pt") == 0;
}

static void warn_of_order(Match *match) {
  if (!order_unknown(match->archive)) return;
  for (int32_t w = 0; w < match->count; w++) {
    const int64_t *from = match->wanted[w].flattened;
    if (!match->out->source[w] || from[0] * from[1] <= 1 || from[2] <= 1) continue;
    match->out->unordered = w;
    match->out->warning = text_of(
        match->archive,
        "%.200s expects a flattened %lldx%lldx%lld value in the order height, width, channels; in PyTorch "
        "channels come first; the shapes fit both orders",
        match->wanted[w].name, (long long)from[0], (long long)from[1], (long long)from[2]);
    match->failed = match->failed || !match->out->warning;
    return;
  }
}

static bool all_begin_with(const cnn_archive *archive, const char *prefix) {
  const size_t n = strlen(prefix);
  for (int32_t t = 0; t < archive->count; t++)
    if (strncmp(archive->tensor[t].name, prefix, n) != 0) return false;
  return true;
}

static bool match_begin(Match *match) {
  cnn_archive *archive = match->archive;
  const size_t weights = (size_t)match->count, tensors = (size_t)archive->count;
  cnn_matching *out = match->out;
  *out = (cnn_matching){.source = cnn_archive_alloc(archive, sizeof *out->source * (weights + 1)),
                        .line = cnn_archive_alloc(archive, sizeof *out->line * (weights + tensors + 1))};
  match->used = cnn_archive_alloc(archive, sizeof *match->used * (tensors + 1));
  return out->source && out->line && match->used;
}

/* Compares each weight with the tensor that was found for it, if any, and adds lines about differences. */
static void compare(Match *match) {
  cnn_matching *out = match->out;
  for (int32_t w = 0; w < match->count; w++) {
    const cnn_tensor *tensor = out->source[w];
    cnn_tensor own = shape_of(&match->wanted[w]);
    if (!tensor && match->wanted[w].passing) continue;
    if (!tensor) {
      tell_missing(match, &match->wanted[w]);
    } else if (!fits(&own, tensor) || !cnn_tensor_numeric(tensor) ||
               other_kind(match, &match->wanted[w], tensor)) {
      differ(match, &match->wanted[w], tensor);
      out->source[w] = NULL;
    } else {
      out->matched++;
    }
  }
  tell_extra(match);
  warn_of_order(match);
}

bool cnn_match(cnn_archive *archive, const cnn_wanted *wanted, int32_t count, const char *prefix,
               cnn_matching *matching) {
  Match match = {
      .archive = archive, .wanted = wanted, .count = count, .prefix = prefix ? prefix : "", .out = matching};
  if (!match_begin(&match)) return false;
  matching->behind = count_behind(&match, match.prefix);
  if (matching->behind < count) prefix_look(&match);
  if (matching->prefix) match.prefix = matching->prefix;
  if (!prefix && all_begin_with(archive, match.prefix)) matching->prefix = NULL;
  take_by_name(&match);
  take_nameless(&match);
  compare(&match);
  return !match.failed;
}

/* ---- the order of the tensors */

/* Compares the layers of two names. Numbers are compared as numbers. *known: whether the result is also the
 * order in the model: conv2 comes before conv10, but conv1 may come before or after bn1. */
static int layers_compare(const char *a, size_t na, const char *b, size_t nb, bool *known) {
  const char *end = a + na, *other_end = b + nb;
  *known = true;
  while (a < end && b < other_end) {
    if (isdigit((unsigned char)*a) && isdigit((unsigned char)*b)) {
      char *next, *other_next;
      const unsigned long long x = strtoull(a, &next, 10), y = strtoull(b, &other_next, 10);
      if (x != y) return x < y ? -1 : 1;
      a = next, b = other_next;
    } else if (*a != *b) {
      *known = false;
      return (unsigned char)*a < (unsigned char)*b ? -1 : 1;
    } else {
      a++, b++;
    }
  }
  const char *rest = a < end ? a : b < other_end ? b : "";
  *known = !isalpha((unsigned char)*rest);
  return (a < end) - (b < other_end);
}

typedef struct Ordered { /* a tensor, and what its name says of its place */
  const cnn_tensor *tensor;
  size_t layer; /* length of the layer's name */
  long level;
  int32_t kind;
} Ordered;

static int ordered_compare(const void *a, const void *b) {
  const Ordered *x = a, *y = b;
  bool known;
  const int layers = layers_compare(x->tensor->name, x->layer, y->tensor->name, y->layer, &known);
  if (layers) return layers;
  if (x->level != y->level) return x->level < y->level ? -1 : 1;
  if (x->kind != y->kind) return (uint32_t)x->kind < (uint32_t)y->kind ? -1 : 1; /* -1, none, comes last */
  return strcmp(x->tensor->name, y->tensor->name);
}

/* Reports two tensors that could be exchanged, because their order is unknown. */
static bool order_known(Match *match, const Ordered *list, int32_t n) {
  for (int32_t i = 0; i < n; i++)
    for (int32_t k = i + 1; k < n; k++) {
      bool known = true;
      if (list[i].kind != list[k].kind || !same_shape(list[i].tensor, list[k].tensor)) continue;
      layers_compare(list[i].tensor->name, list[i].layer, list[k].tensor->name, list[k].layer, &known);
      if (known) continue;
      match->out->differing++;
      line_add(match, text_of(match->archive,
                              "unknown order: the file's arrays are sorted by name, so %.200s could come "
                              "before or after %.200s; --rename=FILE pairs them by name",
                              list[i].tensor->name, list[k].tensor->name));
      return false;
    }
  return true;
}

/* Restores the order of the model in a file whose writer has sorted the names: layers by their numbers, and
 * in a layer the kinds as in the net. False: the order stays unknown, which is reported, or out of memory. */
static bool order_restore(Match *match, const cnn_tensor **list, int32_t n) {
  Ordered *ordered = cnn_archive_alloc(match->archive, sizeof *ordered * ((size_t)n + 1));
  if (!ordered) return match->failed = true, false;
  for (int32_t t = 0; t < n; t++) {
    char kind[KIND];
    const char *name = list[t]->name;
    size_t layer = strlen(name);
    while (layer > 0 && name[layer - 1] != '.' && name[layer - 1] != '/') layer--;
    const long level = kind_read(name, kind);
    ordered[t] = (Ordered){list[t], layer, level, kind_find(&match->kinds, kind)};
  }
  qsort(ordered, (size_t)n, sizeof *ordered, ordered_compare);
  for (int32_t t = 0; t < n; t++) list[t] = ordered[t].tensor;
  return order_known(match, ordered, n);
}

/* Lists the tensors that may belong to the net, in the order of the model, and begins the match. Returns
 * their number; -1: the order is unknown, which is reported, or out of memory. */
static int32_t order_begin(Match *match, const cnn_tensor ***list) {
  if (!match_begin(match)) return match->failed = true, -1;
  *list = cnn_archive_alloc(match->archive, sizeof **list * ((size_t)match->archive->count + 1));
  if (!*list) return match->failed = true, -1;
  int32_t n = 0;
  for (int32_t t = 0; t < match->archive->count; t++) {
    const cnn_tensor *tensor = &match->archive->tensor[t];
    if (name_behind(match, tensor) && !cnn_tensor_is_counter(tensor)) (*list)[n++] = tensor;
  }
  kinds_collect(match);
  return match->archive->by_name && !order_restore(match, *list, n) ? -1 : n;
}

bool cnn_match_by_order(cnn_archive *archive, const cnn_wanted *wanted, int32_t count, const char *prefix,
                        cnn_matching *matching) {
  Match match = {
      .archive = archive, .wanted = wanted, .count = count, .prefix = prefix ? prefix : "", .out = matching};
  const cnn_tensor **list;
  const int32_t n = order_begin(&match, &list);
  if (n < 0) return !match.failed;
  for (int32_t w = 0; w < n && w < count; w++) {
    match.used[list[w] - archive->tensor] = true;
    matching->source[w] = list[w];
  }
  compare(&match);
  return !match.failed;
}

/* ---- the longest run of layers that have the same shapes in the net and in the file */

/* `length` consecutive weights, beginning with weight number `weight`, and `length` consecutive tensors of a
 * list, beginning with tensor number `tensor`. */
typedef struct Run {
  int32_t weight, tensor, length;
} Run;

/* Whether two names belong to one layer: the same text before the last '.' or '/'. */
static bool same_layer(const char *a, const char *b) {
  size_t n = strlen(a);
  while (n > 0 && a[n - 1] != '.' && a[n - 1] != '/') n--;
  return n > 0 && strncmp(a, b, n) == 0 && !strpbrk(b + n, "./");
}

/* Whether a cut before index k of a run would separate weights, or tensors, of the same layer. */
static bool splits_layer(const Match *match, const cnn_tensor *const *list, int32_t tensors, Run run,
                         int32_t k) {
  const int32_t w = run.weight + k, t = run.tensor + k;
  const bool weights =
      w > 0 && w < match->count && same_layer(match->wanted[w - 1].name, match->wanted[w].name);
  return weights || (t > 0 && t < tensors && same_layer(list[t - 1]->name, list[t]->name));
}

/* Removes incomplete layers from both ends of the run. */
static Run whole_layers(const Match *match, const cnn_tensor *const *list, int32_t tensors, Run run) {
  while (run.length > 0 && splits_layer(match, list, tensors, run, run.length)) run.length--;
  int32_t first = 0;
  while (first < run.length && splits_layer(match, list, tensors, run, first)) first++;
  return (Run){run.weight + first, run.tensor + first, run.length - first};
}

static bool pairs(const Match *match, const cnn_tensor *own, int32_t w, const cnn_tensor *tensor) {
  return fits(own, tensor) && cnn_tensor_numeric(tensor) && !other_kind(match, &match->wanted[w], tensor);
}

/* row[t + 1]: the length of the longest run that ends at weight w and tensor t; `fits` holds for all its
 * pairs. */
static Run run_find(const Match *match, const cnn_tensor *const *list, int32_t tensors, int32_t *row) {
  Run best = {0};
  for (int32_t w = 0; w < match->count; w++) {
    const cnn_tensor own = shape_of(&match->wanted[w]);
    for (int32_t t = tensors; t-- > 0;) {
      row[t + 1] = pairs(match, &own, w, list[t]) ? row[t] + 1 : 0;
      const int32_t n = row[t + 1];
      if (n <= best.length) continue;
      const Run run = whole_layers(match, list, tensors, (Run){w + 1 - n, t + 1 - n, n});
      if (run.length > best.length) best = run;
    }
  }
  return best;
}

bool cnn_match_run(cnn_archive *archive, const cnn_wanted *wanted, int32_t count, const char *prefix,
                   cnn_matching *matching) {
  Match match = {.archive = archive,
                 .wanted = wanted,
                 .count = count,
                 .prefix = prefix ? prefix : "",
                 .out = matching,
                 .blind = true};
  const cnn_tensor **list;
  const int32_t tensors = order_begin(&match, &list);
  if (tensors < 0) return !match.failed;
  const size_t room = (size_t)tensors + 1;
  int32_t *row = cnn_archive_alloc(archive, sizeof *row * room);
  if (!row) return false;
  memset(row, 0, sizeof *row * room);
  const Run run = run_find(&match, list, tensors, row);
  for (int32_t k = 0; k < run.length; k++) {
    matching->source[run.weight + k] = list[run.tensor + k];
    match.used[list[run.tensor + k] - archive->tensor] = true;
  }
  compare(&match);
  return !match.failed;
}
