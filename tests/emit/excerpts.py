# excerpts.py: the cases of excerpts.tap. Below the header of a schedule file is
#
#     // Example: NET OPTIONS, lines A-B of FUNCTION:
#     //
#     //     C
#
# where NET is `x: SHAPE -> LAYER -> ...` in backquotes. If NET ends in train(N), cnnc generates its training
# with batches of N images. In int8/ and mcu/, NET is an int8 model with weights of harness/quantized.py.
# Each file with a schedule has an example; the file of an operator with its own nest may have an example.
# SPDX-License-Identifier: Apache-2.0
import glob, os, re, subprocess

top = os.path.realpath(os.environ.get("top_srcdir", os.path.join(os.path.dirname(__file__), "..", "..")))
cnnc = os.path.realpath(os.environ["CNNC"])
from quantized import chain, note, save
from tap import check, finish, start

start("excerpts")
EXAMPLE = re.compile(r"^// Example: `x: (\w+) -> ([^`]*)`(.*?),(?: |\n// )lines (\d+)-(\d+) of (\w+):\n//\n"
                     r"((?://     .*\n|//\n(?=//     ))*)", re.M)
WIDTH = 98  # maximum width of a line of the excerpt; a longer line ends in ...
# These files have no example. The schedule in rows.c only describes an alternative that the plan has
# rejected; the schedule in dsp.c uses the operator's own nest.
NONE = {"rows.c", "dsp.c"}


def compiled(shape, layers, options, int8, emit):
    """Compiles the net; returns the status of cnnc, its output and its messages."""
    rest = ("global_avgpool -> " if "x" in shape else "") + r"dense(4) -> train { loss = mse; batch = \1 }"
    layers = re.sub(r"train\((\d+)\)$", rest, layers)
    with open("n.cnn", "w", encoding="utf-8") as file:
        file.write("net n {\n  input x: %s%s\n  %s\n}\n" %
                   (shape, " as i8" * int8, "\n  ".join(layers.split(" -> "))))
    if int8:
        save("n.safetensors", chain(shape, layers.split(" -> ")), note())
        options += " --weights=n.safetensors"
    result = subprocess.run([cnnc, "n.cnn", "--emit=" + emit, "-o", "n.out", *options.split()], text=True,
                            stdout=subprocess.PIPE, stderr=subprocess.STDOUT)
    if result.returncode:
        return False, result.stdout
    with open("n.out", encoding="utf-8") as file:
        return True, file.read()


def function(name, *net):
    """The lines of the function that cnnc prints for the net."""
    good, text = compiled(*net, "c")
    if not good:
        return [text]
    found = re.search(r"^(?!typedef)[^\n;]*\bn_%s\((?:[^;{]|\n)*\{\n.*?^\}$" % name, text, re.M | re.S)
    return found[0].split("\n") if found else ["no function n_%s" % name]


def excerpt(match, int8):
    lines = function(match[6], *match.group(1, 2, 3), int8)[int(match[4]) - 1:int(match[5])]
    indent = min((len(line) - len(line.lstrip()) for line in lines if line), default=0)
    lines = [line[indent:] for line in lines]
    lines = [line if len(line) <= WIDTH else line[:WIDTH - 4] + " ..." for line in lines]
    return "".join("//     " + line + "\n" for line in lines)


def chosen(match, int8):
    """The schedules that cnnc chooses for kernels of the net."""
    return re.findall(r"^    \* (.*?)  ", compiled(*match.group(1, 2, 3), int8, "schedule")[1], re.M)


for path in sorted(glob.glob(os.path.join(top, "compiler/schedule/*/*.c")) +
                   glob.glob(os.path.join(top, "compiler/ops/*/*.c"))):
    with open(path, encoding="utf-8") as file:
        text = file.read()
    name = os.path.basename(path)
    if "// Example: `x:" not in text and (not re.search(r"^const Schedule ", text, re.M) or name in NONE):
        continue
    match = EXAMPLE.search(text)
    check(match, f"{name} opens with an example of its C", "")
    if not match:
        continue
    int8 = os.path.basename(os.path.dirname(path)) in ("int8", "mcu")
    now = excerpt(match, int8)
    names = re.findall(r"^const Schedule .*?\.name = \"([^\"]*)\"", text, re.M | re.S)
    ways = chosen(match, int8) if names else []
    if names:  # titles begin with the name: Winograd F(4x4,3x3)
        check(any(way.startswith(one) for way in ways for one in names),
              f"  {name} defines the schedule of its example", "\n".join(ways))
    if os.environ.get("BLESS") and os.access(path, os.W_OK):
        with open(path, "w", encoding="utf-8") as file:
            file.write(text[:match.start(7)] + now + text[match.end(7):])
    else:
        check(now == match[7], "  which is what cnnc generates", now)
finish()
