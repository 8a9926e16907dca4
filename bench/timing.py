"""timing.py: the one loop that times calls, the same for all sides. A call is a foreign function with
everything bound beforehand, so that what Python adds is the same for all, too: less than a microsecond, which
can be seen in the smallest nets only."""
# SPDX-License-Identifier: Apache-2.0
import math, time

WARM = 3  # calls before any that count, in each turn


def shortest(call, seconds):
    for _ in range(WARM):
        call()
    least, spent = math.inf, 0.0
    while spent < seconds:
        start = time.perf_counter()
        call()
        taken = time.perf_counter() - start
        least, spent = min(least, taken), spent + taken
    return least
