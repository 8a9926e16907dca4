"""imports.py --cnnc CNNC [--kept FOLDER] [--new] [--page] [NET|LIBRARY|EXPORTER...]: nets of other libraries
(zoo.py), exported to ONNX by each exporter. cnnc imports and compiles each model, and its outputs are
compared with onnxruntime's. Each net has its own process; they run one after the other. Models and results
stay in FOLDER: a second run reuses the models. --new reruns only nets that were not right before. --page
writes the section on published nets in docs/nets.md from all results."""
# SPDX-License-Identifier: Apache-2.0
import argparse, json, os, re, subprocess, sys
from pathlib import Path
top = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))
sys.path.append(os.path.join(top, "tests", "harness"))
sys.path.append(os.path.join(top, "bench"))
import section, zoo

MOST = 1e-4  # largest accepted difference, relative to the largest number of an output
LIGHT = ("In ONNX's own test models (column `light`), all elements of a large weight are equal. The outputs "
         "are also compared with the expected outputs that are stored with the models.")


# ---- one net, in a separate process
def inputs_of(path):
    import onnx
    graph = onnx.load(path).graph
    return {port.name for port in graph.input} - {tensor.name for tensor in graph.initializer}


def export(options, library, name, exporter, path):
    """Writes the model; returns the reason if it cannot be written or used."""
    try:
        zoo.write(library, name, exporter, path + ".new")
        ports = inputs_of(path + ".new")
    except Exception as problem:
        lines = [line for line in str(problem).splitlines() if line.strip()] or [type(problem).__name__]
        return lines[0][:200]
    if len(ports) > 1:  # onnxruntime would require values for all of them
        return f"the exporter leaves {len(ports) - 1} of the net's own constants as inputs"
    os.replace(path + ".new", path)
    return None


def refused(made):
    reasons = re.findall(r"^ +=(?! help) (\S+) .*?': (.*)$", made.stderr, re.M)
    return sorted({f"{node}: {why}" for node, why in reasons}) or [made.stderr.strip()[:200]]


def recorded(library, name):
    """The stored output of a light model of onnx; None for other nets. A light model has the same output for
    every image."""
    import onnx
    if library != "onnx":
        return None
    with open(zoo.light(name) + "_output_0.pb", "rb") as file:
        return onnx.numpy_helper.to_array(onnx.TensorProto.FromString(file.read()))


def session_of(path, optimized=False):
    import onnxruntime
    settings, levels = onnxruntime.SessionOptions(), onnxruntime.GraphOptimizationLevel
    settings.log_severity_level = 3
    settings.graph_optimization_level = levels.ORT_ENABLE_ALL if optimized else levels.ORT_DISABLE_ALL
    return onnxruntime.InferenceSession(path, settings, providers=["CPUExecutionProvider"])


def noise_for(session, seed=7):
    import inputs
    port = session.get_inputs()[0]
    return port.name, inputs.normal([n if isinstance(n, int) else 1 for n in port.shape], seed)


def own_error(path):
    """The largest difference between onnxruntime's outputs with and without its optimizations: the effect of
    rounding alone."""
    import numpy as np
    plain, optimized = session_of(path), session_of(path, optimized=True)
    name, image = noise_for(plain)
    pairs = zip(plain.run(None, {name: image}), optimized.run(None, {name: image}))
    return max(float(np.abs(a - b).max() / np.abs(a).max()) for a, b in pairs)


def ranks(path):
    """Whether the model has a TopK. Then rows of the outputs whose scores are equal may change places."""
    import onnx
    return any(node.op_type == "TopK" for node in onnx.load(path, load_external_data=False).graph.node)


def matched(got, wanted, most):
    """The rows of `got` in the order of `wanted`: rows that differ by more than `most` are exchanged among
    each other, each to the position of the nearest wanted row."""
    import numpy as np
    width = wanted.shape[-1]
    ours, theirs = got.reshape(-1, width).copy(), wanted.reshape(-1, width)
    off = [i for i in range(len(ours)) if np.abs(ours[i] - theirs[i]).max() > most]
    free = {i: ours[i].copy() for i in off}
    for i in off:
        nearest = min(free, key=lambda k: np.abs(free[k] - theirs[i]).max())
        ours[i] = free.pop(nearest)
    return ours.reshape(got.shape)


