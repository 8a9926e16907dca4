"""Compares --report=trace with the symbols of the object, the comments in the C, and --emit=json's layers.
Compares the CSV and the text with the JSON."""

# SPDX-License-Identifier: Apache-2.0
import collections
import csv
import io
import json
import os
import re
import shutil
import subprocess
from pathlib import Path

from quantized import layer, note, save, stored
from tap import check, finish, start

CNNC = shutil.which(os.environ.get("CNNC", "cnnc"))
TOP = Path(os.environ["top_srcdir"]).resolve()
CC = os.environ.get("CC", "cc").split()
COLUMNS = (
    "layer file line operator function table kind target c_lines schedules weights values reads calls reason"
).split()
KEEP = ["-fkeep-static-functions", "-fkeep-inline-functions"]  # gcc keeps functions that nobody calls


def run(*command):
    done = subprocess.run([str(word) for word in command], capture_output=True, text=True)
    if done.returncode:
        raise RuntimeError(f"{command}: {done.stderr[-600:]}")
    return done.stdout


def keeps_functions():
    Path("keep.c").write_text("static int f(void) { return 1; }\nint g;\n")
    done = subprocess.run([*CC, *KEEP, "-c", "keep.c", "-o", "keep.o"], capture_output=True)
    return not done.returncode and " f" in run("nm", "keep.o")


def symbols(path):
    """The functions and the data that the object of a C file defines, without local variables."""
    run(*CC, "-std=gnu11", "-O0", "-w", *KEEP, "-c", path, "-o", "trace.o")
    found = {"function": set(), "table": set()}
    for line in run("nm", "--defined-only", "trace.o").splitlines():
        _, kind, name = line.rsplit(maxsplit=2) if len(line.split()) == 3 else ("", "?", "")
        if name and "." not in name and not name.startswith("__") and kind.lower() in "tdbrgsvw":
            found["function" if kind in "tTwW" else "table"].add(name)
    return found


def repeated(names):
    return [name for name, n in collections.Counter(names).items() if n > 1]


def commented_layers(lines, first):
    """The layers that the comment above a function names."""
    names = []
    for line in reversed(lines[: first - 1]):
        if not line.startswith(("// ", "/*@", "    ", " *")):
            break
        found = re.match(r"// (?:also )?([^ ,]+), (?:[^ ]+, )?line \d+: ", line)
        if found:
            names.append(found[1])
    return names


def check_rows(title, trace, lines, have):
    functions = [row["name"] for row in trace["functions"]]
    tables = [row["name"] for row in trace["tables"]]
    twice = repeated(functions) + repeated(tables)
    check(len(functions) > 5 and not twice, f"{title}: {len(functions)} functions in one row each", twice)
    missing = sorted(have["function"] - set(functions)) + sorted(have["table"] - set(tables))
    check(len(have["function"]) > 3 and not missing, "  all that the object has", missing)
    wrong, used = [], set()
    for row in trace["functions"]:
        for first, last in row["lines"]:
            head = " ".join(lines[first - 1 : last])
            if not re.search(rf"\b{row['name']}\(", head) or not lines[last - 1].endswith("}"):
                wrong.append((row["name"], first, last))
            if used & set(range(first, last + 1)):
                wrong.append((row["name"], "overlaps"))
            used |= set(range(first, last + 1))
    check(not wrong, "  with the lines of its definition", wrong)
    wrong = [
        (row["name"], layer)
        for row in trace["functions"]
        for first, _ in row["lines"]
        for layer in commented_layers(lines, first)
        if row["kind"] == "kernel" and layer not in row["layers"] + row["values"]
    ]
    check(not wrong, "  and every layer that the comment names", wrong)


def check_layers(title, trace, net, options):
    described = json.loads(run(CNNC, net, "--emit=json", *options))
    wanted = [(layer["name"], layer["operator"], layer["line"]) for layer in described["layers"]]
    found = [(layer["name"], layer["operator"], layer["line"]) for layer in trace["layers"]]
    check(wanted and wanted == found, f"  {len(wanted)} layers in one row each", set(wanted) ^ set(found))
    rows = {row["name"]: row for row in trace["functions"] + trace["tables"]}
    wrong = []
    for layer in trace["layers"]:
        if not layer["functions"] and not layer.get("no_code"):
            wrong.append((layer["name"], "no function, no reason"))
        wrong += [
            (layer["name"], name)
            for name in layer["functions"] + layer["tables"]
            if layer["name"] not in rows[name]["layers"]
        ]
    check(not wrong, "    with its functions, or the reason why it has none", wrong)
    names = {layer["name"] for layer in trace["layers"]}
    wrong = [(row["name"], name) for row in rows.values() for name in row["layers"] if name not in names]
    wrong += [(row["name"], name) for row in rows.values() for name in row["values"] if name in names]
    check(not wrong, "    no function has other layers", wrong)


