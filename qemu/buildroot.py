# SPDX-License-Identifier: GPL-2.0-only
"""The build root: a Debian tree with the newest stock kernel, its headers, the
matching compiler and QEMU, made once in the cache directory.

Set-up is a few steps.  Each leaves a stamp in the root when it is complete and
can be started again after an interruption at any point.  A stamp holds the
step's definition, so a changed package list runs the step again.
"""

import fcntl
import glob
import os
import re
import shutil
import struct
import subprocess
import sys

SUITE = "trixie"
BACKPORTS = "trixie-backports"

HERE = os.path.dirname(os.path.abspath(__file__))
PROJECT = os.path.dirname(HERE)
CACHE = os.path.abspath(
    os.environ.get("P2PBUF_CACHE")
    or os.path.join(os.environ.get("XDG_CACHE_HOME")
                    or os.path.expanduser("~/.cache"), "p2pbuf"))
ROOT = os.path.join(CACHE, "root")
LOG = os.path.join(CACHE, "setup.log")
STAMPS = os.path.join(ROOT, "var/lib/p2pbuf")
TOOLS = os.path.join(ROOT, "usr/src/linux-tools")

# What building and running needs ...
BUILD = ["linux-headers-amd64", "qemu-system-x86", "gcc", "libc6-dev", "make",
         "kmod", "busybox-static", "python3-minimal", "zstd",
         "libpci-dev", "libjson-c-dev", "libdrm-dev"]
# ... and what lint and the selftests need on top, beside linux-source.
EXTRAS = ["sparse", "shellcheck", "perl", "python3", "xz-utils"]
# ... and what building a kernel needs on top of that, ...
DEBUG = ["bc", "bison", "flex", "libelf-dev"]
# ... the documentation, ...
DOCS = ["python3-sphinx", "man-db"]
# ... and packages.
PACKAGING = ["debhelper", "dh-dkms", "dkms", "dpkg-dev", "fakeroot", "lintian",
             "linux-source", "pkgconf"]

# The parts of the kernel source that are wanted: checkpatch and its data,
# kbuild's probe of sparse, kernel-doc, the kselftest headers, the helper that
# the benchmark corrects, the allow-list of host bridges and its version.
SOURCE_PARTS = ["scripts/checkpatch.pl", "scripts/spelling.txt",
                "scripts/*.checkpatch", "scripts/checker-valid.sh",
                "tools/docs/kernel-doc", "tools/lib/python",
                "tools/testing/selftests/kselftest.h",
                "tools/testing/selftests/kselftest_harness.h",
                "drivers/dma-buf/dma-buf-mapping.c",
                "drivers/pci/p2pdma.c", "include/linux/pci_ids.h", "Makefile"]


class SetupError(Exception):
    """Set-up cannot go on; the text says why and what to do."""


class Unavailable(SetupError):
    """The archive does not give what set-up needs; the text is apt's."""


# How apt says so.
REFUSALS = re.compile(r"^E: (The repository .*|GPG error.*|Failed to fetch .*"
                      r"|Unable to (?:locate|correct|satisfy) .*"
                      r"|Package .* has no installation candidate)", re.M)


def say(text):
    print(f"p2pbuf: {text}", file=sys.stderr, flush=True)


def version_key(name):
    """Sort key that orders 7.10 after 7.9."""
    return [int(part) if part.isdigit() else part
            for part in re.split(r"(\d+)", name)]


# --- the machine's own package configuration --------------------------------

def known_mirror():
    """The archive from which this machine takes Debian itself, or None."""
    targets = subprocess.run(
        ["apt-get", "indextargets", "--format",
         "$(REPO_URI)|$(ORIGIN)|$(LABEL)|$(RELEASE)|$(COMPONENT)"],
        check=True, capture_output=True, text=True).stdout.splitlines()
    with open("/etc/os-release", encoding="utf-8") as file:
        release = re.search(r"^VERSION_CODENAME=(.*)$", file.read(), re.M)
    for line in targets:
        uri, origin, label, suite, component = line.split("|")
        # Origin and label are known only after an "apt-get update".
        if (origin, label) == ("Debian", "Debian"):
            return uri
        if (origin == "$(ORIGIN)" and component == "main" and release
                and suite == release.group(1)):
            return uri
    return None


