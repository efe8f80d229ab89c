# SPDX-License-Identifier: GPL-2.0-only
"""The full root: a tree of a newer Debian with IGT, which guests can have as
their root file system; made once in the cache directory.

The guest mounts the tree read-only by 9p, and a tmpfs over it takes what the
guest writes: any number of guests can use it at a time.
"""

import os

import buildroot

# The first suite with IGT's tests.
SUITE = "forky"
ROOT = os.path.join(buildroot.CACHE, "full")
INSTALLED = os.path.join(ROOT, "var/lib/p2pbuf")
# IGT, the libraries of the project's programs, and what tests often call.
PACKAGES = ["igt-gpu-tools", "igt-gpu-tools-tests", "libdrm2", "libjson-c5",
            "libpci3", "kmod", "mount", "pciutils", "procps"]
# Between releases this suite is signed for some days at a time, and a mirror may
# lag behind; what comes out of it runs in guests only.
OPTIONS = ["Acquire::Check-Valid-Until false"]

# What the guest needs to mount a tree of the host.
MODULES = ["9pnet_virtio", "9p", "overlay"]


def qemu_args(tree):
    """The devices that give @tree to the guest."""
    path = tree.replace(",", ",,")
    return ["-fsdev", f"local,id=rootfs,path={path},security_model=none,"
                      "readonly=on,multidevs=remap",
            "-device", "virtio-9p-pci,fsdev=rootfs,mount_tag=rootfs"]


def installed():
    """Names of the packages that were installed completely."""
    try:
        with open(INSTALLED, encoding="utf-8") as file:
            return set(file.read().split())
    except FileNotFoundError:
        return set()


def ensure(packages=(), update=False):
    """Make the tree and add these packages, as far as it has not been done."""
    wanted = {*PACKAGES, *packages}
    if not update and wanted <= installed():
        return
    os.makedirs(buildroot.CACHE, exist_ok=True)
    with open(os.path.join(buildroot.CACHE, "full.lock"), "w",
              encoding="utf-8") as lock:
        buildroot.wait_for(lock, "another set-up of the full root")
        if not os.path.isdir(ROOT):
            buildroot.make_tree(lock, ROOT, [SUITE], OPTIONS)
        missing = sorted(wanted - installed())
        if update or missing:
            buildroot.refresh(lock, ROOT)
        if update:
            buildroot.apt(lock, "full-upgrade", root=ROOT)
        if missing:
            buildroot.say("installing in the full root: " + " ".join(missing))
            buildroot.install(lock, missing, ROOT)
            with open(INSTALLED, "a", encoding="utf-8") as file:
                file.writelines(name + "\n" for name in missing)


def remove():
    buildroot.remove(ROOT)
