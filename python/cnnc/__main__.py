# SPDX-License-Identifier: Apache-2.0
"""The command python3 -m cnnc: cnnc itself, and the commands of the package."""

from __future__ import annotations

import argparse
import os
import sys

from . import _tool

OWN = """
The package adds:
  python3 -m cnnc convert MODEL.keras -o WEIGHTS.safetensors    weights of Keras (.keras, .h5)
  python3 -m cnnc validate NET.cnn --weights=W                  checks the C of an int8 net: docs/assurance.md
  python3 -m cnnc --cmake-dir                                   the folder for cmake -Dcnnc_DIR=FOLDER"""


def _convert(arguments: list[str]) -> int:
    parser = argparse.ArgumentParser(
        "python3 -m cnnc convert", description="Writes the weights of a Keras model."
    )
    parser.add_argument("model", help="a .keras or .h5 file")
    parser.add_argument("-o", dest="output", required=True, metavar="WEIGHTS.safetensors")
    options = parser.parse_args(arguments)
    from ._keras import convert

    try:
        names = convert(options.model, options.output)
    except (ImportError, OSError, ValueError) as error:
        print(f"cnnc: error: {error}", file=sys.stderr)
        return 1
    print(f"{options.output}: {len(names)} arrays")
    return 0


def main(arguments: list[str]) -> int:
    try:
        if arguments[:1] == ["convert"]:
            return _convert(arguments[1:])
        if arguments == ["--cmake-dir"]:
            print(_tool.tools().cmake)
            return 0
        program = str(_tool.tools().cnnc)
        if arguments[:1] == ["validate"]:
            from .validator import command

            return command.main(arguments[1:], [program])
    except _tool.ToolError as error:
        print(f"cnnc: error: {error}", file=sys.stderr)
        return 1
    if arguments in (["--help"], ["-h"]):
        sys.stdout.write(_tool.run(arguments).stdout + OWN + "\n")
        return 0
    os.execve(program, [program, *arguments], _tool.environment())


def script() -> None:
    sys.exit(main(sys.argv[1:]))


if __name__ == "__main__":
    script()