def mirror():
    """The archive to make the root from."""
    uri = os.environ.get("P2PBUF_MIRROR") or known_mirror()
    if not uri and os.geteuid() == 0:
        # A fresh machine has no package lists, and apt then knows nothing.
        say("reading this machine's package lists")
        subprocess.run(["apt-get", "update"], check=True,
                       stdout=subprocess.DEVNULL)
        uri = known_mirror()
    if not uri:
        raise SetupError("apt knows no Debian archive on this machine; run: "
                         "sudo apt-get update, or name one in P2PBUF_MIRROR")
    return uri


def apt_options():
    """How this machine reaches its archive: proxy, certificates, dates."""
    dump = subprocess.run(["apt-config", "dump"], check=True,
                          capture_output=True, text=True).stdout
    wanted = re.compile(r"Acquire::(http|https|Check-Valid-Until|Check-Date"
                        r"|Retries)(::\S+)? ", re.I)
    return [line for line in dump.splitlines() if wanted.match(line)]


def require(program, package):
    """Make sure a host program is there; root may install it."""
    if shutil.which(program):
        return
    install = ["apt-get", "install", "--yes", "--no-install-recommends",
               package]
    if os.geteuid() != 0:
        raise SetupError(f"{program} is missing; run: sudo {' '.join(install)}")
    say(f"installing {package} on this machine")
    env = dict(os.environ, DEBIAN_FRONTEND="noninteractive")
    if subprocess.run(install, env=env, stdout=subprocess.DEVNULL).returncode:
        # A fresh machine has no package lists yet.
        subprocess.run(["apt-get", "update"], check=True,
                       stdout=subprocess.DEVNULL)
        subprocess.run(install, env=env, check=True,
                       stdout=subprocess.DEVNULL)


def namespace():
    """The command prefix that gives namespaces of one's own, as root or not.

    Mounts go with the mount namespace; with the process namespace goes all
    that was started in it, however the starter ends.
    """
    user = [] if os.geteuid() == 0 else ["--map-auto", "--map-root-user"]
    return ["unshare", *user, "--mount", "--pid", "--fork", "--kill-child"]


def require_namespace():
    if os.geteuid() == 0:
        return
    require("newuidmap", "uidmap")
    probe = subprocess.run([*namespace(), "true"], capture_output=True,
                           text=True)
    if probe.returncode == 0:
        return
    if "subuid" in probe.stderr or "subgid" in probe.stderr:
        raise SetupError(
            "this user has no subordinate ids; run: sudo usermod "
            f"--add-subuids 100000-165535 --add-subgids 100000-165535 "
            f"{os.environ.get('USER', '$USER')}")
    raise SetupError(
        f"user namespaces do not work here ({probe.stderr.strip()}); run: "
        "sudo sysctl kernel.unprivileged_userns_clone=1")


# --- entering ----------------------------------------------------------------

def entered(argv, root=ROOT, binds=()):
    """The command line that runs @argv inside the root, here.

    @binds: more directories that are to be seen there
    """
    binds = [PROJECT, *binds]
    if root == ROOT:
        binds.append(CACHE)
    cwd = os.getcwd()
    if os.path.commonpath([cwd, PROJECT]) != PROJECT:
        cwd = "/"
    return [*namespace(), os.path.join(HERE, "enter"), root, cwd, *binds, "--",
            *argv]


def in_root(argv):
    """Output of a command inside the root."""
    return subprocess.run(entered(argv), check=True, stdout=subprocess.PIPE,
                          stdin=subprocess.DEVNULL, text=True).stdout


# --- the steps -----------------------------------------------------------------

def has_stamp(name):
    """True if step @name was completed, with whatever definition."""
    return os.path.exists(os.path.join(STAMPS, name))


def stamped(name, definition):
    """True if step @name was completed with this definition."""
    try:
        with open(os.path.join(STAMPS, name), encoding="utf-8") as file:
            return file.read() == definition
    except FileNotFoundError:
        return False


def stamp(name, definition):
    os.makedirs(STAMPS, exist_ok=True)
    path = os.path.join(STAMPS, name)
    with open(path + ".new", "w", encoding="utf-8") as file:
        file.write(definition)
    os.rename(path + ".new", path)


