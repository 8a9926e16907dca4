"""wild.py --cnnc CNNC [--cache FOLDER] [--seconds S] [--no-time] [--new] [--page [--cpu NAME]] [WORD...]:
models that packages of PyPI and npm ship (wild.tsv): imported, compiled, and compared in outputs and time on
one thread with the runtime that each is shipped for. A WORD selects rows that contain it. The cache keeps
results; --no-time keeps the earlier times in the cache. --new runs only models that were not right before;
--page writes the section "shipped models" of docs/nets.md from all results."""
# SPDX-License-Identifier: Apache-2.0
import argparse, json, math, os, re, subprocess, sys, tempfile
from pathlib import Path
import numpy as np
import packages, runtimes, samples, section, unrounded

TOP = Path(__file__).resolve().parent.parent
FLOAT_LIMIT, INT8_LIMIT = 1e-3, 0.03  # accepted differences, relative to the largest number of an output


# ---- the list
def rows_of(path, words):
    """One dictionary per line: package, path, sha256, shapes, inputs, options."""
    names = ("package", "path", "sha256", "shapes", "inputs", "options")
    for line in path.read_text().splitlines():
        if line.strip() and not line.startswith("#"):
            cells = line.split("\t")
            if len(cells) != len(names):
                raise SystemExit(f"{path.name}: a row has {len(cells)} cells, not {len(names)}: {line}")
            if not words or any(word in line for word in words):
                row = dict(zip(names, cells))
                row["words"] = [] if row["options"] == "-" else row["options"].split()
                row["ranked"] = "ranked" in row["words"]
                yield row


def shapes_of(text):
    """{name: shape} of a text such as `x=1x3x8x8;y=`. An empty shape is a scalar."""
    if text == "-":
        return {}
    pairs = (part.rpartition("=") for part in text.split(";"))
    return {name: [int(n) for n in size.split("x") if n] for name, _, size in pairs}


# ---- the net and the model on the same inputs
def ports(program):
    """Inputs and outputs of an imported program: name, shape (of inputs), the model's name, the rest of the
    line. The importer writes the model's names as comments."""
    found = {"input": [], "output": []}
    for line in program.splitlines():
        match = re.match(r"\s+(input|output) ([^#]*?)(?:\s+# (.*))?$", line)
        if not match:
            continue
        theirs = [text.rsplit(" ", 1)[0] for text in match[3].split("; ")] if match[3] else []
        for index, port in enumerate(match[2].split(", ")):
            name, _, rest = port.partition(":" if match[1] == "input" else " ")
            shape = re.match(r"\s*\[?([\dx]+)", rest) if match[1] == "input" else None
            found[match[1]].append((name.strip(), tuple(map(int, shape[1].split("x"))) if shape else None,
                                    theirs[index] if index < len(theirs) else None, rest))
    return found["input"], found["output"]


def views(x, shape):
    """The ways to view the model's array as a value of `shape`, the likeliest first. The channels of `shape`
    are last."""
    x = x[0] if x.ndim and x.shape[0] == 1 else x
    last = np.moveaxis(x, 0, -1) if x.ndim > 1 else x
    exact = [y for y in (last, x) if y.shape == shape]
    if exact or x.size != math.prod(shape):
        return exact
    long = [n for n in shape if n > 1]
    same = [y.reshape(shape) for y in (last, x) if [n for n in y.shape if n > 1] == long]
    # the positions are one axis in the model and two axes in `shape`, or the reverse
    joined = [y.reshape(shape) for y in (last, x) if y.ndim and y.shape[-1] == shape[-1]]
    return same or joined or ([x.reshape(shape)] if sum(n > 1 for n in x.shape) < 2 else [])


