# hostile_annotations.py: the cases of hostile_annotations.tap.
# SPDX-License-Identifier: Apache-2.0
import json, os, shutil, subprocess
from folders import exits, png
from tap import check, finish, start

start("hostile")
MEGABYTE = 1 << 20
SECONDS = 60  # a case takes far less; this detects hangs
with open("net.cnn", "w") as file:
    file.write("""net net {
    input image: 4x4x3 as u8
    normalize(scale=1/255)
    conv(14, 2x2, stride=2) -> yolo(2, anchors=[[2, 2], [3, 4]])
    train { loss = yolo; batch = 1; epochs = 1 }
}
""")
exits(0, "a net is built", os.environ["CNNC"], "net.cnn", "-O1", "-o", "net")


def run(data, *options, command="data", memory=None):
    """Runs a command of the program; memory: limit of the address space in MiB."""
    words = ["./net", command, "--data", data, *options]
    if memory:
        words = ["sh", "-c", f'ulimit -v {memory * 1024}; exec "$@"', "sh", *words]
    try:
        return subprocess.run(words, capture_output=True, timeout=SECONDS)
    except subprocess.TimeoutExpired as late:
        return subprocess.CompletedProcess(words, "none in time", late.stdout or b"", late.stderr or b"")


def plain(output):
    """The output as text; False if it has an unprintable character."""
    return all(byte >= 32 or byte in b"\n\r\t" for byte in output) and output.decode("utf-8", "replace")


def refused(title, data, *says, memory=None):
    if memory and os.environ.get("SANITIZED"):
        return  # sanitizers alone need more memory
    done = run(data, memory=memory)
    text = plain(done.stderr)
    missing = [words for words in says if words not in (text or "")]
    check(done.returncode == 1 and text and not missing, title,
          f"exit {done.returncode}, without {missing}\n{done.stderr[:2000]!r}")
    return done


def skipped(data, *says):
    done = run(data, "--skip-bad")
    text = plain(done.stdout + done.stderr)
    missing = [words for words in says if words not in (text or "")]
    check(done.returncode == 0 and text and not missing, "  --skip-bad counts it",
          f"exit {done.returncode}, without {missing}\n{text or done.stderr[:2000]!r}")


def put(path, content):
    os.makedirs(os.path.dirname(path) or ".", exist_ok=True)
    with open(path, "wb") as file:
        file.write(content if isinstance(content, bytes) else content.encode())


# ---- COCO JSON: a valid image and object, and a second image or object that is invalid
GOOD = {"id": 1, "image_id": 1, "category_id": 1, "bbox": [0, 0, 2, 2]}
png("coco/images/a.png", (9, 99, 199))
png("coco/images/b.png", (199, 99, 9))


def picture(number, name, height=4, width=4):
    return {"id": number, "file_name": name, "height": height, "width": width}


def coco(*annotations, second=picture(2, "b.png"), name="dog"):
    """The classes are their own supercategories, in a cycle."""
    text = {"images": [picture(1, "a.png"), second],
            "categories": [{"id": 1, "name": name, "supercategory": "cat"},
                           {"id": 2, "name": "cat", "supercategory": "dog"}],
            "annotations": [GOOD, *annotations]}
    put("coco/instances.json", json.dumps(text))
    return "coco"


def bad(**members):
    return {**GOOD, "id": 2, **members}


coco({**GOOD, "id": 2, "image_id": 2})
good = run("coco")
check(b"1 training, 1 validation" in good.stdout + good.stderr, "valid annotations are read",
      good.stdout + good.stderr)
