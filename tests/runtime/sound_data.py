# sound_data.py: the cases of sound_data.tap.
# SPDX-License-Identifier: Apache-2.0
import math, os
from folders import exits, png
from sounds import FLOAT, PCM, net, numbers, wav
from tap import check, finish, start

start("sound")
net("echo", "net echo {\n    input samples: 6x1 (rate=8000)\n    multiply(1)\n}\n")
net("whole", "net whole {\n    input samples: 6x1 as i16 (rate=8000)\n    multiply(1)\n}\n")
net("wide", "net wide {\n    input samples: 800x1 (rate=8000)\n    multiply(1)\n}\n")

# ---- every format is decoded to the same numbers
EXACT = [0.5, -0.25, 0.75, -1.0, 0.0, 0.125]
for bits, tag in ((8, PCM), (16, PCM), (24, PCM), (32, PCM), (32, FLOAT), (64, FLOAT)):
    wav("exact.wav", [(x,) for x in EXACT], 8000, bits, tag)
    exits(0, f"{bits} bits, format {tag}", "./echo", "predict", "exact.wav", "--out", "y.npy")
    check(list(numbers("y.npy")) == EXACT, f"{bits} bits, format {tag}: its numbers", str(numbers("y.npy")))
exits(0, "i16", "./whole", "predict", "exact.wav", "--out", "y.npy")
check(list(numbers("y.npy")) == [32767 if x == 1 else x * 32768 for x in EXACT], "i16: samples unchanged")

# ---- channels and lengths
wav("stereo.wav", [(x, 0.0) for x in EXACT], 8000)
exits(0, "two channels", "./echo", "predict", "stereo.wav", "--out", "y.npy")
check(list(numbers("y.npy")) == [x / 2 for x in EXACT], "two channels: their mean", str(numbers("y.npy")))
wav("short.wav", [(0.5,), (0.25,)], 8000)
exits(0, "shorter", "./echo", "predict", "short.wav", "--out", "y.npy")
check(list(numbers("y.npy")) == [0.5, 0.25, 0, 0, 0, 0], "shorter: zeros after it")
wav("long.wav", [(i / 16,) for i in range(10)], 8000)
exits(0, "longer", "./echo", "predict", "long.wav", "--out", "y.npy")
check(list(numbers("y.npy")) == [i / 16 for i in range(2, 8)], "longer: its middle")

