"""Ctrl-C in a pseudo-terminal: from the key to the next prompt."""

import fcntl
import os
import pty
import random
import select
import struct
import sys
import termios
import time

LIMIT = 30
# A line editor that is ready asks for bracketed paste.
PROMPT = (b"\x1b[?2004h", b"local> ")


class Terminal:
    """A program in a terminal of 40 rows and 120 columns."""

    def __init__(self, argv, environment):
        pid, self.terminal = pty.fork()
        if pid == 0:
            os.execve(argv[0], argv, environment)
        self.pid = pid
        fcntl.ioctl(self.terminal, termios.TIOCSWINSZ, struct.pack("HHHH", 40, 120, 0, 0))

    def type(self, text):
        os.write(self.terminal, text.encode())

    def read_until(self, *marks):
        """Reads until these have come, one after the other; returns all that came."""
        came, found, deadline = b"", 0, time.monotonic() + LIMIT
        while marks:
            ready, _, _ = select.select([self.terminal], [], [], max(0, deadline - time.monotonic()))
            if not ready:
                sys.exit(f"waited {LIMIT} s for {marks[0]!r}; the last that came: {came[-500:]!r}")
            try:
                came += os.read(self.terminal, 1 << 16)
            except OSError:
                sys.exit(f"ended before {marks[0]!r}; the last that came: {came[-500:]!r}")
            while marks and (at := came.find(marks[0], found)) >= 0:
                found = at + len(marks[0])
                marks = marks[1:]
            # A mark may be torn between two reads.
            found = max(found, len(came) - 64) if marks else found
        return came

    def drain(self, seconds):
        """Reads what comes for so long, as a terminal does all the time."""
        deadline = time.monotonic() + seconds
        while (left := deadline - time.monotonic()) > 0:
            if select.select([self.terminal], [], [], left)[0]:
                os.read(self.terminal, 1 << 16)

    def close(self):
        """Leaves by Ctrl-D; returns the CPU seconds of the whole session."""
        self.type("\x04")
        deadline = time.monotonic() + LIMIT
        while time.monotonic() < deadline:
            try:
                if not os.read(self.terminal, 1 << 16):
                    break
            except OSError:
                break
        _, status, used = os.wait4(self.pid, 0)
        if os.waitstatus_to_exitcode(status) != 0:
            sys.exit(f"the session ended with {os.waitstatus_to_exitcode(status)}")
        return used.ru_utime + used.ru_stime


def measure(skep, environment, rate, times):
    """Seconds from Ctrl-C to the prompt, that many times, and the session's CPU seconds. The rows of an endless query
    have come by then; between key and prompt the shell must say that the job is CANCELED."""
    environment = {**environment, "TERM": "xterm-256color"}
    terminal = Terminal([skep, "-o", "csv"], environment)
    terminal.read_until(*PROMPT)
    terminal.type(f"CREATE TABLE t (n BIGINT, s STRING) WITH ('connector'='datagen', 'rows-per-second'='{rate}');\r")
    terminal.read_until(*PROMPT)
    measured = []
    for _ in range(times):
        terminal.type("SELECT n, 'row' AS word, s FROM t;\r")
        terminal.read_until(b"n,word,s\r\n", b",row,")
        # At any moment of the engine's rhythm.
        terminal.drain(random.uniform(0.05, 0.15))
        began = time.perf_counter()
        terminal.type("\x03")
        came = terminal.read_until(b"is CANCELED", *PROMPT)
        measured.append(time.perf_counter() - began)
        if b"error" in came:
            sys.exit(f"after Ctrl-C: {came[-500:]!r}")
    terminal.type("!jobs\r")
    if b"RUNNING" in terminal.read_until(*PROMPT):
        sys.exit("a job runs on")
    return measured, terminal.close()
