"""The peers of the tests over TLS: rejoin-follow with its output kept, openssl's own server, one that ends as told."""

import base64
import contextlib
import json
import os
import random
import re
import signal
import socket
import ssl
import subprocess
import threading

from harness import Failure, Program, die_with_the_test, equal, expect, program, wait_until

DEADLINE = 15  # seconds that nothing here takes

HEAD = "HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\n"
NO_CONTENT = "HTTP/1.1 204 No Content\r\n\r\n"


def event(number):
    return f"id: {number}\ndata: {number}\n\n"


def events(first, last):
    return "".join(event(number) for number in range(first, last + 1))


def chunk(text):
    return f"{len(text.encode()):x}\r\n{text}\r\n"


def free_port():
    """For a server that is started again at the same place: below those that the system gives to whoever asks for any."""
    for port in random.Random(os.getpid()).sample(range(20000, 32000), 100):
        with contextlib.suppress(OSError), socket.create_server(("127.0.0.1", port)):
            return port
    raise Failure("no free port")


class Piped(Program):
    """A program with stdout and stderr in files of their own, and something to write to its stdin."""

    def __init__(self, bench, argv, environment=None):
        self.ending = signal.SIGKILL
        self.address = None
        self.name = f"{len(bench.programs)}-{os.path.basename(argv[0])}"
        self.log = os.path.join(bench.scratch, self.name + ".log")
        self.out = os.path.join(bench.scratch, self.name + ".out")
        with open(self.log, "wb") as log, open(self.out, "wb") as out:
            self.process = subprocess.Popen(argv, stdin=subprocess.PIPE, stdout=out, stderr=log, bufsize=0, env=environment,
                                            cwd=bench.scratch, preexec_fn=die_with_the_test)
        self.pid = self.process.pid
        bench.programs.append(self)

    def output(self):
        with open(self.out, "rb") as out:
            return out.read().decode(errors="replace")

    def kill(self):
        super().kill()
        self.process.stdin.close()


class Follower(Piped):
    """rejoin-follow at `url`."""

    def __init__(self, bench, url, *flags, environment=None):
        super().__init__(bench, [program("rejoin-follow"), "--json", "--backoff-base", "20ms", "--backoff-cap", "200ms", *flags, url],
                         environment)

    def seen(self):
        """The numbers that the events' data begin with."""
        whole = self.output().rpartition("\n")[0]
        return [int(json.loads(line)["data"].split()[0]) for line in whole.splitlines()]

    def until(self, condition, text):
        """`condition` of this follower, while it runs."""
        def check():
            expect(self.process.poll() is None, f"rejoin-follow ended before {text}:", self.errors())
            return condition(self)
        wait_until(check, DEADLINE, f"{text}; rejoin-follow said {self.errors()!r}")

    def has(self, last):
        self.until(lambda self: self.seen()[-1:] == [last], f"event {last} came")

    def finishes(self, code=0):
        """The last line on stderr, when it ended with this exit code."""
        equal(self.wait(DEADLINE), code, f"exit code of rejoin-follow, which said {self.errors()!r}")
        lines = self.errors().splitlines()
        return lines[-1] if lines else ""

    def refuses(self, *words, code=3):
        """It ends with one line that has these words, and nothing else on stderr (it runs with --quiet)."""
        self.finishes(code)
        lines = self.errors().splitlines()
        expect(len(lines) == 1 and lines[0].startswith("rejoin-follow: ") and all(word in lines[0] for word in words),
               f"one line with {words}:", repr(self.errors()))
        equal(self.seen(), [], "events")
        return lines[0]


class OpensslServer(Piped):
    """`openssl s_server`: what it decrypted is its stdout, what it shall send goes to its stdin. Killed, it is cut."""

    def __init__(self, bench, identity, *flags, port=0):
        super().__init__(bench, ["openssl", "s_server", "-accept", f"127.0.0.1:{port}", "-cert", identity.certificate,
                                 "-key", identity.key, "-alpn", "h2,http/1.1", *flags])
        found = wait_until(lambda: re.search(r"^ACCEPT(?: 127\.0\.0\.1:(\d+))?$", self.output(), re.M), DEADLINE, "s_server listens")
        self.port = int(found[1] or port)
        self.url = f"https://localhost:{self.port}/stream"

    port = 0  # no property here: given, or told on stdout

    def send(self, text):
        self.process.stdin.write(text.encode())

    def request(self):
        """The first request, when it came."""
        found = wait_until(lambda: re.search(r"^GET [^\r\n]+ HTTP/1\.1\r\n.*?\r\n\r\n", self.output(), re.M | re.S), DEADLINE,
                           "s_server got a request")
        return found[0]


