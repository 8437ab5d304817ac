"""Nobody gets another's events, whatever id is presented; and no answer tells whether an id is somebody's."""

import asyncio
import re

from contract_peers import within
from fault_peers import DEADLINE, QUICK, Client, all_of
from fault_resume import World, event
from harness import equal, expect

OWNER = {"Authorization": "Bearer a", "Cookie": "session=a", "X-Api-Key": "a", "Mcp-Session-Id": "a"}
GARBAGE = ["0", "garbage", "rj-", "rj-0000000000000000-1", "rj-0123456789abcdef-0", "rj-0123456789abcdef-3-x", "a" * 3000, "\u4e2d \u00fc"]


def strangers():
    """Name, fields and path of everybody who differs from the owner in one thing."""
    found = [("none of it", {}, "")]
    for name, value in OWNER.items():
        rest = {other: OWNER[other] for other in OWNER if other != name}
        found.append((f"no {name}", rest, ""))
        for changed in (value + "a", value[:-1], value.upper(), f"{value}, {value}"):
            found.append((f"{name}: {changed}", {**rest, name: changed}, ""))
    # The values are the owner's, the names are not.
    found.append(("swapped", {"X-Api-Key": OWNER["Mcp-Session-Id"] + "x", "Mcp-Session-Id": OWNER["X-Api-Key"] + "x",
                              "Authorization": OWNER["Cookie"], "Cookie": OWNER["Authorization"]}, ""))
    found += [(f"at {suffix}", OWNER, suffix) for suffix in ("/", "?", "?x=1", "/x", "%20")]
    return found


def guesses(seen):
    """Ids of events that the owner has not seen yet, made from one that it has."""
    number = seen.split("-")
    if len(number) == 1 and seen.isdigit():
        return [str(int(seen) + 1)]
    if seen.startswith("rj-") and len(number) >= 3 and number[2].isdigit():
        return ["-".join([*number[:2], str(int(number[2]) + step), *number[3:]]) for step in (-1, 1)] + ["-".join([*number[:2], "0"])]
    return [seen[:-1], seen[:-1] + ("A" if seen[-1] != "A" else "B"), seen + "A"]


def anonymous(client, presented):
    """The head, without what differs by its nature."""
    lines = [line for line in client.response.head.split("\r\n") if not line.lower().startswith("date:")]
    told = presented.encode().decode("latin-1") if len(presented) <= 1024 else "unsendable"
    return "\n".join(line.replace(f"from={told};", "from=ID;") if line.startswith("SSE-Resume") else line for line in lines)


def same(heads, whose):
    different = {head: one for one, head in heads.items()}
    expect(len(different) == 1, f"answers to {whose} differ:", {one[:80]: head for head, one in different.items()})


async def served_alone(world, client, whose):
    """The client gets a stream of its own: one that it opens, or has had before where it is shared. It must see nothing else."""
    opening = asyncio.ensure_future(client.connect())
    asking = asyncio.ensure_future(world.server.connection(client.path.partition("?")[0]))
    await within(asyncio.wait({opening, asking}, return_when=asyncio.FIRST_COMPLETED), f"an answer to {whose}", DEADLINE)
    if asking.done():
        world.streams[whose] = await (await asking).open()
    asking.cancel()
    equal(await opening, 200, f"status for {whose}")
    expect(whose in world.streams, f"whose stream is it that {whose} has?")
    await world.streams[whose].send("data: 0 its own\n\n")
    await client.read_numbers(1)
    equal(set(client.data), {"0 its own"}, f"what {whose} gets")


async def tried(world, whose, fields, path, last_id, gone=False):
    """The head that this client gets."""
    client = Client(world.proxy.port, path, fields.items(), last_id)
    if gone:
        equal(await client.connect(), 410, f"status for {whose}")
    else:
        await served_alone(world, client, whose)
    head = anonymous(client, last_id)
    client.leave()
    return head


async def owners_stream(world):
    """The owner has seen 1 to 3 and is away; 4 and 5 are in its log."""
    owner, upstream = await world.opened("isolated", 1, 2, 3, fields=OWNER.items())
    await upstream.send(event(4), event(5))
    # Another client of the same, by its id: then the log has them.
    other = Client(owner.port, owner.path, OWNER.items(), owner.last_id)
    equal((await other.connect(), other.resume), (200, "exact"), "status for the owner")
    await other.read_numbers(2)
    equal(other.numbers, [4, 5], "what the owner gets")
    owner.leave()
    other.leave()
    return owner, [owner.last_id, other.last_id]


