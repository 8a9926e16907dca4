/* cnn_status.h: Error reporting of the runtime. A call that can fail returns a cnn_status, and neither prints
 * nor exits; cnn.h names the exceptions. */
// SPDX-License-Identifier: MIT-0
#ifndef CNN_STATUS_H
#define CNN_STATUS_H
#ifdef __cplusplus
extern "C" {
#endif

typedef enum cnn_code {
  CNN_OK,
  CNN_BAD_FILE,     /* cannot be opened, read or written */
  CNN_BAD_FORMAT,   /* the contents are invalid */
  CNN_MISMATCH,     /* a valid file that does not fit this net */
  CNN_BAD_ARGUMENT, /* the caller's mistake */
  CNN_NO_MEMORY,
  CNN_NOT_BUILT,  /* a feature that this version knows, but does not support */
  CNN_NOT_FINITE, /* a number of the training or of the data is infinite or NaN */
  CNN_STOPPED     /* interrupted by the user */
} cnn_code;

/* message: the error and its reason. For an error in a file, it contains the file's name and the position of
 * the error. It has no final newline. If the code is CNN_OK, it is empty. */
typedef struct cnn_status {
  cnn_code code;
  char message[1020];
} cnn_status;

cnn_status cnn_success(void);
/* A status from a printf format. A message that is too long is cut and ends in an ellipsis. */
#ifdef __GNUC__
__attribute__((format(printf, 2, 3)))
#endif
cnn_status cnn_failure(cnn_code code, const char *format, ...);

#ifdef __cplusplus
}
#endif
#endif
