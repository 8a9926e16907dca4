# train_numbers.py: each numeric setting and argument of a train block is set to a fraction. The generated
# recipe must contain the fraction exactly, or cnnc must reject the program.
# SPDX-License-Identifier: Apache-2.0
import os, re, subprocess
from tap import check, finish, start

cnnc = os.environ["CNNC"]
reference = os.path.join(os.environ["top_srcdir"], "docs", "operators.md")
start("numbers")


def compiled(settings, end="-> softmax", loss="cross_entropy", shape="16x16x3"):
    with open("n.cnn", "w") as file:
        file.write(f"net n {{ input image: {shape}; flatten -> dense(4) {end}\n "
                   f"train {{ loss = {loss}; {settings} }} }}\n")
    return subprocess.run([cnnc, "--train", "--target=generic", "n.cnn", "-o", "-"], stdout=subprocess.PIPE,
                          stderr=subprocess.PIPE,
                          text=True, timeout=120)


def kept(title, wanted, *program, **more):
    result = compiled(*program, **more)
    check(result.returncode == 0 and re.search(wanted, result.stdout), f"{title} is kept",
          result.stderr or re.findall(r".*(?:recipe|loss0|classes0)[^;]*;", result.stdout))


def refused(title, *program, **more):
    result = compiled(*program, **more)
    check(result.returncode == 1 and "integer" in result.stderr, f"{title} is refused", result.stderr)


# (kind, form, argument) of every tested number
tried = set()

OPTIMIZERS = {"sgd": "rate momentum weight_decay", "adam": "rate beta1 beta2 epsilon weight_decay",
              "adamw": "rate beta1 beta2 epsilon weight_decay",
              "rmsprop": "rate alpha epsilon momentum weight_decay",
              "lars": "rate momentum weight_decay trust",
              "lamb": "rate beta1 beta2 epsilon weight_decay"}
for form, arguments in OPTIMIZERS.items():
    for argument in arguments.split():
        tried.add(("Optimizers", form, argument))
        kept(f"{form}({argument}=0.375)", rf"\.{argument} = 0\.375\b",
             f"optimizer = {form}({argument}=0.375)")

SCHEDULES = [("constant", "warmup", ""), ("step", "every", ""), ("step", "factor", "every=2, "),
             ("step", "warmup", "every=2, "), ("exponential", "factor", ""),
             ("exponential", "warmup", "factor=0.5, "), ("poly", "power", ""), ("poly", "warmup", ""),
             ("cosine", "floor", ""), ("cosine", "warmup", ""),
             ("plateau", "factor", ""), ("plateau", "warmup", "")]
for form, argument, others in SCHEDULES:
    tried.add(("Schedules", form, argument))
    kept(f"{form}({argument}=0.375)", rf"\.{argument} = 0\.375\b",
         f"schedule = {form}({others}{argument}=0.375)")
kept("step(at=[0.5, 1.25])", r"milestones\[\] = \{0\.5, 1\.25\}", "schedule = step(at=[0.5, 1.25])")
tried.add(("Schedules", "step", "at"))
refused("plateau(patience=2.5)", "schedule = plateau(patience=2.5)")
tried.add(("Schedules", "plateau", "patience"))

AUGMENTATIONS = {"rotate": "degrees", "brightness": "delta", "noise": "std", "hue": "delta",
                 "mixup": "alpha", "cutmix": "alpha"}
for form, argument in AUGMENTATIONS.items():
    tried.add(("Augmentations", form, argument))
    kept(f"{form}(0.375)", rf'"{form}", \{{0\.375\}}, 1', f"augment = {form}(0.375)")
for form in "zoom contrast resized_crop saturation".split():
    tried.add(("Augmentations", form, "range"))
    kept(f"{form}(0.375..0.75)", rf'"{form}", \{{0\.375, 0\.75\}}, 2', f"augment = {form}(0.375..0.75)")
SOUND = {"time_shift": (["milliseconds"], "0.375"), "gain": (["range"], "0.375..0.75"),
         "speed": (["range"], "0.375..0.75"),
         "background": (["snr", "share"], "snr=0.375..0.75, share=0.625")}
for form, (arguments, text) in SOUND.items():
    tried.update(("Augmentations", form, argument) for argument in arguments)
    numbers = re.findall(r"[0-9]+\.[0-9]+", text)
    kept(f"{form}({text})", rf'"{form}", \{{{", ".join(map(re.escape, numbers))}\}}, {len(numbers)}',
         f"augment = {form}({text})", shape="160x1 (rate=8000)")
