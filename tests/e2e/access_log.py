"""rejoin-proxy's access log: one line of JSON at the end of each request and stream, and no secrets in it. Arguments: checks to run."""

import asyncio
import datetime
import json
import os
import re
import signal
import subprocess
import sys
import time

from contract_peers import within
from fault_peers import DEADLINE, FAST, QUICK, Client, drive, proxy_has, until
from fault_resume import World, end_by_204, event
from harness import equal, expect, program
from soak import stopped_reader

SECRET = "s3cr3t"
REQUEST = {"time", "client", "method", "host", "target", "route", "status", "upstream", "duration_ms", "bytes_out", "last_event_id"}
STREAM = {"events", "resume", "reconnects", "end"}


class Log:
    """The lines of a log, in the order they were written."""

    def __init__(self, path):
        self.path = path
        self._read = 0

    def text(self):
        with open(self.path, encoding="utf-8") as file:
            return file.read()

    async def next(self, **expected):
        """The next line, which must have these members."""

        def line():
            lines = self.text().split("\n")
            return lines[self._read] if len(lines) > self._read + 1 else None

        entry = checked(await until(line, f"a line with {expected}"))
        self._read += 1
        equal({name: entry.get(name) for name in expected}, expected, f"in {entry}")
        return entry

    def nothing_more(self):
        equal(self.text().split("\n")[self._read:], [""], "more lines")