async def crossed(world, lookalikes, gone):
    """`lookalikes`: ids of the form of the proxy's own are told apart from others. (They can't be anybody's but its own.)"""
    owner, seen = await owners_stream(world)
    ids = [*seen, *guesses(seen[0]), *GARBAGE]
    if not lookalikes:
        ids = [one for one in ids if not one.startswith("rj-")]
    for name, fields, suffix in strangers():
        same({one: await tried(world, name, fields, owner.path + suffix, one, gone) for one in ids}, name)
    # In place of the header.
    for parameter in ("last_event_id", "lastEventId"):
        for name, fields, suffix in strangers():
            if suffix:
                continue
            client = Client(owner.port, f"{owner.path}?{parameter}={seen[0]}", fields.items())
            if gone:
                equal(await client.connect(), 410, f"{name} by query")
            else:
                await served_alone(world, client, name)
            client.leave()
        client = Client(owner.port, f"{owner.path}?{parameter}={seen[0]}", OWNER.items())
        equal((await client.connect(), client.resume), (200, "exact"), "status for the owner")
        await client.read_numbers(2)
        equal(client.numbers, [4, 5], "what the owner gets by query")
        client.leave()
    # All the while it was kept for the owner.
    equal((await owner.connect(), owner.resume), (200, "exact"), "status for the owner at the end")
    await owner.read_numbers(5)
    equal(owner.numbers, [1, 2, 3, 4, 5], "what the owner gets at the end")
    owner.leave()


async def looking_like_its_own(world):
    """The upstream's ids pass, and the proxy makes ids for detached answers only: who has such an answer nobody can tell."""
    owner = Client(world.proxy.port, world.path("detached"), OWNER.items())
    opening = asyncio.ensure_future(owner.connect(method="POST", body=b"{}"))
    upstream = await world.request(owner.path, None)
    await upstream.open("data: 1\n\n", "data: 2\n\n")
    equal(await opening, 200, "status")
    await owner.read_numbers(1)
    owner.leave()
    forms = [owner.last_id, *guesses(owner.last_id)]
    forms += [one.replace(one.split("-")[1], "0123456789abcdef") for one in forms]
    forms = [one for one in forms if re.fullmatch(r"rj-[0-9a-f]{16}-\d+-[\w-]{11}", one)]
    for name, fields, suffix in strangers():
        same({one: await tried(world, name, fields, owner.path + suffix, one) for one in forms}, name)
    equal((await owner.connect(), owner.resume), (200, "exact"), "status for the owner")
    await owner.read_numbers(2)
    equal(owner.numbers, [1, 2], "what the owner gets")
    owner.leave()


async def injected(world):
    """An id from a query can hold anything, and must not get out of its place."""
    for evil in ("1%0D%0AX-Evil:%20yes", "1%0AX-Evil:%20yes", "1%00", "%7F"):
        path = world.path("injected")
        client = Client(world.proxy.port, f"{path}?last_event_id={evil}")
        opening = asyncio.ensure_future(client.connect())
        upstream = await within(world.server.connection(path), f"a request for {path}", DEADLINE)
        equal([upstream.last_event_id, upstream.request.fields.get("x-evil")], [None, None], f"fields sent upstream for {evil}")
        await upstream.open(event(1))
        equal(await opening, 200, "status")
        expect("evil" not in client.response.head.lower(), "in the response's head:", client.response.head)
        expect((client.resume or "").startswith("gap"), "how it goes on:", client.response.head)
        client.leave()


async def after_a_restart(world, *flags):
    """The ids of a proxy that is no more are nobody's, not even the owner's."""
    owner, upstream = await world.opened("restarted", 1, 2, fields=OWNER.items())
    old = owner.last_id
    owner.leave()
    world.proxy.kill()
    fresh = World(world.bench, world.server, world.bench.proxy(world.server.address, *flags))
    same({one: await tried(fresh, "the owner", OWNER, owner.path, one) for one in (old, *GARBAGE)}, "the owner")
    await upstream.gone()


async def chained(bench):
    """The ids that pass through may be those of another such proxy: they are its business."""
    minting = bench.proxy(bench.flaky("--events", "2", "--rate", "0").address, *QUICK, "--ids", "minted")
    first = bench.proxy(minting.address, *QUICK)
    client = Client(first.port, "/chained")
    equal(await client.connect(), 200, "status")
    await client.read_numbers(1)
    first.kill()
    client.port = bench.proxy(minting.address, *QUICK).port
    equal(await client.connect(), 200, "status behind a new proxy")
    await client.read_numbers(2)
    equal((client.numbers, client.gaps), ([1, 2], []), "events")
    expect("gap" not in (client.resume or ""), "how it goes on:", client.resume)
    client.leave()


async def isolation(bench):
    checks = [chained(bench)]
    for sharing in ("own", "exclusive", "shared"):
        for ids, gap in (("passthrough", "continue"), ("minted", "continue"), ("minted", "oldest"), ("minted", "410")):
            world = await World.start(bench, "--sharing", sharing, "--ids", ids, "--gap", gap)
            checks.append(crossed(world, ids != "passthrough", gap == "410"))
    checks.append(looking_like_its_own(await World.start(bench, "--post", "detach")))
    checks.append(injected(await World.start(bench)))
    checks.append(after_a_restart(await World.start(bench, "--ids", "minted"), "--ids", "minted"))
    await all_of(checks)