for form, argument in {"shift": "pixels", "cutout": "size", "crop": "size"}.items():
    tried.add(("Augmentations", form, argument))
    refused(f"{form}(1.5)", f"augment = {form}(1.5)")
refused("top(1.5)", "metrics = top(1.5)")
tried.add(("Metrics", "top", "k"))

kept("huber(delta=0.375)", r"\.parameter = 0\.375\b", "", end="", loss="huber(delta=0.375)")
kept("focal(gamma=0.375)", r"\.parameter = 0\.375\b", "", loss="focal(gamma=0.375)")
kept("cross_entropy(weights=[...])", r"\{0\.375f?, 1(\.0f)?, ", "",
     loss="cross_entropy(weights=[0.375, 1, 1, 1])")
kept("the weight of a loss", r"\.weight = 0\.375\b", "", loss="cross_entropy(weight=0.375)")
refused("cross_entropy(ignore=1.5)", "", loss="cross_entropy(ignore=1.5)")
tried |= {("Losses", "huber", "delta"), ("Losses", "focal", "gamma"), ("Losses", "cross_entropy", "weights"),
          ("Losses", "cross_entropy", "ignore")}


def objects(loss):
    with open("n.cnn", "w") as file:
        file.write("net n { input image: 16x16x3; input regions: 6x4\n"
                   "s = image -> flatten -> dense(24) -> reshape([6, 4])\n"
                   "d = image -> flatten -> dense(24) -> reshape([6, 4])\n"
                   "m = regions -> roi_align(image, 4, 1) -> conv(3, 1x1)\n"
                   "v = image -> conv(8, 8x8, stride=8) -> yolo(3, anchors=[[8, 8]])\n"
                   "b = image -> conv(2, 8x8, stride=8) -> default_boxes([8], [1], 8)\n"
                   "c = image -> conv(4, 8x8, stride=8) -> reshape([4, 4])\n"
                   "e = image -> conv(4, 8x8, stride=8) -> reshape([4, 4])\n"
                   "o = image -> conv(1, 8x8, stride=8)\n"
                   "q = image -> conv(4, 8x8, stride=8)\n"
                   "r = o -> proposals(q, anchors=[[8, 8]], stride=8)\n"
                   f"output s, m\n train {{ loss = {loss} }} }}\n")
    return subprocess.run([cnnc, "--train", "--target=generic", "-Wno-unused-value", "n.cnn", "-o", "-"],
                          stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, timeout=120)


LOSSES = {"detection(s, d, boxes=regions, %s)": "overlap", "masks(m, boxes=regions, %s)": "overlap",
          "yolo(v, %s)": "ignore", "multibox(c, e, boxes=b, %s)": "overlap",
          "rpn(r, %s)": "positives high low"}
for call, arguments in LOSSES.items():
    for argument in arguments.split():
        form = call.split("(")[0]
        loss = call % f"{argument}=0.59375"
        result = objects(loss)
        wanted = r"\b0\.59375f" if argument != "positives" else r"_rpn_routine\(.*\b152\b"  # 0.59375 * 256
        check(result.returncode == 0 and re.search(wanted, result.stdout), f"{loss} is kept", result.stderr)
        tried.add(("Losses", form, argument))
for call, argument in [("yolo(v, %s)", "most"), ("multibox(c, e, boxes=b, %s)", "negatives"),
                       ("rpn(r, %s)", "sample")]:
    result = objects(call % f"{argument}=2.5")
    check(result.returncode == 1 and "integer" in result.stderr, f"{call % argument} of 2.5 is refused",
          result.stderr)
    tried.add(("Losses", call.split("(")[0], argument))

for setting in "batch epochs seed accumulate early_stop".split():
    refused(f"{setting} = 2.5", f"{setting} = 2.5")
for setting in "average clip_norm".split():
    kept(f"{setting} = 0.375", rf"\.{setting} = 0\.375\b", f"{setting} = 0.375")
kept("label_smoothing = 0.375", r"\.smoothing = 0\.375\b", "label_smoothing = 0.375")

# ---- docs/operators.md lists no other numbers ----

chapter = form = None
missing = []
with open(reference) as file:
    for line in file:
        chapter = line[3:].strip() if line.startswith("## ") else chapter
        form = line[4:].strip() if line.startswith("### ") else form
        row = re.match(r"\| `(\w+)` \| (number|integer|range lo\.\.hi|N, HxW or \[h, w\]|list) ", line)
        if row and chapter in ("Optimizers", "Schedules", "Augmentations", "Metrics", "Losses") and (chapter,
                form, row[1]) not in tried:
            missing.append((chapter, form, row[1]))
check(not missing, "every number of docs/operators.md is tested", missing)
finish()
