"""flaky-sse-server -> cutter -> rejoin-proxy -> cutter -> curl and python3-requests.

Neither knows of events or reconnects: to them a stream is a body, and a body that ended well is complete. So nothing of an
upstream's cuts may reach them, and what the proxy gives up must not end well.
"""

import asyncio
import os
import signal
import sys
import time

from cutter import Cutter
from event_stream import Parser
from harness import counters, die_with_the_test, equal, expect, run

EVENTS = 300
CUT_EVENTS = 25
DEADLINE = 20  # seconds
QUICK = ("--backoff-base", "20ms", "--backoff-cap", "200ms")

# The one that Debian's packages are for, where there is one.
PYTHON = "/usr/bin/python3" if os.path.exists("/usr/bin/python3") else sys.executable
HERE = os.path.dirname(os.path.abspath(__file__))
CURL_PARTIAL_FILE, CURL_RECEIVE = 18, 56


def curl(url, fields):
    headers = [word for field in fields for word in ("--header", field)]
    return ["curl", "--silent", "--no-buffer", "--fail", *headers, url]


def requests(url, fields):
    return [PYTHON, "-B", os.path.join(HERE, "http_get.py"), url, *fields]


CLIENTS = {"curl": curl, "requests": requests}


class Client:
    """One run of a client: what its stdout said, and how it ended."""

    def __init__(self, name, url, fields=(), last_id=""):
        self.name = name
        self.events = []
        self._command = CLIENTS[name](url, ["Accept: text/event-stream", *fields])
        self._last_id = last_id
        self._process = None
        self._reading = None

    async def __aenter__(self):
        self._process = await asyncio.create_subprocess_exec(*self._command, stdin=asyncio.subprocess.DEVNULL,
                                                             stdout=asyncio.subprocess.PIPE, preexec_fn=die_with_the_test)
        self._reading = asyncio.ensure_future(self._read())
        return self

    async def __aexit__(self, *_):
        if self._process.returncode is None:
            self._process.kill()
        await self._process.wait()
        self._reading.cancel()

    async def _read(self):
        parser = Parser(self._last_id)
        while data := await self._process.stdout.read(65536):
            self.events += parser.feed(data)

    async def arrived(self, count):
        deadline = time.monotonic() + DEADLINE
        while len(self.events) < count:
            expect(time.monotonic() < deadline, f"{self.name}: {len(self.events)} events, not {count} within {DEADLINE} s")
            expect(not self._reading.done(), f"{self.name} ended behind {len(self.events)} events")
            await asyncio.sleep(0.005)

    async def exit_code(self):
        try:
            code = await asyncio.wait_for(self._process.wait(), DEADLINE)
        except asyncio.TimeoutError:
            expect(False, f"{self.name} did not end within {DEADLINE} s behind {len(self.events)} events")
        await self._reading
        return code

    def exactly(self, first, last):
        """That events `first` to `last` came, each once and in order, and nothing else."""
        seen = [(event["event"], event["id"], event["data"].partition(" ")[0]) for event in self.events]
        equal(seen, [("message", str(n), str(n)) for n in range(first, last + 1)], f"{self.name}: events")


async def upstream_of(bench, *arguments):
    server = bench.flaky(*arguments)
    return await Cutter.to_tcp("127.0.0.1", server.port)


async def proxy_of(bench, upstream, *arguments):
    proxy = bench.proxy(upstream.address, *QUICK, *arguments)
    return proxy, await Cutter.to_tcp("127.0.0.1", proxy.port)


async def cut_upstream(bench, name):
    """Cut by the server in every way it knows, and by the network; the client runs once."""
    upstream = await upstream_of(bench, "--events", str(EVENTS), "--after-last", "204", "--rate", "400",
                                 "--cut-events", str(CUT_EVENTS), "--end", "clean,close-delimited,mid-event,reset,truncated")
    proxy, _ = await proxy_of(bench, upstream)
    async with Client(name, proxy.address + "/events") as client:
        cuts = 0
        for count in (40, 110, 180):
            await client.arrived(count)
            cuts += upstream.cut()
        code = await client.exit_code()
    client.exactly(1, EVENTS)
    equal(code, 0, f"{name}: exit code behind the server's 204")
    equal(proxy.stop(), 0, "exit code of the proxy")
    count = counters(proxy.errors())
    drops = sum(value for what, value in count.items() if what.startswith("upstream drops: "))
    # One of the network's may fall upon one of the server's.
    expect(cuts > 0 and drops >= EVENTS // CUT_EVENTS - 1, f"the upstream was cut {drops} times, {cuts} of them by the network")
    equal((count["clients opened"], count["gaps signalled"]), (1, 0), "clients and gaps")
    upstream.down()
    print(f"ok: {name}: {EVENTS} events once and in order, {drops} cuts upstream unseen; the upstream's own end is an orderly one")


async def give_up(bench, name):
    upstream = await upstream_of(bench, "--rate", "400")
    proxy, _ = await proxy_of(bench, upstream, "--max-outage", "300ms")
    async with Client(name, proxy.address + "/events") as client:
        await client.arrived(20)
        upstream.down()
        code = await client.exit_code()
    client.exactly(1, len(client.events))
    equal(code, CURL_PARTIAL_FILE, f"{name}: exit code when the proxy gives up")
    equal(proxy.stop(), 0, "exit code of the proxy")
    print(f"ok: {name}: what the proxy gives up ends with an error (exit {code}), never well")


async def come_back(bench, name):
    """Cut on its own side, with each of the ways to say what it had."""
    upstream = await upstream_of(bench, "--rate", "100")
    proxy, cutter = await proxy_of(bench, upstream, "--log-events", "100000")
    seen = 0
    exits = []
    for way in ("", "Last-Event-ID", "last_event_id", "lastEventId"):
        url, fields = cutter.address + "/events", []
        if "-" in way:
            fields = [f"{way}: {seen}"]
        elif way:
            url += f"?{way}={seen}"
        async with Client(name, url, fields, str(seen) if way else "") as client:
            await client.arrived(30)
            expect(cutter.cut() > 0, "there was nothing to cut")
            exits.append(await client.exit_code())
        client.exactly(seen + 1, seen + len(client.events))
        seen += len(client.events)
    expect(all(code in (CURL_PARTIAL_FILE, CURL_RECEIVE) for code in exits), f"{name}: exit codes", exits)
    equal(proxy.stop(), 0, "exit code of the proxy")
    equal(counters(proxy.errors())["clients resumed from a log"], 3, "returns served from a log")

    # A proxy that has never seen the stream has to ask the server.
    fresh, _ = await proxy_of(bench, upstream)
    async with Client(name, f"{fresh.address}/events?last_event_id={seen}", last_id=str(seen)) as client:
        await client.arrived(30)
    client.exactly(seen + 1, seen + len(client.events))
    equal(fresh.stop(), 0, "exit code of the new proxy")
    upstream.down()
    print(f"ok: {name}: cut on its own side (exits {exits}) it gets exactly the rest, by header and by parameter, "
          "also of a new proxy")


async def scenario(bench):
    for name in CLIENTS:
        for part in (cut_upstream, give_up, come_back):
            await part(bench, name)


def test(bench):
    asyncio.run(scenario(bench))


if __name__ == "__main__":
    sys.exit(run(test))
