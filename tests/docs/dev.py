# dev.py: the cases of dev.tap. In a page, a ```cnn or ```sh block after the line "`NAME`:" is written to the
# file NAME. In a ```console block, each line "$ COMMAND" is run in a directory for this page, with cnnc on
# the PATH. The command must print the lines that follow.
# SPDX-License-Identifier: Apache-2.0
import glob, json, os, re, struct, subprocess, sys

top = os.path.realpath(os.environ.get("top_srcdir", os.path.join(os.path.dirname(__file__), "..", "..")))
from grammar import Grammar
from tap import check, finish, start

cnnc = os.path.realpath(os.environ["CNNC"])
work = start("dev")
os.mkdir("bin")
os.symlink(cnnc, "bin/cnnc")
environment = {**os.environ, "PATH": os.path.join(work, "bin") + os.pathsep + os.environ["PATH"]}
sys.setrecursionlimit(20000)


def run(command, folder=work):
    """The command's output and its exit status."""
    result = subprocess.run(command, shell=True, cwd=folder, env=environment, timeout=300, text=True,
                            stdout=subprocess.PIPE, stderr=subprocess.STDOUT)
    return result.stdout, result.returncode


def follow(name, text, folder):
    """Runs the commands of a page; returns the page with their present output."""
    pieces, at = [], 0
    for block in re.finditer(r"(?:^`([\w.]+)`:\n\n)?^```(\w+)(?: [^\n]*)?\n(.*?)^```$", text, re.M | re.S):
        if block[1]:
            with open(os.path.join(folder, block[1]), "w", encoding="utf-8") as file:
                file.write(block[3])
        elif block[2] == "cnn":
            with open(os.path.join(folder, "block.cnn"), "w", encoding="utf-8") as file:
                file.write(block[3])
            printed, status = run("cnnc block.cnn -Werror", folder)
            check(status == 0, f"{name}: a net of the page compiles", printed)
        if block[2] != "console":
            continue
        pieces.append(text[at:block.start(3)])
        for command in re.finditer(r"^\$ ([^\n]*)\n(.*?)(?=^\$ |\Z)", block[3], re.M | re.S):
            printed, status = run(command[1], folder)
            check(status == 0, f"{name}: {command[1]}", printed)
            if status or not bless(name):
                check(printed == command[2], "  prints what the page shows", printed)
                printed = command[2]
            pieces.append(f"$ {command[1]}\n{printed}")
        at = block.end(3)
    return "".join(pieces) + text[at:]


def bless(name):
    return os.environ.get("BLESS") and os.access(os.path.join(top, "docs", "dev", name + ".md"), os.W_OK)


# The paths in a page's code, such as `compiler/nest/prove*.c` or `nest/nest.h`, and its links must exist.
# NAME matches any name. `lib/` and `share/` are installation directories, which are not checked.
ROOTS = ("", "compiler/", "compiler/driver/", "compiler/emit/", "compiler/ops/", "compiler/schedule/",
         "runtime/", "runtime/hosted/", "tests/")
PATH = re.compile(r"`((?:[a-z][a-z0-9_]*/)+[\w.*-]*)`")


WORD = re.compile(r"\b[A-Za-z][A-Za-z0-9]*_[A-Za-z0-9_]+\b")


def words_of_sources():
    found = set()
    for folder in "compiler", "runtime", "tests", "grammar", "bench", "python":
        for parent, _, files in os.walk(os.path.join(top, folder)):
            for file in files:
                if file.endswith((".c", ".h", ".def", ".l", ".y", ".py", ".tap", ".sh", ".cnn", ".mk")):
                    with open(os.path.join(parent, file), encoding="utf-8", errors="replace") as source:
                        found.update(WORD.findall(source.read()))
                found.update(WORD.findall(file))
    return found


known_words = words_of_sources()


def missing(text):
    prose = re.sub(r"^```.*?^```$", "", text, flags=re.M | re.S)
    for code in re.findall(r"`([^`\n]+)`", prose):
        yield from (word for word in WORD.findall(code) if word not in known_words and "NAME" not in word
                    and not word.endswith("_"))
    for path in PATH.findall(prose):
        known = path.replace("NAME", "*").rstrip("/")
        if not path.startswith(("lib/", "share/")) and not any(
                glob.glob(os.path.join(top, root, known)) for root in ROOTS):
            yield path
    for link in re.findall(r"\]\(([^):#]+)(?:#[^)]*)?\)", prose):
        if not os.path.exists(os.path.join(top, "docs", "dev", link)):
            yield link


pages = {os.path.splitext(os.path.basename(path))[0]: path
         for path in sorted(glob.glob(os.path.join(top, "docs", "dev", "*.md")))}
for name, path in pages.items():
    with open(path, encoding="utf-8") as file:
        text = file.read()
    folder = os.path.join(work, name)
    os.mkdir(folder)
    os.symlink(os.path.join(top, "compiler"), os.path.join(folder, "compiler"))
    now = follow(name, text, folder)
    if bless(name):
        with open(path, "w", encoding="utf-8") as file:
            file.write(now)
    for command in re.findall(r"`(cnnc [^`\n]+\.cnn[^`\n]*)`", text):
        printed, status = run(command, folder)
        check(status == 0, f"{name}: {command}", printed)
    lost = list(missing(text))
    check(not lost, f"{name}: files, pages and names of C exist", "\n".join(lost))

