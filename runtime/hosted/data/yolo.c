/* yolo.c: YOLO's text files. */
// SPDX-License-Identifier: MIT-0
#include "hosted/data/yolo.h"

#include <stdlib.h>
#include <string.h>
#include "hosted/base/unicode.h"
#include "hosted/data/boxes.h"

/* ---- Boxes */

static bool is_space(char c) { return c == ' ' || c == '\t' || c == '\r'; }

/* Reads the words of a line as numbers, stores the first `room` numbers, and returns the number of words; -1:
 * *at is at a word that is not a number. */
static int32_t numbers_read(const char **at, const char *end, double *number, int32_t room) {
  int32_t count = 0;
  for (;;) {
    while (*at < end && is_space(**at)) ++*at;
    if (*at == end) return count;
    char *behind;
    const double value = strtod(*at, &behind);
    if (behind == *at || behind > end || (behind < end && !is_space(*behind))) return -1;
    if (count < room) number[count] = value;
    count++;
    *at = behind;
  }
}

static cnn_status row_check(const cnn_yolo *yolo, const double number[5], cnn_object *object) {
  const double class = number[0];
  const int32_t limit = yolo->classes > 0 ? yolo->classes : CNN_YOLO_CLASSES_MOST;
  if (!(class >= 0 && class < (double)limit && class == (double)(int32_t)class))
    return yolo->classes > 0
               ? cnn_failure(CNN_MISMATCH,
                             "%s:%lld: the class is %g, but there are %d classes, numbered from 0",
                             yolo->path, (long long)yolo->line, class, (int)yolo->classes)
               : cnn_failure(CNN_MISMATCH, "%s:%lld: the class is %g; it must be an integer from 0 to %d",
                             yolo->path, (long long)yolo->line, class, CNN_YOLO_CLASSES_MOST - 1);
  *object = (cnn_object){.label = (int32_t)class};
  for (int k = 0; k < 4; k++)
    object->box[k] = (float)(number[1 + k % 2] + (k < 2 ? -0.5 : 0.5) * number[3 + k % 2]);
  const cnn_status status = cnn_boxes_check(object->box, 1, 1);
  if (status.code == CNN_OK) return status;
  const bool pixels = number[1] > 2 || number[2] > 2;
  return cnn_failure(
      status.code, "%s:%lld: %s%s", yolo->path, (long long)yolo->line, status.message,
      pixels ? "; a line is: class, center, width and height as fractions of the image size, not in pixels"
             : "");
}

cnn_status cnn_yolo_next(cnn_yolo *yolo, cnn_object *object, bool *more) {
  *more = true;
  while (yolo->next < yolo->end) {
    const char *at = yolo->next, *end = memchr(at, '\n', (size_t)(yolo->end - at));
    if (!end) end = yolo->end;
    yolo->next = end < yolo->end ? end + 1 : end;
    yolo->line++;
    double number[5] = {0};
    const int32_t count = numbers_read(&at, end, number, 5);
    if (count == 0) continue;
    if (count == 5) return row_check(yolo, number, object);
    if (count > 0)
      return cnn_failure(CNN_BAD_FORMAT,
                         "%s:%lld: has %d number%s, but an object has 5: class, center (x y), width, height",
                         yolo->path, (long long)yolo->line, (int)count, count == 1 ? "" : "s");
    const int shown = end - at > 40 ? 40 : (int)(end - at);
    return cnn_failure(CNN_BAD_FORMAT, "%s:%lld: '%.*s' is not a number", yolo->path, (long long)yolo->line,
                       shown, at);
  }
  *more = false;
  return cnn_success();
}

/* ---- Names */

void cnn_names_free(cnn_names *names) {
  for (int32_t c = 0; c < names->count; c++) free(names->name[c]);
  free(names->name);
  *names = (cnn_names){0};
}

