# sound_sets.py: the cases of sound_sets.tap.
# SPDX-License-Identifier: Apache-2.0
import hashlib, math, os, random, shutil
from folders import exits, run
from sounds import net, wav
from tap import check, finish, start

start("sets")
RATE = 4000
rng = random.Random(7)


def tone(hertz, frames, phase=0.0):
    return [(0.4 * math.sin(phase + 2 * math.pi * hertz * t / RATE),) for t in range(frames)]


WORDS = {"yes": 300, "no": 700, "cat": 1100, "dog": 1500}
for word, hertz in WORDS.items():
    for i in range(10):  # some longer than the input, some shorter
        wav(f"set/{word}/{i}.wav", tone(hertz, (400, 900, 300)[i % 3], i), RATE)
for i in range(2):
    wav(f"set/_background_noise_/{i}.wav", [(rng.uniform(-0.3, 0.3),) for _ in range(3000)], RATE)
with open("set/validation_list.txt", "w") as file:
    file.write("".join(f"{word}/1.wav\n{word}/4.wav\n" for word in WORDS))
with open("set/testing_list.txt", "w", newline="") as file:
    file.write("".join(f"{word}/2.wav\r\n" for word in WORDS))


def program(labels, extra="", name="words"):
    classes = labels.count('"') // 2
    net(name, f"""net {name} {{
    input samples: 400x1 as i16 (rate={RATE})
    {'labels [' + labels + ']' if labels else ''}
    multiply(1/32768) -> conv(8, 32, stride=16) -> relu -> global_avgpool
    dense({classes or 4}) -> softmax
    train {{ loss = cross_entropy; batch = 8; epochs = 3; {extra} }}
}}
""")


def counts(path):
    """The number of samples of each class, in all parts together, as `data` prints it."""
    lines = [line.split() for line in run("./words", "data", "--data", path).both.splitlines()]
    return {line[0]: int(line[1]) for line in lines if len(line) == 2 and line[1].isdigit()}


# ---- lists of the parts, words outside of the labels, silence
program('"yes", "no", "unknown", "silence"')
exits(0, "the parts of the lists", "./words", "data", "--data", "set",
      says=("folders of sounds: 37 training, 11 validation and 5 test samples, 4 classes",
            "2 folders whose names are not a label, treated as 'unknown': cat, dog"))
check(counts("set") == {"yes": 10, "no": 10, "unknown": 20, "silence": 9 + 3 + 1},
      "silence has the mean number of samples of a class", str(counts("set")))
program('"yes", "no", "cat", "dog"')
exits(0, "background noise is not a class", "./words", "data", "--data", "set",
      says="28 training, 8 validation and 4 test samples, 4 classes")
program("")
exits(0, "nor without labels", "./words", "data", "--data", "set", says="4 classes")
program('"yes", "no"')
exits(1, "without the label unknown other words are errors", "./words", "data", "--data", "set",
      says="the folder 'cat' is not one of the labels yes, no")
with open("set/testing_list.txt", "a") as file:
    file.write("yes/77.wav\n")
program('"yes", "no", "unknown", "silence"')
with open("set/validation_list.txt", "a") as file:
    file.write("yes/1.wav\n")
done = exits(0, "a file twice in one list", "./words", "data", "--data", "set",
             says="11 validation and 5 test")
check("validation_list.txt names" not in done.both, "counts once", done.both)
shutil.copytree("set", "crossed")
with open("crossed/validation_list.txt", "a") as file:
    file.write("no/2.wav\n")
exits(1, "a file in two lists", "./words", "data", "--data", "crossed",
      says="crossed: 1 file is in both testing_list.txt and validation_list.txt (first: no/2.wav)")
exits(0, "a list with more files", "./words", "data", "--data", "set",
      says="set/testing_list.txt names 1 file that is not in the data set")

# ---- folders for the parts
for part, files in (("train", (0, 1, 2, 3)), ("test", (4, 5))):
    for word in WORDS:
        os.makedirs(f"parts/{part}/{word}")
        for i in files:
            shutil.copy(f"set/{word}/{i}.wav", f"parts/{part}/{word}/{i}.wav")