def checked(line):
    """What holds for every line."""
    entry = json.loads(line)
    stream = STREAM if "events" in entry else set()
    expect(set(entry) <= REQUEST | stream and stream <= set(entry), "members:", line)
    expect({"time", "client", "status", "duration_ms", "bytes_out"} <= set(entry), "members:", line)
    expect(re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z", entry["time"]), "time:", line)
    age = time.time() - datetime.datetime.fromisoformat(entry["time"]).timestamp()
    expect(0 <= age < DEADLINE and 0 <= entry["duration_ms"] / 1000 < age + 0.002, "time and duration:", line)
    equal(entry["client"], "127.0.0.1", "client")
    return entry


async def regular(port, method, path, *fields, body=b""):
    """Sends a request, takes the whole answer; its status and bytes."""
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    lines = [f"{method} {path} HTTP/1.1", f"Host: h:{port}", "Connection: close", *fields]
    writer.write("".join(f"{line}\r\n" for line in [*lines, *([f"Content-Length: {len(body)}"] if body else []), ""]).encode() + body)
    answer = await within(reader.read(), f"an answer to {method} {path}", DEADLINE)
    writer.close()
    return int(answer.split(b" ")[1]), len(answer)


def logging_world(bench, *flags):
    path = os.path.join(bench.scratch, f"access-{len(bench.programs)}.log")
    return Log(path), World.start(bench, "--access-log", path, *flags)


async def requests(bench):
    """Regular requests: each kind of answer, the proxy's own among them."""
    server = bench.flaky()
    log = Log(os.path.join(bench.scratch, "requests.log"))
    proxy = bench.proxy(server.address, *QUICK, "--access-log", log.path)
    for method, path, status in (("GET", "/plain", 200), ("GET", "/plain/100000", 200), ("HEAD", "/plain", 200), ("POST", "/echo", 200),
                                 ("GET", "/status/404", 404), ("DELETE", "/stream", 405)):
        got, size = await regular(proxy.port, method, f"{path}?token={SECRET}", f"Authorization: Bearer {SECRET}", f"Cookie: a={SECRET}",
                                  body=b"body" if method == "POST" else b"")
        equal(got, status, f"status of {method} {path}")
        entry = await log.next(method=method, target=path, host=f"h:{proxy.port}", status=status, upstream=server.address, route="/",
                               bytes_out=size)
        expect("last_event_id" not in entry and "events" not in entry, "members of a stream:", entry)
    # Two on one connection are two.
    reader, writer = await asyncio.open_connection("127.0.0.1", proxy.port)
    for i in range(2):
        writer.write(f"GET /plain/{i} HTTP/1.1\r\nHost: h\r\n\r\n".encode())
        await reader.readuntil(b"\r\n\r\n")
        await reader.readexactly(i)
        await log.next(method="GET", target=f"/plain/{i}", host="h", status=200)
    writer.close()
    # What would break a line, or show a password.
    await regular(proxy.port, "GET", '/plain?"\\', "X: y")
    await log.next(target="/plain")
    await regular(proxy.port, "GET", f"http://user:{SECRET}@h/plain")
    entry = await log.next(status=200)
    expect("h/plain" in entry["target"], "target:", entry)
    log.nothing_more()
    server.kill()
    equal((await regular(proxy.port, "GET", "/plain"))[0], 502, "status without an upstream")
    entry = await log.next(status=502, target="/plain")
    expect("upstream" not in entry, "nobody answered:", entry)
    log.nothing_more()
    equal(proxy.stop(), 0, "exit code")
    expect(SECRET not in log.text(), "a secret is logged:", log.text())


async def refusals(bench):
    """What the proxy refuses before anybody is asked is a request, too."""
    log = Log(os.path.join(bench.scratch, "refusals.log"))
    address = bench.flaky("--rate", "100").address
    proxy = bench.proxy(address, *QUICK, "--access-log", log.path)
    for request, status in ((b"GET / HTTP/1.1\r\nHost: a\r\nHost: b\r\n\r\n", 400), (b"GET /../x HTTP/1.1\r\nHost: a\r\n\r\n", 400),
                            (b"GET /" + b"x" * 9000 + b" HTTP/1.1\r\nHost: a\r\n\r\n", 414),
                            (b"GET / HTTP/1.1\r\nHost: a\r\nX: " + b"x" * 40000 + b"\r\n\r\n", 431)):
        reader, writer = await asyncio.open_connection("127.0.0.1", proxy.port)
        writer.write(request)
        answer = await within(reader.readuntil(b"\r\n"), "an answer", DEADLINE)
        equal(int(answer.split()[1]), status, "status")
        writer.transport.abort()
        await log.next(status=status)
    proxy = bench.proxy(address, *QUICK, "--access-log", log.path, "--max-clients", "1")
    client = Client(proxy.port, "/")
    equal(await client.connect(), 200, "status")
    equal((await regular(proxy.port, "GET", "/one-too-many"))[0], 503, "status at the bound on clients")
    await log.next(status=503)
    client.leave()


async def streams(bench):
    """Each end of a stream, and each way one begins."""
    log, starting = logging_world(bench)
    world = await starting
    client, upstream = await world.opened("stream", 1, 2, 3)
    equal(log.text(), "", "lines of a stream that lasts")
    client.leave()
    first = await log.next(method="GET", target=client.path, status=200, route="/", upstream=world.server.address, last_event_id=False,
                           events=3, resume="none", reconnects=0, end="client_left")
    client.last_id = "2"
    equal(await client.connect(), 200, "status")
    await client.read_numbers(4)
    await upstream.cut()
    upstream = await world.request(client.path, "3")
    await upstream.open(event(4))
    await client.read_numbers(5)
    client.leave()
    # The head is nearly all of its bytes: the same as of the first, but for what tells how it goes on.
    entry = await log.next(target=client.path, status=200, last_event_id=True, events=2, resume="exact", reconnects=1, end="client_left")
    expect(abs(entry["bytes_out"] - first["bytes_out"]) < 100, "bytes:", first, entry)
    equal(await client.connect(), 200, "status")
    await upstream.end()
    await end_by_204(world, client, "4")
    equal(await client.read(), "clean", "the end")
    await log.next(target=client.path, status=200, last_event_id=True, events=0, resume="exact", end="complete")
    equal(await client.connect(), 204, "status for what is over")
    entry = await log.next(target=client.path, status=204, last_event_id=True)
    expect("events" not in entry, "no stream:", entry)

    client, upstream = await world.opened("truncated", 1)
    await upstream.cut()
    await (await world.request(client.path, "1")).answer(404)
    equal(await client.read(), "cut", "the end")
    await log.next(target=client.path, status=200, events=1, end="truncated")

    client, upstream = await world.opened("drained", 1)
    stopping = asyncio.ensure_future(asyncio.to_thread(world.proxy.stop))
    equal(await client.read(), "clean", "the end")
    equal(await stopping, 0, "exit code")
    await log.next(target=client.path, status=200, events=1, end="drained")
    log.nothing_more()


async def other_ends(bench):
    log, starting = logging_world(bench, "--sharing", "exclusive", "--ids", "minted", "--write-deadline", "300ms")
    world = await starting
    old, _ = await world.opened("replaced", 1)
    new = Client(old.port, old.path, last_id=old.last_id)
    equal(await new.connect(), 200, "status")
    equal(await old.read(), "cut", "the end of the one that is replaced")
    await log.next(target=old.path, events=1, resume="none", end="replaced")
    new.leave()
    await log.next(target=old.path, events=0, resume="exact", end="client_left")

    gap = Client(old.port, world.path("gap"), last_id="rj-0123456789abcdef-1")
    opening = asyncio.ensure_future(gap.connect())
    await (await world.request(gap.path, None)).open(event(1))
    await opening
    await gap.read_numbers(1)
    gap.leave()
    await log.next(target=gap.path, last_event_id=True, events=1, resume="gap", end="client_left")
    expect("rj-" not in log.text(), "an id is logged:", log.text())

    path = world.path("slow")
    reading = asyncio.ensure_future(asyncio.to_thread(stopped_reader, old.port, path))
    upstream = await world.request(path, None)
    await upstream.open(event(1))
    reader = await reading
    for _ in range(64):
        upstream.push("data: " + "x" * 200_000 + "\n\n")
    await log.next(target=path, status=200, end="slow")
    reader.close()


async def joined(bench):
    """One that joins a stream which is there: what came before is not for it."""
    log, starting = logging_world(bench, "--sharing", "shared")
    world = await starting
    first, upstream = await world.opened("shared", 1, 2)
    second = Client(first.port, first.path)
    equal(await second.connect(), 200, "status")
    await upstream.send(event(3))
    await second.read_numbers(1)
    second.leave()
    await log.next(target=first.path, events=1, resume="live", end="client_left")
    await first.read_numbers(3)
    first.leave()
    await log.next(target=first.path, events=3, resume="none", end="client_left")


async def outputs(bench):
    """Standard output, a file that is there, one that can't be, and one that is taken away."""
    address = bench.flaky().address
    proxy = bench.proxy(address, "--access-log", "-")
    await regular(proxy.port, "GET", "/plain")
    equal(checked(proxy.process.stdout.readline())["target"], "/plain", "the line behind the address")
    equal(proxy.stop(), 0, "exit code")
    equal(proxy.process.stdout.read(), b"", "what else is written there")

    log = Log(os.path.join(bench.scratch, "kept.log"))
    with open(log.path, "w", encoding="ascii") as file:
        file.write("what was there\n")
    proxy = bench.proxy(address, "--access-log", log.path)
    await regular(proxy.port, "GET", "/plain/1")
    await until(lambda: log.text().count("\n") == 2, "a line behind what was there")
    expect(log.text().startswith("what was there\n{"), "the file:", log.text())
    os.truncate(log.path, 0)  # as rotation by copying does
    await regular(proxy.port, "GET", "/plain/2")
    await log.next(target="/plain/2")
    log.nothing_more()
    if proxy_has("SIGHUP"):
        os.rename(log.path, log.path + ".1")
        await regular(proxy.port, "GET", "/plain/3")
        proxy.signal(signal.SIGHUP)
        moved, fresh = Log(log.path + ".1"), Log(log.path)
        await until(lambda: os.path.exists(fresh.path), "a new file behind SIGHUP")
        equal(os.stat(fresh.path).st_mode & 0o7, 0, "who may read it")
        await regular(proxy.port, "GET", "/plain/4")
        await fresh.next(target="/plain/4")
        await moved.next(target="/plain/2")
        await moved.next(target="/plain/3")
        moved.nothing_more()
    equal(proxy.stop(), 0, "exit code")

    for path in (bench.scratch, os.path.join(bench.scratch, "none", "access.log")):
        command = [program("rejoin-proxy"), "--listen", "127.0.0.1:0", "--upstream", address, "--access-log", path]
        result = subprocess.run(command, capture_output=True, text=True, timeout=DEADLINE, check=False)
        equal((result.returncode, result.stdout), (2, ""), f"exit code for {path}: {result.stderr}")
        expect(result.stderr.startswith("rejoin-proxy: ") and path in result.stderr, "names the file:", result.stderr)


async def on_demand(bench):
    """What may be a secret, where the configuration asks for it."""
    if not proxy_has("--config"):
        print("(no configuration) ", end="")
        return
    path = os.path.join(bench.scratch, "demand.toml")
    log = Log(os.path.join(bench.scratch, "demand.log"))
    with open(path, "w", encoding="utf-8") as file:
        file.write(f'[access_log]\npath = "{log.path}"\nquery = true\nevent_ids = true\n'
                   f'[[route]]\nprefix = "/"\nupstreams = ["{bench.flaky("--rate", "1000").address}"]\n')
    proxy = bench.start("rejoin-proxy", "--config", path, "--listen", "127.0.0.1:0", *FAST)
    client = Client(proxy.port, '/stream?q="1"', last_id="7 \u00e9")
    equal(await client.connect(), 200, "status")
    await client.read_numbers(1)
    client.leave()
    await log.next(target='/stream?q="1"', last_event_id="7 \u00e9", status=200)
    equal(proxy.stop(), 0, "exit code")


CHECKS = [requests, refusals, streams, other_ends, joined, outputs, on_demand]


if __name__ == "__main__":
    sys.exit(drive(CHECKS, sys.argv[1:]))
