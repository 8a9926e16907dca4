"""scale.py: predicted efficiency of training with 2 to 1,024 processes, and measured efficiency with two.

One process measures its part of a step without other processes (phases.c): for all images, for the first
shard, and for half a batch. From these measurements, the time of each phase between two exchanges is split
into three parts. The first part grows with the images of the process's shard. The second part grows with the
images of the whole batch: every process computes some values for all images, such as the statistics of
batchnorm. The third part is constant. The update of the weights takes a constant time, too.

The model of the network has a latency and a bandwidth. A gather takes latency * log2(N) plus the transfer of
the other processes' bytes; a sum sends (N-1)/N of its bytes twice, in messages that take half a microsecond
each. A sum begins when its phase has ended and the previous sum is complete. "batch" is the efficiency of N
processes that share the program's batch, if it has enough groups of images; "growing" is the efficiency with
a batch that is N times as large.
"""
# SPDX-License-Identifier: Apache-2.0
import argparse, json, math, os, shutil, statistics, subprocess, sys, tempfile
import compiler

HERE = os.path.dirname(os.path.abspath(__file__))
TOP = os.path.dirname(HERE)
CLANG = os.environ.get("CLANG") or compiler.newest_clang()  # the C compiler for the measured programs
NETS = {"lenet5": "lenet5/lenet5.cnn", "resnet20": "resnet/resnet20.cnn", "resnet18": "resnet/resnet18.cnn",
        "unet": "unet/unet.cnn"}
NETWORKS = {  # latency in seconds, bytes per second: published figures
    "memory": (1e-6, 5e9),            # processes of one machine
    "infiniband": (1.5e-6, 12e9),     # 100 Gbit/s
    "ethernet": (20e-6, 1.15e9),      # 10 Gbit/s
}
MESSAGE = 0.5e-6
STEPS = 1  # per epoch; the fastest epoch counts, because other programs may disturb some epochs
ROOT = dict(OMPI_ALLOW_RUN_AS_ROOT="1", OMPI_ALLOW_RUN_AS_ROOT_CONFIRM="1",
            OMPI_MCA_rmaps_base_oversubscribe="1")


def run(*words, environment=None, **more):
    return subprocess.run(words, check=True, text=True, stdout=subprocess.PIPE,
                          env=dict(os.environ, **ROOT, **(environment or {})), **more).stdout


def clocks(cnnc, folder):
    """Makes a folder that has libcnn, and phases.c in place of libcnn-mpi. Returns its path."""
    where = os.path.join(folder, "clocks")
    os.mkdir(where)
    built = os.path.dirname(os.path.abspath(cnnc))
    beside = [os.path.join(built, name) for name in (".libs/libcnn.a", "libcnn.a")]
    library = next((path for path in beside if os.path.exists(path)), None)
    if not library:
        raise SystemExit("scale: error: neither %s nor %s is there: build cnnc first" % tuple(beside))
    shutil.copy(library, where)
    run("cc", "-std=c11", "-O2", "-I", os.path.join(TOP, "runtime", "include"), "-c",
        os.path.join(HERE, "phases.c"), "-o", os.path.join(where, "phases.o"))
    run("ar", "cr", os.path.join(where, "libcnn-mpi.a"), os.path.join(where, "phases.o"))
    return where


class Stretch:
    """The time between two exchanges. It is the sum of three parts: one grows with the images of this
    process, one grows with the images of the whole batch, and one is constant."""

    def __init__(self, whole, one, half, few, images, fewer):
        more = images - few
        self.own = max(0.0, (whole["seconds"] - one["seconds"]) / more) if more else 0.0
        rest = whole["seconds"] - self.own * images
        self.all = max(0.0, (whole["seconds"] - half["seconds"]) / (images - fewer) - self.own)
        self.all = min(self.all, max(0.0, rest / images))
        self.always = max(0.0, rest - self.all * images)
        self.kind, self.first, self.end = whole["kind"], whole["from"], whole["to"]

    def seconds(self, own, batch):
        return self.own * own + self.all * batch + self.always

    def bytes(self):
        return (self.end - self.first) * (4 if self.kind == "sum" else 1)


