/* foreign_names.c: Names of PyTorch, Keras and papers with their counterparts in the language (for "did you
 * mean"), and advice about names without a counterpart. */
// SPDX-License-Identifier: Apache-2.0
#include <string.h>
#include "sema/context.h"

/* ---- normal forms of words: lowercase, without module, '_', "1d", "2d" and "3d", and without a final
 * "loss". Dropout2d keeps its "2d", because it drops channels, whereas Dropout drops elements. ---- */

static bool is_dimensions(const char *s) {
  return s[0] >= '1' && s[0] <= '3' && (s[1] == 'd' || s[1] == 'D');
}

static const char *normal_form(Arena *arena, const char *word) {
  const char *dot = strrchr(word, '.');
  Text text = {.arena = arena};
  text_put(&text, "%s", "");
  for (const char *c = dot ? dot + 1 : word; *c; c++) {
    if (*c == '_') continue;
    const bool dropout = text.n >= 7 && strcmp(text.s + text.n - 7, "dropout") == 0;
    if (is_dimensions(c) && !dropout) c++;
    else text_put(&text, "%c", *c >= 'A' && *c <= 'Z' ? *c - 'A' + 'a' : *c);
  }
  if (text.n > 4 && strcmp(text.s + text.n - 4, "loss") == 0) text.s[text.n - 4] = 0;
  return text.s;
}

/* ---- names ---- */

/* word: a foreign word in normal form; here: a name of the language. If the table has several rows for a
 * word, the first row whose name is permitted at the word's place in the program is used. */
typedef struct ForeignName {
  const char *word, *here;
} ForeignName;

