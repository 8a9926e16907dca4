# bench: comparisons with other runtimes; see bench/README.md.
EXTRA_DIST += %D%/README.md %D%/HISTORY.md \
  %D%/run %D%/attention.py %D%/exported.py %D%/inference.py %D%/int8.py %D%/layers.py %D%/load.py \
  %D%/errors.py %D%/inputs.py %D%/mobile_sides.py %D%/sides.py %D%/timing.py %D%/web.py %D%/web.mjs \
  %D%/imports.py %D%/beside.py %D%/states.py %D%/zoo.py %D%/import \
  %D%/wild %D%/wild.py %D%/wild.tsv %D%/packages.py %D%/runtimes.py %D%/samples.py %D%/section.py \
  %D%/unrounded.py \
  %D%/nets.py %D%/image_nets.py %D%/programs.py %D%/outputs.py %D%/export.py %D%/compile.py %D%/compiler.py \
  %D%/peak.c %D%/train %D%/training.py %D%/training_nets.py %D%/memory.py %D%/accuracy \
  %D%/quantized %D%/shapes %D%/tail %D%/tail.py %D%/programs/csp.cnn \
  %D%/programs/faster_rcnn.cnn %D%/programs/inception17.cnn %D%/programs/perceptron.cnn \
  %D%/programs/pyramid.cnn %D%/programs/resnext50.cnn %D%/programs/trunk.cnn \
  %D%/sweep %D%/sweep.py %D%/bandwidth.c %D%/tile_store.c %D%/scale %D%/scale.py %D%/phases.c %D%/ddp.py \
  %D%/streams %D%/stream_models.py %D%/streams.py %D%/silero.py %D%/silero.cnn %D%/keyword_gru.py \
  %D%/wcet %D%/wcet.py %D%/flow_facts.py %D%/l4r5.py \
  %D%/boards %D%/boards.py %D%/board_streams.py %D%/levels.py %D%/cmsis.py %D%/cmsis_recurrent.py \
  %D%/cmsis_steps.py %D%/drawn.py %D%/denormals.py \
  %D%/board/board.h %D%/board/board.ld %D%/board/count.c %D%/board/start.c
