"""A server that cuts, clients that leave: nothing lost, nothing doubled, and nothing left behind in the proxy."""

import asyncio
import json
import logging
import os
import random
import signal
import sys
import time

from cutter import Cutter
from event_stream import Parser, Response
from harness import Bench, counters, equal, expect, program, die_with_the_test, run

EVENTS = 1000
CLIENTS = 50
DEPARTURES = 5
DEADLINE = 50  # seconds, for each scenario

QUICK = ("--upstream-idle", "0", "--backoff-base", "10ms", "--backoff-cap", "200ms", "--linger", "1s")


class Check:
    """What one client has seen so far: 1, 2, 3, ... and nothing else."""

    def __init__(self, name):
        self.name = name
        self.seen = 0

    def take(self, event):
        number = event["data"].partition(" ")[0]
        expect(event["event"] == "message" and number == str(self.seen + 1),
               f"{self.name}: behind event {self.seen} came", event)
        equal(event.get("last_event_id", event["id"]), number, f"{self.name}: id of event {number}")
        self.seen += 1


def departures(rng):
    return sorted(rng.sample(range(1, EVENTS), DEPARTURES))


def path_of(number):
    """Every other client has a stream of its own; the rest may take over what another one has left."""
    return f"/events/{number}" if number % 2 else "/events"


async def light_client(name, port, path, rng):
    """A client that leaves abruptly behind certain events, drops what it had not read, and comes back."""
    check = Check(name)
    for leave_behind in [*departures(rng), EVENTS]:
        last = str(check.seen) if check.seen else ""
        response = await Response.open(port, path, last)
        equal(response.status, 200, f"{name}: status")
        parser = Parser(last)
        async for piece in response.pieces():
            for event in parser.feed(piece):
                if check.seen < leave_behind:
                    check.take(event)
            if check.seen == leave_behind:
                break
        response.close()
        equal(check.seen, leave_behind, f"{name}: the stream ended early, at event")
        await asyncio.sleep(rng.uniform(0, 0.05))


async def follower(name, url, rng):
    """rejoin-follow, killed behind certain events and started again with the last id that it has printed."""
    check = Check(name)
    for leave_behind in [*departures(rng), EVENTS]:
        command = [program("rejoin-follow"), "--json", "--quiet", "--backoff-base", "10ms", url]
        if check.seen:
            command += ["--last-event-id", str(check.seen)]
        process = await asyncio.create_subprocess_exec(*command, stdin=asyncio.subprocess.DEVNULL, stdout=asyncio.subprocess.PIPE,
                                                       preexec_fn=die_with_the_test)
        try:
            # What it has printed is what it has seen, also behind the event at which it is killed.
            async for line in process.stdout:
                if not line.endswith(b"\n"):
                    break
                check.take(json.loads(line))
                if check.seen >= leave_behind and process.returncode is None:
                    process.send_signal(signal.SIGKILL)
                    leave_behind = EVENTS + 1
        finally:
            if process.returncode is None:
                process.kill()
            await process.wait()
        if check.seen == EVENTS:
            break
    equal(check.seen, EVENTS, f"{name}: the last event")


async def back_to(count, proxy, seconds):
    deadline = time.monotonic() + seconds
    while proxy.descriptors() > count:
        expect(time.monotonic() < deadline, f"{proxy.descriptors()} descriptors of the proxy are open, at its start {count}")
        await asyncio.sleep(0.05)


async def together(coroutines, seconds=DEADLINE):
    """Waits for all; the first failure ends the others."""
    tasks = [asyncio.ensure_future(coroutine) for coroutine in coroutines]
    try:
        done, pending = await asyncio.wait(tasks, timeout=seconds, return_when=asyncio.FIRST_EXCEPTION)
        for task in done:
            task.result()
        expect(not pending, f"{len(pending)} of {len(tasks)} did not end within {seconds} s")
    finally:
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)


async def at_rest(proxy):
    """How many descriptors the proxy has open when it serves nobody: after a first request, so that it has begun to."""
    reader, writer = await asyncio.open_connection("127.0.0.1", proxy.port)
    writer.write(b"GET /plain HTTP/1.1\r\nHost: proxy\r\nConnection: close\r\n\r\n")
    answer = await reader.read()
    expect(answer.startswith(b"HTTP/1.1 200 "), "GET /plain:", answer[:200])
    writer.close()
    count, since = proxy.descriptors(), time.monotonic()
    while time.monotonic() < since + 0.2:
        await asyncio.sleep(0.02)
        if proxy.descriptors() != count:
            count, since = proxy.descriptors(), time.monotonic()
    return count


async def finish(title, begin, proxy, open_before, server, least_cuts):
    """The proxy must let go of everything; and what was to be tested must have happened."""
    await back_to(open_before, proxy, 10)
    equal(proxy.stop(), 0, "exit code of the proxy")
    equal(server.stop(), 0, "exit code of the server")
    count = counters(proxy.errors())
    drops = sum(value for name, value in count.items() if name.startswith("upstream drops: "))
    expect(drops >= least_cuts, f"{title}: the upstream was cut only {drops} times")
    expect(count["clients resumed from a log"] > 0, f"{title}: nobody was served from a log")
    equal(count["gaps signalled"], 0, f"{title}: gaps signalled")
    print(f"ok: {title}: {CLIENTS} clients, {drops} upstream cuts, {count['clients resumed from a log']} returns served from a log, "
          f"{count['duplicates dropped']} duplicates dropped, {time.monotonic() - begin:.1f} s", flush=True)
    return count