class Net:
    def __init__(self, cnnc, clocked, name, folder):
        self.cnnc, self.name, self.folder = cnnc, name, folder
        self.timed = self.compile("-timed", CNNC_RUNTIME=clocked, MPICC=CLANG)

    def compile(self, suffix, **environment):
        program = os.path.join(self.folder, self.name + suffix)
        run(self.cnnc, os.path.join(TOP, "examples", NETS[self.name]), "--mpi", "--target=native", "-o",
            program, environment=environment)
        return program

    def share(self, seconds, **which):
        found = os.path.join(self.folder, "phases.json")
        environment = dict(PHASES=found, **{name: str(value) for name, value in which.items()})
        run(self.timed, "bench", "--train", "--json", "--threads", "1", "--seconds", str(seconds),
            environment=environment)
        with open(found) as file:
            return json.load(file)

    def measure(self, seconds):
        whole, one = self.share(seconds), self.share(seconds, LAST=1)
        half = self.share(seconds, IMAGES=whole["images"] // 2)
        self.batch, self.lanes, self.update = whole["images"], whole["lanes"], whole["update"]
        self.weights = whole["weights"]
        self.stretches = [Stretch(*three, one["own"], self.batch, half["images"])
                          for three in zip(whole["moments"], one["moments"], half["moments"])]
        self.groups = -(-self.batch // self.lanes)

    def kinds(self, kind):
        return [s for s in self.stretches if s.kind == kind]

    def predict(self, processes, network, own, batch):
        """Seconds of a step with `batch` images in total, of which a process computes `own`."""
        latency, bandwidth = network
        others = (processes - 1) / processes
        now = done = 0
        for s in self.stretches:
            now += s.seconds(own, batch)
            if s.kind == "gather" and processes > 1:
                now += latency * math.log2(processes) + others * s.bytes() * batch / bandwidth
            elif s.kind == "sum" and processes > 1:
                done = max(now, done) + 2 * (latency + (processes - 1) * MESSAGE
                                             + others * s.bytes() / bandwidth)
            elif s.kind == "wait":
                now = max(now, done)
        return now + self.update

    def sharing(self, processes, network):
        """Efficiency with the program's batch; None: there are too few groups of images."""
        if processes > self.groups:
            return None
        own = min(self.batch, -(-self.groups // processes) * self.lanes)
        alone = self.predict(1, network, self.batch, self.batch)
        return alone / processes / self.predict(processes, network, own, self.batch)

    def growing(self, processes, network):
        alone = self.predict(1, network, self.batch, self.batch)
        return alone / self.predict(processes, network, self.batch, self.batch * processes)

    def train(self, processes, epochs):
        """Images per second over many short epochs."""
        return self.trained([self.training(processes, epochs)])

    def apart(self, epochs):
        """Images per second of two concurrent processes that share nothing: the limit of this machine."""
        return self.trained([self.training(1, epochs), self.training(1, epochs)])

    def training(self, processes, epochs):
        """Starts a program. Returns its process, and the path of its log."""
        program = os.path.join(self.folder, self.name)
        if not os.path.exists(program):
            self.compile("")
        base = tempfile.mkdtemp(dir=self.folder)
        log = os.path.join(base, "log.jsonl")
        bound = "core" if processes > 1 else "none"  # concurrent runs would bind to the same core
        words = ["mpirun", "-n", str(processes), "--bind-to", bound, program, "train",
                 "--data", "synthetic", "--limit", str(STEPS * self.batch), "--val", "0",
                 "--epochs", str(epochs), "--threads", "1", "--progress", "none", "--log", log,
                 "-o", os.path.join(base, "w.safetensors")]
        return subprocess.Popen(words, env=dict(os.environ, **ROOT), stdout=subprocess.DEVNULL,
                                stderr=subprocess.DEVNULL), log

    @staticmethod
    def trained(runs):
        failed = [process.args for process, _ in runs if process.wait()]
        if failed:
            raise SystemExit("scale: error: mpirun failed: " + " ".join(failed[0]))
        rates = []
        for _, log in runs:
            with open(log) as lines:
                rates.append([json.loads(line)["images_per_second"] for line in lines][1:])  # [0]: warm-up
        return [sum(beside) for beside in zip(*rates)]


def rates_in_turns(rounds, *ways):
    """Images per second of each variant: the maximum, and the mean over all turns."""
    found = [[] for _ in ways]
    for _ in range(rounds):
        for rates, way in zip(found, ways):
            rates.extend(way())
    return [(max(rates), statistics.harmonic_mean(rates)) for rates in found]


def print_real(options, one, two, apart):
    """Prints measured rates. The efficiency is relative to twice the rate of one process. On a shared host
    two processes run less than twice as fast as one, so two independent processes are measured, too."""
    one, two, apart = rates_in_turns(options.rounds, one, two, apart)
    print("  images/s and efficiency           best step        mean")
    print("  %-28s %7.0f%17.0f" % ("one process", *one))
    for name, way in (("two processes", two), ("two that share nothing", apart)):
        print("  %-28s %7.0f %5.2f%11.0f %5.2f" % (
            name, way[0], way[0] / one[0] / 2, way[1], way[1] / one[1] / 2))
    print("  %-28s %13.2f%17.2f" % ("two, relative to these", two[0] / apart[0], two[1] / apart[1]),
          flush=True)


def shown(efficiency):
    return "-" if efficiency is None else "%.2f" % efficiency


def print_model(net, network):
    own, everyone, always = (1e3 * sum(part) for part in zip(*(
        (s.own * net.batch, s.all * net.batch, s.always) for s in net.stretches)))
    gathers, sums = net.kinds("gather"), net.kinds("sum")
    print("%s: a step of %d images in %.2f ms: %.2f for own images, %.2f for all images in every process, "
          "%.2f constant, %.2f for the update" % (
              net.name, net.batch, own + everyone + always + 1e3 * net.update, own, everyone, always,
              1e3 * net.update))
    print("  sent: %d gathers of %d bytes an image, %d sums of %d bytes" % (
        len(gathers), sum(s.bytes() for s in gathers), len(sums), sum(s.bytes() for s in sums)))
    print("  processes    batch  growing")
    processes = 2
    while processes <= 1024:
        print("  %9d%9s%9.2f" % (processes, shown(net.sharing(processes, network)),
                                 net.growing(processes, network)))
        processes *= 2


def print_layers(net):
    """Prints the time of each computation between two exchanges, and the data that the next exchange
    sends."""
    print("  ms of images  of all  always  then")
    for s in net.stretches:
        names = [w["name"] for w in net.weights
                 if s.kind == "sum" and s.first < w["offset"] + w["size"] and w["offset"] < s.end]
        then = {"sum": "sum of %d bytes: %s" % (s.bytes(), names[0] if len(names) == 1 else
                                                "%s to %s" % (names[0], names[-1]) if names else ""),
                "gather": "gather of %d bytes an image" % s.bytes()}.get(s.kind, s.kind)
        print("  %12.3f%8.3f%8.3f  %s" % (1e3 * s.own * net.batch, 1e3 * s.all * net.batch, 1e3 * s.always,
                                          then))


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--cnnc", required=True)
    parser.add_argument("--network", choices=NETWORKS, default="ethernet")
    parser.add_argument("--seconds", type=float, default=4, help="duration of a turn")
    parser.add_argument("--rounds", type=int, default=10, help="number of turns of one process and of two")
    parser.add_argument("--layers", action="store_true", help="print the layers between two exchanges")
    parser.add_argument("--peer", action="store_true", help="also DistributedDataParallel: resnet20")
    parser.add_argument("--model", action="store_true", help="print only the prediction, without a real run")
    parser.add_argument("nets", nargs="*", metavar="NET", help="|".join(NETS))
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        clocked = clocks(options.cnnc, folder)
        for name in options.nets or NETS:
            net = Net(options.cnnc, clocked, name, folder)
            net.measure(options.seconds)
            print_model(net, NETWORKS[options.network])
            if options.layers:
                print_layers(net)
            sys.stdout.flush()
            if options.model:
                continue
            alone = net.predict(1, NETWORKS["memory"], net.batch, net.batch)
            epochs = max(4, min(100, int(options.seconds / (STEPS * alone))))
            print("  predicted for two processes here: %s" % shown(net.sharing(2, NETWORKS["memory"])))
            print_real(options, lambda: net.train(1, epochs), lambda: net.train(2, 2 * epochs),
                       lambda: net.apart(epochs))
        if options.peer:
            import ddp
            print("DistributedDataParallel with gloo, resnet20:")
            print_real(options, lambda: ddp.measure(1, STEPS, 16), lambda: ddp.measure(2, STEPS, 31),
                       lambda: ddp.measure(1, STEPS, 16, 2))


if __name__ == "__main__":
    main()
