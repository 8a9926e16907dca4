# guides.py: the cases of guides.tap. A page's blocks are run in order: a program becomes a file named after
# its net; a table becomes a file named after the next net; C becomes the file that its first comment names.
# Shell commands are run. Python code is run if $PYTHON (python3) has the packages of the page; otherwise this
# script writes the arrays and weights that the code would write. Pages about Fashion-MNIST run on synthetic
# images.
# SPDX-License-Identifier: Apache-2.0
import json, os, random, re, shutil, struct, subprocess, zipfile
from tap import check, finish, start

work = start("guides")
docs = os.path.join(os.environ.get("top_srcdir",
                                   os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "..")),
                                   "docs")
os.mkdir("bin")
os.symlink(os.path.abspath(os.environ["CNNC"]) if os.sep in os.environ["CNNC"]
           else shutil.which(os.environ["CNNC"]), "bin/cnnc")
environment = {**os.environ, "PATH": os.path.join(work, "bin") + os.pathsep + os.environ["PATH"]}
python = os.environ.get("PYTHON", "python3")


def run(words, **more):
    return subprocess.run(words, capture_output=True, text=True, timeout=300, env=environment, **more)


def has(*packages):
    return run([python, "-c", "import " + ", ".join(packages)]).returncode == 0


def npy(shape, values, code="B", kind="|u1"):
    head = f"{{'descr': '{kind}', 'fortran_order': False, 'shape': ({''.join(f'{n}, ' for n in shape)}), }}"
    head += " " * ((64 - (11 + len(head)) % 64) % 64) + "\n"
    return b"\x93NUMPY\1\0" + struct.pack("<H",
                                          len(head)) + head.encode() + struct.pack(f"<{len(values)}{code}",
        *values)


# Writes the files that the page's Python would write: inputs, and weights with the net's names and shapes.
def stand_in(net, framework):
    facts = json.loads(run(["cnnc", net + ".cnn", "--emit=json", "-o", "-"]).stdout)
    header, data = {"__metadata__": {"format": framework}}, b""
    for weight in facts["weights"]:
        size = 1
        for n in weight["shape"]:
            size *= n
        data += struct.pack(f"<{size}f", *(random.uniform(0.1, 0.5) for _ in range(size)))
        header[weight["name"]] = {"dtype": "F32", "shape": weight["shape"],
                                  "data_offsets": [len(data) - 4 * size, len(data)]}
    text = json.dumps(header).encode()
    for ending in ".safetensors", ".pt":  # files are recognized by content
        with open(net + ending, "wb") as file:
            file.write(struct.pack("<Q", len(text)) + text + data)
    with open("images.npy", "wb") as file:
        file.write(npy((5, 28, 28, 1), [random.randrange(256) for _ in range(5 * 784)]))
    with open("frames.npy", "wb") as file:
        file.write(npy((5, 49, 40), [random.uniform(-1, 1) for _ in range(5 * 49 * 40)], "f", "<f4"))
    with zipfile.ZipFile("waves.npz", "w") as archive:
        for part, n in ("", 60), ("_test", 20):
            archive.writestr(f"x{part}.npy",
                             npy((n, 32, 1), [random.random() for _ in range(32 * n)], "f", "<f4"))
            archive.writestr(f"y{part}.npy", npy((n,), [i % 4 for i in range(n)], "q", "<i8"))


def follow(page, *packages):
    os.makedirs(page, exist_ok=True)
    os.chdir(page)
    text = open(os.path.join(docs, page + ".md")).read()
    blocks = re.findall(r"^```(\w+)\n(.*?)^```$", text, re.M | re.S)
    blocks.sort(key=lambda block: page == "train" and block[0] != "cnn")  # this page shows the net last
    nets = [re.search(r"^net (\w+)", body, re.M).group(1) for kind, body in blocks if kind == "cnn"]
    real, so_far, made = has(*packages), "", 0
    for number, (kind, body) in enumerate(blocks, 1):
        title = f"{page}, block {number}: {kind}"
        if kind == "python":
            so_far += body  # the blocks of a page are one program
            if real:
                done = run([python, "-c", so_far])
                check(done.returncode == 0, title, done.stdout + done.stderr)
            else:
                check(True, f"{title} # SKIP {python} has not all of {', '.join(packages)}")
        elif kind == "cnn":
            with open(nets[made] + ".cnn", "w") as file:
                file.write(body)
            made += 1
            done = run(["cnnc", nets[made - 1] + ".cnn"])
            check(done.returncode == 0 and not done.stderr, title, done.stderr)
            if not real:
                stand_in(nets[made - 1], page[5:])
        elif kind == "csv":
            with open(nets[made] + ".csv", "w") as file:
                file.write(body)
        elif kind == "c":
            with open(re.match(r"/\* (\w+\.c) \*/", body)[1], "w") as file:
                file.write(body)
        elif body.startswith("arm-none-eabi-gcc") and not shutil.which("arm-none-eabi-gcc"):
            check(True, f"{title} # SKIP no arm-none-eabi-gcc")
        else:
            done = run(["sh", "-e", "-c", body.replace("/usr/share/datasets/fashion-mnist", "synthetic")])
            check(kind == "sh" and done.returncode == 0 and "warning" not in done.stderr, title,
                  done.stdout + done.stderr)
    os.chdir(work)


def first_steps():
    os.mkdir("first-net")
    follow("first-net")
    os.mkdir("cortex-m")
    for name in "digits.cnn", "digits.safetensors":
        shutil.copy(os.path.join("first-net", name), "cortex-m")
    follow("cortex-m")
    follow("train")


# Checks the lines of summaries and the values of macros that streaming.md shows.
def streaming_numbers():
    with open(os.path.join(docs, "streaming.md")) as file:
        page = file.read()
    tables = "".join(run(["cnnc", f"streaming/{net}.cnn", option, "--summary"]).stdout
                     for net, option in (("listen", "--stream=3"), ("word", "--slide=2")))
    headers = "".join(open(f"streaming/{net}.h").read() for net in ("word", "edges"))
    lines = re.search(r"ends with:\n\n((?:    .*\n)+)", page)[1].splitlines()
    lines += [f"{part} of the window's" for part in re.findall(r"needs\s(1/[\d.]+) of the", page)]
    macros = re.findall(r"`(WORD_\w+|EDGES_\w+)`[\w\s,]*? (?:is|here) (-?\d+)", page)
    wrong = [line for line in lines if line.strip() not in tables]
    wrong += [macro for macro, value in macros if not re.search(rf"#define {macro} +{value}\b", headers)]
    check(len(lines) == 4 and len(macros) == 3 and not wrong, "streaming: the numbers of the page",
          f"{lines} {macros}: {wrong}")


first_steps()
follow("streaming")
streaming_numbers()
follow("data", "numpy")
follow("from-pytorch", "numpy", "torch", "safetensors")
if has("torch") and "KERAS_BACKEND" not in environment:
    environment["KERAS_BACKEND"] = "torch"  # keras needs a backend
follow("from-keras", "numpy", "keras", "safetensors")
finish()
