# SPDX-License-Identifier: GPL-2.0-only
"""Makes the guest's initramfs: busybox, kernel modules, programs, /init.

Everything is written anew for each run, uncompressed: that takes the host a few
hundredths of a second, and unpacking is what costs the guest time.
"""

import lzma
import os
import re
import stat
import subprocess


class Archive:
    """A cpio archive in the "newc" format, as the kernel unpacks it."""

    def __init__(self, file):
        self.file = file
        self.names = set()

    def _entry(self, name, mode, data):
        raw = os.fsencode(name) + b"\0"
        header = [len(self.names) + 1, mode, 0, 0, 1, 0, len(data), 0, 0, 0, 0,
                  len(raw), 0]
        self.file.write(b"070701" + b"".join(b"%08x" % n for n in header) + raw)
        self._pad(6 + 8 * len(header) + len(raw))
        self.file.write(data)
        self._pad(len(data))
        self.names.add(name)

    def _pad(self, length):
        self.file.write(bytes(-length % 4))

    def directory(self, name, mode=0o755):
        if name and name not in self.names:
            self.directory(os.path.dirname(name))
            self._entry(name, stat.S_IFDIR | mode, b"")

    def data(self, name, data, mode=0o644):
        name = name.lstrip("/")
        self.directory(os.path.dirname(name))
        self._entry(name, stat.S_IFREG | mode, data)

    def host_file(self, name, path):
        """A file of the host, with its permission bits."""
        with open(path, "rb") as file:
            self.data(name, file.read(),
                      stat.S_IMODE(os.fstat(file.fileno()).st_mode))

    def symlink(self, name, target):
        self.directory(os.path.dirname(name))
        self._entry(name, stat.S_IFLNK | 0o777, os.fsencode(target))

    def finish(self):
        self._entry("TRAILER!!!", 0, b"")


def add_userland(archive, busybox, init):
    for name in ("dev", "proc", "sys", "tmp", "run", "root", "etc"):
        archive.directory(name)
    archive.host_file("bin/busybox", busybox)
    applets = subprocess.run([busybox, "--list"], check=True, text=True,
                             capture_output=True).stdout.split()
    for applet in applets:
        if applet != "busybox":
            archive.symlink(f"bin/{applet}", "busybox")
    archive.host_file("init", init)


def add_program(archive, name, path, root, output_of):
    """A program with the libraries that it needs.

    @root is what its libraries' paths are relative to, and output_of(argv) runs
    ldd there.
    """
    archive.host_file(name, path)
    for library in re.findall(r"(/\S+) \(0x", output_of(["ldd", path])):
        if library.lstrip("/") not in archive.names:
            archive.host_file(library, os.path.join(root, library.lstrip("/")))


def read_module(path):
    """A module's ELF image; the stock kernel's are compressed."""
    with (lzma.open if path.endswith(".xz") else open)(path, "rb") as file:
        return file.read()


def add_modules(archive, release, paths):
    """Modules with the index that modprobe reads.

    It is made here, out of the modules' own "depends=", because depmod takes
    the guest most of a second.
    """
    directory = f"lib/modules/{release}"
    needs = {}
    for path in paths:
        image = read_module(path)
        archive.data(f"{directory}/{module_name(path)}.ko", image)
        direct = re.search(rb"\0depends=([^\0]*)\0", image).group(1).decode()
        needs[module_name(path)] = [module_name(name) for name
                                    in direct.split(",") if name]
    index = "".join(
        f"{name}.ko:" + "".join(f" {other}.ko" for other in
                                reversed(load_order(name, needs)[:-1])) + "\n"
        for name in needs)
    archive.data(f"{directory}/modules.dep", index.encode())


def load_order(name, needs):
    """@name preceded by all that it needs."""
    order = []
    for other in needs.get(name, []):
        order += [each for each in load_order(other, needs)
                  if each not in order]
    return [*order, name]


def not_built_in(tree, names):
    """Those of @names that the kernel does not have built in."""
    if not names:
        return []
    with open(os.path.join(tree, "modules.builtin"), encoding="utf-8") as file:
        builtin = {module_name(line.strip()) for line in file}
    return [name for name in names if module_name(name) not in builtin]


def with_dependencies(tree, names):
    """Paths of the kernel's modules and all they need, out of modules.dep."""
    if not names:
        return []
    needs = {}
    index = os.path.join(tree, "modules.dep")
    if os.path.exists(index):	# not where a kernel is built, before depmod
        with open(index, encoding="utf-8") as file:
            for line in file:
                path, _, depends = line.partition(":")
                needs[path] = depends.split()
    by_name = {module_name(path): path for path in needs}
    paths = []
    for name in names:
        name = module_name(name)
        if name not in by_name:
            raise FileNotFoundError(f"the kernel has no module {name}")
        for path in [by_name[name], *needs[by_name[name]]]:
            if path not in paths:
                paths.append(path)
    return [os.path.join(tree, path) for path in paths]


def module_name(path):
    return os.path.basename(path).split(".")[0].replace("-", "_")
