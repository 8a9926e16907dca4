/* voc.c: Pascal VOC's XML of one image: the size of the image, and a name, a box and `difficult` for each
 * object. A box has the numbers of its first and last pixels, counted from 1. */
// SPDX-License-Identifier: MIT-0
#include "hosted/data/voc.h"

#include <expat.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include "hosted/data/boxes.h"
#include "hosted/data/image.h"

enum { DEPTH_MOST = 64, TEXT_MOST = 256 };

typedef struct Parse {
  XML_Parser parser;
  cnn_voc *voc;
  const char *path;
  int depth;
  char tag[5][16]; /* names of the enclosing elements from the root on: at most 5, each cut to 15 bytes */
  char text[TEXT_MOST];
  size_t letters;
  cnn_status status;
} Parse;

static void fail(Parse *p, cnn_status status) {
  if (p->status.code == CNN_OK) p->status = status;
  XML_StopParser(p->parser, XML_FALSE);
}

static long long line_of(const Parse *p) { return (long long)XML_GetCurrentLineNumber(p->parser); }

/* Whether the parser is at `depth`, and the elements below the root are first, second and third (or NULL). */
static bool is_at(const Parse *p, int depth, const char *first, const char *second, const char *third) {
  const char *const name[3] = {first, second, third};
  if (p->depth != depth) return false;
  for (int k = 0; k < 3 && name[k]; k++)
    if (strcmp(p->tag[1 + k], name[k]) != 0) return false;
  return true;
}

static void XMLCALL begin(void *context, const XML_Char *name, const XML_Char **attributes) {
  (void)attributes;
  Parse *p = context;
  if (p->depth >= DEPTH_MOST) {
    fail(p, cnn_failure(CNN_BAD_FORMAT, "%s:%lld: elements are nested more than %d deep", p->path, line_of(p),
                        (int)DEPTH_MOST));
    return;
  }
  if (p->depth < 5) snprintf(p->tag[p->depth], sizeof p->tag[0], "%.15s", name);
  p->depth++;
  p->letters = 0;
  cnn_voc *voc = p->voc;
  if (!is_at(p, 2, "object", NULL, NULL)) return;
  if ((voc->count & (voc->count - 1)) == 0) { /* full at counts 0, 1, 2, 4 ... */
    cnn_voc_object *moved =
        realloc(voc->object, sizeof *moved * (size_t)(voc->count ? 2 * (size_t)voc->count : 1));
    if (!moved) {
      fail(p, cnn_failure(CNN_NO_MEMORY, "%s: out of memory", p->path));
      return;
    }
    voc->object = moved;
  }
  voc->object[voc->count++] = (cnn_voc_object){.line = line_of(p)};
}

/* Converts the text of an element to a number. */
static bool number_of(const Parse *p, double *number) {
  char *behind;
  *number = strtod(p->text, &behind);
  while (*behind == ' ' || *behind == '\t' || *behind == '\n' || *behind == '\r') behind++;
  return behind > p->text && *behind == 0;
}

static void name_keep(Parse *p, cnn_voc_object *object) {
  const char *first = p->text + strspn(p->text, " \t\r\n");
  size_t n = strlen(first);
  while (n > 0 && strchr(" \t\r\n", first[n - 1])) n--;
  free(object->name);
  object->name = n > 0 ? malloc(n + 1) : NULL;
  if (object->name) {
    memcpy(object->name, first, n);
    object->name[n] = 0;
  } else if (n > 0) {
    fail(p, cnn_failure(CNN_NO_MEMORY, "%s: out of memory", p->path));
  }
}

static void size_keep(Parse *p) {
  double number;
  const bool height = strcmp(p->tag[2], "height") == 0;
  if (!height && strcmp(p->tag[2], "width") != 0) return;
  if (!number_of(p, &number) || !(number >= 0 && number <= (double)CNN_PIXELS_MOST))
    fail(p, cnn_failure(CNN_BAD_FORMAT, "%s:%lld: the %s of the image is '%.40s', not 0 to 2^27 pixels",
                        p->path, line_of(p), p->tag[2], p->text));
  else if (height) p->voc->height = (int32_t)number;
  else p->voc->width = (int32_t)number;
}