def error(cnnc, path, base, always):
    """The largest difference of an output, relative to its largest number."""
    import numpy as np
    import compiled
    session = session_of(path)
    # `always` is the stored output of a light model. In such a model, all elements of each large weight are
    # equal. So all scores are equal, and they are so large that only rounding would distinguish them. C for
    # the target generic rounds all scores in the same way.
    target = "--target=native" if always is None else "--target=generic"
    net = compiled.Net(cnnc, base + ".cnn", base + ".safetensors", base, ["-O1", target])
    port, image = noise_for(session)
    last = net.facts["inputs"][0]["shape"] == list(image.shape[1:]) and image.shape[1] > 4
    ours = net([(image if last else np.moveaxis(image, 1, -1)).ravel().tolist()])
    theirs, worst, most, ranked = session.run(None, {port: image}), 0, 0, ranks(path)
    other = session.run(None, dict([noise_for(session, seed=8)]))
    if always is None and any(np.array_equal(a, b) for a, b in zip(theirs, other)):
        raise ValueError("an output is the same for every image: the comparison is meaningless")
    if not all(np.isfinite(numbers).all() for numbers in [*ours, *theirs]):
        raise ValueError("an output is NaN or infinite")
    if always is not None:
        worst, most = float(np.abs(np.ravel(always) - np.ravel(ours[0])).max() / np.abs(always).max()), 1
    for facts, got, wanted in zip(net.facts["outputs"], ours, theirs, strict=True):
        got = np.array(got, np.float32).reshape(facts["shape"])
        wanted = wanted[0]
        ways = [wanted] + ([np.moveaxis(wanted, 0, -1)] if wanted.ndim > 1 else [])
        ways = [way.reshape(got.shape) for way in ways if way.size == got.size and
                [n for n in way.shape if n > 1] == [n for n in got.shape if n > 1]]
        largest = float(np.abs(wanted).max())
        if ranked and got.ndim > 1:
            got = matched(got, min(ways, key=lambda way: np.abs(way - got).sum()), MOST * largest)
        worst = max(worst, min(float(np.abs(way - got).max()) for way in ways) / largest)
        spread = float(np.std(wanted)) / largest
        most = max(most, spread)
    if not most > 1e-3:
        raise ValueError("all elements of the outputs are nearly equal: the comparison is meaningless")
    return worst


def one(options, library, name, exporter):
    os.makedirs(options.kept, exist_ok=True)
    base = os.path.join(options.kept, f"{library}-{name}-{exporter}")
    row = {"library": library, "net": name, "exporter": exporter}
    if not os.path.exists(base + ".onnx"):
        why = export(options, library, name, exporter, base + ".onnx")
        if why:
            return row | {"state": "not exported", "why": [why]}
    made = subprocess.run([options.cnnc, "import", base + ".onnx", "-o", base, "--name=net"],
                          capture_output=True, text=True, timeout=120)
    if made.returncode:
        return row | {"state": "refused" if made.returncode == 1 else "wrong", "why": refused(made)}
    row["lines"] = len(open(base + ".cnn").readlines())
    if options.only_import:
        return row | {"state": "imported"}
    try:
        worst = error(options.cnnc, base + ".onnx", base, recorded(library, name))
    except Exception as problem:
        return row | {"state": "wrong", "why": [f"{type(problem).__name__}: {problem}"]}
    finally:
        for suffix in (".so", ".o", ".weights.o"):
            if os.path.exists(base + suffix):
                os.remove(base + suffix)
    if worst > MOST:
        row["theirs"] = own_error(base + ".onnx")
    return row | {"state": "right" if worst <= MOST else "wrong", "worst": worst}


# ---- all nets
def told(row):
    what = f"{row['library']} {row['net']} ({row['exporter']})"
    more = f": differs by {row['worst']:.0e} of the largest" if row["state"] == "right" else ""
    why = f": {reason(row)}" if row["state"] not in ("right", "imported") else ""
    print(f"{'not ok' if row['state'] == 'wrong' else 'ok'} - {what} {row['state']}{more}{why}", flush=True)


def in_process(options, key):
    """Runs one net in a separate process. When this process ends, its memory is freed and its changes of
    Python modules are lost."""
    reading, writing = os.pipe()
    child = os.fork()
    if child == 0:
        os.close(reading)
        log = os.open(os.path.join(options.kept, "log"), os.O_WRONLY | os.O_CREAT | os.O_APPEND)
        os.dup2(log, 1)
        os.dup2(log, 2)
        row = one(options, *key)
        with os.fdopen(writing, "w") as pipe:
            json.dump(row, pipe)
            pipe.flush()
            os._exit(0)
    os.close(writing)
    with os.fdopen(reading) as pipe:
        text = pipe.read()
    _, status = os.waitpid(child, 0)
    return json.loads(text) if text else {"library": key[0], "net": key[1], "exporter": key[2],
                                          "state": "wrong", "why": [f"the process ended with {status}"]}


