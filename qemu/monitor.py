# SPDX-License-Identifier: GPL-2.0-only
"""Lets the guest give commands to QEMU's monitor: errors, hot-unplug and hotplug
come from outside the machine."""

import contextlib
import json
import socket
import time


class Unreadable(Exception):
    """There is no such memory; the text is QEMU's."""


class Monitor:
    """A connection to QEMU's monitor by its machine protocol."""

    def __init__(self, timeout):
        self.ours, self.theirs = socket.socketpair()
        self.ours.settimeout(timeout)	# QEMU hangs
        self.lines = self.ours.makefile("r", encoding="utf-8")
        self.greeted = False

    def fileno(self):
        return self.theirs.fileno()

    def qemu_args(self):
        return ["-chardev", f"socket,id=monitor,fd={self.fileno()}",
                "-qmp", "chardev:monitor"]

    def _execute(self, command, **arguments):
        self.ours.sendall(json.dumps({"execute": command,
                                      "arguments": arguments}).encode())
        for line in self.lines:
            reply = json.loads(line)
            if "return" in reply:
                return reply["return"]
            if "error" in reply:
                return reply["error"]["desc"]
        return "QEMU is gone"

    def _greet(self):
        if not self.greeted:
            self._execute("qmp_capabilities")
            self.greeted = True

    def _is_running(self):
        status = self._execute("query-status")
        return isinstance(status, dict) and status["running"]

    def answer(self, command):
        """What QEMU says to @command, in one line; "ok" if nothing."""
        self._greet()
        text = self._execute("human-monitor-command",
                             **{"command-line": command})
        return " ".join(text.split()) or "ok"

    @contextlib.contextmanager
    def stopped(self):
        """While a request of the guest is answered. It stops itself after it, before
        another instruction: with -icount a guest that waits has no time to lose."""
        self._greet()
        while self._is_running():
            time.sleep(0.001)
        try:
            yield
        finally:
            self._execute("cont")

    def memory(self, address, nr, unit="g"):
        """@nr numbers of 8 bytes each (g), or 4 (w), of the guest's physical memory."""
        text = self.answer(f"xp /{nr}{unit}x {address:#x}")
        # The address that begins a line is without 0x.
        numbers = [int(word, 16) for word in text.split()
                   if word.startswith("0x")]
        if len(numbers) != nr:
            raise Unreadable(text)
        return numbers