RUNS = "coco/instances.json: annotations[1].segmentation.counts: "
BOX = "coco/instances.json: annotations[1].bbox: "
for title, says, annotation in [
    ("a duplicate id", "annotations[1].id: 1 is also the id of annotations[0]", bad(id=1)),
    ("an image with a list as its id", "annotations[1].image_id: must be an integer",
     bad(image_id=[1])),
    ("an image that does not exist", "annotations[1].image_id: no element", bad(image_id=1 << 62)),
    ("an unknown class", "annotations[1].category_id: no element", bad(category_id=-1)),
    ("a polygon of one point", "annotations[1].segmentation[0]: has 2 numbers", bad(segmentation=[[1, 1]])),
    ("a polygon of lists", "annotations[1].segmentation[0]: must be a list of numbers",
     bad(segmentation=[[[1]] * 8])),
    ("a polygon far outside", "annotations[1].segmentation[0]: [2]: 1e+300 is far outside",
     bad(segmentation=[[0, 0, 1e300, 0, 0, 4]])),
    ("runs beyond the image", RUNS + "run 1 has 99 pixels, but only 16", bad(segmentation={"size": [4, 4],
                                                                              "counts": [0, 99]})),
    ("runs of huge numbers", RUNS + "run 1 has", bad(segmentation={"size": [4, 4],
                                                                  "counts": [0, (1 << 63) - 1]})),
    ("negative runs", RUNS + "run 1 has -5", bad(segmentation={"size": [4, 4], "counts": [8, -5, 13]})),
    ("empty runs", RUNS + "runs 2 and 3 are both empty",
     bad(segmentation={"size": [4, 4], "counts": [0] * 100000})),
    ("packed runs of one long number", RUNS + "letter 0 cannot begin a number",
     bad(segmentation={"size": [4, 4], "counts": "o" * 100000})),
    ("packed runs of other bytes", RUNS + "letter 0 cannot begin a number",
     bad(segmentation={"size": [4, 4], "counts": "\u001b[31m\u00e4"})),
    ("runs of another size than the image", "segmentation.size: is 4294967296x1, but its image is 4x4",
     bad(segmentation={"size": [1 << 32, 1], "counts": [16]})),
    ("runs of a huge image", "segmentation.size: is 100000x100000, but",
     bad(segmentation={"size": [100000, 100000], "counts": [10 ** 10]})),
    ("an empty box", BOX + "the box is 0 wide", bad(bbox=[1, 1, 0, 2])),
    ("a box of negative size", BOX + "the box is -2 wide", bad(bbox=[2, 1, -2, 2])),
    ("a box outside the image", BOX + "the box's left side is 1e+30", bad(bbox=[1e30, 0, 1e30, 2])),
    ("an infinite box", BOX + "the box's right side is inf", bad(bbox=[0, 0, 1e300, 2])),
    ("a box of strings", BOX + "must be four numbers", bad(bbox=["0", "0", "2", "2"])),
    ("an annotation that is a number", "annotations[1].image_id: must be an integer", 7),
]:
    refused(title, coco(annotation), "coco/instances.json", says)
    skipped("coco", "skipped 1 unusable object", says)
