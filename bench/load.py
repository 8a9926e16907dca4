"""load.py: two threads while another program keeps one of the two cores busy, compared with one thread.

All threads are restricted to two cores. A second process runs an endless loop on the second core. The sides
are cnnc's C on one thread, on two with OpenMP, and on two with the file's own pool (--threads=pool); other
runtimes are optional. The sides take turns, with and without the loop. The median call of each side counts:
the shortest call would be one that the loop did not disturb. A ratio is the time of one thread, with or
without the loop, divided by the side's time. With the loop, 1.5 would be ideal: half a core is missing. """
# SPDX-License-Identifier: Apache-2.0
import os, statistics, subprocess, sys, time
from inference import make_case, print_machine, read_options
from nets import NETS, OTHERS
from sides import Ours

MEASURED = ["resnet18", "vgg16", "efficientnet_b0", "mobilenet_v1", "googlenet", "lenet5"]
TURN = 0.3  # seconds of calls before the next side runs
PAUSE = 0.25  # the threads of a side spin for up to 0.2 s after its last call
WARM = 3
LOOP = "import os, sys\nos.sched_setaffinity(0, {int(sys.argv[1])})\nprint('', flush=True)\nwhile True: pass"


class Busy:
    """Context manager: a process with an endless loop on a core."""

    def __init__(self, core):
        self.core = core

    def __enter__(self):
        self.process = subprocess.Popen([sys.executable, "-c", LOOP, str(self.core)], stdout=subprocess.PIPE)
        self.process.stdout.readline()

    def __exit__(self, *error):
        self.process.kill()
        self.process.wait()
        self.process.stdout.close()


def turn(side, times):
    """Runs one turn of a side; appends the seconds of each call to `times`."""
    time.sleep(PAUSE)
    for _ in range(WARM):
        side.call()
    end = time.perf_counter() + TURN
    while (start := time.perf_counter()) < end or not times:
        side.call()
        times.append(time.perf_counter() - start)


def measure(sides, core, seconds):
    """The median seconds of a call of each side: alone, and with the loop."""
    alone, loaded = ([[] for _ in sides] for _ in range(2))
    end = time.monotonic() + seconds
    while time.monotonic() < end or not loaded[-1]:
        for side, times in zip(sides, alone):
            turn(side, times)
        with Busy(core):
            for side, times in zip(sides, loaded):
                turn(side, times)
    return [[statistics.median(times) for times in each] for each in (alone, loaded)]


def sides_of(options, case):
    built = []
    for threads, team in ((1, "openmp"), (2, "openmp"), (2, "pool")):
        options.team = team
        built.append(Ours(options, case, threads))
    return built + [peer(options, case, threads) for peer in options.peers for threads in (1, 2)]


def cells_of(medians, own, peers):
    """The milliseconds of cnnc on one thread, and the ratios. A peer's ratio is relative to the peer's own
    time on one thread."""
    one = medians[0]
    cells = [f"{1e3 * one:.4g}"] + [f"{one / seconds:.2f}" for seconds in medians[1:own]]
    for i in range(peers):
        single, double = medians[own + 2 * i:own + 2 * i + 2]
        cells.append(f"{single / double:.2f}")
    return cells


def main():
    options = read_options([*NETS, *OTHERS], "net", 12, peers="none")
    cores = sorted(os.sched_getaffinity(0))[:2]
    if len(cores) < 2:
        raise SystemExit("load: needs two cores")
    os.sched_setaffinity(0, cores)
    print_machine(options, "bf16" if options.bf16 else "fp32")
    names = ["OpenMP", "pool", *(peer.name for peer in options.peers)]
    heads = ["net"] + [head for when in ("alone", "loaded")
                       for head in (f"one thread, {when}, ms", *(f"{name}, {when}" for name in names))]
    print("| " + " | ".join(heads) + " |\n" + "|---" * len(heads) + "|", flush=True)
    for net in options.nets or MEASURED:
        case = make_case(options, net, options.batch or 1)
        sides = sides_of(options, case)
        cells = [cell for medians in measure(sides, cores[1], options.seconds)
                 for cell in cells_of(medians, 3, len(options.peers))]
        for side in sides[:3]:
            side.stop()
        print("| " + " | ".join([net, *cells]) + " |", flush=True)


if __name__ == "__main__":
    main()