def run(options, results):
    loaded = set()
    for key in zoo.nets():
        if options.nets and not {key[0], key[1], key[2], ":".join(key)} & set(options.nets):
            continue
        if options.new and results.get(":".join(key), {}).get("state") == "right":
            continue
        if key[0] not in loaded:
            loaded.add(key[0])
            zoo.load(key[0])
        row = in_process(options, key)
        told(row)
        if not options.only_import:
            results[":".join(key)] = row
            with open(os.path.join(options.kept, "results.json"), "w") as file:
                json.dump(results, file, indent=1)


# ---- the page
def cell(row):
    if row is None:
        return ""
    if "worst" not in row:
        return {"refused": "unsupported"}.get(row["state"], row["state"])
    return f"{row['worst']:.0e}" if row["state"] == "right" else f"differs: {row['worst']:.1e}"


def reason(row):
    """Why a net fails."""
    if "why" in row:
        return "; ".join(row["why"])[:300]
    return (f"differs by {row['worst']:.1e} from onnxruntime, whose results with and without "
            f"optimizations differ by {row['theirs']:.1e}")


def table(library, results):
    """One line per net: for each exporter the difference from onnxruntime, or the reason why the net
    fails."""
    exporters = zoo.EXPORTERS.get(library, ["torch", "dynamo"])
    lines = [f"| net | {' | '.join(exporters)} | lines |", "|---" * (len(exporters) + 2) + "|"]
    for name in zoo.NETS[library][1].split():
        rows = [results.get(f"{library}:{name}:{exporter}") for exporter in exporters]
        known = [row for row in rows if row]
        if known:
            size = next((str(row["lines"]) for row in known if "lines" in row), "")
            lines.append(f"| {name} | {' | '.join(map(cell, rows))} | {size} |")
    return lines


def write_page(results):
    rows = list(results.values())
    right = {(row["library"], row["net"]) for row in rows if row["state"] == "right"}
    nets = {(row["library"], row["net"]) for row in rows}
    text = (f"{len(right)} of {len(nets)} nets of model libraries are imported by `cnnc import`, compiled, "
            "and match onnxruntime. Weights are random, batch normalization has statistics that were "
            "measured on noise, and the test image is noise. Each number is the largest difference between "
            "an output of cnnc and of onnxruntime, relative to the largest element of this output; a net "
            f"matches if its number is at most {MOST:.0e}. If a net sorts rows by their scores, each row is "
            "compared with the nearest row of onnxruntime. `torch` is PyTorch's tracing exporter "
            "(`dynamo=False`), `dynamo` is its exporter that uses torch.export; an empty field means that "
            "the exporter was not tried. `lines` is the length of the program. The section `own` has a net "
            "that was written for this test.")
    lines = section.fold(text)
    for library in zoo.NETS:
        if any(row["library"] == library for row in rows):
            note = section.fold(LIGHT) + [""] if library == "onnx" else []
            lines += ["", f"### {library}", "", *note, *table(library, results)]
    others = [row for row in rows if row["state"] != "right"]
    if others:
        lines += ["", "### Failures", "", "| net | exporter | why |", "|---|---|---|"]
        lines += [f"| {row['net']} | {row['exporter']} | {reason(row)} |" for row in others]
    section.write(Path(top, "docs", "nets.md"), "published", lines)


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--cnnc", required=True)
    parser.add_argument("--kept", default=os.path.join(top, "bench", "nets"))
    parser.add_argument("--page", action="store_true")
    parser.add_argument("--only-import", action="store_true")
    parser.add_argument("--new", action="store_true")
    parser.add_argument("nets", nargs="*")
    options = parser.parse_args()
    options.cnnc, options.kept = os.path.abspath(options.cnnc), os.path.abspath(options.kept)
    os.makedirs(options.kept, exist_ok=True)
    kept = os.path.join(options.kept, "results.json")
    results = json.load(open(kept)) if os.path.exists(kept) else {}
    run(options, results)
    if options.page:
        write_page(results)
    raise SystemExit(any(row["state"] == "wrong" for row in results.values()))


if __name__ == "__main__":
    main()
