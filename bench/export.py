"""export.py --cnnc CNNC [--opset=N] [PROGRAM...]: checks exported ONNX models. onnx's checker must accept a
model with full shape inference, and onnxruntime must compute the same outputs as the compiled code: for two
images, or in two steps if the net has states. The default is all of tests/run, in which every operator with
an ONNX form must occur; programs that cannot be exported are listed."""
# SPDX-License-Identifier: Apache-2.0
import argparse, glob, os, re, sys, tempfile
import numpy as np, onnx, onnxruntime
top = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))
sys.path.append(os.path.join(top, "tests", "harness"))
import compiled

ELEMENT = {"f32": np.float32, "u8": np.uint8, "i8": np.int8, "i16": np.int16, "i32": np.int32}
MOST = 2e-5  # largest accepted difference, relative to the largest number of an output
MOST_BF16 = 3e-2  # the same for nets with bf16 layers: the exported model computes in float32


def channels_first(array, axis=1):
    return np.ascontiguousarray(np.moveaxis(array, -1, axis) if array.ndim > axis + 1 else array)


def image_of(numbers, port, planes):
    """The image as [H,W,C]. `planes`: the numbers are in the order [C,H,W]."""
    array, shape = np.array(numbers, ELEMENT[port["type"]]), port["shape"]
    return np.moveaxis(array.reshape(shape[-1:] + shape[:-1]), 0, -1) if planes else array.reshape(shape)


def apart(got, ours):
    """The largest difference of an output, relative to the largest number of `ours`; infinite if only one of
    the two is NaN at some position."""
    if not (np.isnan(ours) == np.isnan(got)).all():
        return np.inf
    return np.nanmax(np.abs(got - ours), initial=0) / (np.nanmax(np.abs(ours), initial=0) or 1)


def worst_of(facts, got, wanted):
    worst = 0
    for k, port in enumerate(facts["outputs"]):
        ours = np.array([y[k] for y in wanted]).reshape([len(wanted), *port["shape"]])
        # The second form is for values whose first axis is the row: [image, row, channel, ..].
        forms = [form for form in (channels_first(ours), channels_first(ours, 2))
                 if form.shape == got[k].shape]
        if not forms:
            raise ValueError(f"{port['name']} is {got[k].shape} instead of {channels_first(ours).shape}")
        worst = max(worst, min(apart(got[k], form) for form in forms))
    return worst


def difference(cnnc, program, name, layout, opset):
    """The largest difference of all outputs. If the program cannot be exported: the reason, as text."""
    facts = compiled.facts_of(cnnc, program)
    compiled.write_weights(facts, "w.safetensors")
    words = ["--opset=" + opset] + (["--weights=w.safetensors"] if facts["weights"] else [])
    made = compiled.command(cnnc, program, *words, "--layout=" + layout, "-o", name + ".onnx")
    if made.returncode == 1 and "[onnx-operator]" in made.stderr:
        return re.search(r"error: (.*) \[", made.stderr)[1]
    if made.returncode:
        raise ValueError(made.stderr)
    onnx.checker.check_model(name + ".onnx", full_check=True)
    net = compiled.Net(cnnc, program, "w.safetensors", name)
    images = [compiled.draw_inputs(facts, seed) for seed in (5, 6)]
    feed, text = {}, open(program).read()
    for k, port in enumerate(facts["inputs"]):
        planes = re.search(rf"input {port['name']}:[^\n]*layout=chw", text)
        batch = np.stack([image_of(image[k], port, planes) for image in images])
        feed[port["name"]] = channels_first(batch) if layout == "chw" else np.ascontiguousarray(batch)
    got = outputs_of(name + ".onnx", facts, feed)
    if "[onnx-mask]" in made.stderr:  # NaN where all keys are masked
        got = [np.nan_to_num(y, nan=0) for y in got]
    return worst_of(facts, got, [net(image) for image in images])


def outputs_of(path, facts, feed):
    """The outputs in onnxruntime. With states, each image is a step, and the output NAME_next is the state
    NAME of the next step."""
    options = onnxruntime.SessionOptions()
    options.log_severity_level = 3
    session = onnxruntime.InferenceSession(path, options, providers=["CPUExecutionProvider"])
    states = {}
    for layer in facts["layers"]:
        if layer["operator"] == "state":
            first = np.float32(layer["arguments"].get("init", 0))
            states[layer["name"]] = channels_first(np.broadcast_to(first, [1, *layer["shape"]]))
    if not states:
        return session.run(None, feed)
    names, steps = [port.name for port in session.get_outputs()], []
    for k in range(len(next(iter(feed.values())))):
        step = {name: batch[k:k + 1] for name, batch in feed.items()}
        steps.append(dict(zip(names, session.run(None, {**step, **states}))))
        states = {name: steps[-1][name + "_next"] for name in states}
    return [np.concatenate([step[name] for step in steps]) for name in names[:len(facts["outputs"])]]


def ways_out():
    with open(top + "/compiler/export/onnx_out.def") as file:
        return set(re.findall(r"^OUT\((\w+)", file.read(), re.M))


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--cnnc", required=True)
    parser.add_argument("--opset", default="17")
    parser.add_argument("programs", nargs="*")
    options = parser.parse_args()
    cnnc = os.path.abspath(options.cnnc)
    programs = list(map(os.path.abspath, options.programs)) or sorted(glob.glob(top + "/tests/run/*.cnn"))
    wrong, seen = 0, set()
    with tempfile.TemporaryDirectory() as folder:
        os.chdir(folder)
        for n, program in enumerate(map(os.path.abspath, programs)):
            name = os.path.basename(program)[:-4]
            try:
                result = difference(cnnc, program, name, ("chw", "hwc")[n % 2], options.opset)
            except Exception as problem:
                result = None
                print(f"not ok - {name}: {problem}", flush=True)
            most = MOST_BF16 if "precision=bf16" in open(program).read() else MOST
            if not isinstance(result, str):
                seen.update(layer["operator"] for layer in compiled.facts_of(cnnc, program)["layers"])
            if isinstance(result, str):
                print(f"# {name}: {result}", flush=True)
            elif result is not None:
                word = "ok" if result < most else "not ok"
                print(f"{word} - {name}: differs by {result:.0e} of the largest", flush=True)
            wrong += not isinstance(result, str) and not (result is not None and result < most)
    missing = [] if options.programs else sorted(ways_out() - seen)
    print(f"{'not ok' if missing else 'ok'} - operators that were not tested: {missing or 'none'}")
    raise SystemExit(wrong > 0 or bool(missing))


if __name__ == "__main__":
    main()