def csv_row(row, kind, layers):
    """The fields that a function or a table must have in the CSV, computed from the JSON."""
    of = [layers[name] for name in row["layers"]]
    files = [layer["file"] for layer in of]
    words = {
        "layer": row["layers"],
        "file": files if len(set(files)) > 1 else files[:1],
        "line": [str(layer["line"]) for layer in of],
        "operator": [layer["operator"] for layer in of],
        "c_lines": [f"{first}-{last}" for first, last in row["lines"]],
        **{key: row.get(key, []) for key in ("weights", "values", "reads", "calls")},
    }
    fields = {key: " ".join(value) for key, value in words.items()}
    fields |= {"kind": row["kind"], "target": row.get("target", ""), "schedules": "; ".join(row["schedules"])}
    return {**dict.fromkeys(COLUMNS, ""), **fields, kind: row["name"]}


def check_csv(trace, text):
    rows = list(csv.DictReader(io.StringIO(text, newline=""), strict=True))
    again = io.StringIO()
    writer = csv.DictWriter(again, COLUMNS, lineterminator="\n")
    writer.writeheader()
    writer.writerows(rows)
    check(rows and again.getvalue() == text, "  CSV with only the necessary quotes", text[:600])
    functions = sorted(row["function"] for row in rows if row["function"])
    names = sorted(row["name"] for row in trace["functions"])
    check(functions == names, "    each function in one row", set(functions) ^ set(names))
    found = {name for row in rows if not row["table"] for name in row["layer"].split()}
    missing = {layer["name"] for layer in trace["layers"]} - found
    check(not missing, "    each layer in a row of a function, or in its own row", missing)
    layers = {layer["name"]: layer for layer in trace["layers"]}
    wanted = [csv_row(row, "function", layers) for row in trace["functions"]]
    wanted += [csv_row(row, "table", layers) for row in trace["tables"]]
    for layer in trace["layers"]:
        if not layer["functions"]:
            place = {"layer": layer["name"], "line": str(layer["line"]), "reason": layer["no_code"]}
            same = {key: layer[key] for key in ("file", "operator")}
            wanted.append({**dict.fromkeys(COLUMNS, ""), **same, **place})
    wrong = [row for row in rows if row not in wanted] + [row for row in wanted if row not in rows]
    check(not wrong and len(rows) == len(wanted), "    the same rows as the JSON", wrong[:4])


def traced(title, net, *options, name="net"):
    """Checks a net; returns its trace."""
    path = Path(f"{name}.c")
    reports = ("--report=trace:trace.json", "--report=trace:trace.csv", "--report=trace")
    text = run(CNNC, net, "-o", path, "-Wno-unread-input", *reports, *options)
    trace = json.loads(Path("trace.json").read_text())
    lines = path.read_text().split("\n")
    check_rows(title, trace, lines, symbols(path))
    kept = [word for word in options if word.startswith(("-D", "--stream", "--slide"))]
    check_layers(title, trace, net, kept)
    heads = re.findall(r"^(\S+), lines \d+ to \d+.*: \w+", text, re.M)
    names = [row["name"] for row in trace["functions"] + trace["tables"]]
    check(sorted(heads) == sorted(names), "  the text has the same rows", set(heads) ^ set(names))
    check_csv(trace, Path("trace.csv").read_bytes().decode())
    return trace


def quotes():
    """A program whose name needs quotes in CSV, with layers of two files in one function."""
    Path("part.cnn").write_text("block part(n) { conv(n, 3x3, pad=1) -> relu }\n")
    net = Path('a "quoted", long name.cnn')
    net.write_text(
        'import "part.cnn"\nnet quotes {\n  input x: 4x4x3\n  part(3, name="a")\n'
        "  conv(3, 3x3, pad=1) -> relu -> flatten\n  dense(5) -> softmax\n}\n"
    )
    traced("a name with quotes", net, "-Os", "--no-train")
    text = Path("trace.csv").read_text()
    check('\nflatten1,"a ""quoted"", long name.cnn",5,flatten,' in text, "  a row with quotes", text)
    check(',"part.cnn a ""quoted"", long name.cnn",1 5,conv conv,' in text, "  layers of two files", text)