def input_arrays(inputs, arrays, reference, is_tflite):
    """The net's inputs from the model's inputs, which are matched by name, otherwise by size."""
    left, made = dict(arrays), {}
    quantization = {p["name"]: p["quantization"] for p in reference.ports} if is_tflite else {}
    for name, shape, theirs, rest in inputs:
        fitting = [k for k in left if k == theirs] or \
            [k for k in left if re.sub(r"\W", "_", k).strip("_") == name.strip("_")] or \
            [k for k, x in left.items() if is_tflite and x.size == math.prod(shape) or views(x, shape)]
        if not fitting:
            raise ValueError(f"no input of the model fits {name}, {shape}")
        x = left.pop(fitting[0])
        y = x.reshape(shape) if is_tflite else views(x, shape)[0]
        kind = next((t for word, t in (("as u8", np.uint8), ("as i8", np.int8)) if word in rest), np.float32)
        if is_tflite and kind == np.float32:
            y = runtimes.dequantized(y, quantization[fitting[0]])
        made[name] = y.astype(kind)[None]
    return made


def ranked_difference(ours, theirs):
    """The largest difference between the best tenth of the runtime's rows and the nearest rows of cnnc. Other
    rows are not compared, because rows with nearly equal scores may change places, and rounding determines
    the last rows of a ranking."""
    best = theirs[:max(1, len(theirs) // 10)]
    return max(float(np.abs(ours - row).max(axis=1).min()) for row in best)


def largest_difference(ours, outputs, theirs, names, is_tflite, ranked=False):
    """The largest difference over all outputs, relative to the largest number of each."""
    worst = 0.0
    for index, (name, _, their_name, _) in enumerate(outputs):
        y = ours[name][0].astype(np.float64)
        wanted = np.asarray(theirs[names.index(their_name) if their_name in names else index], np.float64)
        ways = [wanted.reshape(y.shape)] if is_tflite and wanted.size == y.size else views(wanted, y.shape)
        if not ways:
            raise ValueError(f"output {name} has shape {y.shape}, the model's {wanted.shape}")
        if wanted.size > 1 and not np.ptp(wanted) > 0:
            raise ValueError(f"the model gives one number for all of {name}: nothing is compared")
        top = np.abs(wanted).max(initial=0) or 1.0
        errors = [ranked_difference(y, way) if ranked else float(np.abs(y - way).max(initial=0))
                  for way in ways]
        error = min(errors) / top
        worst = max(worst, math.inf if math.isnan(error) else error)
    return worst


# ---- one model
def cnnc(options, *words):
    done = subprocess.run([options.cnnc, *map(str, words)], capture_output=True, text=True, timeout=900,
                          stdin=subprocess.DEVNULL)
    return done.returncode, done.stderr


def reasons(text):
    """The errors of a failed import, and the nodes that are listed below them."""
    lines = [line.strip() for line in text.splitlines() if "warning:" not in line]
    kept = [re.sub(r"^\S*: (error: )?", "", line) if " error: " in line else line for line in lines
            if " error: " in line or re.match(r"= (?!help)", line)]
    return " | ".join(kept or lines[:3])[:600]


def unrounded_outputs(model, shapes, arrays):
    """The outputs of the float model that a dynamically quantized model becomes; cnnc computes this one."""
    path = model.with_name("unrounded.onnx")
    unrounded.write(model, path)
    return runtimes.OnnxRuntime(str(path), shapes)(arrays)


def compare(row, options, folder, model, shapes, is_tflite, dynamic):
    """Builds the net, runs both sides on the same inputs, and sets `error` and the times. dynamic: the
    runtime rounds values that cnnc computes in float."""
    net, program = folder / "net", folder / "program"
    weights = [f"--weights={net}.safetensors"] if (folder / "net.safetensors").exists() else []
    status, text = cnnc(options, f"{net}.cnn", *weights, "-o", program)
    if status:
        return {"state": "wrong", "why": f"compiling ends with {status}: {reasons(text)}"}
    reference = (runtimes.LiteRT if is_tflite else runtimes.OnnxRuntime)(str(model), shapes)
    random = np.random.default_rng(1)
    kind = samples.kinds(row["inputs"], [name for name, _, _ in reference.inputs])
    arrays = {name: samples.sample(kind[name], shape, dtype, random, options.cache)
              for name, shape, dtype in reference.inputs}
    inputs, outputs = ports((folder / "net.cnn").read_text())
    np.savez(folder / "x.npz", **input_arrays(inputs, arrays, reference, is_tflite))
    done = subprocess.run([program, "predict", folder / "x.npz", "-o", folder / "y.npz", "--threads=1"],
                          capture_output=True, text=True, timeout=300)
    if done.returncode:
        return {"state": "wrong", "why": f"predict ends with {done.returncode}: {reasons(done.stderr)}"}
    theirs = unrounded_outputs(model, shapes, arrays) if dynamic else reference(arrays)
    with np.load(folder / "y.npz") as ours:
        error = largest_difference(ours, outputs, theirs, reference.names, is_tflite, ranked=row["ranked"])
    quantized = weights and b"cnnc.quantization" in (folder / "net.safetensors").read_bytes()
    found = {"state": "right" if error <= (INT8_LIMIT if quantized else FLOAT_LIMIT) else "wrong",
             "error": error, "int8": bool(quantized), "runtime": reference.title, "dynamic": dynamic}
    return found | ({} if options.no_time else times(options, program, folder / "x.npz", reference, arrays))


def times(options, program, given, reference, arrays):
    """Milliseconds of a call on one thread, with the inputs that were compared (given: a file with them). The
    runtime is timed before and after the net."""
    before = reference.seconds(arrays, options.seconds / 2)
    done = subprocess.run([program, "bench", given, "--json", "--threads=1", f"--seconds={options.seconds}"],
                          capture_output=True, text=True, timeout=300)
    if done.returncode:
        raise ValueError(f"bench ends with {done.returncode}: {reasons(done.stderr)}")
    after = reference.seconds(arrays, options.seconds / 2)
    return {"ms": json.loads(done.stdout)["latency_ms"]["min"], "theirs_ms": min(before, after) * 1e3}


def one(row, options):
    data, digest = packages.model_bytes(row["package"], row["path"], row["sha256"], options.cache)
    is_tflite = row["path"].endswith(".tflite")
    with tempfile.TemporaryDirectory(prefix="wild-") as name:
        folder = Path(name)
        model = folder / ("model.tflite" if is_tflite else "model.onnx")
        model.write_bytes(data)
        shapes, words = shapes_of(row["shapes"]), [word for word in row["words"] if word != "ranked"]
        for port, size in shapes.items():
            if size:
                words += ["--shape", f"{port}={'x'.join(map(str, size))}"]
        status, text = cnnc(options, "import", model, "-o", folder / "net", "--name=net", *words)
        if status:
            found = {"state": "refused" if status == 1 else "wrong", "why": reasons(text)}
        else:
            found = compare(row, options, folder, model, shapes, is_tflite, "[import-rounding]" in text)
    return row | {"sha256": digest} | found


# ---- all models
def report(row):
    words = [row["state"], row["package"], row["path"]]
    if "error" in row:
        words.append(f"error {row['error']:.0e}")
    if "ms" in row:
        words.append(f"{row['theirs_ms']:.3f} / {row['ms']:.3f} ms = {row['theirs_ms'] / row['ms']:.2f}x")
    print("  ".join(words) + (f"  [{row['why']}]" if "why" in row else ""), flush=True)


def summary(rows):
    right = [row for row in rows if row["state"] == "right"]
    ratios = [row["theirs_ms"] / row["ms"] for row in right if "ms" in row]
    text = f"{len(right)} of {len(rows)} shipped models match, " \
        f"{sum(row['state'] == 'refused' for row in rows)} are unsupported, " \
        f"{sum(row['state'] == 'wrong' for row in rows)} are wrong"
    if ratios:
        mean = math.exp(sum(map(math.log, ratios)) / len(ratios))
        text += f"; cnnc is {mean:.2f}x faster than the runtime they are shipped for " \
            f"(geometric mean, one thread; at least {min(ratios):.2f}x)"
    return text


def page(rows, cpu):
    """The section of docs/nets.md."""
    text = "The models come from packages of PyPI and npm. Each model is imported and compiled, and " \
        "its outputs are compared with those of the runtime for which it is shipped (onnxruntime or " \
        "LiteRT), on the same inputs. The error is the largest difference between an output of cnnc and of " \
        "the runtime, relative to the largest element of this output; a model matches if the error is " \
        f"at most {FLOAT_LIMIT:.0e} ({INT8_LIMIT} for int8 models). Where a model ranks rows by their " \
        "scores, " \
        "the best tenth of the runtime's rows is compared with the nearest rows of cnnc: rounding changes " \
        "the order of rows with nearly equal scores, even between the runtime with and without its " \
        "optimizations. " \
        "A dynamically quantized model, which cnnc computes in float, is compared with the float model of " \
        "the same weights: its error is marked with (float). " \
        "The speed-up is over the runtime, " \
        f"on one thread{f' of {cpu}' if cpu else ''}; if the field is empty, the speed was not measured."
    lines = section.fold(f"{summary(rows)}.") + [""] + section.fold(text)
    lines += ["", "| package | file | error | speed-up |", "|---|---|---|---|"]
    for row in (row for row in rows if row["state"] != "refused"):
        speed = f"{row['theirs_ms'] / row['ms']:.2f}x" if "ms" in row else ""
        error = f"{row['error']:.0e}" if "error" in row else ""
        error += f" wrong: {row.get('why', '')}" if row["state"] == "wrong" else ""
        error += " (ranked rows)" if row["ranked"] else ""
        error += " (float)" if row.get("dynamic") else ""
        lines.append(f"| {row['package']} | {row['path'].rpartition('/')[2]} | {error} | {speed} |")
    lines += ["", "Unsupported models:", "", "| package | file | reason |", "|---|---|---|"]
    lines += [f"| {row['package']} | {row['path'].rpartition('/')[2]} | {row['why'].replace('|', ';')} |"
              for row in rows if row["state"] == "refused"]
    section.write(TOP / "docs" / "nets.md", "shipped", lines)


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--cnnc", required=True)
    parser.add_argument("--cache", type=Path, default=TOP / "bench" / "shipped")
    parser.add_argument("--seconds", type=float, default=1)
    parser.add_argument("--no-time", action="store_true")
    parser.add_argument("--new", action="store_true")
    parser.add_argument("--page", action="store_true")
    parser.add_argument("--cpu", default="", help="CPU that the page names")
    parser.add_argument("words", nargs="*")
    options = parser.parse_args()
    options.cnnc, options.cache = os.path.abspath(options.cnnc), options.cache.resolve()
    options.cache.mkdir(parents=True, exist_ok=True)
    kept = options.cache / "results.json"
    results = json.loads(kept.read_text()) if kept.exists() else {}
    key = lambda row: f"{row['package']} {row['path']}"
    for row in rows_of(TOP / "bench" / "wild.tsv", options.words):
        if options.new and results.get(key(row), {}).get("state") == "right":
            continue
        try:
            found = one(row, options)
        except Exception as problem:  # an error of one model does not end the run
            found = row | {"state": "wrong", "why": f"{type(problem).__name__}: {problem}"[:300]}
        if options.no_time and found["state"] == "right":  # with the times of an earlier run
            found = {k: v for k, v in results.get(key(row), {}).items() if k in ("ms", "theirs_ms")} | found
        report(found)
        results[key(row)] = found
        kept.write_text(json.dumps(results, indent=1))
    listed = [results[key(row)] for row in rows_of(TOP / "bench" / "wild.tsv", []) if key(row) in results]
    print(summary(listed))
    if options.page:
        page(listed, options.cpu)
    sys.exit(any(row["state"] == "wrong" for row in listed))


if __name__ == "__main__":
    main()
