# SPDX-License-Identifier: GPL-2.0-only
"""The debug kernel: the newest kernel source package, x86-64's tinyconfig and
debug.config, built once in the cache directory by the build root's compiler."""

import functools
import hashlib
import os
import re

import buildroot

FRAGMENT = os.path.join(buildroot.HERE, "debug.config")
PREFIX = "debug-"

# pciehp_unconfigure_device() takes pci_rescan_remove_lock and reset_lock in both
# orders (Linux 7.3, drivers/pci/hotplug/pciehp_pci.c).  Lockdep would report the
# first function that is unplugged and turn itself off: it is told not to order
# reset_lock.
UNORDERED = ("s/^\\tinit_rwsem(&ctrl->reset_lock);$/&"
             "\\n\\tlockdep_set_novalidate_class(\\&ctrl->reset_lock);/")

# As the kernel's build system wants it: a fragment in its own tree is a target.
BUILD = """set -eu
mkdir "$2"
tar -xf "$1" -C "$2" --strip-components=1
cp "$3" "$2/kernel/configs/p2pbuf.config"
cd "$2"
sed -i "$4" drivers/pci/hotplug/pciehp_hpc.c
make ARCH=x86_64 -s tinyconfig
make ARCH=x86_64 -s p2pbuf.config
"""
# PVH's entry must not call memcmp(), which KASAN instruments, before there is a
# shadow; Linux 7.3 says so in arch/x86/include/asm/cpuid/api.h, and GCC 14 makes a
# call of it all the same.
COMPILE = """make -C "$1" ARCH=x86_64 -s -j"$(nproc)" \\
	CFLAGS_enlighten.o=-minline-all-stringops vmlinux modules
"""


def fragment():
    """The fragment's settings, without what it says of them."""
    with open(FRAGMENT, encoding="utf-8") as file:
        return re.findall(r"^CONFIG_.*|^# CONFIG_\w+ is not set$",
                          file.read(), re.M)


@functools.cache
def directory():
    """Where the present configuration's kernel is, or is to be built."""
    source = os.path.basename(buildroot.kernel_source())
    package = source.removesuffix(".tar.xz")
    versions = buildroot.in_root(
        ["sh", "-c", f"dpkg-query --show {package} && gcc --version"])
    definition = "\n".join([*fragment(), BUILD, UNORDERED, COMPILE, versions])
    key = hashlib.sha256(definition.encode()).hexdigest()
    return os.path.join(buildroot.CACHE, PREFIX + key[:12])


def missing(config):
    """Lines of the fragment that do not hold in @config."""
    holds = set(config.splitlines())
    names = set(re.findall(r"^(CONFIG_\w+)=", config, re.M))
    wrong = []
    for line in fragment():
        unset = re.match(r"# (CONFIG_\w+) ", line)
        if unset.group(1) in names if unset else line not in holds:
            wrong.append(line)
    return wrong


def build(lock):
    """Make the tree under another name: it is complete or not there."""
    tree = directory()
    tmp = tree + ".tmp"
    buildroot.remove(tmp)
    source = os.path.relpath(buildroot.kernel_source(), buildroot.ROOT)
    buildroot.say(f"building the debug kernel in {tree} (once, about ten "
                  "minutes)")
    buildroot.logged(buildroot.entered(
        ["sh", "-c", BUILD, "sh", f"/{source}", tmp, FRAGMENT, UNORDERED]),
        lock)
    with open(os.path.join(tmp, ".config"), encoding="utf-8") as file:
        wrong = missing(file.read())
    if wrong:
        raise buildroot.SetupError("qemu/debug.config has lines that do not "
                                   "hold: " + ", ".join(wrong))
    buildroot.logged(buildroot.entered(["sh", "-c", COMPILE, "sh", tmp]), lock)
    os.rename(tmp, tree)


def ensure():
    """Build the kernel unless it is there; its build directory."""
    buildroot.ensure(steps=["extras", "debug"])
    tree = directory()
    if os.path.isdir(tree):
        return tree
    with open(os.path.join(buildroot.CACHE, "debug.lock"), "w",
              encoding="utf-8") as lock:
        buildroot.wait_for(lock, "another build of the debug kernel")
        if not os.path.isdir(tree):
            build(lock)
    return tree


def remove():
    """Remove all debug kernels."""
    if not os.path.isdir(buildroot.CACHE):
        return
    for name in os.listdir(buildroot.CACHE):
        if name.startswith(PREFIX):
            buildroot.remove(os.path.join(buildroot.CACHE, name))


def kernel():
    """The image to boot."""
    return os.path.join(directory(), "vmlinux")
