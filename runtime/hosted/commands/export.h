/* export.h: Export of a data set as files. */
// SPDX-License-Identifier: MIT-0
#ifndef CNN_EXPORT_H
#define CNN_EXPORT_H
#include "cnn_data.h"

/* Writes every part as folders that can be read as a data set: images with masks or boxes, or one folder of
 * images per class. If there are objects, also writes COCO's JSON and classes.txt. The file sheet.png shows
 * the first images. */
cnn_status cnn_data_export(const cnn_data *data, const char *directory);
#endif