def logged(argv, lock):
    """Run one set-up command with its output in the log.

    The child inherits the lock: should this process be killed, the next
    set-up waits until the child is done too.
    """
    env = dict(os.environ, DEBIAN_FRONTEND="noninteractive")
    with open(LOG, "a", encoding="utf-8") as log:
        print("$", *argv, file=log, flush=True)
        start = log.tell()
        status = subprocess.run(argv, stdin=subprocess.DEVNULL, stdout=log,
                                stderr=log, env=env,
                                pass_fds=[lock.fileno()]).returncode
    if status == 0:
        return
    with open(LOG, "rb") as log:
        log.seek(start)
        output = log.read().decode(errors="replace")
    refusal = REFUSALS.search(output)
    if refusal:
        raise Unavailable(refusal.group(1))
    sys.stderr.writelines(output.splitlines(keepends=True)[-20:])
    raise SetupError(f"set-up failed, see {LOG}")


def make_tree(lock, root, suites, options=()):
    """A bare root: apt and what it needs, from these suites."""
    uri = mirror()
    require("mmdebstrap", "mmdebstrap")
    require_namespace()
    say(f"making {root} from {uri} (once, about a minute)")
    tmp = root + ".tmp"
    remove(tmp)
    secure = uri.startswith("https:")
    include = ["--include=ca-certificates"] if secure else []
    options = ["APT::Install-Recommends false", *apt_options(), *options]
    logged([*namespace(), "mmdebstrap", "--mode=root", "--variant=apt",
            "--format=directory", *include,
            *(f"--aptopt={option}" for option in options),
            "--dpkgopt=force-unsafe-io",
            "--dpkgopt=path-exclude=/usr/share/doc/*",
            "--dpkgopt=path-exclude=/usr/share/man/*",
            "--dpkgopt=path-exclude=/usr/share/locale/*",
            suites[0], tmp,
            *(f"deb {uri} {suite} main" for suite in suites)], lock)
    certificates = "etc/ssl/certs/ca-certificates.crt"
    if secure and os.path.exists("/" + certificates):
        # The archive may be signed for by a CA that only this machine knows.
        shutil.copyfile("/" + certificates, os.path.join(tmp, certificates))
    os.rename(tmp, root)


def apt(lock, *args, root=ROOT):
    suite = ["-t", BACKPORTS] if root == ROOT else []
    logged(entered(["apt-get", "--yes", *suite, *args], root), lock)


def install(lock, packages, root=ROOT):
    apt(lock, "install", *packages, root=root)
    apt(lock, "clean", root=root)


def refresh(lock, root=ROOT):
    """Finish what an interrupted dpkg left, and read the archive's lists."""
    logged(entered(["dpkg", "--configure", "-a"], root), lock)
    apt(lock, "update", root=root)


def stock_kernel():
    """Packages with the image and modules that the newest headers are for.

    linux-image-* would bring an initramfs generator along, which nobody needs
    here; newer packages have image and modules in packages of their own.
    """
    depends = in_root(["apt-cache", "-t", BACKPORTS, "depends",
                       "linux-headers-amd64"])
    release = re.search(r"Depends: linux-headers-(\S+-amd64)", depends).group(1)
    names = in_root(["apt-cache", "pkgnames", "linux-"]).split()
    split = [f"linux-binary-{release}", f"linux-modules-{release}"]
    return split if set(split) <= set(names) else [f"linux-image-{release}"]


def install_build(lock):
    say("installing the stock kernel, its headers, the compiler and QEMU")
    refresh(lock)
    install(lock, BUILD + stock_kernel())
    unpack_kernel()


def install_extras(lock):
    refresh(lock)
    names = in_root(["apt-cache", "pkgnames", "linux-source-"]).split()
    source = max((name for name in names
                  if re.fullmatch(r"linux-source-\d+\.\d+", name)),
                 key=version_key)
    say(f"installing {source} and the checkers (once, about a minute)")
    install(lock, EXTRAS + [source])
    tar = f"/usr/src/{source}.tar.xz"
    # The link: kbuild probes sparse with a script that the headers lack.
    script = ('rm -rf "$1" && mkdir "$1" && tar=$2 && dir=$1 && shift 2 && '
              'tar -xf "$tar" -C "$dir" --strip-components=1 --wildcards '
              '--no-wildcards-match-slash "$@" && '
              'ln -sf "$dir/scripts/checker-valid.sh" '
              '/lib/modules/*/source/scripts/')
    logged(entered(["sh", "-c", script, "sh", "/usr/src/linux-tools", tar,
                    *(f"{source}/{part}" for part in SOURCE_PARTS)]), lock)


