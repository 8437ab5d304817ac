"""The peers of the fault tests: a gate before an upstream, a client over all its connections, proxies for many upstreams."""

import asyncio
import collections
import gc
import json
import logging
import os
import socket
import subprocess
import sys
import time

from contract_peers import StreamServer, within
from cutter import Cutter, reset
from event_stream import Parser, Response
from harness import Failure, expect, program, run

DEADLINE = 20  # seconds that anything may take; nothing should come near it

# The proxy is to be quick about everything but what a check is about.
FAST = ("--upstream-idle", "0", "--backoff-base", "10ms", "--backoff-cap", "100ms")
QUICK = (*FAST, "--linger", "60s")

_help = []


def proxy_has(word):
    """Whether the program's help speaks of it: parts of it are left out of some builds."""
    if not _help:
        _help.append(subprocess.run([program("rejoin-proxy"), "--help"], capture_output=True, text=True, timeout=20, check=False).stdout)
    return word in _help[0]


def drive(checks, names):
    """Runs each check(bench), or those of these names; the exit code."""
    # It tells of what a failure leaves behind.
    logging.getLogger("asyncio").setLevel(logging.CRITICAL)
    failed = []
    for check in checks:
        if names and check.__name__ not in names:
            continue
        print(f"{check.__name__}: ", end="", flush=True)
        if run(lambda bench, check=check: asyncio.run(check(bench))) != 0:
            failed.append(check.__name__)
        gc.collect()  # closes thousands of sockets: select(), which waits for programs, can't take descriptors above 1,023
    if failed:
        print("FAILED:", *failed, file=sys.stderr)
    return 1 if failed else 0


async def until(condition, text, seconds=DEADLINE):
    """The condition's first true value."""
    deadline = time.monotonic() + seconds
    while not (value := condition()):
        expect(time.monotonic() < deadline, f"not within {seconds} s: {text}")
        await asyncio.sleep(0.005)
    return value


async def all_of(checks):
    """Runs these coroutines together; one failure tells of all that fail."""
    checks = list(checks)
    failures = []
    for check, result in zip(checks, await asyncio.gather(*checks, return_exceptions=True)):
        if isinstance(result, (Failure, OSError, asyncio.IncompleteReadError)):
            failures.append(f"{check.__name__}: {type(result).__name__}: {result}")
        elif isinstance(result, BaseException):
            raise result
    expect(not failures, f"{len(failures)} of {len(checks)}:\n", "\n ".join(failures))


def reserved_port():
    """A socket that keeps its port from everybody but those who listen at it on purpose, and refuses connections."""
    holder = socket.socket()
    holder.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    holder.bind(("127.0.0.1", 0))
    return holder


class Gate(Cutter):
    """Stands before upstreams of the given ports: the nth connection goes to the nth of them, further ones to the last."""

    def __init__(self, *ports):
        super().__init__(self._dial)
        self._ports = list(ports)
        self.next_port = asyncio.Event()  # until it is set, connections behind the first one wait
        self.next_port.set()
        self._holder = reserved_port()
        self.port = self._holder.getsockname()[1]

    @classmethod
    async def before(cls, *ports):
        gate = cls(*ports)
        await gate.up()
        return gate

    async def _dial(self):
        if self.connections > 1:
            await self.next_port.wait()
        port = self._ports.pop(0) if len(self._ports) > 1 else self._ports[0]
        return await asyncio.open_connection("127.0.0.1", port)

    def refuse(self):
        """New connections are refused; those there are go on."""
        self._server.close()
        self._server = None


class Upstream(StreamServer):
    """Takes requests by path, whatever their query."""

    def _queue(self, path):
        return super()._queue(path.partition("?")[0])


class Answer(Response):
    """The response to any request, its head kept as it came."""

    @classmethod
    async def to(cls, port, method, path, fields=(), body=b""):
        answer = cls(*await asyncio.open_connection("127.0.0.1", port))
        # The same of a proxy that is started anew at another port: it is part of what a stream is known by.
        lines = [f"{method} {path} HTTP/1.1", "Host: proxy.example", *(f"{name}: {value}" for name, value in fields)]
        if body:
            lines.append(f"Content-Length: {len(body)}")
        answer.writer.write("".join(line + "\r\n" for line in [*lines, ""]).encode() + body)
        answer.head = (await answer._reader.readuntil(b"\r\n\r\n")).decode("latin-1")
        start, *lines = answer.head.rstrip("\r\n").split("\r\n")
        answer.status = int(start.split()[1])
        answer.fields = {name.lower(): value.strip() for name, _, value in (line.partition(":") for line in lines)}
        return answer