many = [{**GOOD, "id": k + 2, "bbox": [k % 3, k // 3 % 3, 1, 1]} for k in range(10000)]
coco(*many)
done = run("coco")
check(done.returncode == 0, "10,000 boxes in an image are read", done.stderr)
done = run("coco", "--out", "many.safetensors", "--progress", "none", command="train")
check(done.returncode == 0 and os.path.exists("many.safetensors"), "  and trained on", done.stderr)
for title, says, second in [
    ("images with the same id", "images[1].id: 1 is also the id of images[0]", picture(1, "b.png")),
    ("an image of huge size", "images[1].width: must be an integer of at least 1",
     picture(2, "b.png", 1 << 20, 1 << 20)),
    ("an image of negative size", "images[1].height: must be an integer of at least 1",
     picture(2, "b.png", -4)),
    ("an image whose name has an escape sequence", "b?[31m.png: the image is missing",
     picture(2, "b\u001b[31m.png")),
]:
    refused(title, coco(second=second), says)
    skipped("coco", "skipped 1 unusable image", says)
coco({**GOOD, "id": 2, "image_id": 2}, second=picture(2, "b.png", 40, 4))
skipped("coco", "skipped 1 unusable image", "b.png: is 4x4 (height x width), but the annotation of its",
        "says 40x4")
refused("a class name with control characters", coco(name="\u001b[31m"),
        "categories[0].name: must be a string without control characters")

# ---- invalid JSON
for title, content, says in [
    ("no number", '{"images":\n[NaN]}', "coco/instances.json:2:4: invalid JSON"),
    ("infinity", '{"images":\n[1e999]}', "coco/instances.json:2:6: invalid JSON"),
    ("lists 100,000 deep", '{"images":\n' + "[" * 100000, "coco/instances.json:2:"),
    ("objects 100,000 deep", '{"a":' * 100000, "coco/instances.json:1:"),
    ("a string without end", '{"images":"' + "a" * 100000, "coco/instances.json:1:"),
    ("bytes that are not UTF-8", b'{"images":\n["\xff\xfe\x1b[31m"]}', "coco/instances.json:2:"),
    ("half a file", '{"images":[{"id":1,', "coco/instances.json:1:"),
    ("nothing", "", "coco/instances.json"),
    ("another value", "7", "coco/instances.json"),
    ("a duplicate key", '{"images":[],\n"images":[]}', "coco/instances.json:2:"),
]:
    put("coco/instances.json", content)
    refused("JSON: " + title, "coco", says)
with open("coco/instances.json", "wb") as file:
    file.truncate(1 << 30)
refused("JSON: a gigabyte of zero bytes", "coco", "coco/instances.json:1:", memory=2048)
put("coco/instances.json", '{"images":[' + "0," * (40 * MEGABYTE))
refused("JSON: zeros that take more memory than there is", "coco",
        "coco/instances.json: has 41943040 values; 1.1 GB of memory are not enough", memory=1024)
shutil.rmtree("coco")

# ---- YOLO's text files
png("yolo/images/a.png", (9, 99, 199))
png("yolo/images/b.png", (199, 99, 9))
put("yolo/classes.txt", "dog\ncat\n")
put("yolo/labels/a.txt", "0 0.5 0.5 0.2 0.2\n")
LINE = "yolo/labels/b.txt:2: "
for title, content, says in [
    ("a number of 1e400", "0 0.5 0.5 0.2 1e400", "the box's top side is -inf"),
    ("NaN", "0 nan 0.5 0.2 0.2", "the box's left side is nan"),
    ("class -1", "-1 0.5 0.5 0.2 0.2", "the class is -1"),
    ("class 1e400", "1e400 0.5 0.5 0.2 0.2", "the class is inf"),
    ("class NaN", "nan 0.5 0.5 0.2 0.2", "the class is nan"),
    ("half a class", "0.5 0.5 0.5 0.2 0.2", "the class is 0.5"),
    ("a box of negative size", "0 0.5 0.5 -0.2 0.2", "the box is -0.2 wide"),
    ("pixels", "0 50 50 20 20", "as fractions of the image size, not in pixels"),
    ("too few numbers", "0 0.5 0.5", "has 3 numbers"),
    ("one number", "0", "has 1 number, but"),
    ("a polygon", "0 " + "0.5 " * 100000, "has 100001 numbers"),
    ("bytes that are not UTF-8", b"\x00\xff\x1b[31m\x07", "is not a number"),
]:
    content = content if isinstance(content, bytes) else content.encode()
    put("yolo/labels/b.txt", b"1 0.5 0.5 0.2 0.2\n" + content + b"\n")
    refused("YOLO: " + title, "yolo", LINE, says)
    skipped("yolo", "skipped 1 unusable object", LINE)
with open("yolo/labels/b.txt", "wb") as file:
    file.truncate(200 * MEGABYTE)
refused("YOLO: 200 MB of zero bytes", "yolo", "yolo/labels/b.txt:1: ", memory=2048)
os.remove("yolo/labels/b.txt")
for title, content, says in [
    ("empty names", "\n\n", "yolo/classes.txt: names no class"),
    ("a name that is not UTF-8", b"dog\n\x1b[31m\x00\xff\n", "yolo/classes.txt:2"),
]:
    put("yolo/classes.txt", content)
    refused("YOLO: " + title, "yolo", says)
os.remove("yolo/classes.txt")
put("yolo/data.yaml", "names: {99999999: dog}\n")
refused("YOLO: a class of a huge number", "yolo", "yolo/data.yaml:1: class 99999999")

# ---- VOC's XML
png("voc/JPEGImages/a.png", (9, 99, 199))
png("voc/JPEGImages/b.png", (199, 99, 9))
SIZE = "<size><width>4</width><height>4</height></size>\n"


def voc(name="dog", box=(1, 1, 2, 2)):
    sides = "".join(f"<{side}>{at}</{side}>" for side, at in zip(("xmin", "ymin", "xmax", "ymax"), box))
    return f"<object><name>{name}</name><bndbox>{sides}</bndbox></object>\n"


LAUGHS = "<!DOCTYPE a [\n<!ENTITY a0 'ha'>\n" + "".join(
    f"<!ENTITY a{k} '{f'&a{k - 1};' * 10}'>\n" for k in range(1, 12)) + "]>\n"
put("voc/Annotations/a.xml", f"<annotation>\n{SIZE}{voc()}</annotation>")
for title, content, says, spoils in [
    ("a billion laughs", f"{LAUGHS}<annotation>{SIZE}{voc('&a11;')}</annotation>",
     "voc/Annotations/b.xml:2: declares the entity 'a0'", "image"),
    ("a file of the host", "<!DOCTYPE a [\n<!ENTITY a SYSTEM '/etc/hostname'>]>\n<annotation>"
     f"{SIZE}{voc('&a;')}</annotation>", "voc/Annotations/b.xml:2: declares the entity 'a'", "image"),
    ("no end tags", f"<annotation>\n{SIZE}<object>\n", "voc/Annotations/b.xml:4: is invalid XML", "image"),
    ("elements 100,000 deep", "<annotation>\n" + "<a>" * 100000,
     "voc/Annotations/b.xml:2: elements are nested",
     "image"),
    ("bytes that are not UTF-8", b"<annotation>\n\xff\x00\x1b", "voc/Annotations/b.xml:2: is invalid XML",
     "image"),
    ("an infinite height", "<annotation>\n<size><height>1e400</height></size></annotation>",
     "voc/Annotations/b.xml:2: the height of the image is '1e400'", "image"),
    ("a box of NaN", f"<annotation>\n{SIZE}{voc(box=('nan', 1, 2, 2))}</annotation>",
     "voc/Annotations/b.xml:3: 'dog': the box's left side is nan", "object"),
    ("a box of 1e400", f"<annotation>\n{SIZE}{voc(box=(1, 1, '1e400', 2))}</annotation>",
     "voc/Annotations/b.xml:3: 'dog': the box's right side is inf", "object"),
    ("an inverted box", f"<annotation>\n{SIZE}{voc(box=(4, 1, 2, 2))}</annotation>",
     "voc/Annotations/b.xml:3: 'dog': the box is -1 wide", "object"),
    ("an object without a name", f"<annotation>\n{SIZE}{voc('')}</annotation>",
     "voc/Annotations/b.xml:3: the object has no name", "object"),
]:
    put("voc/Annotations/b.xml", content)
    refused("VOC: " + title, "voc", says)
    skipped("voc", f"skipped 1 unusable {spoils}", says)

# ---- existing weights stay as they are when training stops at an error
done = run("voc", "--skip-bad", "--out", "kept.safetensors", "--progress", "none", command="train")
check(done.returncode == 0, "a net is trained with --skip-bad", done.stderr)
with open("kept.safetensors", "rb") as file:
    before = file.read()
listed = sorted(os.listdir("."))
done = run("voc", "--out", "kept.safetensors", "--progress", "none", command="train")
with open("kept.safetensors", "rb") as file:
    check(done.returncode == 1 and file.read() == before and sorted(os.listdir(".")) == listed,
          "without it nothing is written", done.stderr.decode() + str(sorted(os.listdir("."))))
finish()