# ---- completeness ----
def read(*path):
    with open(os.path.join(top, *path), encoding="utf-8") as file:
        return file.read()


pipeline, leads = read("docs", "dev", "pipeline.md"), read("docs", "development.md")
order = re.search(r"^order='([^']*)'", read("tests", "tree.tap"), re.M)[1].split()
rows = [name for row in re.findall(r"^\| (`\w+/`(?:, `\w+/`)*) \|", pipeline, re.M)
        for name in re.findall(r"\w+", row)]
check(rows[:len(order)] == order, "pipeline: folders are listed from the ground up", " ".join(rows))
lost = [folder for folder in sorted(os.listdir(os.path.join(top, "compiler")))
        if os.path.isdir(os.path.join(top, "compiler", folder)) and f"`{folder}/`" not in pipeline]
check(not lost, "pipeline: every folder of the compiler has a row", "\n".join(lost))
passes = re.findall(r'\[PASS_\w+\] = \{"([\w-]+)"', read("compiler", "passes", "passes.c"))
lost = [one for one in passes if f"\n| {one} |" not in pipeline]
check(passes and not lost, "  and every pass", "\n".join(lost))
lir = read("docs", "dev", "lir.md")
lost = [file for file in sorted(os.listdir(os.path.join(top, "compiler", "lir")))
        if file.endswith(".c") and f"`{file}`" not in lir]
check(not lost, "lir: every file has a row", "\n".join(lost))
schedules = read("docs", "dev", "schedules.md")
registered = re.findall(r"^SCHEDULE\((\w+)\)", read("compiler", "schedule", "registry.def"), re.M)
lost = [name for name in registered if f"`{name}`" not in schedules]
check(registered and not lost, "schedules: every registered schedule has a row", "\n".join(lost))
lost = [name for name in pages if f"(dev/{name}.md)" not in leads]
check(not lost, "docs/development.md leads to every page", "\n".join(lost))

# ---- grammars ----
# Writes an int8 net with a tanh, which is lowered to a lookup table.
def write_tanh():
    arrays = [(f"{value}.{part}", kind, content) for value in ("x", "y") for part, kind, content in
              (("scale", "F32", struct.pack("<f", 0.01)), ("zero", "I8", b"\0"))]
    head, data = {"__metadata__": {"cnnc.quantization": json.dumps(
        {"version": 1, "rounding": "single", "layers": {}})}}, b""
    for value, kind, content in arrays:
        head[value] = {"dtype": kind, "shape": [1], "data_offsets": [len(data), len(data) + len(content)]}
        data += content
    text = json.dumps(head).encode()
    with open("tanh.safetensors", "wb") as file:
        file.write(struct.pack("<Q", len(text)) + text + data)
    with open("tanh.cnn", "w", encoding="utf-8") as file:
        file.write('net table {\n  input x: 256 as i8\n  r = tanh(name="y")\n  output r as i8\n}\n')


MODELS = "pretrainedResnet_quant", "kws_ref_model", "separable_16x8"
for model in MODELS:
    run(f"cnnc import {top}/tests/models/{model}.tflite -o {model}.cnn")
write_tanh()
INT8 = [f"{model}.cnn --weights={model}.safetensors --target={target}" for model, target in
        zip(MODELS + ("tanh", MODELS[0]),
            ("x86-64-v4-vnni", "armv7e-m", "x86-64-v4", "x86-64-v4", "x86-64-v4-amx"))]
RUN = [f"{net} --target=x86-64-v3" for net in sorted(glob.glob(f"{top}/tests/run/*.cnn"))]
NETS = {"nests": ["boxes --train --threads=openmp", "multibox_twice --train", "concat_flat --train",
                  "quantize --train", "dense_strassen --train -O0"],
        "lir": ["dense_strassen --train --threads=openmp --mpi",
                "winograd_weights --train --threads=openmp --mpi",
                "region_middle --train --threads=openmp --mpi", "quantize --train --network=look"]}
BATCHES = [f"{top}/{net}.cnn --batch=16 --threads=openmp --target=x86-64-v3" for net in
           ("examples/alexnet/alexnet", "tests/run/yolo")]


# Each production must be used by some printed program. If one is unused, either cnnc no longer prints it, or
# a net for which cnnc prints it is missing here.
def parse(page, view, never=()):
    with open(pages[page], encoding="utf-8") as file:
        grammar = Grammar(file.read())
    problems, commands = [], RUN + INT8 + BATCHES + [
        f"{top}/tests/grad/{net.replace(' ', '.cnn ', 1)} --target=x86-64-v3" for net in NETS[view]]
    for command in commands:
        printed, status = run(f"cnnc {command} --emit={view} 2>errors")
        bad = f"status {status}" if status else grammar.parse(printed)
        problems += [f"{command}: {bad}"] if bad is not None else []
    check(not problems, f"{page}: the grammar parses {len(commands)} printed programs", "\n".join(problems))
    unused = [text for text in grammar.unused() if text not in never]
    check(not unused, "  and every alternative occurs", "\n".join(unused))
    for text in "nonsense\n", printed.replace(" .. ", " ... ", 1):
        check(grammar.parse(text) is not None, "  other text does not parse")


parse("nest", "nests", ("statement: comment",))  # no schedule writes a comment
parse("lir", "lir")
finish()
