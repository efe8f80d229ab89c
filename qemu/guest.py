# SPDX-License-Identifier: GPL-2.0-only
"""Runs QEMU and talks to /init in the guest over three serial ports."""

import contextlib
import os
import selectors
import signal
import socket
import subprocess
import sys
import termios
import time
import tty

TIMEOUT, BROKEN, REPORT = 124, 125, 126


class Guest:
    """One QEMU process: console to a log, output to stdout, control to us."""

    def __init__(self, log, interactive, answers, stopped):
        self.log = log			# binary file object
        self.interactive = interactive
        self.answers = answers		# functions, by a request's first word
        self.stopped = stopped		# the context they need
        self.status = None		# of the command, once known
        self.error = None		# what /init could not do
        self.control = b""
        self.inherit = []		# descriptors that QEMU gets
        self.args = []
        self.selector = selectors.DefaultSelector()
        # The order of the ports is the order of ttyS0, 1, 2 in the guest.
        self._pipe(self._console)
        if interactive:
            self.output = self._socket(self._output)
        else:
            self._pipe(self._output)
        self.requests = self._socket(self._control)

    def _socket(self, handler):
        ours, theirs = socket.socketpair()
        self._serial(f"socket,fd={theirs.fileno()}", theirs)
        self.selector.register(ours, selectors.EVENT_READ, handler)
        return ours

    def _pipe(self, handler):
        """For output only.  QEMU writes each byte by itself: a socket is full
        after some hundred of them, and what the UART still holds when the
        guest ends is lost."""
        ours, theirs = os.pipe()
        self._serial(f"file,path=/proc/self/fd/{theirs}",
                     os.fdopen(theirs, "wb", 0))
        self.selector.register(os.fdopen(ours, "rb", 0),
                               selectors.EVENT_READ, handler)

    def _serial(self, chardev, theirs):
        number = len(self.inherit)
        self.inherit.append(theirs)
        self.args += [
            "-chardev", f"{chardev},id=chr{number}",
            # An interrupt of its own each: COM3 would share COM1's.
            "-device", f"isa-serial,chardev=chr{number},index={number},"
                       f"irq={(4, 3, 5)[number]}"]

    # --- what arrives ---

    def _console(self, data):
        self.log.write(data)
        self.log.flush()

    @staticmethod
    def _output(data):
        while data:
            data = data[os.write(sys.stdout.fileno(), data):]

    def _control(self, data):
        *lines, self.control = (self.control + data).split(b"\n")
        for line in lines:
            word, _, text = line.decode(errors="replace").partition(" ")
            if word == "exit":
                self.status = int(text)
            elif word == "error":
                self.error = text
            elif word in self.answers:
                with self.stopped():
                    self.requests.sendall(self.answers[word](text).encode()
                                          + b"\n")

    def _input(self, data):
        self.output.sendall(data)

    # --- running ---

    def run(self, argv, files, timeout):
        """Run QEMU to its end.  False if it had to be killed at the timeout.

        @files: descriptors that @argv names.
        """
        with subprocess.Popen(
                # QEMU must not outlive this process, however it ends.
                ["setpriv", "--pdeathsig", "KILL", *argv, *self.args],
                stdin=subprocess.DEVNULL, stdout=self.log, stderr=self.log,
                # Out of the terminal's reach: an interrupt is ours to handle.
                start_new_session=True,
                pass_fds=[s.fileno() for s in self.inherit] + files) as qemu:
            for theirs in self.inherit:
                theirs.close()
            try:
                with self._terminal():
                    return self._loop(time.monotonic() + timeout)
            finally:
                qemu.kill()

    def _loop(self, deadline):
        ports = len(self.inherit)
        while ports:
            left = deadline - time.monotonic()
            if left <= 0:
                return False
            for key, _ in self.selector.select(left):
                data = self._read(key.fd)
                if data:
                    key.data(data)
                    continue
                self.selector.unregister(key.fileobj)
                if key.fileobj is not sys.stdin:
                    ports -= 1
        return True

    @staticmethod
    def _read(fd):
        try:
            return os.read(fd, 65536)
        except ConnectionResetError:	# QEMU left with unread input
            return b""

    @contextlib.contextmanager
    def _terminal(self):
        """In interactive use the guest's terminal does all the editing."""
        if not self.interactive:
            yield
            return
        self.selector.register(sys.stdin, selectors.EVENT_READ, self._input)
        saved = termios.tcgetattr(sys.stdin)
        try:
            tty.setraw(sys.stdin)
            yield
        finally:
            termios.tcsetattr(sys.stdin, termios.TCSADRAIN, saved)


def end_on_sigterm():
    """Let SIGTERM unwind like Ctrl-C does, so that QEMU is killed."""
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(128 + signal.SIGTERM))