def install_more(packages):
    """The step that installs @packages and nothing else."""
    def step(lock):
        refresh(lock)
        install(lock, packages)
    return step


STEPS = {
    "build": (install_build, " ".join([SUITE, BACKPORTS, *BUILD])),
    "extras": (install_extras, " ".join(EXTRAS + SOURCE_PARTS)),
    "debug": (install_more(DEBUG), " ".join(DEBUG)),
    "docs": (install_more(DOCS), " ".join(DOCS)),
    "packaging": (install_more(PACKAGING), " ".join(PACKAGING)),
}
# What is there on top of "build" only when it is asked for.
OPTIONAL = ["extras", "docs", "packaging"]


def complete():
    """True if the root can be used as it is."""
    return stamped("build", STEPS["build"][1])


def wait_for(lock, what):
    """Take @lock, and say so if that takes time."""
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        say(f"waiting for {what} to finish")
        fcntl.flock(lock, fcntl.LOCK_EX)


def ensure(update=False, steps=()):
    """Bring the root up with these steps on top of "build"; without @update, what
    is there is left alone."""
    steps = ["build", *steps]
    if not update and all(stamped(name, STEPS[name][1]) for name in steps):
        return
    os.makedirs(CACHE, exist_ok=True)
    with open(os.path.join(CACHE, "lock"), "w", encoding="utf-8") as lock:
        wait_for(lock, "another set-up")
        if not os.path.isdir(ROOT):
            make_tree(lock, ROOT, [SUITE, BACKPORTS])
        for name in steps:
            function, definition = STEPS[name]
            if update or not stamped(name, definition):
                function(lock)
                stamp(name, definition)


def remove(tree):
    """Remove a root.  Without being root, its files belong to other ids."""
    if os.path.isdir(tree):
        subprocess.run([*namespace(), "rm", "-rf", tree], check=True)


# --- what the root holds ----------------------------------------------------------

def release():
    """Release of the newest stock kernel in the root."""
    builds = glob.glob(os.path.join(ROOT, "usr/lib/modules/*/build"))
    return max((path.split("/")[-2] for path in builds), key=version_key)


def kernel_source():
    """The newest kernel source package's archive, as the host sees it."""
    return max(glob.glob(os.path.join(ROOT, "usr/src/linux-source-*.tar.xz")),
               key=version_key)


def kernel():
    """The stock kernel to boot, as the host sees it."""
    unpacked = os.path.join(ROOT, f"usr/lib/modules/{release()}/vmlinux")
    return unpacked if os.path.exists(unpacked) else kernel_image()


def kernel_image():
    """The stock kernel as Debian packs it."""
    for path in (f"usr/lib/modules/{release()}/vmlinuz",
                 f"boot/vmlinuz-{release()}"):
        if os.path.exists(os.path.join(ROOT, path)):
            return os.path.join(ROOT, path)
    raise SetupError(f"no kernel image for {release()} in {ROOT}")


def unpack_kernel():
    """Unpack the image's zstd payload, which takes an emulated CPU seconds.

    QEMU boots the result through its PVH entry.  The layout of the image is in
    the kernel's Documentation/arch/x86/boot.rst.
    """
    with open(kernel_image(), "rb") as file:
        image = file.read()
    setup_sectors = image[0x1f1] or 4
    offset, length = struct.unpack_from("<II", image, 0x248)
    start = (setup_sectors + 1) * 512 + offset
    payload = image[start:start + length - 4]	# the size ends it
    if not payload.startswith(bytes.fromhex("28b52ffd")):
        return
    vmlinux = subprocess.run(entered(["zstd", "-dc"]), input=payload,
                             check=True, stdout=subprocess.PIPE).stdout
    path = os.path.join(ROOT, f"usr/lib/modules/{release()}/vmlinux")
    with open(path + ".new", "wb") as file:
        file.write(vmlinux)
    os.rename(path + ".new", path)
