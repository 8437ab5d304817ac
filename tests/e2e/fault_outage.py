"""The upstream is not there: before the first request, for longer than allowed, and while the proxy itself is replaced."""

import asyncio

from fault_peers import QUICK, Answer, Client, Gate, all_of
from fault_resume import World, end_by_204, event, whole
from harness import equal, expect


async def before_the_first_request(bench):
    """Who has no stream yet is told so; who comes back gets one that waits, for a browser takes any error for the end."""
    world = await World.start(bench)
    gate = await Gate.before(int(world.server.address.rpartition(":")[2]))
    gate.down()
    proxy = bench.proxy(gate.address, *QUICK)
    answer = await Answer.to(proxy.port, "GET", "/new")
    equal((answer.status, answer.fields.get("connection")), (502, "close"), "answer to a first request")
    answer.close()
    client = Client(proxy.port, "/back", last_id="1")
    equal(await client.connect(), 200, "status for one that comes back")
    await client.read_comments()
    await gate.up()
    upstream = await world.request("/back", "1")
    await upstream.open(event(2))
    await upstream.end()
    await end_by_204(world, client, "2")
    equal((await client.read(), client.numbers, client.gaps), ("clean", [2], []), "what it gets")


async def busy_at_the_first_request(bench):
    """As by a refusal, so by a status that passes: 503 for a first request, patience for one that comes back."""
    world = await World.start(bench)
    first = asyncio.ensure_future(Answer.to(world.proxy.port, "GET", "/new"))
    await (await world.request("/new", None)).answer(503, "Retry-After: 7")
    answer = await first
    equal((answer.status, answer.fields.get("retry-after")), (503, "7"), "answer to a first request")
    answer.close()
    client = Client(world.proxy.port, "/back", last_id="1")
    opening = asyncio.ensure_future(client.connect())
    await (await world.request("/back", "1")).answer(503)
    equal(await opening, 200, "status for one that comes back")
    upstream = await world.request("/back", "1")
    await upstream.open(event(2))
    await client.read_numbers(1)
    client.leave()


async def longer_than_allowed(bench):
    """Clients are cut, visibly; one that comes back waits again, and goes on when the upstream is back."""
    world = await World.start(bench)
    gate = await Gate.before(int(world.server.address.rpartition(":")[2]))
    proxy = bench.proxy(gate.address, *QUICK, "--max-outage", "500ms")
    client = Client(proxy.port, "/long")
    opening = asyncio.ensure_future(client.connect())
    upstream = await world.request("/long", None)
    await upstream.open(event(1), event(2))
    equal(await opening, 200, "status")
    await client.read_numbers(2)
    gate.down()
    equal(await client.read(), "cut", "end when the outage has lasted for too long")
    late = Client(proxy.port, "/long", last_id="1")
    equal((await late.connect(), late.resume, await late.read(), late.numbers), (200, "exact", "cut", [2]), "what the log still has")
    equal(await client.connect(), 200, "status for one that comes back")
    await client.read_comments()
    await gate.up()
    upstream = await world.request("/long", "2")
    await upstream.open(event(3))
    await upstream.end()
    await end_by_204(world, client, "3")
    await whole(client, 3)


async def signs_of_life(bench):
    """While the upstream is away, clients hear that they have not been forgotten."""
    server = bench.flaky("--events", "20", "--rate", "100", "--after-last", "204")
    gate = await Gate.before(server.port)
    client = Client(bench.proxy(gate.address, *QUICK, "--heartbeat", "100ms").port, "/")
    equal(await client.connect(), 200, "status")
    await client.read_numbers(3)
    gate.down()
    await client.read_comments(5)
    await gate.up()
    await whole(client, 20)


async def restarted_proxy(bench):
    """With the upstream's ids a new proxy goes on from the upstream; with ids of its own it says that it can't."""
    world = await World.start(bench)
    for ids, kill in (("passthrough", False), ("passthrough", True), ("minted", False), ("minted", True)):
        path = world.path(ids)
        old = bench.proxy(world.server.address, *QUICK, "--ids", ids, "--drain", "1s")
        client = Client(old.port, path)
        opening = asyncio.ensure_future(client.connect())
        upstream = await world.request(path, None)
        await upstream.open(event(1), event(2))
        equal(await opening, 200, "status")
        await client.read_numbers(2)
        if kill:
            old.kill()
            equal(await client.read(), "cut", f"{ids}: end when the proxy is killed")
        else:
            stopping = asyncio.ensure_future(asyncio.to_thread(old.stop))
            equal(await client.read(), "clean", f"{ids}: end when the proxy is stopped")
            equal(await stopping, 0, "its exit code")
        client.port = bench.proxy(world.server.address, *QUICK, "--ids", ids).port
        opening = asyncio.ensure_future(client.connect())
        upstream = await world.request(path, "2" if ids == "passthrough" else None)
        await upstream.open(event(3))
        equal(await opening, 200, f"{ids}: status behind the restart")
        gap = [] if ids == "passthrough" else [{"reason": "unknown_id", "from": client.last_id, "lost": None}]
        equal(client.resume, f"gap; from={client.last_id}; lost=unknown" if gap else None, "how it goes on")
        await client.read_numbers(3)
        equal((client.numbers, client.gaps), ([1, 2, 3], gap), f"{ids}: events")
        client.leave()


CHECKS = [before_the_first_request, busy_at_the_first_request, longer_than_allowed, signs_of_life, restarted_proxy]


async def outage(bench):
    await all_of(check(bench) for check in CHECKS)