static const ForeignName same[] = {
    /* operators */
    {"scaleddotproductattention", "attention"},
    {"selfattention", "multihead_attention"},
    {"multiheadattention", "multihead_attention"},
    {"mha", "multihead_attention"},
    {"msa", "multihead_attention"},
    {"bmm", "matmul"},
    {"einsum", "matmul"},
    {"batchmatmul", "matmul"},
    {"linear", "dense"},
    {"lazylinear", "dense"},
    {"fc", "dense"},
    {"fullyconnected", "dense"},
    {"affine", "dense"},
    {"innerproduct", "dense"},
    {"convolution", "conv"},
    {"lazyconv", "conv"},
    {"deconv", "conv_transpose"},
    {"deconvolution", "conv_transpose"},
    {"transposedconv", "conv_transpose"},
    {"transposeconv", "conv_transpose"},
    {"depthwiseconv", "depthwise"},
    {"dwconv", "depthwise"},
    {"averagepool", "avgpool"},
    {"averagepooling", "avgpool"},
    {"avgpooling", "avgpool"},
    {"maxpooling", "maxpool"},
    {"gap", "global_avgpool"},
    {"globalaveragepool", "global_avgpool"},
    {"globalaveragepooling", "global_avgpool"},
    {"adaptiveavgpool", "global_avgpool"},
    {"globalmaxpooling", "global_maxpool"},
    {"adaptivemaxpool", "global_maxpool"},
    {"simplernn", "rnn"},
    {"swish", "silu"},
    {"clamp", "clip"},
    {"rectifier", "relu"},
    {"bn", "batchnorm"},
    {"batchnormalization", "batchnorm"},
    {"layernormalization", "layernorm"},
    {"groupnormalization", "groupnorm"},
    {"localresponsenorm", "lrn"},
    {"localresponsenormalization", "lrn"},
    {"stochasticdepth", "drop_path"},
    {"cat", "concat"},
    {"concatenate", "concat"},
    {"plus", "add"},
    {"sum", "add"},
    {"minus", "subtract"},
    {"sub", "subtract"},
    {"times", "multiply"},
    {"sqr", "square"},
    {"mul", "multiply"},
    {"div", "divide"},
    {"max", "maximum"},
    {"min", "minimum"},
    {"pow", "power"},
    {"ln", "log"},
    {"mod", "modulo"},
    {"fmod", "modulo"},
    {"remainder", "modulo"},
    {"sine", "sin"},
    {"cosine", "cos"},
    {"indexselect", "gather"},
    {"takealongdim", "gather"},
    {"take", "gather"},
    {"onehot", "one_hot"},
    {"embed", "embedding"},
    {"gridsampler", "grid_sample"},
    {"gridsample", "grid_sample"},
    {"spatialtransformer", "grid_sample"},
    {"msdeformattn", "deformable_attention"},
    {"multiscaledeformableattention", "deformable_attention"},
    {"rope", "rotary"},
    {"rotaryembedding", "rotary"},
    {"biasadd", "bias"},
    {"padding", "pad"},
    {"reflectionpad", "zero_pad"},
    {"replicationpad", "zero_pad"},
    {"constantpad", "zero_pad"},
    {"padding", "zero_pad"},
    {"zeropadding", "zero_pad"},
    {"cropping", "crop"},
    {"upsampling", "upsample"},
    {"interpolate", "resize"},
    {"resizing", "resize"},
    {"pixelshuffle", "depth_to_space"},
    {"pixelunshuffle", "space_to_depth"},
    {"view", "reshape"},
    {"unflatten", "reshape"},
    /* initializations */
    {"xavier", "glorot"},
    {"xavieruniform", "glorot"},
    {"glorotuniform", "glorot"},
    {"xaviernormal", "glorot_normal"},
    {"kaiming", "he"},
    {"henormal", "he"},
    {"kaimingnormal", "he"},
    {"kaiminguniform", "he_uniform"},
    {"lecunnormal", "lecun"},
    {"randomnormal", "normal"},
    {"truncatednormal", "normal"},
    {"randomuniform", "uniform"},
    /* arguments */
    {"size", "kernel"},
    {"poolsize", "kernel"},
    {"window", "kernel"},
    {"outchannels", "filters"},
    {"channels", "filters"},
    {"outfeatures", "units"},
    {"neurons", "units"},
    {"p", "rate"},
    {"lr", "rate"},
    {"eps", "epsilon"},
    {"kernelinitializer", "init"},
    {"weightinitializer", "init"},
    {"biasinitializer", "bias_init"},
    {"usebias", "bias"},
    {"dilationrate", "dilation"},
    {"depthmultiplier", "multiplier"},
    {"negativeslope", "slope"},
    {"alpha", "slope"},
    {"countincludepad", "count_pad"},
    {"minval", "min"},
    {"maxval", "max"},
    {"minvalue", "min"},
    {"maxvalue", "max"},
    {"gamma", "factor"},
    {"milestones", "at"},
    {"stepsize", "every"},
    {"rho", "alpha"},
    {"etamin", "floor"},
    {"targetshape", "shape"},
    {"outputsize", "size"},
    {"spatialscale", "scale"},
    {"samplingratio", "samples"},
    /* losses */
    {"bce", "binary_cross_entropy"},
    {"bcewithlogits", "binary_cross_entropy"},
    {"nll", "cross_entropy"},
    {"ce", "cross_entropy"},
    {"sparsecategoricalcrossentropy", "cross_entropy"},
    {"categoricalcrossentropy", "cross_entropy"},
    {"softmaxcrossentropy", "cross_entropy"},
    {"multimargin", "hinge"},
    {"categoricalhinge", "hinge"},
    {"sparsecategoricalfocalcrossentropy", "focal"},
    {"categoricalfocalcrossentropy", "focal"},
    {"l1", "mae"},
    {"meanabsoluteerror", "mae"},
    {"l2", "mse"},
    {"meansquarederror", "mse"},
    {"smoothl1", "huber"},
    /* metrics */
    {"acc", "accuracy"},
    {"sparsecategoricalaccuracy", "accuracy"},
    {"categoricalaccuracy", "accuracy"},
    {"binaryaccuracy", "accuracy"},
    {"topkcategoricalaccuracy", "top"},
    {"sparsetopkcategoricalaccuracy", "top"},
    {"topk", "top"},
    {"meaniou", "iou"},
    {"jaccard", "iou"},
    /* schedules */
    {"cosineannealing", "cosine"},
    {"cosineannealinglr", "cosine"},
    {"cosinedecay", "cosine"},
    {"steplr", "step"},
    {"multisteplr", "step"},
    {"exponentiallr", "exponential"},
    {"reducelronplateau", "plateau"},
    {"constantlr", "constant"},
    {"none", "constant"},
    /* augmentations */
    {"randomhorizontalflip", "hflip"},
    {"horizontalflip", "hflip"},
    {"fliplr", "hflip"},
    {"mirror", "hflip"},
    {"randomverticalflip", "vflip"},
    {"verticalflip", "vflip"},
    {"flipud", "vflip"},
    {"randomzoom", "zoom"},
    {"randomtranslation", "shift"},
    {"translate", "shift"},
    {"randomresizedcrop", "resized_crop"},
    {"randombrightness", "brightness"},
    {"randomcontrast", "contrast"},
    {"randomsaturation", "saturation"},
    {"randomhue", "hue"},
    {"randomerasing", "cutout"},
    {"gaussiannoise", "noise"},
    /* settings of the train block */
    {"batchsize", "batch"},
    {"minibatch", "batch"},
    {"numepochs", "epochs"},
    {"nepochs", "epochs"},
    {"nbepoch", "epochs"},
    {"maxepochs", "epochs"},
    {"lossfn", "loss"},
    {"lossfunction", "loss"},
    {"criterion", "loss"},
    {"objective", "loss"},
    {"opt", "optimizer"},
    {"optim", "optimizer"},
    {"lrscheduler", "schedule"},
    {"lrschedule", "schedule"},
    {"scheduler", "schedule"},
    {"randomseed", "seed"},
    {"randomstate", "seed"},
    {"maxgradnorm", "clip_norm"},
    {"gradclip", "clip_norm"},
    {"gradientclip", "clip_norm"},
    {"gradientclipval", "clip_norm"},
    {"ema", "average"},
    {"transforms", "augment"},
    {"augmentation", "augment"},
    {"augmentations", "augment"},
    {"gradientaccumulation", "accumulate"},
    {"gradientaccumulationsteps", "accumulate"},
    {"earlystopping", "early_stop"},
    {"patience", "early_stop"},
    {"smoothing", "label_smoothing"},
    /* types of inputs */
    {"int16", "i16"},
    {"uint8", "u8"},
    {"byte", "u8"},
    {"int8", "i8"},
    {"int32", "i32"},
    {"s8", "i8"},
    {"float32", "f32"},
    {"float", "f32"},
};

