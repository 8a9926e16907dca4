/* json.h: Serialization of JSON. Also built into the compiler (see file.h). */
// SPDX-License-Identifier: MIT-0
#ifndef CNN_JSON_H
#define CNN_JSON_H
#include <jansson.h>

/* Returns an object or array as JSON on one line, without spaces between tokens; the caller frees it. NULL:
 * out of memory. Use this function rather than json_dumps, which omits keys when memory runs out (Jansson
 * 2.14). */
char *cnn_json_text(const json_t *);
#endif
