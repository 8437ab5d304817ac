"""Ids that the proxy seals: whoever has the key, a new proxy for one, goes on from the upstream where the client was; nobody else does."""

import asyncio
import os

from fault_isolation import GARBAGE, OWNER, same, strangers, tried
from fault_peers import QUICK, all_of
from fault_resume import World, end_by_204, event
from harness import equal, expect

KEYS = {"k1": "0123456789abcdef" * 4, "k2": "fedcba9876543210" * 4}


def with_keys(bench, keys):
    """The first one seals."""
    flags = ["--ids", "sealed"]
    for key in keys:
        path = os.path.join(bench.scratch, key + ".key")
        with open(path, "w", encoding="ascii") as file:
            file.write(KEYS[key] + "\n")
        flags += ["--id-key", f"{key}={path}"]
    return flags


async def restart(world, kill, *keys):
    if kill:
        world.proxy.kill()
    else:
        equal(await asyncio.to_thread(world.proxy.stop), 0, "exit code of the proxy")
    world.proxy = world.bench.proxy(world.server.address, *QUICK, "--drain", "1s", *with_keys(world.bench, keys))


async def back(world, client, last_id, *numbers):
    """The client comes back; the upstream is asked for what is behind that event, and sends these."""
    client.port = world.proxy.port
    opening = asyncio.ensure_future(client.connect())
    upstream = await world.request(client.path, last_id)
    await upstream.open(*map(event, numbers))
    equal(await opening, 200, "status")
    before = len(client.numbers)
    await client.read_numbers(before + len(numbers))
    equal(client.numbers[before:], list(numbers), "events")
    return upstream


async def followed(bench, kill):
    """Through restarts, and a change of keys."""
    world = await World.start(bench, "--drain", "1s", *with_keys(bench, ["k1"]))
    client, upstream = await world.opened("sealed", 1, 2, 3, fields=OWNER.items())
    expect(all(item[0] not in ("1", "2", "3") for item in client.items), "the upstream's ids can be seen:", client.items)
    client.leave()
    await restart(world, kill, "k1")
    await back(world, client, "3", 4, 5)
    # Known to the log of the new proxy: the rest of that comes from there.
    client.leave()
    client.last_id = client.items[-2][0]
    equal((await client.connect(), client.resume), (200, "exact"), "how it goes on from the log")
    await client.read_numbers(6)
    equal(client.numbers, [1, 2, 3, 4, 5, 5], "events")
    client.leave()
    await restart(world, kill, "k2", "k1")
    await back(world, client, "5", 6)
    client.leave()
    await restart(world, kill, "k2")
    upstream = await back(world, client, "6", 7)
    await upstream.end()
    await end_by_204(world, client, "7")
    equal((await client.read(), client.gaps), ("clean", []), "the end")


async def another_key(bench, kill):
    """Without the key it is anybody's id: a gap is told of, and the upstream is not asked with anything of it."""
    world = await World.start(bench, "--drain", "1s", *with_keys(bench, ["k1"]))
    client, _ = await world.opened("other", 1, 2, 3)
    client.leave()
    await restart(world, kill, "k2")
    await back(world, client, None, 4)
    old = client.items[2][0]
    equal(client.resume, f"gap; from={old}; lost=unknown", "how it goes on")
    equal(client.gaps, [{"reason": "unknown_id", "from": old, "lost": None}], "in-band signals")
    client.leave()


async def foreign(bench):
    """What is sealed for one is garbage for another, while its proxy runs and behind a restart."""
    world = await World.start(bench, "--drain", "1s", *with_keys(bench, ["k1"]))
    client, _ = await world.opened("foreign", 1, 2, fields=OWNER.items())
    seen = client.last_id
    client.leave()
    # Each character of it counts.
    edited = [seen[:i] + ("A" if seen[i] != "A" else "B") + seen[i + 1:] for i in range(len(seen))]
    for restarted in (False, True):
        if restarted:
            await restart(world, True, "k1")
            world.server.forget()
        same({one: await tried(world, "the owner", OWNER, client.path, one) for one in (*edited, seen[:-1], seen + "A", *GARBAGE)}, "the owner")
        for name, fields, suffix in strangers():
            same({one: await tried(world, name, fields, client.path + suffix, one) for one in (seen, *GARBAGE)}, name)
    await back(world, client, "2", 3)
    client.leave()


async def sealed(bench):
    await all_of(check(bench, kill) for check in (followed, another_key) for kill in (False, True))
    await foreign(bench)
