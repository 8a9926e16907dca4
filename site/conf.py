# conf.py: Sphinx's configuration of the documentation site: the pages of the main folder, docs/, examples/,
# bench/ and tests/ as HTML.
# Why Sphinx, not mkdocs or mdBook: MyST parses CommonMark, in which the pages are written (mkdocs needs four
# spaces before a nested list and an empty line before any list); Sphinx checks links to headings; and its
# lexers are Pygments lexers in Python, like the other scripts here.
# SPDX-License-Identifier: Apache-2.0
import glob
import html
import json
import os
import re
import sys

from pygments.lexer import Lexer
from pygments.lexers.special import TextLexer
from pygments.token import Token

here = os.path.dirname(os.path.abspath(__file__))
top = os.path.dirname(here)
sys.path.insert(0, here)

project = "cnnc"
copyright = "the cnnc authors"
with open(os.path.join(top, "configure.ac"), encoding="utf-8") as file:
    version = release = re.search(r"AC_INIT\(\[cnnc\], \[([^]]+)\]", file.read())[1]

extensions = ["myst_parser"]
root_doc = "README"
source_suffix = {".md": "markdown"}
include_patterns = [
    "*.md", "bench/*.md", "docs/**.md", "examples/README.md", "examples/*/README.md", "tests/README.md",
    "tests/long.md"
]
myst_heading_anchors = 4
myst_enable_extensions = ["html_image"]
html_theme = "furo"
html_title = f"cnnc {version}"
html_static_path = ["static"]
html_css_files = ["site.css"]
html_copy_source = False
html_use_index = False
html_show_sphinx = False
highlight_language = "text"
smartquotes = False  # they would turn -- into a dash
pygments_style = "friendly"
pygments_dark_style = "github-dark"
# No warnings about headings that are not section titles, or about pages that start below the first level.
suppress_warnings = ["myst.header"]

# The sections of the sidebar. Each page must be in one: Sphinx warns about other pages, and warnings are
# errors.
sections = {
    "First steps": "docs/first-net docs/from-pytorch docs/from-keras docs/cortex-m docs/embedding docs/train",
    "Guides": """docs/import docs/data docs/transfer docs/int8 docs/bf16 docs/streaming docs/python docs/looking
        docs/browser docs/mpi docs/editors docs/teams""",
    "Reference": """docs/language docs/operators docs/diagnostics docs/errors docs/c-interface docs/schedules
        docs/misra docs/assurance docs/nets docs/onnx-tests docs/releases""",
    "Examples": " ".join(["examples/README"] + sorted(
        os.path.relpath(page, top)[:-3] for page in glob.glob(f"{top}/examples/*/README.md"))),
    "Development": """CONTRIBUTING docs/development docs/dev/overview docs/dev/pipeline docs/dev/nest
        docs/dev/lir docs/dev/schedules docs/dev/int8 docs/dev/training docs/dev/testing
        tests/README tests/long docs/dev/adding-an-operator docs/dev/howto-schedule docs/dev/adding-a-target
        docs/dev/adding-other-parts docs/dev/packaging docs/dev/decisions docs/dev/glossary
        bench/README bench/HISTORY""",
    "Project": "CHANGELOG SECURITY",
}


def add_sidebar(app, name, source):
    """Adds the sections to the start page; other pages are unchanged."""
    if name == root_doc:
        for caption, pages in sections.items():
            entries = "\n".join(pages.split())
            source[0] += f"\n```{{toctree}}\n:hidden:\n:caption: {caption}\n\n{entries}\n```\n"


# Scopes of the editors' grammar, and their Pygments tokens.
tokens_of_scopes = {
    "comment": Token.Comment.Single,
    "string": Token.String,
    "constant.character.escape": Token.String.Escape,
    "invalid": Token.Error,
    "keyword.control": Token.Keyword,
    "keyword.operator.word": Token.Operator.Word,
    "keyword.operator": Token.Operator,
    "entity.name.function": Token.Name.Function,
    "variable.parameter": Token.Name.Attribute,
    "variable.language": Token.Name.Builtin.Pseudo,
    "constant.language": Token.Keyword.Constant,
    "support.function": Token.Name.Builtin,
    "constant.numeric": Token.Number,
}


def token_of(scope):
    parts = (scope or "").split(".")
    for n in range(len(parts), 0, -1):
        if ".".join(parts[:n]) in tokens_of_scopes:
            return tokens_of_scopes[".".join(parts[:n])]
    return Token.Text


class CnnLexer(Lexer):
    """Highlights .cnn with the grammar of the editors: the earliest match of any pattern is applied."""

    name = "cnn"
    aliases = ["cnn"]
    with open(os.path.join(top, "editors/vscode/syntaxes/cnn.tmLanguage.json"), encoding="utf-8") as file:
        rules = json.load(file)["patterns"]

    def get_tokens_unprocessed(self, text):
        start = 0
        for line in text.splitlines(keepends=True):
            for at, token, piece in self.spans(line, self.rules, Token.Text):
                yield start + at, token, piece
            start += len(line)

    def spans(self, line, rules, between):
        at = 0
        while at < len(line):
            found = [(match.start(), n, match) for n, rule in enumerate(rules)
                     if (match := re.compile(rule.get("match") or rule["begin"]).search(line, at))
                     and match.end() > match.start()]
            if not found:
                break
            begin, n, match = min(found)
            if begin > at:
                yield at, between, line[at:begin]
            end = match.end()
            rule = rules[n]
            token = token_of(rule.get("name"))
            if "begin" in rule:  # a string: up to its end, with the patterns inside
                inner = end
                while (close := re.compile(rule["end"]).search(line, end)) and (
                        escape := re.compile(rule["patterns"][0]["match"]).search(line, end)) and (
                            escape.start() < close.start()):
                    end = escape.end()
                end = close.end() if close else len(line)
                yield begin, token, line[begin:inner]
                for place, kind, piece in self.spans(line[inner:end], rule["patterns"], token):
                    yield inner + place, kind, piece
            elif "captures" in rule:
                done = begin
                for group, capture in sorted(rule["captures"].items()):
                    if match.start(int(group)) > done:
                        yield done, between, line[done:match.start(int(group))]
                    yield match.start(int(group)), token_of(capture["name"]), match[int(group)]
                    done = match.end(int(group))
            else:
                yield begin, token, match[0]
            at = end
        if at < len(line):
            yield at, between, line[at:]


def add_start(app, error):
    """Writes index.html, which redirects to the start page, README.html."""
    if not error:
        page = f'<!DOCTYPE html><meta charset="utf-8"><title>{html.escape(html_title)}</title>\n' \
               '<meta http-equiv="refresh" content="0; url=README.html"><a href="README.html">cnnc</a>\n'
        with open(os.path.join(app.outdir, "index.html"), "w", encoding="utf-8") as file:
            file.write(page)


def setup(app):
    app.connect("source-read", add_sidebar)
    app.connect("build-finished", add_start)
    app.add_lexer("cnn", CnnLexer)
    for name in ("csv", "names"):  # Pygments has no lexer for these
        app.add_lexer(name, TextLexer)
