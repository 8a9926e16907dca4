/* classes.h: Class names, in weight files and in messages. Also built into the compiler (see file.h). */
// SPDX-License-Identifier: MIT-0
#ifndef CNN_CLASSES_H
#define CNN_CLASSES_H
#include "hosted/weights/archive.h"

typedef struct cnn_classes {
  int32_t count;
  char **name;
} cnn_classes; /* count 0: not known */

/* Reads the class names in a weight file's metadata, if there are any; cnn_classes_free frees them. */
cnn_status cnn_classes_read(cnn_classes *classes, const cnn_archive *archive, const char *path);
void cnn_classes_free(cnn_classes *classes);
/* Whether two classes have the same name; place[] receives their numbers. Classes without a name are
 * ignored. */
bool cnn_classes_twice(const char *const *name, int32_t count, int32_t place[2]);
/* The class names as a metadata text, from malloc; NULL: out of memory, or a name is not UTF-8. */
char *cnn_classes_note(const char *const *name, int32_t count);
/* Compares the number of names in a weight file with the net's number of classes. More names are an error; of
 * fewer names, `doubt` becomes a description. */
cnn_status cnn_classes_count_check(const char *path, int32_t names, int64_t classes, char *doubt,
                                   size_t room);

typedef enum cnn_agreement {
  CNN_CLASSES_AGREE,
  CNN_CLASSES_RENAMED, /* class `place` is the first class whose two names differ */
  CNN_CLASSES_MOVED    /* the first list's name of class `place` is the second list's name of another class */
} cnn_agreement;
/* Compares two lists of names class by class. A NULL name matches any name. */
cnn_agreement cnn_classes_compare(const char *const *a, int32_t as, const char *const *b, int32_t bs,
                                  int32_t *place);

enum { CNN_CLASSES_SHOWN = 10 }; /* maximum number of classes in a message about renamed classes */
/* Number of classes whose two names differ; place[] receives the first of these classes, at most `room`. */
int32_t cnn_classes_renamed(const char *const *a, int32_t as, const char *const *b, int32_t bs,
                            int32_t *place, int32_t room);

/* "red, green, blue", or "a, b, c ... (100 in all)" if they do not fit into `room` bytes. Returns text. */
const char *cnn_classes_list(const char *const *name, int32_t count, char *text, size_t room);
#endif
