# recordings.py: the cases of recordings.tap. The nets have no weights: their scores are the means of pulses,
# which are computed here as well.
# SPDX-License-Identifier: Apache-2.0
import json, math, os, struct, subprocess
from folders import exits, run
from sounds import wav
from tap import check, finish, start

start("recordings")
RATE, STEP, WINDOW = 4000, 40, 400  # a row every 10 ms; windows of 100 ms
LABELS = ["silence", "marvin", "unknown"]

# Three logits: a constant for silence, pulses above 0, and pulses below 0.
CLASSES = """    up = samples -> relu
    down = samples -> multiply(-1) -> relu
    quiet = samples -> multiply(0) -> add(0.2)
    quiet -> concat(up, down) -> {pool} -> multiply(20) -> softmax"""
ROWS = f"avgpool({STEP}, stride={STEP})"


def net(name, body, *options, length=8000, head=f"(rate={RATE})", labels=True):
    with open(name + ".cnn", "w") as file:
        file.write(f"net {name} {{\n    input samples: {length}x1 {head}\n")
        file.write(f"    labels {json.dumps(LABELS)}\n{body}\n}}\n" if labels else f"{body}\n}}\n")
    exits(0, f"{name} is built", os.environ["CNNC"], name + ".cnn", "-O1", "-o", name, *options)


def recording(seconds, pulses):
    """Samples with pulses (from, to, height); times in seconds."""
    sample = [0.0] * int(seconds * RATE)
    for begin, end, height in pulses:
        for t in range(round(begin * RATE), round(end * RATE)):
            sample[t] = height
    return sample


def write(path, sample, rate=RATE):
    wav(path, [(x,) for x in sample], rate)


def scores_of(sample):
    logits = [20 * sum(f(x) for x in sample) / len(sample)
              for f in (lambda x: 0.2, lambda x: max(x, 0), lambda x: max(-x, 0))]
    total = sum(math.exp(x) for x in logits)
    return [math.exp(x) / total for x in logits]


def rows_of(sample, length, hop):
    return [scores_of(sample[t : t + length]) for t in range(0, len(sample) - length + 1, hop)]


def found_in(rows, times, threshold=0.5, average=5, hold=1.0):
    """(time, score) of the detections of marvin."""
    found, free = [], 0.0
    for i, time in enumerate(times):
        latest = rows[max(0, i + 1 - average) : i + 1]
        mean = [sum(row[c] for row in latest) / len(latest) for c in range(3)]
        if mean[1] >= mean[2] and mean[1] >= threshold and time >= free:
            found.append((time, mean[1]))
            free = time + hold
    return found


def lines_of(path, found):
    return "".join(f"{path} {time:.2f} s: marvin {score:.4f}\n" for time, score in found)


def agree(title, done, rows, times, path):
    """Compares the output of --json with `rows` and `times`. Scores may differ slightly, because a file has
    rounded i16 samples."""
    got = json.loads(done.stdout) if done.returncode == 0 else []
    fine = len(got) == len(rows) and all(
        g["input"] == path and g["row"] == i and abs(g["time"] - time) < 1e-6
        and all(abs(a - b) < 2e-3 for a, b in zip(g["scores"], row, strict=True))
        for i, (g, row, time) in enumerate(zip(got, rows, times)))
    check(fine, title, f"{done.stderr}{got[:2]} {rows[:2]} {len(got)} {len(rows)}")


def same(title, done, expected):
    check(done.returncode == 0 and done.stdout == expected, title, f"{done.both}expected\n{expected}")


# ---- a net compiled with --stream
WORDS = [(1.0, 1.3, 0.6), (2.0, 2.4, -0.6), (3.0, 3.2, 0.5), (3.5, 3.6, 0.5), (5.0, 5.02, 0.9)]
sample = recording(6, WORDS)
write("speech.wav", sample)
net("words", CLASSES.format(pool=ROWS), f"--stream={STEP}")
rows = rows_of(sample, STEP, STEP)
times = [(i + 1) * STEP / RATE for i in range(len(rows))]
predict = ("./words", "predict", "--stream")
agree("all rows as JSON", run(*predict, "speech.wav", "--json"), rows, times, "speech.wav")
expected = lines_of("speech.wav", found_in(rows, times))
check(expected.count("\n") == 2, "two separate words, not unknown or short ones", expected)
same("detections", run(*predict, "speech.wav"), expected)
same("each file begins anew", run(*predict, "speech.wav", "speech.wav"), 2 * expected)
for options in ({"threshold": 0.9}, {"average": 1}, {"hold": 0.1},
                {"threshold": 0.2, "average": 20, "hold": 0}):
    words = [word for name, value in options.items() for word in (f"--{name}", str(value))]
    same(" ".join(words), run(*predict, "speech.wav", *words),
         lines_of("speech.wav", found_in(rows, times, **options)))