class Client:
    """What one client sees over all its connections: events as they come, gap signals among them."""

    def __init__(self, port, path, fields=(), last_id=""):
        self.port = port
        self.path = path
        self.fields = list(fields)
        self.items = []  # (id, data) of an event; the dict of a gap signal
        self.last_id = last_id
        self.response = None
        self._unread = collections.deque()

    @property
    def data(self):
        return [item[1] for item in self.items if isinstance(item, tuple)]

    @property
    def numbers(self):
        """What the events' data begins with."""
        return [int(data.split()[0]) for data in self.data]

    def __str__(self):
        runs = []  # [first, last] of numbers without holes
        for item in self.items:
            number = None if isinstance(item, dict) else int(item[1].split()[0])
            if number and runs and isinstance(runs[-1], list) and runs[-1][1] + 1 == number:
                runs[-1][1] = number
            else:
                runs.append([number, number] if number else item)
        return f"{runs}"

    @property
    def gaps(self):
        return [item for item in self.items if isinstance(item, dict)]

    async def connect(self, *fields, method="GET", body=b""):
        """Opens a response, with the last id seen if there is one. The result is its status."""
        self.leave()
        resume = [("Last-Event-ID", self.last_id)] if self.last_id else []
        opening = Answer.to(self.port, method, self.path, [("Accept", "text/event-stream"), *resume, *self.fields, *fields], body)
        self.response = await within(opening, f"a response to {self.path}", DEADLINE)
        self._pieces = self.response.pieces()
        self._parser = Parser(self.last_id)
        self._unread.clear()
        return self.response.status

    @property
    def resume(self):
        """What the response says of how it goes on."""
        return self.response.fields.get("sse-resume")

    async def read(self, enough=None):
        """Takes events until `enough(client)`: None, or to the end of the response: 'clean' or 'cut'."""
        reading = self._read(enough or (lambda client: False))
        return await within(reading, f"what is expected of {self.path} behind {self.last_id!r}", DEADLINE)

    async def read_numbers(self, count):
        end = await self.read(lambda client: len(client.numbers) >= count)
        expect(end is None, f"{self.path} ended {end} before event {count}:", self.items)

    async def _read(self, enough):
        while not enough(self):
            if self._unread:
                self._take(self._unread.popleft())
                continue
            try:
                self._unread.extend(self._parser.feed(await anext(self._pieces)))
            except StopAsyncIteration:
                return "clean"
            except (asyncio.IncompleteReadError, ConnectionError):
                return "cut"
        return None

    def _take(self, event):
        if event["event"] == "sse-gap":
            self.items.append(json.loads(event["data"]))
        else:
            self.items.append((event["id"], event["data"]))
            self.last_id = event["id"]

    async def read_comments(self, count=1):
        """Waits for so many comments in the response. With the first one the proxy is done with opening it."""

        async def wait():
            while self._parser.comments < count:
                self._unread.extend(self._parser.feed(await anext(self._pieces)))

        await within(wait(), f"{count} comments in {self.path}", DEADLINE)

    def leave(self):
        """What was not read is lost to the client."""
        if self.response is not None:
            reset(self.response.writer)
            self.response = None


def many_proxies(bench, upstreams, *flags):
    """Ports of proxies for the upstreams, by prefix: routes of one, where it can read a configuration."""
    if not proxy_has("--config"):
        return {prefix: bench.proxy(address, *flags).port for prefix, address in upstreams.items()}
    path = os.path.join(bench.scratch, "routes.toml")
    with open(path, "w", encoding="utf-8") as file:
        for prefix, address in upstreams.items():
            file.write(f'[[route]]\nprefix = "{prefix}"\nupstreams = ["{address}"]\n')
    proxy = bench.start("rejoin-proxy", "--config", path, "--listen", "127.0.0.1:0", "--verbose", *flags)
    return {prefix: proxy.port for prefix in upstreams}
