"""l4r5.py: The nets of MLPerf Tiny on an STM32L4R5 (Cortex-M4, 120 MHz, 5 wait states of flash): computed
times of cnnc's code next to the published results of the NUCLEO-L4R5ZI. Nothing is measured on a board.
Needs qemu-system-arm, gcc-arm-none-eabi and its newlib; no Python packages.

For each net, the script computes three times from the numbers of executions that qemu counts:
  no waits   Arm's table of the Cortex-M4 (bench/boards), and flash as fast as the CPU
  estimate   the same plus 5 cycles for each miss in a model of the flash's caches: 1 KB of instructions,
             256 bytes of data, lines of 16 bytes, fully associative, least recently used, no prefetch
  bound      bench/wcet: the maximum cycles of each instruction, and 5 cycles for each 16 bytes of code and
             each load from flash, without caches or prefetch
With --cmsis, the script also prints the first two times for the calls of CMSIS-NN that TensorFlow Lite for
Microcontrollers makes."""
# SPDX-License-Identifier: Apache-2.0
import argparse
import os
import tempfile

import boards
import wcet

MHZ, WAIT = 120, 5
CACHES = "64:16"  # lines of the two caches (code:data); a line has wcet.LINE bytes
TASKS = {"ic": "ResNet-8", "kws": "DS-CNN", "vww": "MobileNetV1 0.25", "ad": "autoencoder"}
# Median inferences per second of the closed division at 120 MHz, from the newest round of each submitter with
# this board: closed/.../TASK/performance/results.txt in github.com/mlcommons/tiny_results_ROUND.
PUBLISHED = [  # name, submitter/results/system, {task: rate}
    ("reference: TensorFlow Lite for Microcontrollers 2.3.1, v0.5", "reference/results/Nucleo-L4R5ZI",
     {"ic": 1.420, "kws": 5.497, "vww": 1.665, "ad": 99.487}),
    ("OctoML: microTVM with CMSIS-NN, v1.0", "OctoML/results/microtvm_cmsis_nn/NUCLEO_L4R5ZI",
     {"ic": 2.567, "kws": 10.019, "vww": 3.320, "ad": 116.212}),
    ("Skymizer: ONNC, v1.1", "Skymizer/results/NUCLEO_L4R5ZI-mbed_os",
     {"ic": 3.348, "kws": 12.195, "vww": 5.808, "ad": 123.875}),
    ("Plumerai Inference Engine 2023.05, v1.1", "plumerai/results/NUCLEO-L4R5ZI",
     {"ic": 5.961, "kws": 20.929, "vww": 10.126, "ad": 246.814}),
    ("Bosch HALE 1.0.175, v1.2", "bosch/results/NUCLEO_L4R5ZI_int8",
     {"ic": 5.539, "kws": 16.623, "vww": 5.540, "ad": 171.375}),
    ("STMicroelectronics X-CUBE-AI 9.0, v1.2", "STMicroelectronics/results/NUCLEO_L4R5ZI",
     {"ic": 6.056, "kws": 23.155, "vww": 11.245, "ad": 190.086}),
    ("STMicroelectronics X-CUBE-AI 10.2, v1.3", "STMicroelectronics/results/NUCLEO_L4R5ZI-P",
     {"ic": 6.036, "kws": 23.032, "vww": 11.181, "ad": 208.608})]


def estimate(board, elf, run):
    """Two numbers: the cycles without wait states, and the cycles with the wait states of cache misses."""
    counts = {f"{address:x}": n for address, n in run.executions.items()}
    cycles = boards.totals(boards.Code(elf, {**counts, "flash": run.flash}, board.prefix + "objdump"))[1]
    return cycles, cycles + WAIT * sum(run.misses.values())


def cmsis_times(board, net, library):
    elf, _ = net.theirs(library, board)
    return estimate(board, elf, board.executions(elf, f",caches={CACHES}"))


def times(options, board, net):
    """The cycles of the three computed times: no waits, estimate and bound."""
    options.net, options.weights = net.program, net.weights
    code, _, runs = wcet.count(options, net.dir, f",caches={CACHES}")
    wrong = wcet.paths(code, runs)
    if wrong:
        raise SystemExit(f"{net.title}: the executed instructions depend on the input in {', '.join(wrong)}")
    elf = os.path.join(net.dir, "net.elf")
    plain, with_waits = max(estimate(board, elf, run) for run in runs)
    return plain, with_waits, sum(row[1] for row in wcet.bound(options, code, runs[0]).values())


def show(name, values):
    print(f"{name:60}" + "".join(f" {value:>10}" for value in values), flush=True)


def main():
    parser = argparse.ArgumentParser(prog="bench/wcet l4r5", description=__doc__,
                                     formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--cnnc", required=True)
    parser.add_argument("--level", default="-O3", help="optimization level of the C compiler")
    parser.add_argument("--cflag", action="append", default=[], help="another option of the C compiler")
    parser.add_argument("--prefix", default="arm-none-eabi-")
    parser.add_argument("--cnnc-option", action="append", default=[])
    parser.add_argument("--cmsis", help="a checkout of CMSIS-NN, whose times are computed, too")
    parser.add_argument("--systems", action="store_true", help="print where the published results are")
    parser.add_argument("task", nargs="*", choices=[*TASKS, []], metavar="TASK", help="by default all")
    options = parser.parse_args()
    vars(options).update(cpu="cortex-m4", rounding="double", c=None, flow_facts=None, flash_wait=WAIT,
                         multiply=1)
    tasks = options.task or list(TASKS)
    names = ["cnnc, no waits", "cnnc, estimate", "cnnc, bound"]
    cycles = {}
    with tempfile.TemporaryDirectory() as work:
        board = wcet.Board(work, options.cpu, options.prefix, options.level)
        library = boards.cmsis_library(options, board) if options.cmsis else None
        for task in tasks:
            net = boards.Net(options, work, TASKS[task])
            cycles[task] = times(options, board, net)
            if library:
                cycles[task] += cmsis_times(board, net, library)
    if options.cmsis:
        names += ["CMSIS-NN, no waits", "CMSIS-NN, estimate"]
    show("cycles, computed", tasks)
    for i, name in enumerate(names):
        show(name, [f"{cycles[task][i]:,}" for task in tasks])
    show(f"ms at {MHZ} MHz, computed", tasks)
    for i, name in enumerate(names):
        show(name, [f"{cycles[task][i] / MHZ / 1e3:.2f}" for task in tasks])
    show("ms, published (measured on the board)", tasks)
    for name, system, rates in PUBLISHED:
        show(name, [f"{1e3 / rates[task]:.2f}" for task in tasks])
        if options.systems:
            print(f"    closed/{system}")


if __name__ == "__main__":
    main()
