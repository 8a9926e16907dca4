"""inference.py: the same net, weights and images in generated C and in other runtimes: equality of the
outputs, and speed. cnnc builds every net from examples/, and nets.py builds it as ONNX, with the same random
weights. Generated code gets the weights through NAME_pack, like a program that loads a weight file. The
runtimes run in turns, and the shortest call of each counts.
"""
# SPDX-License-Identifier: Apache-2.0
import argparse, json, os, platform, subprocess, tempfile, time
import numpy as np
import timing
from compiler import newest_clang
from mobile_sides import MOBILE_PEERS
from nets import NETS, OTHERS, SIZES, draw_weights, find
from sides import PEERS, ROOT, Case, Ours, Unsupported, march
from timing import in_turns

BATCHES = [("lenet5", 64), ("alexnet", 16)]  # measured in addition to batch 1


def make_case(options, net, batch):
    source = [find(net), *SIZES.get(net, [])]
    facts = json.loads(subprocess.run([options.cnnc, *source, "--emit=json", "-Wno-unread-input"], check=True,
                                      capture_output=True).stdout)
    build = {**NETS, **OTHERS}[net]
    return Case(net, source, build, batch, facts, draw_weights(net, facts["weights"]))


def error(case, ours, theirs, most=2e-3):
    """The largest difference of all outputs, each relative to its largest number. Ends the script if the
    difference exceeds `most`."""
    difference = difference_of(case, ours.results(), theirs.results())
    if not difference <= most:
        raise SystemExit(f"{case.net}: the outputs differ by {difference:.2g} of the largest")
    return difference


def difference_of(case, outputs, reference):
    return max(difference_of_output(case, *pair) for pair in zip(outputs, reference, strict=True))


def difference_of_output(case, ours, theirs):
    largest = np.abs(theirs).max()
    if not np.median(np.abs(theirs)) > 1e-5 * largest:
        raise SystemExit(f"{case.net}: nearly all outputs are zero, so a comparison is meaningless")
    return float(np.abs(ours.ravel() - theirs.ravel()).max() / largest)


def errors_in_bf16(options, case, sides):
    """The largest difference of each side from cnnc's float code. A net with random weights may magnify
    rounding errors. So cnnc's difference is an error only if it is over four times OpenVINO's in bf16."""
    floats = Ours(argparse.Namespace(**{**vars(options), "bf16": False}), case, 1)
    floats.call()
    errors = [difference_of(case, side.results(), floats.results()) for side in sides]
    floats.stop()
    rounded = [error for peer, error in zip(options.peers, errors[1:]) if peer.name == "OpenVINO"]
    if rounded and errors[0] > 4 * rounded[0] + 1e-2:
        raise SystemExit(f"{case.net}: the outputs differ from those of floats by {errors[0]:.2g} of the "
                         "largest")
    return errors


def supported(peer, options, case, threads):
    """The peer's side, or the reason why the peer cannot compute the case."""
    try:
        return peer(options, case, threads)
    except Unsupported as reason:
        return reason


def checked(case, ours, side):
    """The difference of a peer's outputs. If the outputs of ncnn or MNN are wrong, the run continues."""
    try:
        return error(case, ours, side)
    except SystemExit as problem:
        if type(side) not in MOBILE_PEERS:
            raise
        return Unsupported(str(problem).removeprefix(case.net + ": "))


def compare(options, case, threads):
    """For each side, cnnc first: the minimum seconds, or the reason why the side cannot compute the case. The
    second result is the list of the largest differences of outputs."""
    sides = [Ours(options, case, threads)] + [supported(peer, options, case, threads)
                                              for peer in options.peers]
    there = [side for side in sides if not isinstance(side, Unsupported)]
    least = dict(zip(there, in_turns(there, threads, options.seconds)))
    if options.bf16:
        differences = errors_in_bf16(options, case, there)
    else:
        found = {side: checked(case, there[0], side) for side in there[1:]}
        least.update((side, wrong) for side, wrong in found.items() if isinstance(wrong, Unsupported))
        differences = [max((off for off in found.values() if not isinstance(off, Unsupported)),
                           default=0)]
    there[0].stop()
    return [least.get(side, side) for side in sides], differences


def vector_bytes(target):
    return {"x86-64-v4": 64, "x86-64-v3": 32,
            "x86-64": 16}.get(target) or (64 if "avx512f" in open("/proc/cpuinfo").read() else 32)


def bf16_kind(options):
    """Options of peak.c for products of bf16 numbers, if the CPU and the target have instructions for
    them."""
    words = open("/proc/cpuinfo").read().split()
    targets = "native", "x86-64-v4-amx", "x86-64-v4-bf16"
    if not getattr(options, "bf16", False) or options.target not in targets:
        return []
    if "amx_bf16" in words and options.target != "x86-64-v4-bf16":
        return ["-DTILES"]
    return ["-DDOTS"] if "avx512_bf16" in words else []


