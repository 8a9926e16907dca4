"""beside.py --cnnc CNNC [--kept FOLDER] [--calls] [--threads 1,2] [--seconds S] [NET...]: compares the
handwritten nets of examples/ with torchvision's nets, exported by torch.onnx and imported by cnnc: kernels,
schedules, memory, machine code and the time of a call. With --calls, the times are not measured."""
# SPDX-License-Identifier: Apache-2.0
import argparse, json, os, re, subprocess
import zoo
from compiler import newest_clang
from nets import draw_weights, find
from sides import Case, Ours
from timing import in_turns

HERE = os.path.dirname(os.path.abspath(__file__))
NETS = ["resnet50", "mobilenet_v2", "efficientnet_b0"]
ONCE = re.compile(r"_(pack|open)$")  # functions that prepare weights: they run once
FOLDED = re.compile(r" \+ (batchnorm|drop_path|dropout)\b")  # layers that the exporter folded or left out


def by_hand(options, net):
    """Writes a copy of the net's program in examples/ and returns the path of the copy. Like the imported
    program, the copy has float inputs and no softmax at the end."""
    with open(find(net)) as file:
        text = file.read()
    text = re.sub(r"^( *input \w+: .*) as u8", r"\1", text, flags=re.M)
    text = re.sub(r"^ *normalize\(.*\n", "", text, flags=re.M).replace(" -> softmax", "")
    path = os.path.join(options.kept, f"{net}-by-hand.cnn")
    with open(path, "w") as file:
        file.write(text)
    return path


def imported(options, net):
    base = os.path.join(options.kept, f"torchvision-{net}-torch")
    if not os.path.exists(base + ".onnx"):
        zoo.write("torchvision", net, "torch", base + ".onnx.new")
        os.replace(base + ".onnx.new", base + ".onnx")
    subprocess.run([options.cnnc, "import", base + ".onnx", "-o", base, f"--name={net}"], check=True)
    return base + ".cnn"


def emitted(options, program, kind):
    words = ["--emit=" + kind, "--target=" + options.target, "--no-train", "-Wno-unread-input", "-o", "-"]
    return subprocess.run([options.cnnc, program, *words], check=True, capture_output=True, text=True).stdout


def kernels(options, program):
    """(text, [operators, shapes, schedule]) of each kernel; the text contains the items of the list."""
    rows = []
    for line in emitted(options, program, "schedule").splitlines():
        what = re.match(r" {6}([^,]*): (\S+ -> .*)", line)
        taken = re.match(r" {4}\* (.*?) {2,}", line)
        if what:
            rows.append([FOLDED.sub("", what[1]), what[2].replace("1x1x", ""), None])  # C for 1x1xC
        elif taken and rows:
            rows[-1][2] = taken[1]
    return [(", ".join(map(str, row)), row) for row in rows]


def memory(options, program):
    """The number of kernel calls in an inference, and the bytes of the arena."""
    text = emitted(options, program, "program")
    calls, arena = re.search(r": (\d+) calls", text)[1], re.search(r"arena +([\d,]+)", text)[1]
    return int(calls), int(arena.replace(",", ""))


def instructions(options, program):
    """(name, instructions) of each function that an inference may call. The instructions contain no names of
    functions or data."""
    code, made = (os.path.splitext(program)[0] + suffix for suffix in (".run.c", ".run.o"))
    with open(code, "w") as file:
        file.write(emitted(options, program, "c"))
    subprocess.run([options.cc, "-O3", "-ffunction-sections", "-c", code, "-o", made], check=True)
    text = subprocess.run(["objdump", "-d", made], check=True, capture_output=True, text=True).stdout
    functions = re.findall(r"^0+ <(.*)>:\n((?:.+\n)+)", text, re.M)
    return [(name, re.sub("<.*>", "", body)) for name, body in functions if not ONCE.search(name)]


def told(what, ours, theirs):
    """The differences, one line each. `ours` and `theirs` are lists of (title, compared value)."""
    rows = [f"  {a[0]}; imported: {b[0]}" for a, b in zip(ours, theirs) if a[1] != b[1]]
    if len(ours) != len(theirs):
        rows.append(f"  {len(ours)} {what} by hand, {len(theirs)} imported")
    return rows


def side(options, net, program, threads):
    facts = json.loads(emitted(options, program, "json"))
    return Ours(options, Case(net, [program], None, 1, facts, draw_weights(net, facts["weights"])), threads)


def times(options, net, programs, threads):
    """The minimum milliseconds of a call of each program; the programs alternate."""
    sides = [side(options, net, program, threads) for program in programs]
    least = in_turns(sides, threads, options.seconds)
    for one in sides:
        one.stop()
    return [1e3 * seconds for seconds in least]


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n\n")[0])
    parser.add_argument("--cnnc", required=True)
    parser.add_argument("--kept", default=os.path.join(HERE, "nets"))
    parser.add_argument("--cc", default=newest_clang())
    parser.add_argument("--target", default="native")
    parser.add_argument("--threads", default="1,2")
    parser.add_argument("--seconds", type=float, default=6)
    parser.add_argument("--calls", action="store_true")
    parser.add_argument("nets", nargs="*", metavar="NET", help="of: " + ", ".join(NETS))
    options = parser.parse_args()
    options.cnnc, options.kept = os.path.abspath(options.cnnc), os.path.abspath(options.kept)
    os.makedirs(options.kept, exist_ok=True)
    threads = [] if options.calls else [int(n) for n in options.threads.split(",")]
    heads = ["net", "calls", "imported", "arena", "imported", "kernels", "machine code"]
    heads += [text for n in threads for text in (f"ms, {n} threads", "imported", "ratio")]
    print("| " + " | ".join(heads) + " |\n" + "|---" * len(heads) + "|", flush=True)
    notes = []
    for net in options.nets or NETS:
        programs = [by_hand(options, net), imported(options, net)]
        (calls, arena), (calls2, arena2) = (memory(options, program) for program in programs)
        differences = told("kernels", *(kernels(options, program) for program in programs))
        others = told("functions", *(instructions(options, program) for program in programs))
        cells = [net, calls, calls2, f"{arena:,}", f"{arena2:,}",
                 *(f"{len(rows)} differ" if rows else "the same" for rows in (differences, others))]
        for n in threads:
            ours, theirs = times(options, net, programs, n)
            cells += [f"{ours:.4g}", f"{theirs:.4g}", f"{theirs / ours:.3f}"]
        print("| " + " | ".join(map(str, cells)) + " |", flush=True)
        notes += [net + ":", *differences, *others] if differences or others else []
    print("\n".join(notes))


if __name__ == "__main__":
    main()
