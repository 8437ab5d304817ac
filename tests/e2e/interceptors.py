"""intercepting-proxy between curl and a scripted upstream. Arguments: names of the checks to run; none: all."""

import asyncio
import contextlib
import json
import os
import subprocess
import sys

from contract_peers import DEADLINE, StreamServer, within
from event_stream import Parser
from harness import equal, expect, program, run


async def until(condition, text):
    async def wait():
        while not condition():
            await asyncio.sleep(0.01)

    await within(wait(), text)


class Curl:
    """A client without any logic of its own: what came so far is in files."""

    count = 0

    @classmethod
    async def start(cls, world, url, *arguments):
        self = cls()
        Curl.count += 1
        self._head = os.path.join(world.bench.scratch, f"curl-{Curl.count}.head")
        self._body = os.path.join(world.bench.scratch, f"curl-{Curl.count}.body")
        for name in (self._head, self._body):
            open(name, "wb").close()
        self.process = await asyncio.create_subprocess_exec(
            "curl", "-sN", "--noproxy", "*", "--max-time", str(4 * DEADLINE), "-D", self._head, "-o", self._body, *arguments, url)
        world.clients.append(self)
        return self

    @property
    def body(self):
        with open(self._body, encoding="utf-8") as file:
            return file.read()

    @property
    def status(self):
        with open(self._head, encoding="utf-8") as file:
            return int((file.readline() or "? 0").split()[1])

    @property
    def fields(self):
        with open(self._head, encoding="utf-8") as file:
            lines = [line.partition(":") for line in file.read().splitlines()[1:] if line]
        return {name.lower(): value.strip() for name, _, value in lines}

    @property
    def events(self):
        return Parser().feed(self.body.encode())

    async def ids(self, *expected):
        await until(lambda: len(self.events) >= len(expected), f"events {expected} at the client, which has {self.body!r}")
        equal([event["id"] for event in self.events], list(expected), "ids at the client")

    async def ended(self):
        return await within(self.process.wait(), "curl ends")

    async def leave(self):
        if self.process.returncode is None:
            with contextlib.suppress(ProcessLookupError):
                self.process.kill()
            await self.process.wait()


class World:
    def __init__(self, bench):
        self.bench = bench
        self.upstream = StreamServer()
        self.clients = []

    def proxy(self, *arguments):
        return self.bench.start("intercepting-proxy", "--listen", "127.0.0.1:0", "--upstream", self.upstream.address, *arguments)

    async def client(self, proxy, path, *arguments):
        return await Curl.start(self, proxy.address + path, *arguments)

    async def close(self):
        for client in self.clients:
            await client.leave()
        self.upstream.forget()


def user(number):
    return f'data: {{"n": {number}.0, "user": {{"email": "u{number}@x", "name": "u{number}"}}}}\nid: {number}\n\n'


def redacted_user(number):
    return f'{{"n": {number}.0, "user": {{"email": "***", "name": "u{number}"}}}}'


def datas(client):
    return [event["data"] for event in client.events]


# --- the checks ---


async def redaction(world):
    """Whoever comes back is given redacted bytes, from the log and from the upstream alike."""
    proxy = world.proxy("--redact", "user.email")
    first = await world.client(proxy, "/users")
    upstream = await world.upstream.connection("/users")
    await upstream.open(user(1), user(2), "data: no JSON: u@x\nid: 3\n\n")
    await first.ids("1", "2", "3")
    equal(datas(first), [redacted_user(1), redacted_user(2), "no JSON: u@x"], "data")
    await first.leave()
    await upstream.send(user(4))  # while nobody is there
    back = await world.client(proxy, "/users", "-H", "Last-Event-ID: 1")
    await back.ids("2", "3", "4")
    equal(datas(back), [redacted_user(2), "no JSON: u@x", redacted_user(4)], "data from the log")
    equal(world.upstream.unanswered("/users"), 0, "further requests upstream")
    await upstream.cut()  # while the client is there
    upstream = await world.upstream.connection("/users")
    equal(upstream.last_event_id, "4", "Last-Event-ID of the proxy")
    await upstream.open(user(4), user(5))
    await back.ids("2", "3", "4", "5")
    equal(datas(back)[-1], redacted_user(5), "data after a drop of the upstream")

    restarted = world.proxy("--redact", "user.email")  # knows nothing of all that
    again = await world.client(restarted, "/users", "-H", "Last-Event-ID: 1")
    upstream = await world.upstream.connection("/users")
    equal(upstream.last_event_id, "1", "Last-Event-ID of the client")
    await upstream.open(user(2))
    await again.ids("2")
    equal(datas(again), [redacted_user(2)], "data from the upstream")


