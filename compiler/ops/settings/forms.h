/* forms.h: what the codes of augmentations and metrics mean: what they can be applied to; and those of
 * schedules. */
// SPDX-License-Identifier: Apache-2.0
#ifndef CNNC_FORMS_H
#define CNNC_FORMS_H

typedef enum ScheduleCode {
  SCHEDULE_PLAIN, /* its arguments need no other */
  SCHEDULE_STEP,  /* `every` or `at`, one of them */
} ScheduleCode;

typedef enum AugmentCode {
  AUGMENT_ANY,         /* any input */
  AUGMENT_MIX,         /* any input, of two samples */
  AUGMENT_PICTURE,     /* the first input is a picture */
  AUGMENT_MIX_PICTURE, /* the same, of two samples */
  AUGMENT_COLOR,       /* a picture of three channels */
  AUGMENT_SOUND,       /* the first input is a sequence */
  AUGMENT_TIME,        /* the same with a rate: it has an argument in milliseconds */
  AUGMENT_PIECE,       /* a picture that is not smaller than the size, its first argument */
} AugmentCode;

typedef enum MetricCode {
  METRIC_CLASSES,  /* losses with classes, and binary_cross_entropy */
  METRIC_PIXELS,   /* losses with a class for each pixel */
  METRIC_VALUES,   /* losses with numbers */
  METRIC_BOXES,    /* any loss; an output has boxes */
  METRIC_SEGMENTS, /* the same with segments */
} MetricCode;
#endif
