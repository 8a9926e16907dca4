/* json.h: JSON as text. Also built into the compiler (see file.h). */
// SPDX-License-Identifier: MIT-0
#ifndef CNN_JSON_H
#define CNN_JSON_H
#include <jansson.h>

/* On one line, without spaces; to be freed. NULL: no memory. In place of json_dumps, which leaves keys out
 * when memory runs out (Jansson 2.14). */
char *cnn_json_text(const json_t *);
#endif