def chunk(number):
    delta = {"choices": [{"index": 0, "delta": {"content": f"word {number}"}}], "usage": None}
    return f"data: {json.dumps(delta)}\nid: {number}\n\n"


async def tokens(world):
    """Each token once, however often the upstream is cut and replays; told when the stream has ended, and how."""
    proxy = world.proxy("--count-tokens")
    last = "data: [DONE]\nid: 9\n\n"
    usage = 'data: {"choices": [], "usage": {"prompt_tokens": 3, "completion_tokens": 40, "total_tokens": 43}}\nid: 8\n\n'

    async def completion(path, end, lines):
        client = await world.client(proxy, path, "-d", "{}")
        first = await world.upstream.connection(path)
        equal(first.request.method, "POST", "method")
        await first.open(chunk(1), chunk(2), chunk(3))
        await client.ids("1", "2", "3")
        await first.cut()
        for i in (3, 4):  # replays one event, then all
            again = await world.upstream.connection(path)
            equal((again.request.method, again.last_event_id), ("GET", str(i)), "the request that resumes")
            await again.open(*(chunk(number) for number in range(3 if i == 3 else 1, i + 2)))
            await client.ids(*map(str, range(1, i + 2)))
            if i == 3:
                await again.cut()
        await again.send(*end)
        await again.end()
        equal(await client.ended(), 0, "curl's exit code")
        await until(lambda: path in proxy.errors(), f"a line about {path}")
        expect(f"POST {path}: {lines}\n" in proxy.errors(), f"not '{lines}':", proxy.errors())

    await completion("/counted", [last], "0 tokens in, 5 out (counted), complete")
    await completion("/reported", [usage, last], "3 tokens in, 40 out (reported), complete")

    client = await world.client(proxy, "/messages", "-d", "{}")
    upstream = await world.upstream.connection("/messages")
    await upstream.open('event: message_start\ndata: {"type": "message_start", "message": {"usage": {"input_tokens": 25, "output_tokens": 1}}}\n\n',
                        *2 * ['event: content_block_delta\ndata: {"type": "content_block_delta", "delta": {"type": "text_delta", "text": "x"}}\n\n'])
    await until(lambda: len(client.events) == 3, "three events")
    await upstream.cut()  # without ids of the upstream's there is nothing to go on from
    expect(await client.ended() != 0, "a cut answer looks whole")
    await until(lambda: "/messages" in proxy.errors(), "a line about /messages")
    expect("POST /messages: 25 tokens in, 2 out (counted), cut\n" in proxy.errors(), proxy.errors())

    client = await world.client(proxy, "/left", "-d", "{}")
    upstream = await world.upstream.connection("/left")
    await upstream.open(chunk(1))
    await client.ids("1")
    await client.leave()
    await upstream.gone()
    await until(lambda: "/left" in proxy.errors(), "a line about /left")
    expect("POST /left: 0 tokens in, 1 out (counted), cut\n" in proxy.errors(), proxy.errors())
    equal(len(proxy.errors().splitlines()), 4, "lines")


async def types(world):
    """What is blocked is neither sent nor asked for again; what is renamed keeps its id."""
    proxy = world.proxy("--block", "debug", "--block", "trace", "--rename", "old=new", "--rename", "message=plain")
    client = await world.client(proxy, "/types")
    upstream = await world.upstream.connection("/types")
    await upstream.open("event: old\ndata: a\nid: 1\n\n", "event: debug\ndata: b\nid: 2\n\n")
    await client.ids("1")
    await upstream.cut()
    upstream = await world.upstream.connection("/types")
    equal(upstream.last_event_id, "2", "Last-Event-ID behind a blocked event")
    await upstream.open("event: trace\ndata: c\nid: 3\n\n", "data: d\nid: 4\n\n", "event: other\ndata: e\nid: 5\n\n")
    await client.ids("1", "4", "5")
    equal([(event["event"], event["data"]) for event in client.events], [("new", "a"), ("plain", "d"), ("other", "e")], "events")
    expect("debug" not in client.body and "trace" not in client.body, "something of a blocked event is sent:", client.body)
    back = await world.client(proxy, "/types", "-H", "Last-Event-ID: 1")
    await back.ids("4", "5")