async def cutting_server(bench, end, replay, clients):
    """The server cuts every 20 events by itself."""
    begin = time.monotonic()
    title = f"{end}, replay {replay}"
    rng = random.Random(title)
    server = bench.start("flaky-sse-server", "--listen", "127.0.0.1:0", "--events", str(EVENTS), "--rate", "2000",
                         "--cut-events", "20", "--end", end, "--replay", replay)
    patience = ("--idle-timeout", "300ms") if end in ("stall", "rotate") else ()
    proxy = bench.proxy(server.address, *QUICK, *patience)
    open_before = await at_rest(proxy)
    names = [f"{title}: client {i}" for i in range(CLIENTS)]
    if clients == "light":
        await together([light_client(name, proxy.port, path_of(i), rng) for i, name in enumerate(names)])
    else:
        # Their connections are cut, too.
        between = await Cutter.to_tcp("127.0.0.1", proxy.port)
        cutting = asyncio.ensure_future(cut_now_and_then(between))
        try:
            await together([follower(name, between.address + path_of(i), rng) for i, name in enumerate(names)])
        finally:
            cutting.cancel()
            between.down()
    count = await finish(title, begin, proxy, open_before, server, CLIENTS * 20)
    if replay == "inclusive":
        expect(count["resume outcomes: overlapped"] > 0, f"{title}: no overlap was reported")


async def cut_now_and_then(cutter):
    while True:
        await asyncio.sleep(0.7)
        cutter.cut()


async def restarting_server(bench):
    """A server that ignores Last-Event-ID: each connection begins with event 1. It is cut anywhere, also within events."""
    begin = time.monotonic()
    title = "cut anywhere, replay from-start"
    rng = random.Random(title)
    server = bench.start("flaky-sse-server", "--listen", "127.0.0.1:0", "--events", str(EVENTS), "--rate", "5000",
                         "--replay", "from-start")
    between = await Cutter.to_tcp("127.0.0.1", server.port, limit=lambda: rng.randrange(2_000, 58_000))
    proxy = bench.proxy(between.address, *QUICK)
    open_before = await at_rest(proxy)
    await together([light_client(f"{title}: client {i}", proxy.port, path_of(i), rng) for i in range(CLIENTS)])
    between.down()
    count = await finish(title, begin, proxy, open_before, server, CLIENTS * 2)
    expect(count["resume outcomes: restarted"] > 0, f"{title}: no restart was reported")
    expect(count["duplicates dropped"] > 0, f"{title}: no duplicate was dropped")


async def losing_server(bench):
    """A server that has lost what it is asked for: the client is told so, in band."""
    server = bench.start("flaky-sse-server", "--listen", "127.0.0.1:0", "--events", "100", "--rate", "2000", "--cut-events", "20",
                         "--end", "truncated", "--replay", "lost", "--lost", "10", "--after-last", "204")
    proxy = bench.proxy(server.address, *QUICK)
    response = await Response.open(proxy.port, "/events")
    parser = Parser()
    seen = []
    async for piece in response.pieces():
        seen += parser.feed(piece)
    response.close()
    gaps = [event for event in seen if event["event"] == "sse-gap"]
    numbers = [int(event["data"].split()[0]) for event in seen if event["event"] == "message"]
    equal(numbers, [*range(1, 21), *range(31, 51), *range(61, 81), *range(91, 101)], "lost ranges: events")
    equal(len(gaps), 3, "lost ranges: gap signals")
    for gap, last in zip(gaps, (20, 50, 80)):
        body = json.loads(gap["data"])
        equal(body.get("lost"), 10, f"lost ranges: count in {body}")
        equal(str(body.get("from")), str(last), f"lost ranges: last id before in {body}")
    proxy.stop()
    print(f"ok: lost ranges are told: {[gap['data'] for gap in gaps]}", flush=True)


async def scenarios(bench):
    limit = asyncio.Semaphore(int(os.environ.get("REJOIN_E2E_JOBS", "4")))

    async def limited(scenario):
        async with limit:
            await scenario

    ends = ("stall", "clean", "truncated", "mid-event", "reset", "close-delimited")
    chosen = [cutting_server(bench, end, replay, "light") for end in ends for replay in ("exact", "inclusive")]
    chosen += [restarting_server(bench), losing_server(bench)]
    # Processes are many and heavy: they go by themselves, at the end.
    await together([limited(scenario) for scenario in chosen], 10 * DEADLINE)
    await cutting_server(bench, "rotate", "inclusive", "follower")


def test(bench: Bench):
    asyncio.run(scenarios(bench))


if __name__ == "__main__":
    # It warns of each child that was gone before its signal.
    logging.getLogger("asyncio").setLevel(logging.ERROR)
    sys.exit(run(test))
