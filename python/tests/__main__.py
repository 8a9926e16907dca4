# SPDX-License-Identifier: Apache-2.0
"""The tests of the package, with TAP output: python3 python/tests [NAME...]; pytest runs them, too."""

from __future__ import annotations

import sys
import unittest
from pathlib import Path

HERE = Path(__file__).resolve().parent
sys.path[:0] = [str(HERE), str(HERE.parent)]


class Tap(unittest.TestResult):
    """One line per test, followed by its error."""

    def line(self, test: unittest.TestCase, good: bool, note: str = "", log: str = "") -> None:
        title = test.shortDescription() or test.id()
        print(f"{'ok' if good else 'not ok'} {self.testsRun} - {title}{note}", flush=True)
        for text in log.splitlines():
            print("# " + text)

    def addSuccess(self, test: unittest.TestCase) -> None:
        self.line(test, True)

    def addSkip(self, test: unittest.TestCase, reason: str) -> None:
        self.line(test, True, f" # SKIP {reason}")

    def addFailure(self, test: unittest.TestCase, err: object) -> None:
        self.line(test, False, log=self._exc_info_to_string(err, test))

    addError = addFailure


if __name__ == "__main__":
    names = sys.argv[1:] or sorted(path.stem for path in HERE.glob("test_*.py"))
    result = Tap()
    unittest.defaultTestLoader.loadTestsFromNames(names).run(result)
    print(f"1..{result.testsRun}")
