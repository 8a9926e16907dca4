# macho.py FILE: prints the CPU, the kind, the oldest system and the needed libraries of an executable or
# library for macOS, from its headers.
# SPDX-License-Identifier: Apache-2.0
import struct, sys

MAGIC, BUILD_VERSION, VERSION_MIN, LOAD_DYLIB = 0xFEEDFACF, 0x32, 0x24, 0xC
CPUS = {0x01000007: "x86_64", 0x0100000C: "aarch64"}
KINDS = {1: "object", 2: "executable", 6: "library"}

data = open(sys.argv[1], "rb").read()
magic, cpu, _, kind, commands = struct.unpack_from("<5I", data)
assert magic == MAGIC, "not a 64-bit Mach-O file"
print(CPUS[cpu], KINDS[kind])
at = 32
for _ in range(commands):
    command, size = struct.unpack_from("<2I", data, at)
    if command in (BUILD_VERSION, VERSION_MIN):
        version = struct.unpack_from("<I", data, at + (12 if command == BUILD_VERSION else 8))[0]
        print(f"macos {version >> 16}.{version >> 8 & 255}")
    if command == LOAD_DYLIB:
        begin = at + struct.unpack_from("<I", data, at + 8)[0]
        print("needs", data[begin:data.index(b"\0", begin)].decode())
    at += size
