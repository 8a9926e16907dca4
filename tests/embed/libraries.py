# libraries.py DIR NAME: checks the manifests of a library by the rules of Arduino (library specification,
# revision 2.2), PlatformIO (manifest schema of its core) and ESP-IDF. Prints the errors.
# SPDX-License-Identifier: Apache-2.0
import json, os, re, sys

folder, name = sys.argv[1:]
wrong = []
SEMVER = r"(0|[1-9]\d*)\.(0|[1-9]\d*)\.(0|[1-9]\d*)(-[0-9A-Za-z.-]+)?(\+[0-9A-Za-z.-]+)?"


def want(good, what):
    if not good:
        wrong.append(what)


def text(path):
    with open(os.path.join(folder, path), encoding="utf-8") as file:
        return file.read()


# Arduino
fields = {}
for line in text("library.properties").splitlines():
    key, equals, value = line.partition("=")
    want(equals and key not in fields, f"library.properties: {line}")
    fields[key] = value
for key in "name version author maintainer sentence paragraph category url architectures includes".split():
    want(fields.get(key), f"library.properties: no {key}")
want(set(fields) <= set("name version author maintainer sentence paragraph category url architectures "
                        "includes depends dot_a_linkage precompiled ldflags license".split()),
     "an unknown field")
want(re.fullmatch(r"[A-Za-z][A-Za-z0-9 _.-]{0,62}", fields["name"]), "name")
want(not fields["name"].lower().startswith("arduino"), "a name that is Arduino's own")
want(re.fullmatch(SEMVER, fields["version"]), "version")
want(fields["category"] in ["Display", "Communication", "Signal Input/Output", "Sensors", "Device Control",
                            "Timing", "Data Storage", "Data Processing", "Other"], "category")
want(re.fullmatch(r"https?://\S+", fields["url"]), "url")
want(fields["architectures"] == "*", "architectures")
want(fields["includes"] == name + ".h" and os.path.isfile(f"{folder}/src/{name}.h"), "includes")
for there in "src", "examples":  # with a folder of the old layout, src/ would be ignored
    want(os.path.isdir(f"{folder}/{there}"), f"no folder {there}")
want(not os.path.exists(f"{folder}/utility"), "utility/ and src/")
for example in os.listdir(f"{folder}/examples"):
    want(os.path.isfile(f"{folder}/examples/{example}/{example}.ino"), "a sketch has the name of its folder")
for line in text("keywords.txt").splitlines():
    want(line.startswith("#") or re.fullmatch(r"[A-Za-z_]\w*\t(KEYWORD[123]|LITERAL[12])", line),
         f"keywords.txt: {line}")
    want(line.startswith("#") or re.search(rf"\b{line.split()[0]}\b", text(f"src/{name}.h")),
         f"keywords.txt: {line.split()[0]} is not in the header")

# PlatformIO
facts = json.loads(text("library.json"))
want(re.fullmatch(r"[^:;/,@<>]{1,100}", facts["name"]), "library.json: name")
want(facts["name"] == fields["name"].lower().replace("_", "-"), "library.json: in lower case, with dashes")
want(re.fullmatch(SEMVER, facts["version"]), "library.json: version")
want(facts["version"] == fields["version"], "library.json: another version")
want(0 < len(facts["description"]) <= 1000, "library.json: description")
for word in facts["keywords"]:
    want(re.fullmatch(r"[a-z\d\-+. ]{1,50}", word), f"library.json: keyword {word}")
for author in facts["authors"]:
    want(0 < len(author["name"]) <= 50, "library.json: author")
    want("email" not in author or re.fullmatch(r"[^@\s]+@[^@\s]+\.[^@\s]+", author["email"]),
         "library.json: email")
want(re.fullmatch(r"https?://\S{1,255}", facts["homepage"]), "library.json: homepage")
want(facts["frameworks"] == "*" and facts["platforms"] == "*", "library.json: frameworks, platforms")
want(facts["headers"] == name + ".h" and facts["build"]["srcDir"] == "src", "library.json: headers, srcDir")
want(re.fullmatch(r"[A-Za-z0-9.+-]+", facts["license"]), "library.json: license")

# ESP-IDF and Zephyr: a few lines of YAML
component = dict(re.findall(r'^(\w+): "(.*)"$', text("idf_component.yml"), re.M))
want(re.fullmatch(SEMVER, component["version"]) and component["version"] == fields["version"], "idf: version")
want(component["description"] and component["url"] == fields["url"], "idf: description, url")
want(re.search(r"^name: " + name + r"\nbuild:\n  cmake: \.\n  kconfig: Kconfig$",
               text("zephyr/module.yml"), re.M), "zephyr/module.yml")
want(re.search(r"^config " + name.upper() + r"\n\tbool \"", text("Kconfig"), re.M), "Kconfig")

# the files that all library managers copy
source = text(f"src/{name}.c")
want(".incbin" not in source and "#embed" not in source, "weights in a separate file")
want(all(os.path.splitext(file)[1] in (".c", ".h") for file in os.listdir(f"{folder}/src")), "more in src")
print("\n".join(map(str, wrong)))
sys.exit(len(wrong) > 0)
