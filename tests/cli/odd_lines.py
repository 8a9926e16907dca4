# odd_lines.py: the cases of odd_lines.tap: command lines of random options with odd values. cnnc must exit
# with status 0, 1 or 2; a failure must print a message and leave no files. LINES is the number of lines.
# SPDX-License-Identifier: Apache-2.0
import os, random, re, shlex, shutil, subprocess
from tap import check, finish, start

NETS = {
    "train": "const n = 4\nnet train {\n input x: 8x8x1 as u8\n normalize(scale=1/255) -> conv(n, 3x3)\n"
             " relu -> flatten -> dense(3) -> softmax\n train { loss = cross_entropy }\n}\n",
    "rows": "net rows {\n input a: 12x4\n input b: 12x4\n a -> add(b) -> conv(3, 3) -> relu\n}\n",
    "state": "net state {\n input a: 2x4\n past = state(2x4)\n past -> add(a) -> update(past)\n}\n",
    "fixed": "net fixed {\n input x: 6x6x1\n conv(1, 3x3, init=ones, frozen=true)\n}\n",
    "library": "block pair(n) { conv(n, 3x3) -> relu }\n",
    "wrong": "net wrong {\n input x: 6x6x1\n conv(1, 9x9) -> nonsense\n}\n",
}
# Values for any option. No value is a path outside of the folder.
ODD = ["", "0", "1", "2", "3", "-1", "+1", "007", "1.5", "65536", "65537", "4294967297", "9" * 20,
       "1e9", "nan", "inf", "0x10", " 1", "1 ", "1,", ",", ",,", ":", "x", "x:", ":3", "x:0", "a:1,b:2",
       "b:2", "a:1,a:2", "=", "n=", "n=0", "n=7", "n=1e99", "n=relu", "n=[1, 2]", "m=1", "K", "0K",
       "1K", "1.5M", "99999999G", "1KK", "all", "none", "-", "--", ".", "é",
       "\xff\xfe".encode("latin-1"), "%s%n", "a b", "x" * 3000, "nothing/x", "net.c", "net.txt",
       "net.model", "net.onnx", "odd.npz", "odd.npz:x", "train.cnn", "'", '"', "\n", "a\tb"]


def words_of_help(*command):
    """The options in --help, each with the words in its line and the text below it."""
    text = subprocess.run([cnnc, *command, "--help"], capture_output=True, text=True, check=True).stdout
    options = {}
    for line in text.splitlines():
        head = re.match(r"  (-\S+)", line)
        if head:
            for word in re.findall(r"(?<!\S)--?[A-Za-z][-\w]*=?(?!\S*\[no)", line[:26].replace("[", " ")):
                last = options.setdefault(word.rstrip("="), set())
        elif not line.startswith("    "):
            last = None
        if options and last is not None:
            last.update(re.findall(r"(?<![-\w])[a-z][-\w.]*(?![\w=])", line[24:]))
    return {name: sorted(words) for name, words in options.items()}


def folder():
    return sorted(os.path.join(path, name) for path, _, names in os.walk(".") for name in names)


def renew():
    for name in os.listdir("."):
        shutil.rmtree(name) if os.path.isdir(name) else os.remove(name)
    for name, text in NETS.items():
        with open(name + ".cnn", "w") as file:
            file.write(text)
    with open("odd.npz", "wb") as file:
        file.write(b"PK\3\4 cut off")


def line_of(commands):
    command = draw.choice(commands)
    line = [] if command == "compile" else [command]
    line += [draw.choice(list(NETS)) + ".cnn"] if draw.random() < 0.9 else [draw.choice(ODD)]
    for _ in range(draw.randrange(5)):
        option, words = draw.choice(list(options[command].items()))
        value = draw.choice(words) if words and draw.random() < 0.6 else draw.choice(ODD)
        join = "" if len(option) == 2 else "="
        kind = draw.random()
        if kind < 0.25:
            line.append(option)
        elif kind < 0.85 and isinstance(value, str):
            line.append(option + join + value)
        else:
            line += [option, value]
    return line


start("odd")
os.mkdir("here")
os.chdir("here")
cnnc = os.environ["CNNC"]
draw = random.Random(int(os.environ.get("CNNC_TEST_SEED", "1")))
# The C compiler is `false`, which always fails: other tests cover the backend.
environment = {**os.environ, "CNNC_CC": "false", "NO_COLOR": "1"}
options = {"compile": words_of_help()}
options.update((command, words_of_help(command)) for command in ("import", "quantize", "fmt", "assure"))
check(all(len(words) > 2 for words in options.values()), "the options are known", options)
wrong = []
renew()
before = folder()
for _ in range(int(os.environ.get("LINES", "500"))):
    line = line_of(["compile"] * 6 + ["import", "quantize", "fmt", "assure"])
    if "-w" not in line and "--fix" not in line and folder() != before:
        renew()
    try:
        done = subprocess.run([cnnc, *line], capture_output=True, stdin=subprocess.DEVNULL, env=environment,
                              timeout=60)
        status, message = done.returncode, done.stderr.decode("utf-8", "replace")
    except subprocess.TimeoutExpired:
        status, message = "timeout", ""
    what = None
    if status not in (0, 1, 2):
        what = f"status {status}"
    elif status and "error" not in message and "--check" not in line:
        what = f"status {status} without a message"
    elif status == 2 and done.stdout:
        what = "text on standard output with status 2"
    elif status and folder() != before:
        what = f"left {set(folder()) - set(before)}"
    if what:
        wrong.append(f"{what}: cnnc {' '.join(shlex.quote(os.fsdecode(word)) for word in line)}"
                     f"\n  {message.strip()[-200:]}")
    if folder() != before or "-w" in line or "--fix" in line:
        renew()
check(not wrong, "each command line ends with 0, 1 or 2, and failures have a message and leave no file",
      "\n".join(wrong))
os.chdir("..")
finish()
