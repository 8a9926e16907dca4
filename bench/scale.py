"""scale.py: predicted efficiency of training by 2 to 1,024 processes, and measured for two.

A step of one process is measured. What travels is read from `cnnc --emit=program`: gathers of values and
sums of gradients, each after its phase. The model of the network has a latency and a bandwidth. A gather
takes latency * log2(N) and the bytes of the others; a sum sends (N-1)/N of its bytes twice, in messages that
cost half a microsecond each, and begins when its phase is through; sums follow each other. Phases are taken
to last as long as they have calls. "batch" is the efficiency of N processes that share the program's batch,
"growing" that with a batch N times as large.
"""
# SPDX-License-Identifier: Apache-2.0
import argparse, json, math, os, re, subprocess, tempfile

HERE = os.path.dirname(os.path.abspath(__file__))
TOP = os.path.dirname(HERE)
NETS = {"lenet5": "lenet5/lenet5.cnn", "resnet20": "resnet/resnet20.cnn", "resnet18": "resnet/resnet18.cnn",
        "unet": "unet/unet.cnn"}
NETWORKS = {  # seconds, bytes a second: as their makers and users give them
    "memory": (1e-6, 5e9),            # processes of one machine
    "infiniband": (1.5e-6, 12e9),     # 100 Gbit/s
    "ethernet": (20e-6, 1.15e9),      # 10 Gbit/s
}
MESSAGE = 0.5e-6
ROOT = dict(OMPI_ALLOW_RUN_AS_ROOT="1", OMPI_ALLOW_RUN_AS_ROOT_CONFIRM="1",
            OMPI_MCA_rmaps_base_oversubscribe="1")


def run(*words, **more):
    return subprocess.run(words, check=True, text=True, stdout=subprocess.PIPE, env=dict(os.environ, **ROOT),
                          **more).stdout


class Net:
    def __init__(self, cnnc, name, folder):
        path = os.path.join(TOP, "examples", NETS[name])
        self.name, self.program = name, os.path.join(folder, name)
        run(cnnc, path, "--mpi", "-o", self.program)
        self.read(run(cnnc, path, "--mpi", "--train", "--target=native", "--emit=program", "-o", "-"))

    def read(self, text):
        """calls in all; [(calls before, bytes an image)] of gathers, [(calls before, bytes)] of sums."""
        self.calls, self.gathers, self.sums = 0, [], []
        for line in text[text.index("training of "):].split("\n\n")[0].splitlines():
            if re.match(r" +\d+  \w", line):
                self.calls += 1
            found = re.match(r" +-- gathers .*, (\d+) an image --", line)
            if found:
                self.gathers.append((self.calls, int(found[1])))
            found = re.match(r" +-- sums of gradient (\d+) \.\. (\d+) begin --", line)
            if found:
                self.sums.append((self.calls, int(found[2]) + 1 - int(found[1])))

    def measure(self, seconds):
        told = json.loads(run(self.program, "bench", "--train", "--json", "--threads", "1", "--seconds",
                              str(seconds)))
        self.step, self.batch = told["step_ms"]["min"] / 1e3, told["batch"]

    def predict(self, processes, network, batch, step):
        """Seconds of a step of `batch` images in all, whose computing takes one process `step`."""
        latency, bandwidth = network
        others = (processes - 1) / processes
        now = done = 0
        events = sorted([(c, 0, b) for c, b in self.gathers] + [(c, 1, b) for c, b in self.sums])
        before = 0
        for calls, kind, size in events:
            now += (calls - before) / self.calls * step / processes
            before = calls
            if kind == 0:
                now += latency * math.log2(processes) + others * size * batch / bandwidth
            else:
                done = max(now, done) + 2 * (latency + (processes - 1) * MESSAGE + others * size / bandwidth)
        now += (self.calls - before) / self.calls * step / processes
        return max(now, done)

    def train(self, processes, images):
        """Images a second of the best of a few epochs."""
        with tempfile.TemporaryDirectory() as folder:
            log = os.path.join(folder, "log.jsonl")
            run("mpirun", "-n", str(processes), self.program, "train", "--data", "synthetic", "--limit",
                str(images), "--val", "0", "--epochs", "3", "--threads", "1", "--progress", "none",
                "--log", log, "-o", os.path.join(folder, "w.safetensors"), stderr=subprocess.DEVNULL)
            with open(log) as lines:
                return max(json.loads(line)["images_per_second"] for line in lines)


def model(net, network):
    print("%s: a step of %d images %.2f ms; %d gathers of %d bytes an image, %d sums of %d bytes" % (
        net.name, net.batch, 1e3 * net.step, len(net.gathers), sum(b for _, b in net.gathers), len(net.sums),
        sum(b for _, b in net.sums)))
    print("  processes    batch  growing")
    processes = 2
    while processes <= 1024:
        shared = "%9.2f" % (net.step / processes / net.predict(processes, network, net.batch, net.step)) \
            if processes <= net.batch else "        -"
        growing = net.step / net.predict(processes, network, net.batch * processes, net.step * processes)
        print("  %9d%s%9.2f" % (processes, shared, growing))
        processes *= 2


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--cnnc", required=True)
    parser.add_argument("--network", choices=NETWORKS, default="ethernet")
    parser.add_argument("--seconds", type=float, default=3)
    parser.add_argument("--images", type=int, default=1024, help="of an epoch")
    parser.add_argument("--peer", action="store_true", help="beside DistributedDataParallel: resnet20")
    parser.add_argument("--model", action="store_true", help="no real run")
    parser.add_argument("nets", nargs="*", metavar="NET", help="|".join(NETS))
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        for name in options.nets or NETS:
            net = Net(options.cnnc, name, folder)
            net.measure(options.seconds)
            model(net, NETWORKS[options.network])
            if options.model:
                continue
            predicted = net.step / 2 / net.predict(2, NETWORKS["memory"], net.batch, net.step)
            one, two = net.train(1, options.images), net.train(2, options.images)
            print("  here, by 1 and 2 processes: %.0f and %.0f images/s, efficiency %.2f (predicted %.2f)" % (
                one, two, two / one / 2, predicted))
        if options.peer:
            import ddp
            one, two = (ddp.measure(n, options.images) for n in (1, 2))
            print("DistributedDataParallel with gloo, resnet20: %.0f and %.0f images/s, efficiency %.2f" % (
                one, two, two / one / 2))


if __name__ == "__main__":
    main()
