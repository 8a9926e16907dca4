# worked_examples.py: compares numbers that were worked out by hand, in comments of programs, with cnnc's
# output: shapes, parameters and receptive fields after layers, and the values of outputs.
# SPDX-License-Identifier: Apache-2.0
import glob, json, os, re, struct, subprocess, zipfile
import tap

CNNC, HERE = os.environ["CNNC"], os.path.dirname(os.path.abspath(__file__))
# A comment such as `# 28x28x6, 156 parameters, sees 5x5: why`; only the shape is required.
BEHIND = re.compile(r"# (\d[\dx]*)(?:, (\d+) parameters)?(?:, sees (\w+))?(?::.*)?$")


def said(path):
    """Shape, parameters and receptive field of each line, from cnnc, in the form of the comments."""
    facts = json.loads(subprocess.run([CNNC, "--emit=json", path], check=True,
                                      capture_output=True).stdout)
    size, lines = facts["inputs"][0]["shape"][:2], {}
    for layer in facts["layers"]:
        field = layer["receptive_field"]
        whole = field is None or all(a >= b for a, b in zip(field, size))
        sees = "all" if whole else "x".join(map(str, field))
        parameters = layer["parameters"] + lines.get(layer["line"], (0, 0, 0))[1]
        lines[layer["line"]] = "x".join(map(str, layer["shape"])), parameters, sees
    return lines


def check_comments(path):
    lines, wrong, found = said(path), [], 0
    with open(path) as f:
        for n, text in enumerate(f, 1):
            if n not in lines:
                continue
            match, found = BEHIND.search(text.rstrip()), found + 1
            if not match:
                wrong.append(f"{os.path.basename(path)}:{n}: no comment follows this layer")
                continue
            for wanted, got in zip(match.groups(), lines[n]):
                if wanted is not None and wanted != str(got):
                    wrong.append(f"{os.path.basename(path)}:{n}: the comment has {wanted}, cnnc prints {got}")
    name = os.path.basename(path)
    tap.check(found > 5 and not wrong, f"{name}: {found} layers as worked out", "\n".join(wrong))


def npy(shape, numbers):
    head = str({"descr": "<f4", "fortran_order": False, "shape": tuple(shape)}).encode()
    head += b" " * (-(len(head) + 11) % 64) + b"\n"
    return (b"\x93NUMPY\x01\x00" + struct.pack("<H", len(head)) + head +
            struct.pack(f"<{len(numbers)}f", *numbers))


def check_numbers(path):
    """Every input and output of the program has its values in a comment."""
    facts = json.loads(subprocess.run([CNNC, "--emit=json", path], check=True, capture_output=True).stdout)
    with open(path) as f:
        written = {name: [float(x) for x in numbers.split() if x != "|"]
                   for name, numbers in re.findall(r"^# (\w+): ([-\d. |]+)$", f.read(), re.M)}
    with zipfile.ZipFile("in.npz", "w") as archive:
        for port in facts["inputs"]:
            archive.writestr(port["name"] + ".npy", npy(port["shape"], written[port["name"]]))
    subprocess.run([CNNC, path, "-O1", "-o", "program"], check=True, capture_output=True)
    subprocess.run(["./program", "predict", "in.npz", "-o", "out.npz"], check=True, capture_output=True)
    with zipfile.ZipFile("out.npz") as archive:
        for port in facts["outputs"]:
            data = archive.read(port["name"] + ".npy")
            numbers = [x for x, in struct.iter_unpack("<f", data[10 + struct.unpack("<H", data[8:10])[0]:])]
            tap.check(numbers == written.get(port["name"]), f"{os.path.basename(path)}: {port['name']}",
                      f"{written.get(port['name'])} in the comment, but the result is {numbers}")


def main():
    tap.start("worked")
    check_numbers(os.path.join(HERE, "..", "run", "worked_by_hand.cnn"))
    for path in sorted(glob.glob(os.path.join(HERE, "worked_*.cnn"))):
        check_comments(path)
    tap.finish()


main()
