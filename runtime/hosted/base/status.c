/* status.c: Constructors of status values. */
// SPDX-License-Identifier: MIT-0
#include "cnn_status.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

cnn_status cnn_success(void) {
  cnn_status status;
  status.code = CNN_OK;
  status.message[0] = 0;
  return status;
}

cnn_status cnn_failure(cnn_code code, const char *format, ...) {
  cnn_status status;
  va_list arguments;
  va_start(arguments, format);
  status.code = code;
  int length = vsnprintf(status.message, sizeof status.message, format, arguments);
  va_end(arguments);
  if (length < 0) {
    status.message[0] = 0;
  } else if ((size_t)length >= sizeof status.message) {
    static const char more[] = "…";
    size_t end = sizeof status.message - sizeof more;
    while (end > 0 && ((unsigned char)status.message[end] & 0xC0) == 0x80)
      end--; /* never cuts a UTF-8 character */
    memcpy(status.message + end, more, sizeof more);
  }
  for (char *at = status.message; *at; at++) /* names in files may contain terminal control codes */
    if (((unsigned char)*at < ' ' && *at != '\n' && *at != '\t') || *at == 127) *at = '?';
  return status;
}
