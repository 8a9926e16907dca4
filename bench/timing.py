"""timing.py: The timing loop of all sides. A call is a foreign function with everything bound beforehand, so
that the overhead of Python is the same for all runtimes: less than a microsecond, which is visible only
for the smallest nets. On a busy machine, processor time (clock = time.process_time) is steadier for
single-threaded sides."""
# SPDX-License-Identifier: Apache-2.0
import math, time

WARM = 3  # uncounted calls at the start of each turn
TURN = 0.1  # seconds of calls before the next side runs
# seconds to wait before a turn with several threads: the threads of other runtimes spin for up to 0.2 s after
# their last call
PAUSE = 0.25


clock = time.perf_counter


def shortest(call, seconds, reset=None, every=1):
    """reset: is called before every `every` calls, and not timed."""
    for _ in range(WARM):
        call()
    least, spent, calls = math.inf, 0.0, 0
    while spent < seconds:
        if reset and calls % every == 0:
            reset()
        calls += 1
        start = clock()
        call()
        taken = clock() - start
        least, spent = min(least, taken), spent + taken
    return least


def in_turns(sides, threads, seconds):
    """The shortest time of a call of each side, in seconds."""
    least, end = [math.inf] * len(sides), time.monotonic() + seconds
    while time.monotonic() < end or least[-1] == math.inf:
        for i, side in enumerate(sides):
            if threads > 1:
                time.sleep(PAUSE)
            least[i] = min(least[i], shortest(side.call, TURN))
    return least