/* Words that are not misspellings of similar names: no similar name is suggested for them. */
static const char others[] =
    "celu crelu rrelu glu reglu geglu swiglu softmin softsign logsigmoid hardtanh tanhshrink "
    "minpool maxunpool batchrenorm l1norm rmsnorm "
    "mse rmse msle mape smape wmse squaredhinge "
    "nadam radam adamax adan asgd sgdw "
    "i16 i32 i64 u16 u32 u64 f8 f16 f64 bf16";

/* The name with the same normal form, or else the name that the table gives for the word; NULL: neither
 * exists. */
static const char *name_same(Arena *arena, const char *word, const char *const *names) {
  const char *plain = normal_form(arena, word);
  if (strncmp(word, "self.", 5) == 0) return NULL;
  for (const char *const *name = names; *plain && *name; name++)
    if (strcmp(normal_form(arena, *name), plain) == 0) return *name;
  for (size_t i = 0; i < sizeof same / sizeof *same; i++) {
    if (strcmp(same[i].word, plain) != 0) continue;
    for (const char *const *name = names; *name; name++)
      if (strcmp(*name, same[i].here) == 0) return *name;
  }
  return NULL;
}

const char *name_meant(Arena *arena, const char *word, const char *const *names) {
  const char *known = name_same(arena, word, names);
  if (known || strncmp(word, "self.", 5) == 0 || words_have(others, normal_form(arena, word))) return known;
  const char *dot = strrchr(word, '.');
  return suggest(dot ? dot + 1 : word, names);
}

