"""compile.py: two tables of the nets of examples/. The first has the build times of executables, and the time
of a call at -O1 relative to -O2. The second has the time in which cnnc generates C, the time in which the C
compiler compiles it, and the sizes. These times are also measured with random weights."""
# SPDX-License-Identifier: Apache-2.0
import argparse, glob, json, os, resource, struct, subprocess, tempfile, time
import numpy as np
from compiler import newest_clang
from nets import draw_weights, find
from sides import ROOT


def write_safetensors(path, weights):
    header, at = {}, 0
    for name, array in weights.items():
        header[name] = {"dtype": "F32", "shape": list(array.shape), "data_offsets": [at, at + array.nbytes]}
        at += array.nbytes
    text = json.dumps(header).encode()
    text += b" " * (-len(text) % 8)
    with open(path, "wb") as f:
        f.write(struct.pack("<Q", len(text)) + text)
        for array in weights.values():
            f.write(array.tobytes())


def seconds(tries, *command):
    least = np.inf
    for _ in range(tries):
        start = time.perf_counter()
        subprocess.run(command, check=True, capture_output=True)
        least = min(least, time.perf_counter() - start)
    return least


def program_seconds(options, output, *arguments):
    """Wall-clock and CPU seconds to build an executable from a .cnn file; minimum of three runs."""
    wall = used = np.inf
    for _ in range(3):
        before, start = resource.getrusage(resource.RUSAGE_CHILDREN), time.perf_counter()
        subprocess.run([options.cnnc, *arguments, "-Wno-unread-input", "-o", output], check=True,
                       capture_output=True)
        took, after = time.perf_counter() - start, resource.getrusage(resource.RUSAGE_CHILDREN)
        wall = min(wall, took)
        used = min(used, after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime)
    return [f"{wall:.1f}", f"{used:.1f}"]


def call_ratio(program, other):
    """The time of a call in `program`, divided by the time of a call in `other`. The programs alternate, on
    one thread; each time is the minimum."""
    least = dict.fromkeys((program, other), np.inf)
    for _ in range(3):
        for each in least:
            facts = subprocess.run([each, "bench", "--threads=1", "--seconds=1", "--json"], check=True,
                                   capture_output=True).stdout
            least[each] = min(least[each], json.loads(facts)["latency_ms"]["min"])
    return f"{least[program] / least[other]:.2f}"


def measure_programs(options, net):
    source = find(net)
    with tempfile.TemporaryDirectory() as work:
        quick, full = os.path.join(work, "quick"), os.path.join(work, "full")
        cells = program_seconds(options, quick, source, "--no-train", "-O1")[:1]
        cells += program_seconds(options, full, source, "--no-train")
        cells += [call_ratio(quick, full)]
        if "train {" not in open(source).read():
            return cells + ["", "", ""]
        cells += program_seconds(options, quick, source, "-O1")[:1]
        return cells + program_seconds(options, full, source)


def measure_texts(options, net):
    source = find(net)
    facts = json.loads(subprocess.run([options.cnnc, source, "--emit=json", "-Wno-unread-input"], check=True,
                                      capture_output=True).stdout)
    with tempfile.TemporaryDirectory() as work:
        code, weights = os.path.join(work, "net.c"), os.path.join(work, "net.safetensors")
        cnnc = [options.cnnc, source, "--no-train", "-Wno-unread-input", "-o", code]
        clang = [options.cc, "-std=c11", "-O2", "-I", work, "-c", code, "-o", os.path.join(work, "net.o")]
        cells = [f"{1e3 * seconds(3, *cnnc):.0f}", f"{seconds(1, *clang):.1f}",
                 f"{os.path.getsize(code):,}", f"{os.path.getsize(os.path.join(work, 'net.o')):,}"]
        if not facts["weights"]:
            return cells + ["", ""]
        write_safetensors(weights, draw_weights(net, facts["weights"]))
        return cells + [f"{1e3 * seconds(1, *cnnc, '--weights=' + weights):.0f}", f"{seconds(1, *clang):.1f}"]


def table(title, columns, nets, measure, options):
    print(f"{title}\n\n| net | {' | '.join(columns)} |\n|---{'|---' * len(columns)}|")
    for net in nets:
        print("| " + " | ".join([net, *measure(options, net)]) + " |", flush=True)
    print()


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--cnnc", required=True)
    parser.add_argument("--cc", default=newest_clang(), help="compiler of the generated C (the newest clang)")
    parser.add_argument("--programs", action="store_true", help="print only the first table")
    parser.add_argument("nets", nargs="*", help="nets of examples/ (all)")
    options = parser.parse_args()
    known = sorted(os.path.basename(path)[:-len(".cnn")]
                   for path in glob.glob(os.path.join(ROOT, "examples", "*", "*.cnn"))
                   if "\nnet " in open(path).read())
    nets, processors = options.nets or known, len(os.sched_getaffinity(0))
    table(f"from .cnn to a program, with {processors} processors: seconds; for -O2 also the CPU seconds of "
          "all processes; and the time of a call at -O1 relative to -O2",
          ["-O1", "-O2", "processes", "a call", "with training, -O1", "-O2", "processes"], nets,
          measure_programs, options)
    if not options.programs:
        table(f"three targets in one file; {options.cc} -O2",
              ["cnnc ms", "C compiler s", "bytes of C", "bytes of the object", "with weights: cnnc ms",
               "C compiler s"], nets, measure_texts, options)


if __name__ == "__main__":
    main()