write("fast.wav", [x for x in sample for _ in (0, 1)], 2 * RATE)
done = run(*predict, "fast.wav")
check(done.stdout.count("marvin") == 2 and "fast.wav 1.0" in done.stdout,
      "another rate is resampled", done.both)

# ---- standard input: raw float samples
raw = struct.pack(f"<{len(sample)}f", *sample)
done = subprocess.run((*predict, "-"), input=raw, capture_output=True, timeout=60)
check(done.stdout.decode() == lines_of("-", found_in(rows, times)), "the detections of a pipe",
      done.stdout.decode() + done.stderr.decode())
with subprocess.Popen((*predict, "-", "--json"), stdin=subprocess.PIPE, stdout=subprocess.PIPE) as pipe:
    pipe.stdin.write(raw[: 4 * STEP])
    pipe.stdin.flush()
    first = pipe.stdout.readline()
    check(b'"row": 0' in first, "a row is printed before the pipe ends", first.decode())
    pipe.stdin.write(raw[4 * STEP : 4 * (STEP + 7)])
    pipe.stdin.close()
    check(pipe.stdout.read() == b"]\n" and pipe.wait() == 0, "an incomplete step is dropped")
net("bytes", CLASSES.format(pool=ROWS), f"--stream={STEP}", head=f"as i16 (rate={RATE})")
done = subprocess.run(("./bytes", "predict", "--stream", "-", "--json"),
                      input=struct.pack("<80h", *[-9] * 80), capture_output=True, timeout=60)
check([row["scores"][2] > 0.99 for row in json.loads(done.stdout)] == [True, True], "int16 samples",
      done.stdout.decode() + done.stderr.decode())

# ---- windows: --slide, and a net that is compiled for a whole window
pool = "global_avgpool"
net("slid", CLASSES.format(pool=pool), f"--slide={STEP}", length=WINDOW)
rows = rows_of(sample, WINDOW, STEP)
times = [(WINDOW + i * STEP) / RATE for i in range(len(rows))]
agree("rows of --slide", run("./slid", "predict", "--stream", "speech.wav", "--json"), rows, times,
      "speech.wav")
net("window", CLASSES.format(pool=pool), length=WINDOW)
done = run("./window", "predict", "--stream", "speech.wav", "--json")
agree("windows, by default one each tenth of them", done, rows, times, "speech.wav")
check("speech.wav: the net was compiled without --stream: evaluating windows of 0.1 s, one every 0.01 s"
      in done.stderr,
      "say so",
      done.stderr)
hop = 100
rows = rows_of(sample, WINDOW, hop)
times = [(WINDOW + i * hop) / RATE for i in range(len(rows))]
net("batch", CLASSES.format(pool=pool), "--batch=3", length=WINDOW)
for name in ("window", "batch"):
    done = run(f"./{name}", "predict", "--stream", "speech.wav", "--json", "--hop", str(hop / RATE))
    agree(f"{name}: --hop", done, rows, times, "speech.wav")
done = subprocess.run(("./window", "predict", "--stream", "-", "--hop", str(hop / RATE)), input=raw,
                      capture_output=True, timeout=60)
check(done.stdout.decode() == lines_of("-", found_in(rows, times)), "windows of a pipe",
      done.stdout.decode() + done.stderr.decode())
write("short.wav", sample[4000:4300])
done = run("./window", "predict", "--stream", "short.wav", "--json")
agree("a short recording is padded with zeros", done, [scores_of(sample[4000:4300] + [0.0] * 100)], [0.1],
      "short.wav")
check("compiled without" not in done.stderr, "which is one window", done.stderr)
net("rows", CLASSES.format(pool=ROWS), length=WINDOW)
rows = rows_of(sample, STEP, STEP)
times = [(i + 1) * STEP / RATE for i in range(len(rows))]
agree("rows of whole windows", run("./rows", "predict", "--stream", "speech.wav", "--json"), rows, times,
      "speech.wav")

# ---- one score; values
net("yes", f"    relu -> {ROWS} -> subtract(0.3) -> multiply(20) -> sigmoid", f"--stream={STEP}",
    labels=False)
done = run("./yes", "predict", "--stream", "speech.wav")
check(done.returncode == 0 and [line.split()[1:4] for line in done.stdout.splitlines()] ==
      [["1.03", "s:", "1"], ["3.03", "s:", "1"]], "the class of a single score", done.both)
done = run("./yes", "predict", "--stream", "speech.wav", "--json")
check({len(row["scores"]) for row in json.loads(done.stdout)} == {1}, "which is one in JSON", done.both[:200])
net("level", f"    {ROWS}", f"--stream={STEP}", labels=False)
exits(1, "outputs without classes have no detections", "./level", "predict", "--stream", "speech.wav",
      says="no output of level has any")
