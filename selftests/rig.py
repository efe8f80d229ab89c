# SPDX-License-Identifier: GPL-2.0-only
"""Tests of qemu/run itself: what it promises, and that it notices failures."""

import os
import subprocess
import tempfile

RUN = os.path.join(os.path.dirname(os.path.abspath(__file__)), "../qemu/run")


def guest(*command, options=("--no-bind",), expect=0):
    """Run @command in a guest; return its stdout and our stderr."""
    done = subprocess.run(
        [RUN, "--no-build", *options, "--", *command],
        stdin=subprocess.DEVNULL, capture_output=True, timeout=1800)
    assert done.returncode == expect, (
        f"status {done.returncode}, not {expect}\n"
        + done.stderr.decode(errors="replace"))
    return done.stdout, done.stderr.decode(errors="replace")


def exit_status():
    """The command's status comes through, and so does a signal."""
    guest("sh", "-c", "exit 7", expect=7)
    guest("sh", "-c", "kill -9 $$", expect=137)


def exact_output():
    """Output is not touched on its way: no newline or control character is."""
    every_byte = bytes(range(256)) * 40
    with tempfile.NamedTemporaryFile() as file:
        file.write(every_byte)
        file.flush()
        out, _ = guest("cat", "/root/bytes",
                       options=["--no-bind", "--file", f"{file.name}:/root/bytes"])
    assert out == every_byte, f"{len(out)} bytes, not {len(every_byte)}"


def exact_arguments():
    """Arguments come through whatever is in them."""
    words = ["a b", "", "'", '"', "$HOME `id` \\n", "new\nline", "*", "-n"]
    out, _ = guest("printf", "[%s]", *words)
    assert out.decode() == "".join(f"[{word}]" for word in words), out


def file_mode():
    """--file keeps the mode; the default place is /root."""
    with tempfile.TemporaryDirectory() as directory:
        for name, mode in (("script", 0o751), ("plain", 0o640)):
            path = os.path.join(directory, name)
            with open(path, "w", encoding="utf-8") as file:
                file.write("#!/bin/sh\necho ran\n")
            os.chmod(path, mode)
        out, _ = guest(
            "sh", "-c", "stat -c %a /root/script /opt/p && /root/script",
            options=["--no-bind", "--file", f"{directory}/script",
                     "--file", f"{directory}/plain:/opt/p"])
    assert out == b"751\n640\nran\n", out


def kernel_warning():
    """A kernel report fails the run, although the command succeeds."""
    report = "WARNING: CPU: 0 PID: 1 at rig/selftest.c:1"
    _, err = guest("sh", "-c", f"echo '{report}' > /dev/kmsg", expect=126)
    assert report in err, err


def kernel_crash():
    """A real one: the report is shown, the guest does not linger."""
    _, err = guest("sh", "-c", "echo c > /proc/sysrq-trigger", expect=126)
    assert "Kernel panic" in err, err


def leak():
    """A leak fails the run, unless it is known as one of the kernel's own."""
    report = ("unreferenced object 0xffff888100000000 (size 32):\n"
              "  comm \"rig\", pid 1, jiffies 1\n"
              "  backtrace (crc 0):\n"
              "    sg_alloc_table+0x1/0x2\n"
              "    {}+0x1/0x2\n")
    for function, status in (("dma_buf_phys_vec_to_sgt", 0),
                             ("p2pbuf_sgt_map", 126)):
        _, err = guest("sh", "-c", "printf '%s' \"$0\" > /dev/console",
                       report.format(function), expect=status)
        assert (function in err) == bool(status), err


def early_end():
    """A guest that ends before its command is a failure, and the log says why."""
    with tempfile.TemporaryDirectory() as directory:
        log = os.path.join(directory, "console")
        _, err = guest("reboot", "-f", expect=125,
                       options=["--no-bind", "--log", log])
        assert "ended before" in err and log in err, err
        assert os.path.getsize(log) > 1000


def timeout():
    """A guest that hangs is killed, and the log is named."""
    with tempfile.TemporaryDirectory() as directory:
        log = os.path.join(directory, "console")
        _, err = guest("sh", "-c", "while :; do :; done", expect=124,
                       options=["--no-bind", "--timeout", "20", "--log", log])
        assert "within 20 s" in err and log in err, err
        assert os.path.exists(log)


def checker_off():
    """With the debug kernel, a checker that does not check fails the run."""
    _, err = guest("sh", "-c", "echo off > /sys/kernel/debug/kmemleak",
                   options=["--kernel", "debug", "--no-bind"], expect=126)
    assert "kmemleak gave up" in err, err


def module_in_use():
    """With the debug kernel, a module that cannot go fails the run."""
    _, err = guest("sh", "-c",
                   "sleep 1000 < /dev/p2pbuf/exporter/$P2PBUF_EXPORTER &",
                   options=["--kernel", "debug"], expect=126)
    assert "p2pbuf_exporter is still in use" in err, err


TESTS = [exit_status, exact_output, exact_arguments, file_mode, kernel_warning,
         kernel_crash, leak, early_end, timeout]
DEBUG_TESTS = [checker_off, module_in_use]
