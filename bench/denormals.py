#!/usr/bin/env python3
"""denormals.py --cnnc CNNC [--before CNNC] [--seconds S] [NET...]: times of nets whose values become
subnormal, in executables with --denormals=flush (their default) and keep, on one thread, in rounds that
alternate. NET: a name of the list below, or FILE.cnn, or FILE.cnn:--weights=FILE. --before: an earlier cnnc,
which need not have the option. The first rows are a state of 4,096 numbers that decays for 100,000 steps: the
time of a step at the start and at the end."""
# SPDX-License-Identifier: MIT-0
import argparse
import json
import os
import subprocess
import sys
import tempfile

TOP = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))
TEXT = {
    "conv_silu": "net conv_silu {\n input x: 56x56x32\n x -> conv(64, 3x3, pad=same) -> silu"
                 " -> conv(64, 3x3, pad=same) -> silu\n}\n",
    "softmax": "net softmaxes {\n input x: 32x32x256\n x -> softmax\n}\n",
    "mlp_small": "net mlp_small {\n input x: 512\n x -> dense(512) -> relu -> dense(512) -> relu"
                 " -> dense(512)\n train {\n  loss = cross_entropy\n  batch = 128\n }\n}\n",
}
FILES = {"csp": "bench/programs/csp.cnn", "efficientnet_b0": "examples/efficientnet/efficientnet_b0.cnn"}
STATE = """net decay {
 input x: 4096
 s = state(4096, init=1)
 s -> scale(init=0.999, frozen=true) -> add(x) -> update(s)
}
"""
STEPS = r"""
#include "decay.h"
#include <stdio.h>
#include <time.h>
static decay_state state;
static decay_workspace workspace;
static float x[4096], y[4096];
static double now(void) {
  struct timespec t;
  clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &t);
  return (double)t.tv_sec * 1e6 + (double)t.tv_nsec / 1e3;
}
int main(void) {
  double least[100];
  decay_reset(&state);
  for (int part = 0; part < 100; part++) {
    least[part] = 1e30;
    for (int i = 0; i < 100; i++) {
      const double before = now();
      for (int k = 0; k < 10; k++) decay_step(&decay_trained, x, y, &state, &workspace);
      const double took = (now() - before) / 10;
      if (took < least[part]) least[part] = took;
    }
  }
  printf("%.3f %.3f\n", least[0], least[99]);
}
"""


def run(words, folder):
    done = subprocess.run(words, cwd=folder, capture_output=True, text=True)
    if done.returncode:
        sys.exit(f"{' '.join(words)}\n{done.stderr}")
    return done.stdout


def decay(cnnc, options, flags, folder):
    with open(os.path.join(folder, "decay.cnn"), "w") as file:
        file.write(STATE)
    with open(os.path.join(folder, "steps.c"), "w") as file:
        file.write(STEPS)
    run([cnnc, "decay.cnn", "-o", "decay.c", *options], folder)
    cc = os.environ.get("CC", "cc").split()
    run([*cc, "-O2", *flags, "steps.c", "decay.c", "-o", "steps"], folder)
    return run(["./steps"], folder).split()


def program(cnnc, name, folder, tag):
    """Compiles the net; returns the command of its bench."""
    path, _, weights = name.partition(":")
    words = [weights] if weights else []
    if name in TEXT:
        path = os.path.join(folder, name + ".cnn")
        with open(path, "w") as file:
            file.write(TEXT[name])
    elif name in FILES:
        path = os.path.join(TOP, FILES[name])
    out = os.path.join(folder, f"{os.path.basename(path)[:-4]}_{tag}")
    run([cnnc, path, *words, "-o", out], folder)
    train = ["--train"] if name.startswith("mlp") else []
    return [out, "bench", "--threads=1", "--json", *train]


def milliseconds(command, seconds, folder):
    found = json.loads(run([*command, f"--seconds={seconds}"], folder))
    return next(found[key]["min"] for key in ("latency_ms", "step_ms") if key in found)


def main():
    parser = argparse.ArgumentParser(description=__doc__.split(":")[0])
    parser.add_argument("--cnnc", required=True)
    parser.add_argument("--before")
    parser.add_argument("--seconds", type=float, default=1)
    parser.add_argument("nets", nargs="*")
    o = parser.parse_args()
    o.cnnc, o.before = os.path.abspath(o.cnnc), o.before and os.path.abspath(o.before)
    with tempfile.TemporaryDirectory() as folder:
        rows = [("decaying state, C", o.cnnc, [], []),
                ("decaying state, C with the macro", o.cnnc, [], ["-DDECAY_FLUSH_DENORMALS"])]
        if o.before:
            rows.insert(0, ("decaying state, before", o.before, [], []))
        for title, cnnc, options, flags in rows:
            first, last = decay(cnnc, options, flags, folder)
            print(f"{title:36} {first:>9} us  at the end {last:>9} us")
        print(f"\n{'milliseconds':20} {'before':>10} {'keep':>10} {'flush':>10}")
        for name in o.nets or [*TEXT, *FILES]:
            new = program(o.cnnc, name, folder, "new")
            ways = {"keep": [*new, "--denormals=keep"], "flush": [*new, "--denormals=flush"]}
            if o.before:
                ways = {"before": program(o.before, name, folder, "old"), **ways}
            least = {}
            for _ in range(3):
                for way, command in ways.items():
                    took = milliseconds(command, o.seconds, folder)
                    least[way] = min(took, least.get(way, took))
            cells = " ".join(f"{least[way]:10.3f}" if way in least else " " * 10
                             for way in ("before", "keep", "flush"))
            print(f"{os.path.basename(name):20} {cells}", flush=True)


if __name__ == "__main__":
    main()