exits(0, "but rows", "./level", "predict", "--stream", "speech.wav", "--json", says='"scores": [0.')

# ---- detection windows
def windows(path, name, pairs):
    with open(path, "w") as file:
        json.dump([{"wav_file": "other.wav", "detection_windows": []},
                   {"wav_file": name, "detection_windows": pairs}], file)


def counts(title, expected, *words):
    done = run("./words", "eval", *words)
    got = json.loads(done.stdout) if done.returncode == 0 else {}
    check(list(got) == ["true", "false_positives", "false_negatives", "hours", "per_hour"] and
          tuple(got.values())[:3] == expected and abs(got["per_hour"] * got["hours"] - expected[1]) < 1e-6,
          title, done.both)


windows("truth.json", "folder/speech.wav", [[1.0, 1.3], [3.0, 3.2], [4.5, 4.6]])
counts("true and missed words", (2, 0, 1), "speech.wav", "--truth", "truth.json", "--stream")
counts("of two recordings", (4, 0, 2), "speech.wav", "./speech.wav", "--truth", "truth.json")
windows("early.json", "speech.wav", [[0.0, 0.02], [2.02, 2.03]])
counts("a detection up to a second after a word", (1, 1, 1), "speech.wav", "--truth", "early.json")
windows("none.json", "speech.wav", [])
counts("false detections within a second count once", (0, 2, 0), "speech.wav", "--truth", "none.json",
       "--hold", "0.1")
done = run("./words", "eval", "speech.wav", "--truth", "none.json")
check(abs(json.loads(done.stdout)["hours"] - 6 / 3600) < 1e-8, "hours", done.both)
exits(1, "a recording without windows", "./words", "eval", "fast.wav", "--truth", "none.json",
      says="none.json: contains no detection windows of fast.wav")
for text, says in (("[", "bad.json: line 1: "), ("{}", "bad.json: must be a list"),
                   ("[3]", "bad.json: [0]: must have a string wav_file"),
                   ('[{"wav_file": "speech.wav", "detection_windows": [[1, 2], [2, 1]]}]',
                    "bad.json: [0].detection_windows[1]: must be two numbers: the start and the end"),
                   ('[{"wav_file": "speech.wav", "detection_windows": [[1]]}]', "[0].detection_windows[0]")):
    with open("bad.json", "w") as file:
        file.write(text)
    exits(1, f"windows {text}", "./words", "eval", "speech.wav", "--truth", "bad.json", says=says)

# ---- wrong use
for status, says, *words in (
        (2, "--threshold, --average, --hold and --hop need --stream", "predict", "speech.wav", "--hold", "1"),
        (2, "--stream excludes -o", "predict", "speech.wav", "--stream", "-o", "x.npy"),
        (2, "this command needs an input", "predict", "--stream"),
        (2, "need --truth", "eval", "--hold", "1"),
        (2, "--truth needs a recording", "eval", "--truth", "truth.json"),
        (2, "a recording needs --truth", "eval", "speech.wav"),
        (2, "--truth excludes --data", "eval", "speech.wav", "--truth", "truth.json", "--data", "x"),
        (2, "from 0 to 1", "predict", "--stream", "speech.wav", "--threshold", "2"),
        (1, "absent.wav", "predict", "--stream", "absent.wav"),
        (1, "truth.json: is not a WAV file", "predict", "--stream", "truth.json")):
    exits(status, " ".join(words), "./words", *words, says=says)
exits(1, "a hop that skips samples", "./window", "predict", "--stream", "speech.wav", "--hop", "1",
      says="--hop=1 is longer than the window of 0.1 s")
net("rateless", CLASSES.format(pool=ROWS), f"--stream={STEP}", head="")
exits(1, "a pipe without a rate", "./rateless", "predict", "--stream", "-", says="has no rate=")
exits(0, "a file has one", "./rateless", "predict", "--stream", "speech.wav", says="speech.wav 1.0")
two = "    input other: 400x1\n    other -> add(samples) -> global_avgpool -> softmax"
net("two", two, length=400, labels=False)
exits(1, "two inputs", "./two", "predict", "--stream", "speech.wav",
      says="a recording is a single input, but two has 2")

# ---- bench --stream
done = run("./words", "bench", "--stream", "--seconds", "0.05", "--json")
got = json.loads(done.stdout)
check(0 < got["step_ms"]["min"] <= got["step_ms"]["median"] <= got["step_ms"]["p99"] and
      math.isclose(got["real_time_factor"], got["step_ms"]["median"] / 10, rel_tol=1e-3),
      "bench --stream", done.both)
done = run("./words", "bench", "--stream", "--seconds", "0.05")
check("step " in done.stdout and " of real time" in done.stdout, "as text", done.both)
exits(1, "a net without steps", "./window", "bench", "--stream", says="compiled without --stream")
finish()