class Listener:
    """A server of threads: `_serve(connection)` for each that comes. What fails there shows in the test by what is missing."""

    def __init__(self):
        self.listener = socket.create_server(("127.0.0.1", 0))
        self.port = self.listener.getsockname()[1]
        threading.Thread(target=self._accept, daemon=True).start()

    def _accept(self):
        while True:
            connection, _ = self.listener.accept()
            connection.settimeout(DEADLINE)
            threading.Thread(target=self._keep, args=(connection,), daemon=True).start()

    def _keep(self, connection):
        with connection, contextlib.suppress(OSError):
            self._serve(connection)

    @staticmethod
    def read_head(connection):
        got = b""
        while not got.endswith(b"\r\n\r\n"):
            part = connection.recv(65536)
            if not part:
                return ""
            got += part
        return got.decode()


class Plain(Listener):
    """Doesn't speak TLS: answers whatever comes first with `answer`, and closes."""

    def __init__(self, answer):
        self.answer = answer
        super().__init__()

    def _serve(self, connection):
        connection.recv(65536)
        connection.sendall(self.answer)


class Origin(Listener):
    """Answers one request after another with (text, ending) of `answers`, the last one for ever.

    `ending`: "notify" says goodbye in TLS before it closes; "cut" closes TCP alone; "hold" keeps the connection.
    """

    def __init__(self, *answers, identity=None):
        self.answers = list(answers)
        self.requests = []
        self.context = None
        if identity:
            self.context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
            self.context.load_cert_chain(*identity)
        super().__init__()
        self.url = f"http{'s' if identity else ''}://127.0.0.1:{self.port}/stream"

    def _serve(self, connection):
        if self.context:
            connection = self.context.wrap_socket(connection, server_side=True)
        with connection:
            request = self.read_head(connection)
            if not request:
                return
            text, ending = self.answers[min(len(self.requests), len(self.answers) - 1)]
            self.requests.append(request)
            connection.sendall(text.encode())
            if ending == "notify":
                connection.unwrap()
            elif ending == "cut":
                connection.shutdown(socket.SHUT_RDWR)
            else:
                connection.recv(1)


class ConnectProxy(Listener):
    """An HTTP proxy by CONNECT with Basic authentication. It knows every name's address: this machine."""

    def __init__(self, credentials):
        self.credentials = credentials
        self.requests = []
        super().__init__()

    def url(self, credentials=None):
        """With `credentials` instead of those that it wants; "": with none."""
        before = self.credentials if credentials is None else credentials
        return f"http://{before}{'@' if before else ''}127.0.0.1:{self.port}"

    def targets(self):
        return [request.split()[1] for request in self.requests]

    def _serve(self, connection):
        head = self.read_head(connection)
        if not head:
            return
        self.requests.append(head)
        proof = base64.b64encode(self.credentials.encode()).decode()
        if f"\r\nproxy-authorization: basic {proof}\r\n".lower() not in head.lower():
            connection.sendall(b"HTTP/1.1 407 Proxy Authentication Required\r\nProxy-Authenticate: Basic realm=\"a\"\r\n"
                               b"Content-Length: 0\r\n\r\n")
            return
        method, target, _ = head.split(" ", 2)
        if method != "CONNECT":
            connection.sendall(b"HTTP/1.1 405 Method Not Allowed\r\nContent-Length: 0\r\n\r\n")
            return
        with socket.create_connection(("127.0.0.1", int(target.rpartition(":")[2])), timeout=DEADLINE) as origin:
            connection.sendall(b"HTTP/1.1 200 Connection established\r\n\r\n")
            back = threading.Thread(target=self._pass, args=(origin, connection), daemon=True)
            back.start()
            self._pass(connection, origin)
            back.join()

    @staticmethod
    def _pass(source, sink):
        with contextlib.suppress(OSError):
            while part := source.recv(65536):
                sink.sendall(part)
        for one in (source, sink):
            with contextlib.suppress(OSError):
                one.shutdown(socket.SHUT_RDWR)
