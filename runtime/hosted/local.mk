# runtime/hosted: data sets, weights and images in files, training runs, commands of executables
# SPDX-License-Identifier: MIT-0
libcnn_la_SOURCES += %D%/base/color.c %D%/base/color.h %D%/base/denormals.c \
  %D%/base/file.c %D%/base/file.h %D%/base/json.c %D%/base/json.h \
  %D%/base/memory.c %D%/base/memory.h %D%/base/number.c \
  %D%/base/number.h %D%/base/similar.c %D%/base/similar.h %D%/base/status.c %D%/base/threads.c \
  %D%/base/threads.h %D%/base/unicode.c %D%/base/unicode.h
libcnn_la_SOURCES += %D%/commands/asked.c %D%/commands/asked.h %D%/commands/bench_check.c \
  %D%/commands/bench_check.h %D%/commands/export.c %D%/commands/export.h %D%/commands/found.c \
  %D%/commands/found.h %D%/commands/inputs.c \
  %D%/commands/detect.c %D%/commands/detect.h %D%/commands/judged.c %D%/commands/judged.h \
  %D%/commands/main.c %D%/commands/options.c \
  %D%/commands/options.h %D%/commands/program.h %D%/commands/program_bench.c %D%/commands/program_data.c \
  %D%/commands/program_dream.c \
  %D%/commands/program_eval.c %D%/commands/program_features.c %D%/commands/program_filters.c \
  %D%/commands/program_observe.c \
  %D%/commands/program_info.c %D%/commands/program_occlude.c %D%/commands/program_predict.c \
  %D%/commands/program_recordings.c %D%/commands/program_saliency.c %D%/commands/program_stream.c \
  %D%/commands/program_stream.h %D%/commands/program_train.c %D%/commands/rows.c %D%/commands/rows.h \
  %D%/commands/scores.c \
  %D%/commands/scores.h %D%/commands/viewer.c %D%/commands/viewer.h \
  %D%/commands/written.c %D%/commands/written.h
libcnn_la_SOURCES += %D%/data/array.c %D%/data/batch.c %D%/data/batch.h %D%/data/calls.c \
  %D%/data/calls.h %D%/data/csv.c %D%/data/csv.h \
  %D%/data/data.c %D%/data/data_arrays.c %D%/data/data_cifar.c %D%/data/data_classes.c %D%/data/data_csv.c \
  %D%/data/data_folders.c %D%/data/data_idx.c %D%/data/data_sounds.c %D%/data/data_synthetic.c \
  %D%/data/folders.h %D%/data/noise.c %D%/data/noise.h \
  %D%/data/data_masks.c %D%/data/export_coco.c %D%/data/export_coco.h \
  %D%/data/data_shapes.c %D%/data/pixels.c %D%/data/pixels.h %D%/data/shapes.c \
  %D%/data/drawn.c %D%/data/drawn.h \
  %D%/data/shapes.h %D%/data/truth.c %D%/data/truth.h %D%/data/unscaled.c \
  %D%/data/unscaled.h %D%/data/dataset.h %D%/data/feed.c \
  %D%/data/image.c %D%/data/image.h %D%/data/outputs.c %D%/data/outputs.h \
  %D%/data/image_exif.c %D%/data/image_jpeg.c %D%/data/image_png.c \
  %D%/data/image_webp.c %D%/data/inspect.c %D%/data/listing.c %D%/data/loader.c %D%/data/image_list.c \
  %D%/data/image_list.h %D%/data/outline.c %D%/data/outline.h %D%/data/runs.c \
  %D%/data/runs.h %D%/data/sound.c %D%/data/sound.h %D%/data/sound_pipe.c \
  %D%/data/sound_pipe.h %D%/data/target.c \
  %D%/data/boxes.c %D%/data/boxes.h %D%/data/coco.c %D%/data/coco.h \
  %D%/data/data_coco.c %D%/data/data_voc.c %D%/data/data_yolo.c %D%/data/voc.c %D%/data/voc.h \
  %D%/data/yolo.c %D%/data/yolo.h
libcnn_la_SOURCES += %D%/display/curves.c \
  %D%/display/curves.h %D%/display/events.c %D%/display/figure.c %D%/display/figure.h \
  %D%/display/lettering.c %D%/display/lettering.h \
  %D%/display/overlay.c %D%/display/overlay.h %D%/display/plot.c %D%/display/progress.c \
  %D%/display/progress.h \
  %D%/display/svg.c %D%/display/svg.h %D%/display/width.c %D%/display/width.h
libcnn_la_SOURCES += %D%/training/agree.c %D%/training/compare.c %D%/training/compare.h \
  %D%/training/count.c %D%/training/diverge.c %D%/training/diverge.h %D%/training/evaluate.c \
  %D%/training/evaluate.h %D%/training/exchange.c %D%/training/exchange.h %D%/training/facts.c \
  %D%/training/facts.h %D%/training/findings.c %D%/training/findings.h %D%/training/first.c \
  %D%/training/journal.c %D%/training/journal.h \
  %D%/training/judge.c %D%/training/judge.h %D%/training/loss.c %D%/training/loss.h \
  %D%/training/measure.c %D%/training/measure.h %D%/training/pace.c %D%/training/pace.h \
  %D%/training/panoptic.c %D%/training/panoptic.h %D%/training/precision.c %D%/training/precision.h \
  %D%/training/previous.c %D%/training/previous.h \
  %D%/training/run.c %D%/training/run.h %D%/training/sibling.c %D%/training/reports.c \
  %D%/training/together.c %D%/training/train.c %D%/training/training.h \
  %D%/training/validate.c
libcnn_la_SOURCES += %D%/weights/archive.c %D%/weights/archive.h %D%/weights/classes.c \
  %D%/weights/classes.h %D%/weights/foreign.c %D%/weights/foreign.h %D%/weights/matching.c \
  %D%/weights/matching.h %D%/weights/notes.c %D%/weights/notes.h %D%/weights/npz.c %D%/weights/npz.h \
  %D%/weights/pickle.c %D%/weights/pickle.h %D%/weights/rename.c %D%/weights/torch.c %D%/weights/torch.h \
  %D%/weights/origin.c %D%/weights/origin.h \
  %D%/weights/rows.c %D%/weights/rows.h \
  %D%/weights/safetensors.c %D%/weights/safetensors.h %D%/weights/weights.c %D%/weights/zip.c \
  %D%/weights/zip.h
