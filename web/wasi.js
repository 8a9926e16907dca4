// wasi.js: the WASI environment of a program: arguments, files in memory, standard output and error.
// SPDX-License-Identifier: Apache-2.0

const OK = 0,
  BADF = 8,
  EXIST = 20,
  NOENT = 44,
  NOTDIR = 54,
  NOSYS = 52;
const CREATE = 1,
  DIRECTORY = 2,
  EXCLUSIVE = 4,
  TRUNCATE = 8; // of path_open
const ROOT = 3; // the descriptor of the only directory, /

class Exit {
  constructor(code) {
    this.code = code;
  }
}

// A file's bytes, in a buffer that doubles.
class File {
  static count = 0;
  constructor(bytes) {
    this.room = bytes;
    this.size = bytes.length;
    this.number = ++File.count;
  }
  get bytes() {
    return this.room.subarray(0, this.size);
  }
  write(at, bytes) {
    const end = at + bytes.length;
    if (end > this.room.length) {
      const room = new Uint8Array(Math.max(end, 2 * this.room.length));
      room.set(this.bytes);
      this.room = room;
    }
    this.room.set(bytes, at);
    this.size = Math.max(this.size, end);
  }
}

// The path without "." and "..", and without a leading slash.
const plain = (path) => {
  const parts = [];
  for (const part of path.split("/"))
    if (part === "..") parts.pop();
    else if (part !== "" && part !== ".") parts.push(part);
  return parts.join("/");
};

