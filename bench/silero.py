"""silero.py: silero-vad in steps of 512 samples (silero.cnn, --stream=512) compared with its ONNX model, run
by onnxruntime frame by frame on one thread: probabilities over a minute, and the time of a step."""
# SPDX-License-Identifier: Apache-2.0
import argparse
import os
import time

import numpy as np
import onnx
import onnxruntime
from onnx import numpy_helper

import cnnc

RATE, FRAME, CONTEXT, SECONDS, TOGETHER = 16000, 512, 64, 60, 25


def weights_of(model, net):
    given = {i.name: numpy_helper.to_array(i) for i in model.graph.initializer}
    names = {"stft.weight": "stft.forward_basis_buffer",
             **{f"rnn.{a}_{b}_l0": f"decoder.rnn.{a}_{b}" for a in ("weight", "bias") for b in ("ih", "hh")},
             **{f"encoder.{i}.{a}": f"encoder.{i}.reparam_conv.{a}" for i in range(4)
                for a in ("weight", "bias")},
             **{f"output.{a}": f"decoder.decoder.2.{a}" for a in ("weight", "bias")}}
    return {weight.name: given["model." + names[weight.name]].reshape(weight.shape).astype(np.float32)
            for weight in net._facts.weights}


def sound():
    """Varying tones with pauses, in noise."""
    t = np.arange(RATE * SECONDS // FRAME * FRAME) / RATE
    tone = 0.3 * np.sin(2 * np.pi * (200 + 150 * np.sin(t)) * t) * (np.sin(0.7 * t) > 0)
    return (tone + 0.05 * np.random.default_rng(1).standard_normal(len(t))).astype(np.float32)


def peer(path, x):
    """The probabilities of onnxruntime, and the median time of a step."""
    settings = onnxruntime.SessionOptions()
    settings.intra_op_num_threads = settings.inter_op_num_threads = 1
    settings.log_severity_level = 3
    session = onnxruntime.InferenceSession(path, settings, providers=["CPUExecutionProvider"])
    state, before, made, seconds = np.zeros((2, 1, 128), np.float32), np.zeros(CONTEXT, np.float32), [], []
    for frame in x.reshape(-1, FRAME):
        given = {"input": np.concatenate([before, frame])[None], "state": state,
                 "sr": np.array(RATE, np.int64)}
        begun = time.perf_counter()
        p, state = session.run(None, given)
        seconds.append(time.perf_counter() - begun)
        before = frame[-CONTEXT:]
        made.append(float(p.ravel()[0]))
    return np.array(made), np.median(seconds)


def ours(net, x):
    """The probabilities of cnnc, and the median time of a step. A call of the package makes TOGETHER
    steps."""
    stream, made, seconds = net.stream(FRAME), [], []
    for part in np.split(x[:, None], len(x) // (TOGETHER * FRAME)):
        begun = time.perf_counter()
        made.append(stream(part)[:, 0])
        seconds.append((time.perf_counter() - begun) / TOGETHER)
    return np.concatenate(made), np.median(seconds)


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("model", help="silero_vad_op18_ifless.onnx of the package silero-vad 6.2.3")
    path = parser.parse_args().model
    net = cnnc.load(os.path.join(os.path.dirname(__file__), "silero.cnn"))
    net.load_weights(weights_of(onnx.load(path), net))
    x = sound()
    (want, slow), (got, fast) = peer(path, x), ours(net, x)
    print(f"{len(x) / RATE:.0f} s in steps of {FRAME} samples: {len(got)} probabilities, "
          f"largest difference {np.abs(got - want).max():.1e}")
    print(f"a step: cnnc {1e6 * fast:.1f} us, onnxruntime {1e6 * slow:.1f} us: {slow / fast:.1f}x")


main()
