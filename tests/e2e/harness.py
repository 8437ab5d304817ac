"""What the end-to-end drivers share: programs that live as long as the test, conditions with deadlines, a report."""

import contextlib
import ctypes
import os
import select
import shutil
import signal
import subprocess
import sys
import tempfile
import time

BIN = os.environ.get("REJOIN_BIN_DIR", "")
SOURCE = os.environ.get("REJOIN_SOURCE_DIR", os.path.abspath(os.path.join(os.path.dirname(__file__), "..", "..")))

_libc = ctypes.CDLL(None)


class Failure(Exception):
    """What was expected did not happen."""


def expect(condition, text, *details):
    if not condition:
        raise Failure(" ".join([text, *(str(detail) for detail in details)]))


def equal(actual, expected, text):
    expect(actual == expected, f"{text}: {actual!r} instead of {expected!r}")


def wait_until(condition, seconds, text):
    """Returns the condition's first true value. For drivers that are not asynchronous."""
    deadline = time.monotonic() + seconds
    while True:
        value = condition()
        if value:
            return value
        expect(time.monotonic() < deadline, f"not within {seconds} s: {text}")
        time.sleep(0.01)


def program(name):
    path = os.path.join(BIN, name)
    expect(BIN and os.access(path, os.X_OK), f"REJOIN_BIN_DIR has no {name}:", repr(BIN))
    return path


def die_with_the_test(number=signal.SIGKILL):
    _libc.prctl(1, number)  # PR_SET_PDEATHSIG


class Program:
    """A program with its stderr in a file. Its stdout is read up to the line that tells its address.

    `ending`: the signal that ends it for certain; SIGTERM for one that has processes of its own to end.
    """

    def __init__(self, bench, argv, address=False, ending=signal.SIGKILL):
        self.ending = ending
        self.name = f"{len(bench.programs)}-{os.path.basename(argv[0])}"
        self.log = os.path.join(bench.scratch, self.name + ".log")
        with open(self.log, "wb") as log:
            self.process = subprocess.Popen(argv, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE if address else log,
                                            stderr=log, preexec_fn=lambda: die_with_the_test(ending))
        self.pid = self.process.pid
        bench.programs.append(self)
        self.address = self._read_address() if address else None

    def _read_address(self):
        poll = select.poll()  # select() knows no descriptor above 1,023
        poll.register(self.process.stdout, select.POLLIN)
        ready = poll.poll(20_000)
        line = self.process.stdout.readline().decode() if ready else ""
        expect(line.startswith("listening on http://"), f"{self.name} told no address:", repr(line), self.errors())
        return line.removeprefix("listening on ").strip()

    @property
    def port(self):
        return int(self.address.rpartition(":")[2])

    def errors(self):
        with open(self.log, errors="replace") as log:
            return log.read()

    def descriptors(self):
        return len(os.listdir(f"/proc/{self.pid}/fd"))

    def signal(self, number):
        self.process.send_signal(number)

    def wait(self, seconds=10):
        try:
            return self.process.wait(seconds)
        except subprocess.TimeoutExpired:
            raise Failure(f"{self.name} did not end within {seconds} s") from None

    def stop(self, seconds=10):
        """SIGTERM; the exit code."""
        if self.process.poll() is None:
            self.signal(signal.SIGTERM)
        return self.wait(seconds)

    def kill(self):
        if self.process.poll() is None:
            self.signal(self.ending)
            try:
                self.process.wait(5)
            except subprocess.TimeoutExpired:
                self.process.kill()
        self.process.wait()
        if self.process.stdout:
            self.process.stdout.close()


class Bench:
    """Owns a scratch folder and the programs started for one test; both go away with it."""

    def __init__(self):
        self.programs = []
        self.scratch = tempfile.mkdtemp(prefix="rejoin-e2e-")

    def start(self, name, *arguments):
        return Program(self, [program(name), *arguments], address=True)

    def proxy(self, upstream, *arguments):
        return self.start("rejoin-proxy", "--listen", "127.0.0.1:0", "--upstream", upstream, "--verbose", *arguments)

    def flaky(self, *arguments):
        return self.start("flaky-sse-server", "--listen", "127.0.0.1:0", "--verbose", *arguments)

    def foreign(self, *argv, ending=signal.SIGKILL):
        return Program(self, list(argv), ending=ending)

    def show_logs(self):
        for one in self.programs:
            text = one.errors()
            if text:
                lines = text.splitlines()
                print(f"--- {one.name} (exit {one.process.poll()}), last of {len(lines)} lines", file=sys.stderr)
                print("\n".join(lines[-40:]), file=sys.stderr)

    def close(self):
        for one in reversed(self.programs):
            with contextlib.suppress(OSError):
                one.kill()
        shutil.rmtree(self.scratch, ignore_errors=True)


def counters(log):
    """The counters that rejoin-proxy --verbose prints at its end."""
    found = {}
    for line in log.splitlines():
        name, _, value = line.rpartition(" ")
        if value.isdigit():
            found[name] = int(value)
    return found


def run(test):
    """Runs test(bench); a failure shows the programs' logs. Returns the exit code."""

    def interrupted(number, _frame):
        raise SystemExit(128 + number)

    signal.signal(signal.SIGTERM, interrupted)
    begin = time.monotonic()
    bench = Bench()
    try:
        test(bench)
    except (Failure, TimeoutError, OSError) as failure:
        bench.show_logs()
        print(f"FAILED: {type(failure).__name__}: {failure}", file=sys.stderr)
        return 1
    except BaseException:
        bench.show_logs()
        raise
    finally:
        bench.close()
    print(f"passed in {time.monotonic() - begin:.1f} s")
    return 0