/* Sets the name of class c; classes may come in any order. */
static cnn_status name_set(cnn_names *names, const char *path, int64_t line, int64_t c, const char *name,
                           size_t n) {
  if (c < 0 || c >= CNN_YOLO_CLASSES_MOST)
    return cnn_failure(CNN_BAD_FORMAT, "%s:%lld: class %lld exceeds the limit of %d classes", path,
                       (long long)line, (long long)c, CNN_YOLO_CLASSES_MOST);
  if (!cnn_text_plain(name, n))
    return cnn_failure(CNN_BAD_FORMAT,
                       "%s:%lld: the name of class %lld has a control character, or is not UTF-8", path,
                       (long long)line, (long long)c);
  if (c >= names->count) {
    char **moved = realloc(names->name, ((size_t)c + 1) * sizeof *moved);
    if (!moved) return cnn_failure(CNN_NO_MEMORY, "%s: out of memory", path);
    names->name = moved;
    while (names->count <= c) moved[names->count++] = NULL;
  }
  if (names->name[c])
    return cnn_failure(CNN_BAD_FORMAT, "%s:%lld: class %lld has two names", path, (long long)line,
                       (long long)c);
  names->name[c] = malloc(n + 1);
  if (!names->name[c]) return cnn_failure(CNN_NO_MEMORY, "%s: out of memory", path);
  memcpy(names->name[c], name, n);
  names->name[c][n] = 0;
  return cnn_success();
}

static cnn_status names_check(const cnn_names *names, const char *path) {
  if (names->count == 0) return cnn_failure(CNN_BAD_FORMAT, "%s: names no class", path);
  for (int32_t c = 0; c < names->count; c++)
    if (!names->name[c]) return cnn_failure(CNN_BAD_FORMAT, "%s: class %d has no name", path, (int)c);
  return cnn_success();
}

/* Removes surrounding spaces. */
static void trim(const char **text, size_t *n) {
  while (*n > 0 && is_space(**text)) ++*text, --*n;
  while (*n > 0 && is_space((*text)[*n - 1])) --*n;
}

cnn_status cnn_names_lines(cnn_names *names, const char *path, const char *text, size_t n) {
  const char *const end = text + n;
  int64_t empty = 0; /* number of the first line without a name; 0: none */
  cnn_status status = cnn_success();
  for (int64_t line = 1; text < end && status.code == CNN_OK; line++) {
    const char *stop = memchr(text, '\n', (size_t)(end - text)), *name = text;
    size_t length = (size_t)((stop ? stop : end) - text);
    text = stop ? stop + 1 : end;
    trim(&name, &length);
    if (length > 0 && empty > 0)
      return cnn_failure(CNN_BAD_FORMAT, "%s:%lld: is empty; a line must be the name of a class", path,
                         (long long)empty);
    if (length > 0) status = name_set(names, path, line, names->count, name, length);
    else if (empty == 0) empty = line;
  }
  return status.code == CNN_OK ? names_check(names, path) : status;
}

/* Reads one YAML value. A value in quotes is returned without the quotes. Any other value ends before the
 * first of the characters `stops`, or at the end of the text. */
static const char *value_read(const char **at, const char *end, const char *stops, size_t *n) {
  while (*at < end && is_space(**at)) ++*at;
  const char quote = *at < end && (**at == '"' || **at == '\'') ? **at : 0;
  if (quote) ++*at;
  const char *value = *at;
  while (*at < end && (quote ? **at != quote : !strchr(stops, **at))) ++*at;
  *n = (size_t)(*at - value);
  if (quote && *at < end) ++*at;
  if (!quote) trim(&value, n);
  return value;
}

/* Converts a text that consists of digits to a number; -1: the text has other characters, or is too long. */
static int64_t number_of(const char *text, size_t n) {
  int64_t number = 0;
  for (size_t i = 0; i < n; i++) {
    if (text[i] < '0' || text[i] > '9' || n > 9) return -1;
    number = 10 * number + (text[i] - '0');
  }
  return n > 0 ? number : -1;
}

typedef struct Yaml {
  const char *path, *at, *end; /* at: after "names:" */
  int64_t line;
} Yaml;

static cnn_status yaml_broken(const Yaml *yaml) {
  return cnn_failure(CNN_BAD_FORMAT,
                     "%s:%lld: the names are invalid; supported are [a, b], {0: a, 1: b}, or a line for "
                     "each: '- a' or '0: a'",
                     yaml->path, (long long)yaml->line);
}

