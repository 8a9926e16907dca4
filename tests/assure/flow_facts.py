"""flow_facts.py: Checks flow facts (bench/wcet --flow-facts) against their program: each loop has exactly one
bound, and the bounds are those of a run that qemu traces instruction by instruction. Finds the loops by
reachability, and shares no code with bench/flow_facts.py.

Usage: flow_facts.py FILE.ffx FILE.elf FUNCTION"""
# SPDX-License-Identifier: Apache-2.0
import collections
import re
import subprocess
import sys
import tempfile
import xml.etree.ElementTree

RETURN = re.compile(r"bx\s+lr|(pop|ldmia)(\.w)?\s.*\bpc\b|ldr(\.w)?\s+pc")


def disassemble(elf):
    """{function: [(address, instruction)]}"""
    text = subprocess.run(["arm-none-eabi-objdump", "-d", "--no-show-raw-insn", elf], check=True,
                          capture_output=True, text=True).stdout
    code, name = collections.defaultdict(list), ""
    for line in text.split("\n"):
        if head := re.match(r"[0-9a-f]+ <(.+)>:", line):
            name = head[1]
        elif (insn := re.match(r"\s*([0-9a-f]+):\s+([a-z].*)", line)):
            code[name].append((int(insn[1], 16), insn[2]))
    return code


def edges(insns):
    """{address: addresses of the instructions that may run next, in the same function}"""
    own, after = {address for address, _ in insns}, {}
    for (address, text), follower in zip(insns, [*insns[1:], (None, "")]):
        jump = re.match(r"(?:cbn?z\s+\w+, |b(?!l\s)\w{0,2}(?:\.[nw])?\s+)([0-9a-f]+) <", text)
        targets = {int(jump[1], 16)} & own if jump else set()
        ends = re.match(r"(b|b\.n|b\.w|udf)\s", text) or RETURN.match(text)
        after[address] = targets | (set() if ends else {follower[0]} - {None})
    return after


def reach(after, start, without=None):
    found, stack = set(), [start]
    while stack:
        at = stack.pop()
        if at not in found and at != without:
            found.add(at)
            stack += after[at]
    return found


def find_loops(insns):
    """{address of a loop's header: instructions that jump back to it}"""
    after, start = edges(insns), insns[0][0]
    before = collections.defaultdict(set)
    for address in reach(after, start):
        for target in after[address]:
            before[target].add(address)
    loops = {}
    for header, sources in before.items():
        if len(sources) > 1 or header == start:
            back = sources - reach(after, start, without=header)
            if back:
                loops[header] = back
    return loops


def called(insns):
    return {int(call[1], 16) for _, text in insns if (call := re.match(r"bl?(?:\.w)?\s+([0-9a-f]+) <", text))}


def trace(elf, start, stop):
    with tempfile.NamedTemporaryFile(mode="r") as log:
        subprocess.run(["qemu-system-arm", "-M", "mps2-an386", "-display", "none", "-serial", "none",
                        "-monitor", "none", "-semihosting-config", "enable=on,target=native", "-singlestep",
                        "-d", "exec,nochain", "-D", log.name, "-kernel", elf], check=True, timeout=300)
        inside = False
        for line in log:
            if executed := re.match(r"Trace \d+: \S+ \[[0-9a-f]+/([0-9a-f]+)/", line):
                address = int(executed[1], 16)
                inside = (inside or address == start) and address != stop
                if inside:
                    yield address


def main():
    ffx, elf, entry = sys.argv[1:]
    root = xml.etree.ElementTree.parse(ffx).getroot()
    bounds = [(int(loop.get("address"), 0), int(loop.get("maxcount")), int(loop.get("totalcount")))
              for loop in root]
    assert root.tag == "flowfacts" and {loop.tag for loop in root} == {"loop"}, "not a file of flow facts"
    addresses = [address for address, _, _ in bounds]
    assert len(set(addresses)) == len(addresses), "a loop has two bounds"

    code = disassemble(elf)
    starts = {insns[0][0]: name for name, insns in code.items()}
    names, stack = set(), [entry]
    while stack:
        name = stack.pop()
        if name not in names:
            names.add(name)
            stack += [starts[address] for address in called(code[name]) if address in starts]
    loops = {header: back for name in names for header, back in find_loops(code[name]).items()}
    assert set(addresses) == set(loops), (
        f"no bound: {[hex(h) for h in set(loops) - set(addresses)]}; no loop: "
        f"{[hex(h) for h in set(addresses) - set(loops)]}")

    function = {address: name for name, insns in code.items() for address, _ in insns}
    last, now, most, total = {}, collections.Counter(), collections.Counter(), collections.Counter()
    for address in trace(elf, code["mark_start"][0][0], code["mark_stop"][0][0]):
        name = function[address]
        if address in loops:
            if last.get(name) in loops[address]:
                now[address] += 1
                total[address] += 1
                most[address] = max(most[address], now[address])
            else:
                now[address] = 0
        last[name] = address
    assert total, "the trace has no loop"
    wrong = [hex(h) for h, n, all_n in bounds if (n, all_n) != (most[h], total[h])]
    assert not wrong, f"the bounds are not those of the run: {wrong}"
    print(f"{len(bounds)} loops, {sum(total.values())} back edges")


if __name__ == "__main__":
    main()