# ---- resampling: a tone within the band is preserved
for rate in (4000, 11025, 44100):
    wav("tone.wav", [(0.5 * math.sin(2 * math.pi * 300 * t / rate),) for t in range(rate // 10)], rate)
    exits(0, f"{rate} Hz", "./wide", "predict", "tone.wav", "--out", "y.npy")
    error = max(abs(y - 0.5 * math.sin(2 * math.pi * 300 * t / 8000))
                for t, y in enumerate(numbers("y.npy")) if 50 <= t < 750)
    check(error < 0.01, f"{rate} Hz: the tone at 8000", str(error))

# ---- resampling: the numbers of torchaudio.functional.resample
net("forty", "net forty {\n    input samples: 30x1 (rate=8000)\n    multiply(1)\n}\n")
SOURCE = [0.5 * math.sin(0.37 * i * i % 7) + 0.2 * math.cos(i) for i in range(40)]
RESAMPLED = {
    16000: [0.243323, 0.147939, -0.093903, 0.170041, 0.049794, 0.290573, -0.003598, 0.174029, -0.208534,
            0.528284, 0.45078, -0.230679, 0.18514, -0.154504, -0.259506, -0.221529, 0.182523, -0.239334,
            -0.150696, 0.536591],
    11025: [0.133235, 0.443674, -0.125741, -0.18044, 0.429238, -0.186575, 0.190126, 0.345827, 0.066595,
            -0.080771, 0.433141, -0.337635, -0.016357, 0.575307, 0.47029, 0.37605, -0.398502, 0.101623,
            0.24286, -0.30799, -0.251457, -0.157946, -0.330141, 0.274693, -0.027355, -0.249834, -0.371039,
            0.545763, 0.381186, 0.008276],
}
for rate, expected in RESAMPLED.items():
    wav("source.wav", [(x,) for x in SOURCE], rate, 32, FLOAT)
    exits(0, f"{rate} to 8000", "./forty", "predict", "source.wav", "--out", "y.npy")
    error = max(abs(a - b) for a, b in zip(numbers("y.npy"), expected))
    check(error < 2e-6, f"{rate} to 8000: the numbers of torchaudio", str(error))

# ---- damaged files
with open("exact.wav", "rb") as file:
    content = file.read()


def damaged(title, content, says):
    with open("bad.wav", "wb") as file:
        file.write(content)
    exits(1, title, "./echo", "predict", "bad.wav", says=says)


damaged("cut off", content[:-3], ("is cut off",))

# ---- placeholders for the size, which programs write that cannot go back in a pipe
with open("exact.wav", "rb") as file:
    head, samples = file.read().split(b"data", 1)
for size in (0, 0xFFFFFFFF, 0xFFFFFFDA, 0x7FFFF000, 0x7FFFEFFC, 0x7FFFFFFF, 0x80000000, 0x7FFFF024):
    with open("open.wav", "wb") as file:
        file.write(head + b"data" + size.to_bytes(4, "little") + samples[4:])
    exits(0, f"size {size:08X}", "./echo", "predict", "open.wav", "--out", "y.npy")
    check(list(numbers("y.npy")) == EXACT, f"size {size:08X}: read to the end", str(numbers("y.npy")))
for size in (0x2000, 0x1F400000, 0x70000000, 0x90000000):
    damaged(f"size {size:08X}", head + b"data" + size.to_bytes(4, "little") + samples[4:], ("is cut off",))
damaged("no samples", content[:content.index(b"data")], ("has no samples",))
form = content.index(b"fmt ") + 8
damaged("no channels", content[:form + 2] + b"\0\0" + content[form + 4:], ("0 channels",))
damaged("no rate", content[:form + 4] + b"\0\0\0\0" + content[form + 8:], ("0 samples per second",))
damaged("another format", content[:form] + b"\x11\0" + content[form + 2:], ("format 17",))

# ---- files of another kind than the input
png("other/image.png", (1, 2, 3))
net("pixels", "net pixels {\n    input x: 4x4x3 as i16\n    multiply(1)\n}\n")
for name, input in (("pixels", "x"), ("whole", "samples")):
    exits(1, f"{name}: images have no i16 values", f"./{name}", "predict", "other/image.png",
          says=f'images are read as u8, i8 or f32; the input "{input}" is i16')
exits(1, "a WAV file for an image input", "./pixels", "predict", "exact.wav",
      says='the input "x" is not a sequence of samples, L x 1')

# ---- folders are classes
for label, hertz in (("low", 300), ("high", 1500)):
    for i in range(12):
        rate = (8000, 16000, 11025)[i % 3]
        wav(f"set/{label}/{i}.wav",
            [(0.5 * math.sin(i + 2 * math.pi * hertz * (1 + i / 100) * t / rate),)
             for t in range(rate // 10)], rate)
net("tones", """import "audio.cnn"
net tones {
    input samples: 800x1 as i16 (rate=8000)
    labels ["low", "high"]
    multiply(1/32768) -> log_mel(128, 64, 16, 8000) -> gru(8, last=true) -> dense(2) -> softmax
    train { loss = cross_entropy; optimizer = adam(rate=0.01); batch = 8; epochs = 15 }
}
""")
with open("set/low/notes.txt", "w") as file:
    file.write("no sound")
wav("set/low/bad.wav", [(0.0,)] * 9, 8000)
os.truncate("set/low/bad.wav", os.path.getsize("set/low/bad.wav") - 3)
exits(1, "a damaged file stops it", "./tones", "train", "--data", "set",
      says=("bad.wav: is cut off", "--skip-bad"))
exits(0, "and is skipped on request", "./tones", "train", "--data", "set", "--epochs", "1", "--skip-bad",
      says=("skipped 1 unusable WAV file (first: set/low/bad.wav",
            "skipped 1 file that is not a WAV file (first: "))
os.remove("set/low/bad.wav")
os.makedirs("empty/a")
wav("empty/b/0.wav", [(0.0,)] * 9, 8000)
exits(1, "a class without files", "./tones", "train", "--data", "empty",
      says="empty/a: this class folder is empty; put images or WAV files into it, or remove it")
exits(0, "folders of sounds train", "./tones", "train", "--data", "set", "--out", "w.safetensors")
exits(0, "and are classified", "./tones", "predict", "set/low/1.wav", "--weights", "w.safetensors",
      says=("low 0.9",))
finish()
