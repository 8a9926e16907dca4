"""flow_facts.py: Loops of a linked ARM program and their bounds, as flow facts for the WCET analyzer OTAWA.

Format: FFX, the XML that otawa::FlowFactLoader reads (github.com/statinf-otawa/otawa, revision 83c9d9b7,
src/prog/flowfact_FlowFactLoader.cpp, page "Flow Fact XML format"). The meaning of maxcount and totalcount
follows from the constraints that OTAWA derives from these numbers
(src/prog/ipet_FlowFactConstraintBuilder.cpp). maxcount bounds how often the back edges of a loop are taken
after one entry of the loop; totalcount bounds how often they are taken in the whole task. A loop whose header
is executed ten times after one entry has nine back edges."""
# SPDX-License-Identifier: Apache-2.0
import collections
import re

CONDITIONS = ("eq", "ne", "cs", "hs", "cc", "lo", "mi", "pl", "vs", "vc", "hi", "ls", "ge", "lt", "gt", "le")

# header: address of the loop's first instruction. edges: the edges to the header, {address of the last
# instruction of a predecessor: whether the edge is a back edge}. The key is 0 if the CPU executes another
# function directly before the header: after a call, or at the start of the function.
Loop = collections.namedtuple("Loop", "header function edges")


class Unsupported(Exception):
    pass


def split(word):
    """An instruction's name without its condition, and whether the instruction has a condition."""
    for base in ("bl", "blx", "bx", "b", "pop", "ldmia", "ldm", "ldr", "mov"):
        if word == base:
            return base, False
    for base in ("b", "bl", "blx", "bx", "pop", "ldmia", "ldm", "ldr", "mov"):
        if word.startswith(base) and word[len(base):] in CONDITIONS:
            return base, True
    return word, False


def flow(insn):
    """An instruction's branch targets, the function that it calls (None if it calls none), and whether the
    instruction at the next address can be executed next. The targets are in the same function, except in a
    tail call."""
    word, conditional = split(insn.word)
    target = re.search(r"(?:^|, ?)([0-9a-f]+) <", insn.operands)
    target = int(target[1], 16) if target else None
    if word in ("cbz", "cbnz"):
        return [target], None, True
    if word == "b":
        return [target], None, conditional
    if word == "bl":
        return [], target, True
    jumps = word in ("bx", "blx", "tbb", "tbh") or re.match(r"pc\b", insn.operands) or (
        word in ("pop", "ldm", "ldmia") and re.search(r"\bpc\b", insn.operands))
    if not jumps:
        return [], None, insn.word not in ("udf", "bkpt")
    returns = (word == "bx" and insn.operands.strip() == "lr" or word in ("pop", "ldm", "ldmia") or
               word == "ldr" and re.match(r"pc, \[sp\]", insn.operands))
    if not returns:
        raise Unsupported(f"indirect branch at {insn.address:#x} in {insn.function}")
    return [], None, conditional


class Function:
    """Basic blocks: first address -> [last instruction, first addresses of the successors]."""

    def __init__(self, start, insns):
        self.start, self.name = start, insns[0].function
        own = {insn.address for insn in insns}
        flows = {insn.address: flow(insn) for insn in insns}
        first, self.calls = {start}, set()
        for insn in insns:
            targets, called, _ = flows[insn.address]
            self.calls |= {called, *(target for target in targets if target not in own)} - {None}
            if targets or not flows[insn.address][2]:
                first |= {target for target in targets if target in own}
                first.add(insn.address + insn.size)
        self.blocks, at = {}, None
        for insn in insns:
            at, after = at or insn.address, insn.address + insn.size
            if after in first or after not in own:
                targets, _, continues = flows[insn.address]
                successors = {target for target in targets if target in own}
                if continues and after in own:
                    successors.add(after)
                self.blocks[at], at = [insn, successors], None
        self.order()

    def order(self):
        """Computes the reverse postorder of the blocks that are reachable from the start, their predecessors
        and their dominators."""
        order, seen, stack = [], {self.start}, [(self.start, iter(sorted(self.blocks[self.start][1])))]
        while stack:
            block, rest = stack[-1]
            for successor in rest:
                if successor not in seen:
                    seen.add(successor)
                    stack.append((successor, iter(sorted(self.blocks[successor][1]))))
                    break
            else:
                order.append(block)
                stack.pop()
        order.reverse()
        self.number = {block: i for i, block in enumerate(order)}
        self.predecessors = collections.defaultdict(list)
        for block in order:
            for successor in self.blocks[block][1]:
                self.predecessors[successor].append(block)
        self.dominator, changed = {self.start: self.start}, True
        while changed:
            changed = False
            for block in order[1:]:
                common = None
                for other in self.predecessors[block]:
                    if other in self.dominator:
                        common = other if common is None else self.meet(common, other)
                if self.dominator.get(block) != common:
                    self.dominator[block], changed = common, True

    def meet(self, a, b):
        while a != b:
            if self.number[a] > self.number[b]:
                a = self.dominator[a]
            else:
                b = self.dominator[b]
        return a

    def dominates(self, a, b):
        return self.meet(a, b) == a

    def loops(self):
        found = []
        for block, number in self.number.items():
            back = {p: self.dominates(block, p) for p in self.predecessors[block]}
            if any(self.number[p] >= number and not back[p] for p in back):
                raise Unsupported(f"loop with several entries at {block:#x} in {self.name}; gcc makes none "
                                  "with --cflag=-fno-thread-jumps")
            if any(back.values()):
                edges = {0: False} if block == self.start else {}
                for p, is_back in back.items():
                    last = self.blocks[p][0]
                    edges[0 if flow(last)[1] is not None else last.address] = is_back
                found.append(Loop(block, self.name, edges))
        return found


def loops(code, entry):
    """The loops of the functions that `entry` reaches."""
    by_name = collections.defaultdict(list)
    for insn in code:
        by_name[insn.function].append(insn)
    starts = {insns[0].address: insns for insns in by_name.values()}
    found, done = [], set()

    def visit(start, callers):
        if start in callers:
            raise Unsupported(f"recursion in {starts[start][0].function}")
        if start not in starts:
            raise Unsupported(f"call of {start:#x}, which is not the start of a function")
        if start not in done:
            function = Function(start, starts[start])
            found.extend(function.loops())
            for called in sorted(function.calls):
                visit(called, {*callers, start})
            done.add(start)

    visit(by_name[entry][0].address, set())
    return sorted(found, key=lambda loop: loop.header)


def plugin_text(found):
    """The input of board/count.c: one line per edge, with the header, the predecessor's last instruction, and
    1 for back edges."""
    return "".join(f"{loop.header:x} {predecessor:x} {int(is_back)}\n"
                   for loop in found for predecessor, is_back in loop.edges.items())


def ffx(found, bounds, entry, program):
    """The FFX file. bounds: {header: (back edges per entry, back edges in total)}"""
    lines = ['<?xml version="1.0" encoding="UTF-8" standalone="yes"?>',
             f"<!-- Loops of {program}, for one call of {entry}: maxcount bounds the back edges per entry,",
             "     totalcount those of the whole call. A loop that is never entered has the bound 0. -->",
             "<flowfacts>"]
    name = None
    for loop in found:
        if loop.function != name:
            name = loop.function
            lines.append(f"  <!-- {name} -->")
        most, total = bounds.get(loop.header, (0, 0))
        lines.append(f'  <loop address="{loop.header:#x}" maxcount="{most}" totalcount="{total}"/>')
    return "\n".join([*lines, "</flowfacts>", ""])