shutil.copytree("set/_background_noise_", "parts/_background_noise_")
done = exits(0, "noise next to the parts", "./words", "data", "--data", "parts")
check(counts("parts").get("silence") == 5 + 3 and "is not read" not in done.both,
      "its silence", done.both)

# ---- augmentation: the same bits for any number of threads, and after --resume
def bits(path):
    with open(path, "rb") as file:
        return hashlib.sha256(file.read()).hexdigest()


SOUND = "augment = [time_shift(20), speed(0.9..1.1), gain(-6..6), background(snr=0..20), noise(0.001)]"
program('"yes", "no", "unknown", "silence"', SOUND)
train = ("./words", "train", "--data", "set", "--out")
exits(0, "augmented", *train, "one.safetensors", "--threads", "1")
exits(0, "on three threads", *train, "three.safetensors", "--threads", "3")
check(bits("one.last.safetensors") == bits("three.last.safetensors"), "the same weights on three threads")
exits(0, "one epoch less", *train, "part.safetensors", "--epochs", "2")
exits(0, "and one more epoch", *train, "part.safetensors", "--resume", "--epochs", "3")
check(bits("one.last.safetensors") == bits("part.last.safetensors"), "the same weights after --resume")
program('"yes", "no", "unknown", "silence"')
exits(0, "not augmented", *train, "plain.safetensors")
check(bits("one.last.safetensors") != bits("plain.last.safetensors"), "augmentation changes the weights")

# ---- an output with a row of scores for each step: the class of a sample is that of the last row
net("rows", f"""net rows {{
    input samples: 400x1 as i16 (rate={RATE})
    labels ["yes", "no", "cat", "dog"]
    multiply(1/32768) -> conv(8, 32, stride=16, pad=causal) -> relu
    avgpool(25, stride=1, pad=[24, 0]) -> conv(4, 1) -> softmax
    train {{ loss = cross_entropy; batch = 8; epochs = 25; optimizer = adam(rate=0.02) }}
}}
""")
done = exits(0, "rows are trained", "./rows", "train", "--data", "set", "--out", "rows.safetensors",
             says='the output "output" has 25 rows: the class of a sample is that of its last row')
done = run("./rows", "eval", "--data", "set", "--weights", "rows.safetensors", "--json")
check('"samples": 4' in done.stdout and '"accuracy": 1.0' in done.stdout, "and evaluated", done.both)
net("sigmoid_rows", f"""net sigmoid_rows {{
    input samples: 400x1 as i16 (rate={RATE})
    multiply(1/32768) -> avgpool(16, stride=16) -> conv(1, 1) -> sigmoid
    train {{ loss = binary_cross_entropy }}
}}
""")
exits(1, "other losses need one row", "./sigmoid_rows", "train", "--data", "set",
      says='the output "output" needs 25 targets; -> crop([24, 0]) before the output keeps the last of')

# ---- background noise that is missing or damaged
program('"yes", "no", "unknown", "silence"', "augment = background(snr=0..20)")
shutil.copytree("set", "quiet", ignore=lambda _, names: [n for n in names if n.startswith("_")])
exits(1, "no noise to mix in", "./words", "train", "--data", "quiet",
      says="mixes in WAV files of a folder _background_noise_, but the data set has no")
exits(0, "no silence either: a note", "./words", "data", "--data", "quiet", says="no folder for silence")
os.truncate("set/_background_noise_/0.wav", 3000)
exits(1, "damaged noise", *train, "w.safetensors", says="_background_noise_/0.wav: is cut off")
exits(0, "is skipped on request", "./words", "train", "--data", "set", "--skip-bad",
      says="skipped 1 unusable WAV file (first: set/_background_noise_/0.wav")
done = exits(0, "silence has the same number of samples", "./words", "data", "--data", "set", "--skip-bad")
counted = {line.split()[0]: line.split()[1] for line in done.stdout.splitlines() if len(line.split()) == 2}
check(counted.get("silence") == str(9 + 3 + 1), "of the other recording", done.both)
finish()