def reasons():
    """An int8 net whose normalize only changes the scale."""
    Path("views.cnn").write_text(
        "net views {\n  input x: 4x4x3 as u8\n  normalize(scale=1/255)\n"
        "  conv(4, 3x3) -> flatten\n  dense(5) -> softmax\n}\n"
    )
    arrays = {
        **stored("x", 1.0, -128),
        **stored("normalize1", 1 / 255, -128),
        **stored("conv1", 0.05, 3),
        **stored("dense1", 0.1, -4),
        **layer("conv1", [4, 3, 3, 3], [n % 200 - 100 for n in range(108)], [0.01] * 4, [0] * 4),
        **layer("dense1", [5, 16], [n % 200 - 100 for n in range(80)], [0.01] * 5, [0] * 5),
    }
    save("views.safetensors", arrays, note())
    trace = traced("an int8 net", "views.cnn", "--weights=views.safetensors", "--cpu=cortex-m4")
    found = {row["name"]: row.get("no_code") for row in trace["layers"]}
    scale, shape = "the same stored numbers with another scale", "the same elements with another shape"
    check(found["normalize1"] == scale, "  a layer that changes only the scale", found)
    check(found["flatten1"] == shape, "  a layer that changes the shape", found)
    values = {row["name"]: row["values"] for row in trace["functions"]}
    check(values["views_x_int8"] == ["x_int8"], "  a value that the compiler has added", values)


def main():
    lenet = shutil.copy(TOP / "examples/lenet5/lenet5.cnn", ".")
    model = "kws_ref_model"
    run(CNNC, "import", TOP / f"tests/models/{model}.tflite", "-o", "kws")
    weights = "--weights=kws.safetensors"
    traced("LeNet-5 -O0", lenet, "-O0", "--no-train")
    trace = traced("LeNet-5 for three targets", lenet, "--target=x86-64-v4,x86-64-v3,x86-64", "--no-train")
    targets = {row.get("target") for row in trace["functions"] if row["kind"] == "kernel"}
    check({"x86-64-v4", "x86-64-v3", "x86-64"} <= targets, "  kernels of each target", targets)
    traced("LeNet-5 with training", lenet, "--train", "--target=x86-64-v3", "--network=look")
    traced("LeNet-5 with threads", lenet, "--threads=pool", "--batch=4", "--no-train")
    trace = traced("DS-CNN for a Cortex-M4", "kws.cnn", weights, "--cpu=cortex-m4")
    row = {row["name"]: row for row in trace["functions"]}.get("kws_depthwise1", {})
    merged = {f"depthwise{n}" for n in (1, 2, 3, 4)}
    check(merged <= set(row.get("layers", [])), "  a merged function has the layers of all its calls", row)
    check({f"{name}.weight" for name in merged} <= set(row.get("weights", [])), "  and their weights", row)
    check("relu2" in row["layers"], "  and activations that int8 layers have", row)
    trace = traced("DS-CNN -Os", "kws.cnn", weights, "-Os")
    check(any(len(row["layers"]) > 6 for row in trace["functions"]), "  functions with sizes, too", trace)
    traced("DS-CNN for rv32imc", "kws.cnn", weights, "--cpu=rv32imc")
    traced("DS-CNN -O0 --acsl", "kws.cnn", weights, "-O0", "--acsl")
    traced("DS-CNN, updatable", "kws.cnn", weights, "--cpu=cortex-m4", "--updatable")
    trace = traced("DS-CNN, weights in a file", "kws.cnn", weights, "--cpu=cortex-m4", "--embed=incbin")
    row = {row["name"]: row for row in trace["tables"]}["kws_trained"]
    check({"conv1", "dense1"} <= set(row["layers"]), "  their array has all layers", row)
    reasons()
    quotes()
    Path("sequence.cnn").write_text(
        "net sequence {\n  input x: 32x8\n  conv(16, 3, pad=causal) -> batchnorm -> relu\n"
        "  gru(8) -> conv(4, 1) -> softmax\n}\n"
    )
    traced("a step of a sequence", "sequence.cnn", "-O0", "--stream=1")
    for path in ("activations", "concat"):
        if (TOP / f"tests/run/{path}.cnn").exists():
            traced(path, shutil.copy(TOP / f"tests/run/{path}.cnn", "."), "-O1", "--no-train")


start("trace")
if not keeps_functions() and shutil.which("gcc"):
    CC = ["gcc"]
if keeps_functions():
    main()
    finish()
else:
    print("1..0 # SKIP no gcc, which keeps functions that nobody calls")
