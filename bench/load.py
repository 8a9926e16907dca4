"""load.py: two threads while another program keeps one of the two cores busy, compared with one thread.

All threads are restricted to two cores. In some turns another process runs an endless loop: with nice 19, on
the core that Linux chooses, or with the priority of the measured program, on the second core. The sides are
cnnc's C on one thread, on two with OpenMP, on two with the file's own pool (--threads=pool), and an
executable of cnnc on two threads (NET bench); other runtimes are optional. The sides take turns, without and
with the loops. The median call of each side counts: the shortest call would be one that the loop did not
disturb. A ratio is the time of one thread in the same circumstances, divided by the side's time. While the
loop of equal priority runs, 1.5 would be ideal: half a core is missing. """
# SPDX-License-Identifier: Apache-2.0
import json, os, statistics, subprocess, sys, tempfile, time
from inference import make_case, print_machine, read_options
from nets import NETS, OTHERS
from sides import Ours, precision_of

MEASURED = ["resnet18", "vgg16", "efficientnet_b0", "mobilenet_v1", "mobilenet_v2", "googlenet", "lenet5"]
TURN = 0.3  # seconds of calls before the next side runs
PAUSE = 0.25  # the threads of a side spin for up to 0.2 s after its last call
WARM = 3
LOOP = """
import os, sys
os.sched_setaffinity(0, {cores})
os.nice({nice})
print('', flush=True)
while True:
    pass
"""


class Busy:
    """Context manager: a process with an endless loop on one of the cores. nice: None for no loop."""

    def __init__(self, cores, nice):
        self.cores, self.nice = cores, nice

    def __enter__(self):
        if self.nice is None:
            return
        program = LOOP.format(cores=self.cores, nice=self.nice)
        self.process = subprocess.Popen([sys.executable, "-c", program], stdout=subprocess.PIPE)
        self.process.stdout.readline()

    def __exit__(self, *error):
        if self.nice is None:
            return
        self.process.kill()
        self.process.wait()
        self.process.stdout.close()


class Executable:
    """An executable of cnnc, which chooses the number of threads of each call: at most two."""

    def __init__(self, options, case):
        self.folder = tempfile.TemporaryDirectory()
        self.path = os.path.join(self.folder.name, case.net)
        subprocess.run([options.cnnc, *case.source, "--no-train", "--target=" + options.target,
                        f"--batch={case.batch}", *precision_of(options), "-Wno-unread-input",
                        "-o", self.path], check=True)

    def turn(self):
        """The median seconds of a call, in a list."""
        words = [self.path, "bench", "--json", f"--seconds={TURN}", "--threads=2"]
        facts = json.loads(subprocess.run(words, check=True, capture_output=True).stdout)
        return [1e-3 * facts["latency_ms"]["median"]]

    def stop(self):
        self.folder.cleanup()


def turn(side):
    """Runs one turn of a side, and returns the seconds of its calls."""
    time.sleep(PAUSE)
    if isinstance(side, Executable):
        return side.turn()
    for _ in range(WARM):
        side.call()
    times = []
    end = time.perf_counter() + TURN
    while (start := time.perf_counter()) < end or not times:
        side.call()
        times.append(time.perf_counter() - start)
    return times


def measure(sides, loads, seconds):
    """By load: the median seconds of a call of each side."""
    times = {load: [[] for _ in sides] for load in loads}
    end = time.monotonic() + seconds
    while True:
        for load, (cores, nice) in loads.items():
            with Busy(cores, nice):
                for side, found in zip(sides, times[load]):
                    found += turn(side)
        if time.monotonic() >= end:
            return {load: list(map(statistics.median, found)) for load, found in times.items()}


def sides_of(options, case):
    built = []
    for threads, team in ((1, "openmp"), (2, "openmp"), (2, "pool")):
        options.team = team
        built.append(Ours(options, case, threads))
    built.append(Executable(options, case))
    return built, [peer(options, case, threads) for peer in options.peers for threads in (1, 2)]


def cells_of(medians, own):
    """The milliseconds of cnnc on one thread, and the ratios. `own`: number of cnnc's sides. A peer's ratio
    is relative to the peer's own time on one thread."""
    one, peers = medians[0], medians[own:]
    return [f"{1e3 * one:.4g}", *(f"{one / seconds:.2f}" for seconds in medians[1:own]),
            *(f"{single / double:.2f}" for single, double in zip(peers[::2], peers[1::2]))]


def main():
    options = read_options([*NETS, *OTHERS], "net", 12, peers="none")
    cores = sorted(os.sched_getaffinity(0))[:2]
    if len(cores) < 2:
        raise SystemExit("load: needs two cores")
    os.sched_setaffinity(0, cores)
    loads = {"none": (None, None), "a loop, nice 19": (set(cores), 19), "a loop": ({cores[1]}, 0)}
    print_machine(options, "bf16" if options.bf16 else "fp32")
    heads = ["net", "other program", "one thread, ms", "OpenMP", "pool", "executable"]
    heads += [peer.name for peer in options.peers]
    print("| " + " | ".join(heads) + " |\n" + "|---" * len(heads) + "|", flush=True)
    for net in options.nets or MEASURED:
        ours, peers = sides_of(options, make_case(options, net, options.batch or 1))
        for load, medians in measure(ours + peers, loads, options.seconds).items():
            print("| " + " | ".join([net, load, *cells_of(medians, len(ours))]) + " |", flush=True)
        for side in ours:
            side.stop()


if __name__ == "__main__":
    main()