def peak(options, threads):
    """GFLOP/s of multiply-adds in registers, with vectors as wide as the target's."""
    with tempfile.TemporaryDirectory() as work:
        program = os.path.join(work, "peak")
        width = f"-DBYTES={vector_bytes(options.target)}"
        subprocess.run([options.cc, "-O2", *march(options.target), width, *bf16_kind(options),
                        os.path.join(ROOT, "bench", "peak.c"), "-o", program, "-lpthread"], check=True)
        return float(subprocess.run([program, str(threads)], check=True, capture_output=True, text=True)
                     .stdout)


def read_options(known, kind, seconds, peers=None, more=(), add=lambda parser: None):
    """`peers`: the peers that are measured by default. `more`: peers that --peers may name in addition to
    PEERS. `add`: a function that adds a script's own options."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n\n")[0])
    parser.add_argument("--cnnc", required=True)
    parser.add_argument("--cc", default=newest_clang(), help="compiler of the generated C (the newest clang)")
    parser.add_argument("--threads", default="1,2", help="numbers of threads, one row for each (1,2)")
    parser.add_argument("--batch", type=int, help="images per call (1, and 64 for lenet5, 16 for alexnet)")
    parser.add_argument("--target", default="native",
                        help="target of cnnc (native); for lower targets OpenVINO is limited to AVX2, but "
                             "nothing limits onnxruntime")
    parser.add_argument("--peers", default=peers or ",".join(peer.name for peer in PEERS),
                        help="the other runtimes, of " + ", ".join(peer.name for peer in [*PEERS, *more]) +
                             f" ({peers or 'the first two'})")
    parser.add_argument("--seconds", type=float, default=seconds, help=f"duration of each row ({seconds})")
    parser.add_argument("--processor-time", action="store_true",
                        help="measure processor time, for a busy machine; only with one thread")
    parser.add_argument("--precision", choices=["f32", "bf16"], default="f32",
                        help="bf16: cnnc with --precision=bf16, and OpenVINO's default precision (f32)")
    add(parser)
    parser.add_argument("nets", nargs="*", metavar=kind, help="of: " + ", ".join(known))
    options = parser.parse_args()
    if options.processor_time:
        timing.clock = time.process_time
    unknown = [net for net in options.nets if net not in known]
    if unknown:
        parser.error(f"no such {kind}: " + ", ".join(unknown))
    options.bf16 = options.precision == "bf16"
    options.threads = [int(number) for number in options.threads.split(",")]
    options.peers = [peer for peer in [*PEERS, *more] if peer.name in options.peers.split(",")]
    if options.target == "x86-64-v3":
        os.environ["ONEDNN_MAX_CPU_ISA"] = "AVX2"
    return options


def print_machine(options, precision):
    version = subprocess.run([options.cc, "-dumpversion"], capture_output=True, text=True).stdout.strip()
    peers = ", ".join(f"{peer.name} {peer.version()}" for peer in options.peers)
    processor = next((line.split(":")[1].strip() for line in open("/proc/cpuinfo")
                      if line.startswith("model name")), platform.machine())
    print(f"{precision}; {processor}; target {options.target}; {options.cc} {version}; {peers}")


def print_head(options, peaks, kind):
    print_machine(options, "bf16" if options.bf16 else "fp32")
    print("peak of " + "; ".join(f"{threads} thread{'s' * (threads > 1)}: {peaks[threads]:.0f} GFLOP/s"
                                 for threads in options.threads) + "\n")
    columns = [kind, "batch", "threads", "cnnc ms", "of peak"]
    columns += [text for peer in options.peers for text in (peer.name + " ms", "ratio")]
    columns.append("errors" if options.bf16 else "largest difference")
    print("| " + " | ".join(columns) + " |\n" + "|---" * len(columns) + "|", flush=True)


def cells_of_peer(result, ours):
    if isinstance(result, Unsupported):
        return "-", str(result)
    return f"{1e3 * result:.4g}", f"{result / ours:.2f}"


def print_row(options, name, case, threads, peaks):
    (ours, *theirs), differences = compare(options, case, threads)
    share = 2e-9 * case.batch * case.facts["totals"]["macs"] / ours / peaks[threads]
    cells = [name, case.batch, threads, f"{1e3 * ours:.4g}",
             f"{100 * share:.0f} %"] + [text for peer in theirs for text in cells_of_peer(peer, ours)]
    cells.append(" ".join(f"{difference:.0e}" for difference in differences))
    print("| " + " | ".join(str(cell) for cell in cells) + " |", flush=True)


def main():
    options = read_options([*NETS, *OTHERS, "all"], "net", 6, more=MOBILE_PEERS)
    peaks = {threads: peak(options, threads) for threads in options.threads}
    print_head(options, peaks, "net")
    named = [net for net in options.nets if net != "all"]
    nets = named or ([*NETS, *OTHERS] if "all" in options.nets else list(NETS))
    cases = [(net, options.batch or 1) for net in nets] + [pair for pair in BATCHES if pair[0] in nets
                                                           and not options.batch]
    for net, batch in cases:
        case = make_case(options, net, batch)
        for threads in options.threads:
            print_row(options, net, case, threads, peaks)


if __name__ == "__main__":
    main()
