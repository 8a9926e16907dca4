# recordings.py: the cases of recordings.tap. The nets have no weights: their scores are the means of pulses,
# which are computed here as well.
# SPDX-License-Identifier: Apache-2.0
import json, math, os, struct, subprocess
from folders import exits, run
from sounds import FLOAT, PCM, wav
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



# ---- standard input: WAV streams
def piped(program, path, *options, content=None):
    if content is None:
        with open(path, "rb") as file:
            content = file.read()
    done = subprocess.run((program, "predict", "--stream", "-", *options), input=content, capture_output=True,
                          timeout=60)
    done.stdout, done.stderr = done.stdout.decode(), done.stderr.decode()
    done.both = done.stdout + done.stderr
    return done


noisy = [(math.sin(0.013 * t * t % 7) * 0.7 + x, x - math.cos(t) * 0.3)
         for t, x in enumerate(sample[3000:9000])]
for rate, channels, bits, tag in ((RATE, 1, 16, PCM), (RATE, 2, 24, PCM), (RATE, 1, 8, PCM),
                                  (RATE, 2, 32, FLOAT), (2 * RATE, 1, 16, PCM),
                                  (11025, 2, 32, PCM), (3000, 1, 64, FLOAT)):
    wav("piped.wav", [tuple(0.7 * x for x in frame[:channels]) for frame in noisy], rate, bits, tag)
    for program in ("./words", "./bytes"):
        file = run(program, "predict", "--stream", "piped.wav", "--json")
        done = piped(program, "piped.wav", "--json")
        check(file.returncode == done.returncode == 0 and file.stdout.count("row") > 30 and
              file.stdout.replace("piped.wav", "-") == done.stdout,
              f"{program}: a stream has the scores of the file: {channels} channels, {bits} bits, {rate} Hz",
              done.both[:500])
with open("speech.wav", "rb") as file:
    speech = file.read()
begin = speech.index(b"data") + 4
for size in (0, 0x7FFFF000, 0x80000000, 0xFFFFFFFF):
    done = piped("./words", None, content=speech[:begin] + size.to_bytes(4, "little") + speech[begin + 4 :])
    check(done.returncode == 0 and done.stdout == lines_of("-", found_in(rows, times)),
          f"a stream with the size {size:08X}", done.both)
done = piped("./words", None, content=speech + b"LIST\4\0\0\0" + b"\x7f" * 4000)
check(done.stdout == lines_of("-", found_in(rows, times)), "chunks after the samples are ignored", done.both)
for title, content, says in (
        ("cut off", speech[:-2001], "-: is cut off: the data chunk has 48000 bytes, but only 45999 came"),
        ("cut off in its header", speech[:30], "-: the WAV stream ends before its samples"),
        ("RF64", b"RF64" + speech[4:], "header of a file in the format RF64"),
        ("FLAC", b"fLaC" + bytes(400), "header of a file in the format FLAC"),
        ("AU", b".snd" + bytes(400), "header of a file in the format AU")):
    done = piped("./words", None, content=content)
    check(done.returncode == 1 and says in done.stderr, f"a stream: {title}", done.both)
for begin in (b"", b"R", b"RIF", b"RIFF", b"RIFF\0\0\0\0WAV", b"fLa"):
    content = begin + bytes(640 - len(begin))
    done = piped("./bytes", None, "--json", content=content)
    check(done.returncode == 0 and len(json.loads(done.stdout)) == 8, f"raw samples that begin with {begin}",
          done.both)

# ---- recordings that are too short for a row
write("short.wav", sample[:30])
done = run(*predict, "short.wav", "--json")
check(done.returncode == 0 and json.loads(done.stdout) == [], "shorter than a step", done.both)
check("short.wav: has no row of scores: it has 30 samples, and the first row needs 40" in done.stderr,
      "which is reported", done.both)
done = piped("./words", None, content=raw[:120])
check("-: has no row of scores: it has 30 samples, and" in done.stderr, "also for a pipe", done.both)

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
write("short.wav", sample[:390])
done = run("./slid", "predict", "--stream", "short.wav")
check("it has 390 samples, and the first row needs 400" in done.stderr, "--slide: shorter than the window",
      done.both)
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

# ---- by default, one detection while a word is in a window of more than a second
long = "    pulse = relu -> global_avgpool -> multiply(40) -> subtract(4.5) -> sigmoid"
write("once.wav", recording(6, [(2.0, 2.4, 0.6)]))
for name, options in (("lasting", ()), ("lasting_slid", ("--slide=400",))):
    net(name, long, *options, length=2 * RATE, labels=False)
    done = run(f"./{name}", "predict", "--stream", "once.wav", "--average", "1")
    check(done.stdout.count("\n") == 1, f"{name}: one detection", done.both)
    done = run(f"./{name}", "predict", "--stream", "once.wav", "--average", "1", "--hold", "1")
    check(done.stdout.count("\n") == 2, f"{name}: --hold is respected", done.both)

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

# ---- labels of windows: only a detection of the same word is true
LABELS = ["yes", "no", "unknown"]
net("two_words", CLASSES.format(pool=ROWS).replace("add(0.2)", "add(-9)").replace("concat(up, down)", "CAT")
    .replace("quiet -> CAT", "up -> concat(down, quiet)"), f"--stream={STEP}")
write("two.wav", recording(6, [(1.0, 1.3, 0.6), (3.0, 3.3, -0.6)]))
LABELED = {
    "right": ([([[1.0, 1.3], [3.0, 3.3]], {"labels": ["yes", "no"]})], (2, 0, 0)),
    "exchanged": ([([[1.0, 1.3], [3.0, 3.3]], {"labels": ["no", "yes"]})], (0, 2, 2)),
    "one label": ([([[1.0, 1.3], [3.0, 3.3]], {"label": "no"})], (1, 1, 1)),
    "an entry for each word": ([([[1.0, 1.3]], {"label": "yes"}), ([[3.0, 3.3]], {"label": "no"})],
                               (2, 0, 0)),
    "a window without a label": ([([[1.0, 1.3]], {"label": "no"}), ([[3.0, 3.3]], {})], (1, 1, 1)),
    "no labels": ([([[1.0, 1.3], [3.0, 3.3]], {})], (2, 0, 0)),
}
for title, (entries, expected) in LABELED.items():
    with open("labeled.json", "w") as file:
        json.dump([{"wav_file": "two.wav", "detection_windows": pairs, **label} for pairs, label in entries],
                  file)
    done = run("./two_words", "eval", "two.wav", "--truth", "labeled.json", "--threshold", "0.9",
               "--average", "1")
    got = tuple(json.loads(done.stdout).values())[:3] if done.returncode == 0 else ()
    check(got == expected and ("have no label: a detection of any of the 2 words" in done.stderr) ==
          (title in ("a window without a label", "no labels")), title, done.both)
for label, says in (({"label": "unknown"}, '[0]: "unknown" is not a word that the net detects'),
                    ({"label": "maybe"}, '[0]: "maybe" is not a word that the net detects'),
                    ({"labels": ["yes"]}, "[0].labels: must have a string for each of the 2 windows"),
                    ({"labels": [1, 2]}, "[0]: a label must be a string"),
                    ({"label": "yes", "labels": ["yes", "no"]}, "[0]: has both label and labels")):
    with open("bad.json", "w") as file:
        json.dump([{"wav_file": "two.wav", "detection_windows": [[1, 2], [3, 4]], **label}], file)
    exits(1, f"windows {label}", "./two_words", "eval", "two.wav", "--truth", "bad.json", says=says)
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
