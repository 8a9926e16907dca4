# examples: a folder a net. They are installed beside the sources of the runtime that examples/adapt compiles.
EXTRA_DIST += %D%/lenet5/demo.sh
nobase_dist_pkgdata_DATA += \
  %D%/lenet5/lenet5.cnn %D%/lenet5/embed.c %D%/lenet5/README.md \
  %D%/sobel/sobel.cnn %D%/resnet8/resnet8.cnn %D%/resnet18/resnet18.cnn %D%/mobilenet_v1/mobilenet_v1.cnn \
  %D%/alexnet/alexnet.cnn %D%/vgg16/vgg16.cnn %D%/autoencoder/autoencoder.cnn %D%/speech/speech.cnn \
  %D%/unet/unet.cnn %D%/squeezenet/squeezenet.cnn %D%/tiny_yolo/tiny_yolo.cnn \
  %D%/fashion/lenet5_relu.cnn %D%/fashion/fashion.cnn %D%/adapt/adapt.cnn %D%/adapt/learner.h \
  %D%/adapt/learner.c %D%/adapt/stream.c %D%/adapt/README.md
