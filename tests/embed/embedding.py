# embedding.py PAGE: writes each block of docs/embedding.md that begins with a file name, FOLDER/FILE, to the
# file of this name. `embedding.py bazel` simulates the rules of bazel/BUILD.bazel: runs the genrule's command
# and compiles the sources of its rules.
# SPDX-License-Identifier: Apache-2.0
import os, re, subprocess, sys


def write_blocks(page):
    with open(page, encoding="utf-8") as file:
        text = file.read()
    for body in re.findall(r"^```\w+\n(.*?)^```$", text, re.M | re.S):
        named = re.match(r"(?:#|//|/\*|<!--) ([\w./]+)", body)
        if named:
            os.makedirs(os.path.dirname(named.group(1)) or ".", exist_ok=True)
            with open(named.group(1), "w", encoding="utf-8") as file:
                file.write(body)
            print(named.group(1))


def play_bazel():
    os.chdir("bazel")
    rules = {}

    def rule(kind):
        def record(**words):
            for file in words.get("srcs", []) + words.get("hdrs", []):
                made = any(file in other.get("outs", []) for other in rules.values())
                assert made or os.path.exists(file), f"{kind} {words['name']}: no {file}"
            rules[words["name"]] = {"kind": kind, **words}
        return record

    def load(module, *names):
        assert module.startswith("@rules_cc//") and names

    names = {kind: rule(kind) for kind in ("genrule", "cc_library", "cc_binary")}
    with open("BUILD.bazel", encoding="utf-8") as file:
        exec(file.read(), {"load": load, "__builtins__": {}, **names})
    with open("MODULE.bazel", encoding="utf-8") as file:
        exec(file.read(), {"bazel_dep": lambda name, version: None, "__builtins__": {}})
    generated = rules["digits_c"]
    os.makedirs("out", exist_ok=True)
    place = {file: "out/" + file for file in generated["outs"]} | {file: file for file in generated["srcs"]}
    command = re.sub(r"\$\(location (.*?)\)", lambda found: place[found.group(1)], generated["cmd"])
    assert "$" not in command, command
    subprocess.run(["sh", "-c", command], check=True)
    library, program = rules["digits"], rules["app"]
    assert "." not in library.get("includes", []), "Bazel rejects it in the root of a workspace"
    assert program["deps"] == [":digits"] and set(library["srcs"] + library["hdrs"]) <= set(generated["outs"])
    subprocess.run([*os.environ["CC"].split(), *library["copts"], "-Iout", *program["srcs"],
                    *("out/" + file for file in library["srcs"]), "-o", "app"], check=True)


if sys.argv[1] == "bazel":
    play_bazel()
else:
    write_blocks(sys.argv[1])
