#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Writes the nets of tests/models with int16 values and int8 weights, with TensorFlow's converter:

    python3 tests/golden/models16.py tests/models

Needs numpy and the package tensorflow-cpu (2.21 was used for the committed files; other versions may give
other bytes). Weights are random, with a fixed seed; the statistics of batchnorms are those of random data.
tests/golden/models.py writes the hashes."""
import os
import sys

os.environ["TF_CPP_MIN_LOG_LEVEL"] = "3"
os.environ["CUDA_VISIBLE_DEVICES"] = ""
import numpy as np  # noqa: E402
import tensorflow as tf  # noqa: E402

L = tf.keras.layers
SEED = 16


def norm(x, activation=None):
    x = L.BatchNormalization(momentum=0.5)(x)
    return L.Activation(activation)(x) if activation else x


def conv(x, filters, size, stride=1, activation=None, padding="same"):
    return norm(L.Conv2D(filters, size, stride, padding, use_bias=False)(x), activation)


def residual():
    """Shortcuts, a stem whose stride needs padding, a mean, softmax."""
    x = source = L.Input((20, 20, 3), 1)
    x = conv(x, 8, 3, 2, "relu")
    for filters, stride in ((8, 1), (16, 2), (16, 1)):
        short = x if stride == 1 else conv(x, filters, 1, stride)
        y = conv(conv(x, filters, 3, stride, "relu"), filters, 3)
        x = L.ReLU()(L.Add()([short, y]))
    x = L.GlobalAveragePooling2D()(x)
    return tf.keras.Model(source, L.Softmax()(L.Dense(10)(x)))


def separable():
    """Depthwise convolutions, relu6, borders, pools, joined branches, a gate, dense layers."""
    x = source = L.Input((24, 16, 1), 1)
    x = conv(L.ZeroPadding2D(((1, 1), (0, 1)))(x), 8, 3, 2, "relu6", "valid")
    for filters, stride in ((12, 1), (16, 2)):
        x = norm(L.DepthwiseConv2D(3, stride, "same", use_bias=False)(x), "relu6")
        x = conv(x, filters, 1, 1, "relu6")
    gate = L.GlobalAveragePooling2D(keepdims=True)(x)
    gate = L.Conv2D(4, 1, activation="relu")(gate)
    x = L.Multiply()([x, L.Conv2D(16, 1, activation="sigmoid")(gate)])
    x = L.Concatenate()([L.MaxPooling2D(2)(x), L.AveragePooling2D(2)(x)])
    x = L.Dense(24, activation="tanh")(L.Flatten()(x))
    return tf.keras.Model(source, L.Softmax()(L.Dense(6)(x)))


def autoencoder():
    """Transposed convolutions, leaky relu, a difference, logistic."""
    x = source = L.Input((16, 16, 1), 1)
    x = L.LeakyReLU(negative_slope=0.1)(conv(x, 8, 3, 2))
    x = L.LeakyReLU(negative_slope=0.1)(conv(x, 12, 3, 2))
    x = L.Conv2D(4, 1)(x)
    x = L.Conv2DTranspose(12, 3, 2, "same", activation="relu")(x)
    x = L.Conv2DTranspose(1, 4, 2, "same")(x)
    return tf.keras.Model(source, [L.Activation("sigmoid")(x), L.Subtract()([source, x])])


NETS = {"residual_16x8": residual, "separable_16x8": separable, "autoencoder_16x8": autoencoder}


def converted(model, data, ports=tf.int16):
    model(data, training=True)
    model(data, training=True)
    converter = tf.lite.TFLiteConverter.from_keras_model(model)
    converter.optimizations = [tf.lite.Optimize.DEFAULT]
    converter.representative_dataset = lambda: ([row[None]] for row in data)
    converter.target_spec.supported_ops = [
        tf.lite.OpsSet.EXPERIMENTAL_TFLITE_BUILTINS_ACTIVATIONS_INT16_WEIGHTS_INT8]
    converter.inference_input_type = converter.inference_output_type = ports
    return converter.convert()


def main():
    folder = sys.argv[1]
    for name, make in NETS.items():
        if len(sys.argv) > 2 and name not in sys.argv[2:]:
            continue
        tf.keras.utils.set_random_seed(SEED)
        model = make()
        data = np.random.default_rng(SEED).normal(0, 1, (64, *model.inputs[0].shape[1:])).astype(np.float32)
        with open(os.path.join(folder, name + ".tflite"), "wb") as file:
            file.write(converted(model, data))


if __name__ == "__main__":
    main()
