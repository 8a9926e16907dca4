"""outputs.py: checks that the outputs of the nets of examples/ equal those of another runtime, with the same
random weights and images. One call of each side; nothing is timed."""
# SPDX-License-Identifier: Apache-2.0
import inference
from nets import NETS, OTHERS
from sides import Ours


def main():
    options = inference.read_options([*NETS, *OTHERS], "net", 0, peers="onnxruntime")
    differ = False
    for net in options.nets or [*NETS, *OTHERS]:
        case = inference.make_case(options, net, options.batch or 1)
        ours = Ours(options, case, 1)
        ours.call()
        for peer in options.peers:
            theirs = peer(options, case, 1)
            theirs.call()
            try:
                difference = inference.error(case, ours, theirs)
                print(f"ok - {net}: differs from {peer.name} by {difference:.0e} of the largest", flush=True)
            except SystemExit as problem:
                print(f"not ok - {problem}", flush=True)
                differ = True
        ours.stop()
    raise SystemExit(differ)


if __name__ == "__main__":
    main()