static void side_keep(Parse *p, cnn_voc_object *object) {
  static const char *const sides[4] = {"xmin", "ymin", "xmax", "ymax"};
  double number;
  for (int k = 0; k < 4; k++)
    if (strcmp(p->tag[3], sides[k]) == 0 && number_of(p, &number)) {
      object->object.box[k] = (float)number;
      object->sides |= 1 << k;
    }
}

static void XMLCALL end(void *context, const XML_Char *name) {
  (void)name;
  Parse *p = context;
  cnn_voc_object *object = p->voc->count > 0 ? &p->voc->object[p->voc->count - 1] : NULL;
  double number;
  p->text[p->letters] = 0;
  if (is_at(p, 3, "size", NULL, NULL)) size_keep(p);
  if (object && is_at(p, 3, "object", "name", NULL)) name_keep(p, object);
  if (object && is_at(p, 3, "object", "difficult", NULL))
    object->object.ignored = number_of(p, &number) && number > 0;
  if (object && is_at(p, 4, "object", "bndbox", NULL)) side_keep(p, object);
  p->depth--;
  p->letters = 0;
}

static void XMLCALL letters(void *context, const XML_Char *text, int n) {
  Parse *p = context;
  for (int i = 0; i < n && p->letters < TEXT_MOST - 1; i++) p->text[p->letters++] = text[i];
}

/* Rejects entities, which could expand a small file to a large one. */
static void XMLCALL entity(void *context, const XML_Char *name, int parameter, const XML_Char *value, int n,
                           const XML_Char *base, const XML_Char *system, const XML_Char *public,
                           const XML_Char *notation) {
  (void)parameter, (void)value, (void)n, (void)base, (void)system, (void)public, (void)notation;
  Parse *p = context;
  fail(p, cnn_failure(CNN_BAD_FORMAT, "%s:%lld: declares the entity '%.40s'; entities are not supported",
                      p->path, line_of(p), name));
}

cnn_status cnn_voc_parse(cnn_voc *voc, const char *path, const char *bytes, size_t n) {
  *voc = (cnn_voc){0};
  if (n > INT32_MAX) return cnn_failure(CNN_BAD_FORMAT, "%s: is too large", path);
  Parse p = {.parser = XML_ParserCreate(NULL), .voc = voc, .path = path, .status = cnn_success()};
  if (!p.parser) return cnn_failure(CNN_NO_MEMORY, "%s: out of memory", path);
  XML_SetUserData(p.parser, &p);
  XML_SetElementHandler(p.parser, begin, end);
  XML_SetCharacterDataHandler(p.parser, letters);
  XML_SetEntityDeclHandler(p.parser, entity);
  if (XML_Parse(p.parser, bytes, (int)n, 1) != XML_STATUS_OK && p.status.code == CNN_OK) {
    const enum XML_Error error = XML_GetErrorCode(p.parser);
    p.status = cnn_failure(error == XML_ERROR_NO_MEMORY ? CNN_NO_MEMORY : CNN_BAD_FORMAT,
                           "%s:%lld: is invalid XML: %s", path, line_of(&p), XML_ErrorString(error));
  }
  if (p.status.code == CNN_OK && strcmp(p.tag[0], "annotation") != 0)
    p.status = cnn_failure(CNN_BAD_FORMAT, "%s: its root element is '%s', but Pascal VOC has 'annotation'",
                           path, p.tag[0]);
  XML_ParserFree(p.parser);
  return p.status;
}

void cnn_voc_free(cnn_voc *voc) {
  for (int32_t k = 0; k < voc->count; k++) free(voc->object[k].name);
  free(voc->object);
  *voc = (cnn_voc){0};
}

cnn_status cnn_voc_check(const cnn_voc *voc, const char *path, cnn_voc_object *object) {
  if (!object->name)
    return cnn_failure(CNN_BAD_FORMAT, "%s:%lld: the object has no name", path, (long long)object->line);
  if (object->sides != 15)
    return cnn_failure(CNN_BAD_FORMAT,
                       "%s:%lld: the bndbox of the object '%.60s' lacks one of the numbers xmin, ymin, xmax, "
                       "ymax",
                       path, (long long)object->line, object->name);
  object->object.box[0] -= 1;
  object->object.box[1] -= 1;
  const cnn_status status = cnn_boxes_check(object->object.box, voc->height, voc->width);
  if (status.code == CNN_OK) return status;
  return cnn_failure(status.code, "%s:%lld: '%.60s': %s", path, (long long)object->line, object->name,
                     status.message);
}
