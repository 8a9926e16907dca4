pkgconfig_DATA = %D%/cnn.pc
include_HEADERS = %D%/include/cnn.h %D%/include/cnn_core.h %D%/include/cnn_data.h %D%/include/cnn_image.h %D%/include/cnn_network.h \
  %D%/include/cnn_status.h %D%/include/cnn_weights.h
