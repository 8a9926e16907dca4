# SPDX-License-Identifier: Apache-2.0
import doctest
import os
import re
import unittest
import warnings

from common import TREE, Case, has

PAGE = TREE / "docs/python.md"


class Checker(doctest.OutputChecker):
    """Ignores small differences, which depend on the machine, and numbers of unnamed tensors."""

    def check_output(self, want: str, got: str, flags: int) -> bool:
        for pattern in (r"\d\.\de[-+]\d\d", r"(?m)^t\d\d"):
            want, got = re.sub(pattern, "#", want), re.sub(pattern, "#", got)
        return super().check_output(want, got, flags)


class Page(Case):
    def session(self, *titles: str) -> None:
        """The sessions of these sections, one after the other."""
        parts = re.split(r"(?m)^## ", PAGE.read_text(encoding="utf-8"))
        sections = [next(part for part in parts if part.startswith(title)) for title in titles]
        code = "\n".join(re.findall(r"(?s)```python\n(>>>.*?)```", "\n".join(sections)))
        test = doctest.DocTestParser().get_doctest(code, {}, titles[0], str(PAGE), 0)
        told: list[str] = []
        before = os.getcwd()
        os.chdir(self.folder)
        try:
            with warnings.catch_warnings():
                warnings.simplefilter("error")
                result = doctest.DocTestRunner(Checker()).run(test, out=told.append)
        finally:
            os.chdir(before)
        self.assertGreater(result.attempted, 0)
        self.assertEqual(result.failed, 0, "".join(told))

    def test_session(self) -> None:
        """docs/python.md: the session reproduces"""
        self.session("A session")

    @unittest.skipUnless(has("torch"), "no torch")
    def test_torch(self) -> None:
        """docs/python.md: the session with torch reproduces"""
        self.session("Compare with the original")

    @unittest.skipUnless(has("torch"), "no torch")
    def test_steps(self) -> None:
        """docs/python.md: a loss by torch's autograd, and an int8 model"""
        self.session("Training", "int8")


if __name__ == "__main__":
    unittest.main()
