# runtime/core: freestanding: training steps, random numbers, augmentation, resampling
# SPDX-License-Identifier: MIT-0
libcnn_la_SOURCES += %D%/scalar.h %D%/scalar.c %D%/random.c %D%/schedule.c %D%/optimizer.c %D%/trainer.c \
  %D%/augment.h %D%/augment.c %D%/augment_sound.c %D%/mix.c %D%/resample.c
# Square roots that do not set errno compile to instructions, which can be vectorized.
libcnn_la_CFLAGS = $(AM_CFLAGS) -fno-math-errno
# Installed for users who compile the core for a device.
nobase_dist_pkgdata_DATA += %D%/scalar.h %D%/scalar.c %D%/random.c %D%/schedule.c %D%/optimizer.c \
  %D%/trainer.c %D%/augment.h %D%/augment.c %D%/augment_sound.c %D%/mix.c %D%/resample.c \
  runtime/include/cnn_core.h runtime/include/cnn_data.h runtime/include/cnn_image.h \
  runtime/include/cnn_network.h runtime/include/cnn_status.h
