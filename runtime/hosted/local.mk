# runtime/hosted: data sets, weights and pictures in files
# SPDX-License-Identifier: MIT-0
libcnn_la_SOURCES += %D%/status.c %D%/file.h %D%/file.c %D%/archive.h %D%/archive.c %D%/safetensors.h %D%/safetensors.c %D%/npz.h %D%/npz.c %D%/notes.h %D%/notes.c \
  %D%/foreign.h %D%/foreign.c %D%/matching.h %D%/matching.c \
  %D%/weights.c %D%/image.h %D%/image.c %D%/image_png.c %D%/image_jpeg.c %D%/image_webp.c %D%/image_exif.c %D%/feed.c %D%/inputs.c %D%/dataset.h %D%/listing.c %D%/target.c %D%/array.c %D%/data.c \
  %D%/data_arrays.c %D%/data_cifar.c %D%/csv.h %D%/csv.c %D%/data_csv.c %D%/data_folders.c %D%/data_idx.c %D%/data_synthetic.c
libcnn_la_SOURCES += %D%/similar.h %D%/similar.c %D%/pictures.h %D%/pictures.c %D%/data_classes.c %D%/classes.h %D%/classes.c %D%/origin.h %D%/origin.c
libcnn_la_SOURCES += %D%/number.h %D%/number.c %D%/width.h %D%/width.c %D%/threads.h %D%/threads.c %D%/pace.h %D%/pace.c %D%/loss.h %D%/loss.c %D%/measure.h %D%/measure.c %D%/batch.h %D%/batch.c \
  %D%/loader.c %D%/diverge.h %D%/diverge.c %D%/evaluate.h %D%/evaluate.c %D%/facts.h %D%/facts.c %D%/previous.h %D%/previous.c %D%/run.h %D%/run.c %D%/journal.h %D%/journal.c %D%/events.c %D%/train.c %D%/plot.c %D%/options.h %D%/options.c %D%/written.h %D%/written.c \
  %D%/program.h %D%/progress.c %D%/main.c %D%/program_train.c %D%/program_eval.c %D%/program_predict.c %D%/program_bench.c %D%/program_info.c
libcnn_la_SOURCES += %D%/lettering.h %D%/lettering.c %D%/figure.h %D%/figure.c %D%/viewer.h %D%/viewer.c %D%/program_features.c %D%/program_filters.c \
  %D%/program_dream.c %D%/program_occlude.c %D%/program_saliency.c