/* Reads [a, b] or {0: a, 1: b}, also over several lines. */
static cnn_status yaml_flow(Yaml *yaml, cnn_names *names) {
  const bool map = *yaml->at++ == '{';
  const char close = map ? '}' : ']', stops[] = {',', close, '\n', '#', map ? ':' : 0, 0};
  cnn_status status = cnn_success();
  int64_t class = -1;
  while (yaml->at < yaml->end && status.code == CNN_OK) {
    size_t n;
    const char *value = value_read(&yaml->at, yaml->end, stops, &n);
    while (yaml->at < yaml->end && is_space(*yaml->at)) yaml->at++;
    const char stop = yaml->at < yaml->end ? *yaml->at++ : '\n';
    if (stop == ':' && class < 0) {
      class = number_of(value, n);
      if (class < 0) return yaml_broken(yaml);
      continue;
    }
    if (n > 0 && (class >= 0) == map && stop != ':')
      status = name_set(names, yaml->path, yaml->line, map ? class : names->count, value, n);
    else if (n > 0 || stop == ':') return yaml_broken(yaml);
    if (n > 0) class = -1;
    if (stop == '#')
      while (yaml->at < yaml->end && *yaml->at != '\n') yaml->at++;
    yaml->line += stop == '\n';
    if (stop == close) return status;
  }
  return status.code == CNN_OK ? yaml_broken(yaml) : status;
}

/* Reads separate lines, "- a" or "0: a", up to the first other line that is not indented. */
static cnn_status yaml_lines(Yaml *yaml, cnn_names *names) {
  cnn_status status = cnn_success();
  while (yaml->at < yaml->end && status.code == CNN_OK) {
    const char *line = yaml->at, *end = memchr(line, '\n', (size_t)(yaml->end - line));
    if (!end) end = yaml->end;
    yaml->at = end < yaml->end ? end + 1 : end;
    yaml->line++;
    const bool indented = line < end && is_space(*line);
    size_t n;
    while (line < end && is_space(*line)) line++;
    if (line == end || *line == '#') continue;
    if (*line == '-' && line + 1 < end && is_space(line[1])) {
      line++;
      const char *value = value_read(&line, end, "#", &n);
      status = n > 0 ? name_set(names, yaml->path, yaml->line, names->count, value, n) : yaml_broken(yaml);
    } else if (indented) {
      const char *key = value_read(&line, end, ":#", &n);
      const int64_t class = number_of(key, n);
      if (class < 0 || line == end || *line++ != ':') return yaml_broken(yaml);
      const char *value = value_read(&line, end, "#", &n);
      status = n > 0 ? name_set(names, yaml->path, yaml->line, class, value, n) : yaml_broken(yaml);
    } else {
      break;
    }
  }
  return status;
}

cnn_status cnn_names_yaml(cnn_names *names, const char *path, const char *text, size_t n) {
  Yaml yaml = {.path = path, .at = text, .end = text + n};
  while (yaml.at < yaml.end) {
    const char *line = yaml.at, *end = memchr(line, '\n', (size_t)(yaml.end - line));
    if (!end) end = yaml.end;
    yaml.line++;
    if (end - line >= 6 && memcmp(line, "names:", 6) == 0) {
      yaml.at = line + 6;
      while (yaml.at < end && is_space(*yaml.at)) yaml.at++;
      const bool flow = yaml.at < end && (*yaml.at == '[' || *yaml.at == '{');
      if (!flow && yaml.at < end && *yaml.at != '#') return yaml_broken(&yaml);
      if (!flow) yaml.at = end < yaml.end ? end + 1 : end;
      const cnn_status status = flow ? yaml_flow(&yaml, names) : yaml_lines(&yaml, names);
      return status.code == CNN_OK ? names_check(names, path) : status;
    }
    yaml.at = end < yaml.end ? end + 1 : end;
  }
  return cnn_failure(CNN_BAD_FORMAT, "%s: has no names of classes (names: [...])", path);
}
