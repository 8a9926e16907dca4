# examples: one folder per example, installed with the runtime sources that examples/adapt compiles.
EXTRA_DIST += %D%/lenet5/demo.sh
nobase_dist_pkgdata_DATA += \
  %D%/figure.py \
  %D%/adapt/README.md %D%/adapt/adapt.cnn %D%/adapt/learner.c %D%/adapt/learner.h %D%/adapt/stream.c \
  %D%/alexnet/README.md %D%/alexnet/alexnet.cnn \
  %D%/antialias/README.md %D%/antialias/antialias.cnn %D%/antialias/antialias.svg %D%/antialias/draw.py \
  %D%/autoencoder/README.md %D%/autoencoder/autoencoder.cnn %D%/autoencoder/autoencoder.svg \
    %D%/autoencoder/draw.py \
  %D%/board/Makefile %D%/board/README.md %D%/board/board.c %D%/board/board.h %D%/board/board.ld \
    %D%/board/garments.cnn %D%/board/host.c %D%/board/main.c %D%/board/images.sh %D%/board/report.sh \
  %D%/convnext/README.md %D%/convnext/convnext_t.cnn \
  %D%/dcgan/README.md %D%/dcgan/dcgan.cnn \
  %D%/README.md %D%/deeplab/README.md %D%/deeplab/classes.png %D%/deeplab/deeplab_v3.cnn \
  %D%/densenet/README.md %D%/densenet/densenet121.cnn \
  %D%/efficientnet/README.md %D%/efficientnet/efficientnet_b0.cnn \
  %D%/fashion/README.md %D%/fashion/fashion.cnn \
  %D%/fcn/README.md %D%/fcn/classes.png %D%/fcn/fcn8s.cnn \
  %D%/filters/README.md %D%/filters/draw.py %D%/filters/filters.cnn %D%/filters/filters.svg \
    %D%/filters/picture.png %D%/filters/sobel.cnn \
  %D%/firmware/README.md %D%/firmware/board.c %D%/firmware/board.h %D%/firmware/board.ld \
    %D%/firmware/export.py %D%/firmware/main.c \
  %D%/googlenet/README.md %D%/googlenet/googlenet.cnn \
  %D%/keyword/board/Makefile %D%/keyword/board/main.c %D%/keyword/board/tones.py \
  %D%/keyword/README.md %D%/keyword/ds_cnn.cnn %D%/keyword/gru.cnn %D%/keyword/speech.cnn \
  %D%/lenet5/README.md %D%/lenet5/embed.c %D%/lenet5/lenet5.cnn %D%/lenet5/lenet5_1998.cnn \
    %D%/lenet5/lenet5_relu.cnn \
  %D%/mobilenet/README.md %D%/mobilenet/blocks_v3.cnn %D%/mobilenet/mobilenet_v1.cnn \
    %D%/mobilenet/mobilenet_v2.cnn %D%/mobilenet/mobilenet_v3_large.cnn \
    %D%/mobilenet/mobilenet_v3_small.cnn \
  %D%/receptive/README.md %D%/receptive/dilated.cnn %D%/receptive/measure.py %D%/receptive/plain.cnn \
    %D%/receptive/pooled.cnn %D%/receptive/receptive.svg \
  %D%/resnet/README.md %D%/resnet/resnet18.cnn %D%/resnet/resnet20.cnn %D%/resnet/resnet50.cnn \
    %D%/resnet/resnet8.cnn \
  %D%/squeezenet/README.md %D%/squeezenet/squeezenet.cnn \
  %D%/super_resolution/README.md %D%/super_resolution/draw.py %D%/super_resolution/espcn.cnn \
    %D%/super_resolution/fsrcnn.cnn %D%/super_resolution/super_resolution.svg \
  %D%/rcnn/README.md %D%/rcnn/blocks.cnn %D%/rcnn/fast_rcnn.cnn %D%/rcnn/faster_rcnn.cnn \
    %D%/rcnn/mask_rcnn.cnn %D%/rcnn/masks.png %D%/rcnn/panoptic.cnn %D%/rcnn/rcnn.cnn \
    %D%/rcnn/segments.png \
  %D%/ssd/README.md %D%/ssd/found.png %D%/ssd/ssd.cnn \
  %D%/unet/README.md %D%/unet/classes.png %D%/unet/image.png %D%/unet/unet.cnn %D%/unet/unet_2015.cnn \
  %D%/swin/README.md %D%/swin/pixels.png %D%/swin/swin.cnn \
  %D%/detr/README.md %D%/detr/detr.cnn %D%/detr/found.png \
  %D%/vit/README.md %D%/vit/vit.cnn \
  %D%/vgg16/README.md %D%/vgg16/vgg16.cnn \
  %D%/web/Makefile %D%/web/README.md %D%/web/draw.js %D%/web/garments.cnn %D%/web/index.html \
    %D%/web/listen.html %D%/web/listen.js %D%/web/microphone.js %D%/web/net.js %D%/web/photo.html \
    %D%/web/resample.js %D%/web/wake.cnn \
  %D%/yolo/README.md %D%/yolo/found.png %D%/yolo/tiny_yolo.cnn %D%/yolo/tiny_yolov3.cnn \
  %D%/yolo11/README.md %D%/yolo11/boxes.py %D%/yolo11/export.py