const char *name_meant_as(Arena *arena, AdviceKind kind, const char *word, const char *const *names) {
  const char *known = name_same(arena, word, names);
  return known || name_advice(arena, kind, word, NULL) ? known : name_meant(arena, word, names);
}

void name_suggest(Arena *arena, Diag *diag, Span span, const char *word, const char *meant) {
  const char *const names[] = {meant, NULL}, *dot = strrchr(word, '.');
  if (name_same(arena, word, names) || is_misspelt(dot ? dot + 1 : word, meant))
    diag_meant(diag, span, word, meant);
  else diag_help(diag, "did you mean '%s'?", meant);
}

/* ---- advice ---- */

/* drop: whether the fix is to remove the argument */
typedef struct Advice {
  AdviceKind kind;
  const char *word, *text;
  bool drop;
} Advice;

#define ENCODER                                                                                              \
  "an encoder is a block: layernorm, multihead_attention(heads), add, layernorm, conv, gelu, conv, add"
#define BY_PROGRAM "the executable has an option: NET train "
#define CHANNELS "dropout(rate) drops single elements instead of whole channels"
#define ZEROS "dropout(rate) is the only kind of dropout: it sets elements to 0"
#define KNOWN "the input size is inferred, so it is not written"

static const Advice advice[] = {
    {ADVICE_OPERATOR, "activation", "an activation is a separate operator: -> relu", false},
    {ADVICE_OPERATOR, "separableconv", "depthwise(3x3) -> conv(filters, 1x1) is a separable convolution",
     false},
    {ADVICE_OPERATOR, "identity", "remove it: without an operator a value stays the same", false},
    {ADVICE_OPERATOR, "input", "declare an input as in: input image: 28x28x1", false},
    {ADVICE_OPERATOR, "inputlayer", "declare an input as in: input image: 28x28x1", false},
    {ADVICE_OPERATOR, "sequential",
     "join operators with '->' or put them on separate lines; a named group is a block", false},
    {ADVICE_OPERATOR, "model", "the file contains one net, and its last value is the output", false},
    {ADVICE_OPERATOR, "lambda", "cnnc --help operators lists the operators", false},
    {ADVICE_OPERATOR, "permute",
     "images have their channels last; flatten(order=chw) is for weights from PyTorch", false},
    {ADVICE_OPERATOR, "bidirectional", "lstm, gru and rnn are bidirectional with direction=both", false},
    {ADVICE_OPERATOR, "transformer", ENCODER, false},
    {ADVICE_OPERATOR, "transformerencoder", ENCODER, false},
    {ADVICE_OPERATOR, "transformerencoderlayer", ENCODER, false},
    {ADVICE_OPERATOR, "timedistributed", "on the rows of a sequence a dense layer is conv(units, 1)", false},
    {ADVICE_OPERATOR, "normalization",
     "use the mean and standard deviation of the data: normalize(mean=0.5, std=0.2, scale=1/255)", false},
    {ADVICE_OPERATOR, "spatialdropout1d", CHANNELS, false},
    {ADVICE_OPERATOR, "spatialdropout2d", CHANNELS, false},
    {ADVICE_OPERATOR, "spatialdropout", CHANNELS, false},
    {ADVICE_OPERATOR, "featuredropout", CHANNELS, false},
    {ADVICE_OPERATOR, "dropout1d", CHANNELS, false},
    {ADVICE_OPERATOR, "dropout2d", CHANNELS, false},
    {ADVICE_OPERATOR, "alphadropout", ZEROS, false},
    {ADVICE_OPERATOR, "gaussiandropout", ZEROS, false},
    {ADVICE_OPERATOR, "reciprocal", "power(-1) is one divided by each element", false},
    {ADVICE_OPERATOR, "rsqrt", "power(-1/2) is one divided by the square root", false},
    {ADVICE_OPERATOR, "pool", "maxpool computes the maximum of each window, avgpool the mean", false},
    {ADVICE_OPERATOR, "globalpool",
     "global_maxpool computes the maximum of each channel, global_avgpool the mean", false},
    {ADVICE_AUGMENT, "randomflip", "hflip exchanges left and right, vflip top and bottom", false},
    {ADVICE_AUGMENT, "flip", "hflip exchanges left and right, vflip top and bottom", false},
    {ADVICE_AUGMENT, "randomrotation", "write rotate(degrees): the largest angle in both directions", false},
    {ADVICE_AUGMENT, "rotation", "write rotate(degrees): the largest angle in both directions", false},
    {ADVICE_OPERATOR, "rescaling", "to scale bytes to 0..1: normalize(scale=1/255)", false},
    {ADVICE_OPERATOR, "rescale", "to scale bytes to 0..1: normalize(scale=1/255)", false},
    {ADVICE_OPERATOR, "adaptiveavgpool",
     "global_avgpool computes the mean of the whole image, like AdaptiveAvgPool2d(1)", false},
    {ADVICE_OPERATOR, "adaptivemaxpool",
     "global_maxpool computes the maximum of the whole image, like AdaptiveMaxPool2d(1)", false},
    {ADVICE_ARGUMENT, "inchannels", KNOWN, true},
    {ADVICE_ARGUMENT, "infeatures", KNOWN, true},
    {ADVICE_ARGUMENT, "inputshape", KNOWN, true},
    {ADVICE_ARGUMENT, "inputdim", KNOWN, true},
    {ADVICE_ARGUMENT, "numfeatures", KNOWN, true},
    {ADVICE_ARGUMENT, "normalizedshape", KNOWN, true},
    {ADVICE_ARGUMENT, "numchannels", KNOWN, true},
    {ADVICE_ARGUMENT, "axis", "this operator has no axis; channels are the last dimension", true},
    {ADVICE_ARGUMENT, "dim", "this operator has no axis; channels are the last dimension", true},
    {ADVICE_ARGUMENT, "inplace", "cnnc computes in place automatically where it can", true},
    {ADVICE_ARGUMENT, "dataformat",
     "values have their channels last; input x: 64x64x3 (layout=chw) is for a buffer with the channels first",
     false},
    {ADVICE_ARGUMENT, "startdim", "flatten turns the whole value into a vector", true},
    {ADVICE_ARGUMENT, "trainable", "frozen=true excludes parameters from training", false},
    {ADVICE_ARGUMENT, "kernelregularizer",
     "weight decay is an argument of the optimizer: adamw(weight_decay=0.01)", false},
    {ADVICE_ARGUMENT, "paddingmode",
     "padding is always zero; for other modes put zero_pad(n, mode=reflect) or mode=edge first", false},
    {ADVICE_ARGUMENT, "fromlogits", "the loss detects whether the net ends in a softmax or sigmoid", true},
    {ADVICE_ARGUMENT, "reduction", "a loss is the mean over the batch", true},
    {ADVICE_ARGUMENT, "decay",
     "weight_decay is for weights; a schedule lowers the rate: schedule = exponential(factor=0.9)", false},
    {ADVICE_ARGUMENT, "warmupsteps", "a warm-up is counted in epochs: warmup=1", false},
    {ADVICE_LOSS, "kldiv", "cross_entropy is the usual choice for classes", false},
    {ADVICE_AUGMENT, "randomcrop", "shift(4) is the equivalent of PyTorch's RandomCrop(size, padding=4)",
     false},
    {ADVICE_AUGMENT, "centercrop", "crop selects a random region, not the center", false},
    {ADVICE_AUGMENT, "colorjitter",
     "write brightness(0.2), contrast(0.8..1.2), saturation(0.8..1.2) and hue(0.1) as needed", false},
    {ADVICE_AUGMENT, "randomaffine", "write rotate(degrees), shift(pixels) and zoom(0.9..1.1) as needed",
     false},
    {ADVICE_AUGMENT, "normalize", "normalize is an operator of the net: put it after the input", false},
    {ADVICE_AUGMENT, "totensor",
     "images are read as numbers from 0 to 255; normalize(scale=1/255) after the input scales them to 0..1",
     false},
    {ADVICE_AUGMENT, "resize", "images are resized to the input's size when they are read", false},
    {ADVICE_SETTING, "validationsplit", BY_PROGRAM "--val 0.1", false},
    {ADVICE_SETTING, "valsplit", BY_PROGRAM "--val 0.1", false},
    {ADVICE_SETTING, "validation", BY_PROGRAM "--val 0.1", false},
    {ADVICE_SETTING, "shuffle", "samples are shuffled in each epoch; " BY_PROGRAM "--shuffle=off", false},
    {ADVICE_SETTING, "data", BY_PROGRAM "--data PATH", false},
    {ADVICE_SETTING, "dataset", BY_PROGRAM "--data PATH", false},
    {ADVICE_SETTING, "verbose", BY_PROGRAM "--progress=none", false},
    {ADVICE_SETTING, "numworkers", BY_PROGRAM "--threads N", false},
    {ADVICE_SETTING, "threads", BY_PROGRAM "--threads N", false},
    {ADVICE_SETTING, "device", "training runs on CPUs", false},
    {ADVICE_SETTING, "callbacks", "early_stop = N ends training; the best weights are saved automatically",
     false},
    {ADVICE_SETTING, "weightdecay",
     "this is an argument of the optimizer: optimizer = adamw(weight_decay=0.01)", false},
    {ADVICE_SETTING, "momentum", "this is an argument of the optimizer: optimizer = sgd(momentum=0.9)",
     false},
    {ADVICE_SETTING, "rate", "this is an argument of the optimizer: optimizer = adam(rate=0.001)", false},
    {ADVICE_SETTING, "lr", "this is an argument of the optimizer: optimizer = adam(rate=0.001)", false},
    {ADVICE_SETTING, "learningrate", "this is an argument of the optimizer: optimizer = adam(rate=0.001)",
     false},
    {ADVICE_SETTING, "warmup", "this is an argument of the schedule: schedule = cosine(warmup=1)", false},
    {ADVICE_SETTING, "classweight",
     "this is an argument of the loss: loss = cross_entropy(weights=[1, 2, 1])", false},
    {ADVICE_SETTING, "classweights",
     "this is an argument of the loss: loss = cross_entropy(weights=[1, 2, 1])", false},
    {ADVICE_SETTING, "dropout", "dropout is an operator of the net: -> dropout(0.5)", false},
};