// Runs the compiled module with these arguments and files, an object of Uint8Arrays by path. Returns
// { code, out, err, files }: exit status, standard output and error, and all files at the end.
export function run(module, words, given = {}) {
  const encode = (text) => new TextEncoder().encode(text);
  const files = new Map(Object.entries(given).map(([path, bytes]) => [plain(path), new File(bytes)]));
  const printed = [0, 1, 2].map(() => new File(new Uint8Array(0)));
  const open = [...printed.map((file) => ({ file, at: 0 })), { directory: true }];
  let memory;
  const view = () => new DataView(memory.buffer);
  const bytes = (at, n) => new Uint8Array(memory.buffer, at, n);
  const path = (at, n) => plain(new TextDecoder().decode(bytes(at, n)));
  const put32 = (at, value) => view().setUint32(at, value, true);
  const put64 = (at, value) => view().setBigUint64(at, BigInt(value), true);
  const isFolder = (path) => path === "" || [...files.keys()].some((key) => key.startsWith(path + "/"));

  const list = (texts) => ({
    sizes(count, size) {
      put32(count, texts.length);
      put32(
        size,
        texts.reduce((sum, text) => sum + text.length, 0),
      );
      return OK;
    },
    get(places, at) {
      for (const text of texts) {
        put32(places, at);
        bytes(at, text.length).set(text);
        places += 4;
        at += text.length;
      }
      return OK;
    },
  });
  const argument = list(["cnnc", ...words].map((word) => encode(word + "\0"))),
    environment = list([]);

  const status = (at, file) => {
    bytes(at, 64).fill(0);
    put64(at + 8, file ? file.number : 0);
    view().setUint8(at + 16, file ? 4 : 3);
    put64(at + 24, 1);
    put64(at + 32, file ? file.size : 0);
    return OK;
  };
  // Calls `one` for each buffer in an iovec list; it returns how many bytes of the buffer it has processed.
  const pieces = (at, n, done, one) => {
    let sum = 0;
    for (let i = 0; i < n; i++)
      sum += one(view().getUint32(at + 8 * i, true), view().getUint32(at + 8 * i + 4, true), sum);
    put32(done, sum);
    return OK;
  };
  const read = (file, from) => (at, n, before) => {
    const part = file.bytes.subarray(from + before, from + before + n);
    bytes(at, part.length).set(part);
    return part.length;
  };

  const calls = {
    args_get: argument.get,
    args_sizes_get: argument.sizes,
    environ_get: environment.get,
    environ_sizes_get: environment.sizes,
    clock_time_get(id, precision, at) {
      put64(at, Math.round(performance.now() * 1e6));
      return OK;
    },
    proc_exit(code) {
      throw new Exit(code);
    },
    fd_prestat_get(fd, at) {
      if (fd !== ROOT) return BADF;
      put32(at, 0);
      put32(at + 4, 1);
      return OK;
    },
    fd_prestat_dir_name(fd, at) {
      bytes(at, 1)[0] = "/".charCodeAt(0);
      return OK;
    },
    fd_fdstat_get(fd, at) {
      if (!open[fd]) return BADF;
      bytes(at, 24).fill(0);
      view().setUint8(at, fd < ROOT ? 2 : open[fd].directory ? 3 : 4);
      put64(at + 8, 0xfffffff);
      put64(at + 16, 0xfffffff);
      return OK;
    },
    fd_fdstat_set_flags: () => OK,
    fd_filestat_get: (fd, at) => (open[fd] ? status(at, open[fd].file) : BADF),
    path_filestat_get(fd, flags, at, n, to) {
      const name = path(at, n);
      return files.has(name) || isFolder(name) ? status(to, files.get(name)) : NOENT;
    },
    path_open(fd, follow, at, n, flags, rights, inherited, mode, to) {
      const name = path(at, n),
        directory = !files.has(name) && isFolder(name);
      if (files.has(name) && flags & EXCLUSIVE) return EXIST;
      if (files.has(name) && flags & DIRECTORY) return NOTDIR;
      if (!files.has(name) && !directory && !(flags & CREATE)) return NOENT;
      if (!directory && (!files.has(name) || flags & TRUNCATE)) files.set(name, new File(new Uint8Array(0)));
      put32(to, open.length);
      open.push({ directory, file: files.get(name), at: 0 });
      return OK;
    },
    fd_read(fd, at, n, done) {
      const place = open[fd];
      if (!place?.file) return BADF;
      pieces(at, n, done, read(place.file, place.at));
      place.at += view().getUint32(done, true);
      return OK;
    },
    fd_pread: (fd, at, n, offset, done) =>
      open[fd]?.file ? pieces(at, n, done, read(open[fd].file, Number(offset))) : BADF,
    fd_write(fd, at, n, done) {
      const to = open[fd];
      if (!to?.file) return BADF;
      return pieces(at, n, done, (piece, length) => {
        to.file.write(to.at, bytes(piece, length));
        to.at += length;
        return length;
      });
    },
    fd_seek(fd, offset, whence, to) {
      const place = open[fd];
      if (fd < ROOT || !place?.file) return BADF;
      place.at = Number(offset) + (whence === 0 ? 0 : whence === 1 ? place.at : place.file.size);
      put64(to, place.at);
      return OK;
    },
    fd_close(fd) {
      open[fd] = null;
      return OK;
    },
    path_unlink_file: (fd, at, n) => (files.delete(path(at, n)) ? OK : NOENT),
    path_rename(fd, at, n, other, to, length) {
      const name = path(at, n),
        file = files.get(name);
      if (!file) return NOENT;
      files.delete(name);
      files.set(path(to, length), file);
      return OK;
    },
  };

  const imports = {};
  for (const { name } of WebAssembly.Module.imports(module)) imports[name] = calls[name] ?? (() => NOSYS);
  const { exports } = new WebAssembly.Instance(module, { wasi_snapshot_preview1: imports });
  memory = exports.memory;
  let code = 0;
  try {
    exports._start();
  } catch (error) {
    if (!(error instanceof Exit)) throw error;
    code = error.code;
  }
  const [, out, err] = printed.map((file) => new TextDecoder().decode(file.bytes));
  return { code, out, err, files: Object.fromEntries([...files].map(([name, file]) => [name, file.bytes])) };
}
