"""memory.py: the time of training steps with less memory (--memory). Steps with the default memory and with
fractions of it alternate, and the shortest step of each counts."""
# SPDX-License-Identifier: Apache-2.0
import argparse, copy, json, subprocess, tempfile, time
import numpy as np
from compiler import newest_clang
from timing import shortest
from training import NETS, TURN, UPDATES, Ours, Text, batches, draw_weights

PARTS = (75, 60, 50)  # of the default memory, in percent


def facts_of(options, program, memory=0):
    """cnnc's JSON for the program with --memory; None if `memory` bytes do not suffice."""
    with tempfile.NamedTemporaryFile("w", suffix=".cnn") as source:
        source.write(program)
        source.flush()
        run = subprocess.run([options.cnnc, source.name, "--train", "--target=native", "--emit=json"] +
                             ([f"--memory={memory}"] if memory else []), capture_output=True)
    return json.loads(run.stdout) if run.returncode == 0 else None


def sides_of(options, net, program):
    full = facts_of(options, program)
    weights, data = draw_weights(full["weights"]), batches(net)
    sides = []
    for part in (100, *PARTS):
        own = copy.copy(options)
        own.memory = 0 if part == 100 else full["totals"]["training_bytes"] * part // 100
        facts = facts_of(options, program, own.memory)
        if facts:
            sides.append((part, facts["totals"]["training_bytes"],
                          Ours(own, net, weights, full["weights"], program)))
        else:
            print(f"| {net} | | less than {part} % | | |", flush=True)
    losses = [[side.step(*batch) for batch in data] for _, _, side in sides]
    if any(loss != losses[0] for loss in losses):
        raise SystemExit(f"{net}: the losses differ: {losses}")
    return sides, data


def measure(options, net):
    sides, data = sides_of(options, net, Text().program(net))
    least, end = [np.inf] * len(sides), time.monotonic() + options.seconds
    while time.monotonic() < end or np.inf in least:
        for i, (_, _, side) in enumerate(sides):
            least[i] = min(least[i], shortest(side.bound(*data[0]), TURN, side.reset, UPDATES))
    for (part, taken, _), seconds in zip(sides, least):
        print(f"| {net} | {NETS[net][2]} | {taken / 1e6:.1f} MB, {100 * taken / sides[0][1]:.0f} % | "
              f"{1e3 * seconds:.2f} | {seconds / least[0]:.2f} |", flush=True)


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--cnnc", required=True)
    parser.add_argument("--cc", default=newest_clang(), help="compiler of the generated C (the newest clang)")
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--seconds", type=float, default=20, help="duration for each net (20)")
    parser.add_argument("nets", nargs="*", help="of " + " ".join(NETS) + " (resnet20)")
    options = parser.parse_args()
    if any(net not in NETS for net in options.nets):
        parser.error("not known: " + " ".join(net for net in options.nets if net not in NETS))
    print(f"a training step with {options.threads} thread{'s' if options.threads > 1 else ''}, the same "
          "bits in each row\n")
    print("| net | batch | training takes | milliseconds | times |\n|---|---|---|---|---|")
    for net in options.nets or ["resnet20"]:
        measure(options, net)


if __name__ == "__main__":
    main()
