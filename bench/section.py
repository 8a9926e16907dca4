"""section.py: sections of a page in docs/ that scripts write, between `<!-- NAME: written by bench/...` and
`<!-- end of NAME -->`."""
# SPDX-License-Identifier: Apache-2.0
import re, textwrap


def fold(text):
    return textwrap.wrap(text, 110, break_long_words=False)


def write(path, name, lines):
    """Replaces the lines of a section."""
    page = path.read_text()
    pattern = re.compile(rf"(<!-- {name}: [^\n]*-->\n).*?(\n<!-- end of {name} -->)", re.S)
    if len(pattern.findall(page)) != 1:
        raise ValueError(f"{path} must have the section {name} once")
    path.write_text(pattern.sub(lambda match: match[1] + "\n".join(lines) + match[2], page))
