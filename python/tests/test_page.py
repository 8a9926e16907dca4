# SPDX-License-Identifier: Apache-2.0
import doctest
import os
import re
import unittest
import warnings

from common import TREE, Case, has

PAGE = TREE / "docs/python.md"


class Checker(doctest.OutputChecker):
    """Differences by rounding are others on another machine, and tensors without a name are numbered."""

    def check_output(self, want: str, got: str, flags: int) -> bool:
        for pattern in (r"\d\.\de[-+]\d\d", r"(?m)^t\d\d"):
            want, got = re.sub(pattern, "#", want), re.sub(pattern, "#", got)
        return super().check_output(want, got, flags)


class Page(Case):
    def session(self, title: str) -> None:
        text = PAGE.read_text(encoding="utf-8")
        section = next(part for part in re.split(r"(?m)^## ", text) if part.startswith(title))
        code = "\n".join(re.findall(r"(?s)```python\n(>>>.*?)```", section))
        test = doctest.DocTestParser().get_doctest(code, {}, title, str(PAGE), 0)
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
        """docs/python.md: the session is real"""
        self.session("A session")

    @unittest.skipUnless(has("torch"), "no torch")
    def test_torch(self) -> None:
        """docs/python.md: so is that with torch"""
        self.session("Is it the same?")


if __name__ == "__main__":
    unittest.main()
