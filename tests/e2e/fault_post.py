"""Streams that answer a POST: whatever happens, the upstream gets it once."""

import asyncio
import json

from contract_peers import within
from fault_peers import DEADLINE, QUICK, Answer, Client, Gate, all_of
from fault_resume import World, event
from harness import equal, expect

BODY = b'{"prompt": "once"}'


async def posted(world, name, *pieces):
    """A client whose POST is answered with a stream that has sent these pieces, and the upstream's side of it."""
    client = Client(world.proxy.port, world.path(name), [("Content-Type", "application/json"), ("Authorization", "Bearer a")])
    opening = asyncio.ensure_future(client.connect(method="POST", body=BODY))
    upstream = await world.request(client.path, None)
    equal((upstream.request.method, upstream.request.body), ("POST", BODY), "the request")
    await upstream.open(*pieces)
    equal(await opening, 200, "status")
    await client.read_numbers(len(pieces))
    return client, upstream


async def over(world, client, end, numbers):
    equal((await client.read(), client.numbers), (end, numbers), f"end and events of {client.path}")
    equal(world.server.unanswered(client.path), 0, f"further requests for {client.path}")


async def whole_answers(world):
    for pieces in ((event(1), event(2)), ("data: 1\n\n", "data: 2\n\n")):
        for chunked in (True, False):
            client, upstream = await posted(world, "whole", *pieces) if chunked else await close_delimited(world, pieces)
            await upstream.end()
            await over(world, client, "clean", [1, 2])


async def close_delimited(world, pieces):
    client = Client(world.proxy.port, world.path("whole"))
    opening = asyncio.ensure_future(client.connect(method="POST", body=BODY))
    upstream = await world.request(client.path, None)
    await upstream.open(*pieces, chunked=False)
    await opening
    return client, upstream


async def cut_without_ids(world):
    """Nobody can go on with it: the client is cut, and nothing is asked for again."""
    for end in ("cut", "reset"):
        client, upstream = await posted(world, "no-ids", "data: 1\n\n")
        if (result := getattr(upstream, end)()) is not None:
            await result
        await over(world, client, "cut", [1])


async def cut_with_ids(world):
    """`--post cut`: the same, ids or not."""
    client, upstream = await posted(world, "ids", event(1))
    await upstream.cut()
    await over(world, client, "cut", [1])


async def resumed(world):
    """With ids it goes on by GET in the client's open response, at the same URL, without what belongs to the body."""
    client, upstream = await posted(world, "resumed", event(1), event(2))
    await upstream.cut()
    await (await world.request(client.path, "2")).answer(503)
    for number in (3, 4):
        upstream = await world.request(client.path, str(number - 1))
        fields = upstream.request.fields
        equal((upstream.request.method, fields.get("authorization")), ("GET", "Bearer a"), "the resuming request")
        equal([fields.get(name) for name in ("content-type", "content-length", "transfer-encoding")], [None] * 3, "fields of the body in it")
        await upstream.open(event(number))
        await (upstream.cut() if number == 3 else upstream.end())
    await over(world, client, "clean", [1, 2, 3, 4])


async def unanswered(world):
    """Taken, and cut before there was an answer: it may have been carried out."""
    for end in ("close", "reset"):
        path = world.path("unanswered")
        opening = asyncio.ensure_future(Answer.to(world.proxy.port, "POST", path, body=BODY))
        upstream = await world.request(path, None)
        if end == "close":
            upstream.writer.close()
        else:
            upstream.reset()
        answer = await within(opening, "an answer", DEADLINE)
        equal(answer.status, 502, "status")
        answer.close()
        equal(world.server.unanswered(path), 0, "further requests")


async def client_gone(world):
    """The client's leaving ends the request upstream."""
    client, upstream = await posted(world, "gone", event(1))
    client.leave()
    await upstream.gone()
    equal(world.server.unanswered(client.path), 0, "further requests")


async def refused(bench):
    world = await World.start(bench)
    gate = await Gate.before(1)
    gate.down()
    answer = await Answer.to(bench.proxy(gate.address, *QUICK).port, "POST", "/refused", body=BODY)
    equal(answer.status, 502, "status of a POST that found no upstream")
    answer.close()


async def counted(bench):
    """Many, cut in every way, by a server that counts them."""
    server = bench.flaky("--events", "20", "--rate", "500", "--cut-events", "6", "--end", "rotate", "--after-last", "204")
    proxy = bench.proxy(server.address, *QUICK, "--idle-timeout", "300ms", "--post", "resume")

    async def one(i):
        client = Client(proxy.port, f"/{i}")
        await client.connect(method="POST", body=BODY)
        end = await client.read()
        # What ends clean is over, as a POST's answer: nobody can tell that it was to be longer.
        equal(client.numbers, list(range(1, len(client.numbers) + 1)), f"events of POST {i}, which ended {end}")
        expect(len(client.numbers) == 20 or (end == "clean" and len(client.numbers) % 6 == 0), "it ended", end, "behind", client.numbers)

    await asyncio.gather(*[one(i) for i in range(12)])
    equal(server.stop(), 0, "exit code")
    summary = json.loads(server.errors().splitlines()[-1])
    equal(summary["posts"], 12, f"POSTs that the server has seen: {summary}")
    expect(summary["resumed"] > 12, "nothing was resumed:", summary)


async def post(bench):
    cutting = await World.start(bench, "--post", "cut")
    resuming = await World.start(bench, "--post", "resume")
    both = [check(world) for world in (cutting, resuming) for check in (whole_answers, cut_without_ids, unanswered, client_gone)]
    await all_of([*both, cut_with_ids(cutting), resumed(resuming), refused(bench), counted(bench)])