async def headers(world):
    """Both ways, of regular messages and streams, also when a stream is resumed."""
    proxy = world.proxy("--request-header", "X-Key: k", "--request-header", "X-Two:2", "--response-header", "X-Served: by us")
    client = await world.client(proxy, "/plain", "-H", "X-Key: forged")
    upstream = await world.upstream.connection("/plain")
    equal((upstream.request.fields.get("x-key"), upstream.request.fields.get("x-two")), ("k", "2"), "fields upstream")
    await upstream.answer(404, "X-Served: by them", body=b"none")
    equal((await client.ended(), client.status, client.body), (0, 404, "none"), "answer")
    equal(client.fields["x-served"], "by us", "field at the client")

    client = await world.client(proxy, "/stream")
    for i in (1, 2):
        upstream = await world.upstream.connection("/stream")
        equal(upstream.request.fields.get("x-key"), "k", "field upstream")
        await upstream.open(f"data: {i}\nid: {i}\n\n")
        await client.ids(*map(str, range(1, i + 1)))
        await upstream.cut()
    equal(client.fields["x-served"], "by us", "field at the client")


async def command_line(world):
    """Wrong flags are told and exit 1; SIGTERM ends streams in order and exits 0."""
    base = ["--listen", "127.0.0.1:0", "--upstream", world.upstream.address]
    for arguments, word in ((["--listen", "here"], "--upstream"), ([*base[:2], "--upstream", "nowhere"], "nowhere"),
                            (["--listen", "here", *base[2:]], "here"), ([*base, "--redact", "a..b"], "a..b"), ([*base, "--rename", "a"], "FROM=TO"),
                            ([*base, "--rename", "=b"], "FROM=TO"), ([*base, "--request-header", "X"], "Name: value"),
                            ([*base, "--request-header", "X Y: z"], "X Y"), ([*base, "--response-header", "X: a\r\nY: b"], "Name: value"),
                            ([*base, "--response-header", "Content-Length: 3"], "proxy's own"), ([*base, "--nonsense"], "nonsense")):
        done = subprocess.run([program("intercepting-proxy"), *arguments], capture_output=True, text=True, timeout=DEADLINE, check=False)
        expect(done.returncode == 1 and word in done.stderr and not done.stdout, f"{arguments}: exit {done.returncode}:", done.stderr)
    done = subprocess.run([program("intercepting-proxy"), "--help"], capture_output=True, text=True, timeout=DEADLINE, check=False)
    expect(done.returncode == 0 and "--count-tokens" in done.stdout, "--help:", done)

    proxy = world.proxy("--count-tokens")
    client = await world.client(proxy, "/ending")
    upstream = await world.upstream.connection("/ending")
    await upstream.open(chunk(1))
    await client.ids("1")
    equal(await asyncio.to_thread(proxy.stop, DEADLINE), 0, "exit code after SIGTERM")
    equal(await client.ended(), 0, "curl's exit code")
    expect("GET /ending: 0 tokens in, 1 out (counted), cut" in proxy.errors(), "no count at the end:", proxy.errors())


CHECKS = [redaction, tokens, types, headers, command_line]


async def scenarios(bench, names):
    for check in CHECKS:
        if names and check.__name__ not in names:
            continue
        world = World(bench)
        await world.upstream.start()
        try:
            await check(world)
        finally:
            await world.close()
        print(f"ok: {check.__name__}")


def test(bench):
    asyncio.run(scenarios(bench, sys.argv[1:]))
    for proxy in bench.programs:
        equal(proxy.stop(), 0, f"exit code of {proxy.name}")


sys.exit(run(test))