bool name_is(Arena *arena, const char *word, const char *words) {
  return words_have(words, normal_form(arena, word));
}

const char *name_advice(Arena *arena, AdviceKind kind, const char *word, bool *drop) {
  if (strncmp(word, "self.", 5) == 0)
    return "layers are not created before they are applied: write each operator where it is applied";
  const char *plain = normal_form(arena, word);
  for (size_t i = 0; i < sizeof advice / sizeof *advice; i++)
    if (advice[i].kind == kind && strcmp(advice[i].word, plain) == 0) {
      if (drop) *drop = advice[i].drop;
      return advice[i].text;
    }
  return NULL;
}

/* ---- PyTorch's arguments: input sizes precede output sizes ---- */

int torch_channels_argument(const char *word, const Arguments *args) {
  static const struct {
    const char *word;
    int at, least; /* with `least` or more arguments, argument `at` is the number of input channels */
  } classes[] = {
      {"Conv1d", 0, 3},         {"Conv2d", 0, 3},      {"ConvTranspose1d", 0, 3}, {"ConvTranspose2d", 0, 3},
      {"Linear", 0, 2},         {"BatchNorm1d", 0, 1}, {"BatchNorm2d", 0, 1},     {"InstanceNorm1d", 0, 1},
      {"InstanceNorm2d", 0, 1}, {"LayerNorm", 0, 1},   {"GroupNorm", 1, 2},       {"PReLU", 0, 1},
  };
  const char *dot = strrchr(word, '.'), *name = dot ? dot + 1 : word;
  for (size_t i = 0; i < sizeof classes / sizeof *classes; i++) {
    if (strcmp(classes[i].word, name) != 0 || args->n < classes[i].least) continue;
    return args->list[classes[i].at].name.s ? -1 : classes[i].at;
  }
  return -1;
}
