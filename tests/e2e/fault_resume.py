"""What an upstream may answer to the request that is to resume its stream."""

import asyncio
import time

from contract_peers import within
from fault_peers import DEADLINE, QUICK, Client, Upstream, all_of, proxy_has
from harness import equal, expect

def event(number):
    return f"data: {number}\nid: {number}\n\n"


class World:
    """A scripted upstream, a proxy before it, and streams between them; each check has a path of its own."""

    def __init__(self, bench, server, proxy):
        self.bench = bench
        self.server = server
        self.proxy = proxy
        self.streams = {}  # the upstream's side, by a name of whose they are
        self._count = 0

    @classmethod
    async def start(cls, bench, *flags):
        server = Upstream()
        await server.start()
        return cls(bench, server, bench.proxy(server.address, *QUICK, *flags))

    def path(self, name):
        self._count += 1
        return f"/{name}-{self._count}"

    async def request(self, path, last_id):
        """The next request for the path, which must name that event."""
        connection = await within(self.server.connection(path), f"a request for {path}", DEADLINE)
        equal(connection.last_event_id, last_id, f"Last-Event-ID of the request for {path}")
        return connection

    async def opened(self, name, *numbers, fields=(), method="GET", body=b""):
        """A client with a stream that has sent these events, and the upstream's side of it."""
        client = Client(self.proxy.port, self.path(name), fields)
        opening = asyncio.ensure_future(client.connect(method=method, body=body))
        upstream = await self.request(client.path, None)
        await upstream.open(*map(event, numbers))
        equal(await opening, 200, "status")
        await client.read_numbers(len(numbers))
        return client, upstream


async def whole(client, count, end="clean"):
    """The client gets 1 to `count`, once and in order, nothing else, and then the end."""
    equal(await client.read(), end, f"end of {client.path}")
    equal((client.numbers, client.gaps), (list(range(1, count + 1)), []), f"events of {client.path}")


async def end_by_204(world, client, last_id):
    await (await world.request(client.path, last_id)).answer(204)


async def statuses_that_pass(world):
    """The client's response stays open, whatever the upstream says for a while."""
    client, upstream = await world.opened("pass", 1, 2, 3)
    await upstream.cut()
    for status in (409, 409, 409, 408, 425, 429, 500, 502, 503, 504, 409):
        await (await world.request(client.path, "3")).answer(status)
    upstream = await world.request(client.path, "3")
    await upstream.open(event(4), event(5))
    await upstream.end()
    await end_by_204(world, client, "5")
    await whole(client, 5)


async def retry_after(world):
    client, upstream = await world.opened("later", 1)
    await upstream.cut()
    await (await world.request(client.path, "1")).answer(503, "Retry-After: 1")
    begin = time.monotonic()
    upstream = await world.request(client.path, "1")
    expect(time.monotonic() - begin > 0.9, "it came back before it was to:", time.monotonic() - begin)
    await upstream.open(event(2))
    await upstream.end()
    await end_by_204(world, client, "2")
    await whole(client, 2)


async def no_content(world):
    """The stream is over: so it is for the client, and for those who come back."""
    client, upstream = await world.opened("over", 1, 2, 3)
    await upstream.end()
    await end_by_204(world, client, "3")
    await whole(client, 3)
    equal(await client.connect(), 204, "status when it comes back for more")
    late = Client(client.port, client.path, last_id="1")
    equal((await late.connect(), late.resume), (200, "exact"), "status for one that has not seen all")
    equal((await late.read(), late.numbers), ("clean", [2, 3]), "what it gets")
    equal(await late.connect(), 204, "status when it comes back then")
    equal(world.server.unanswered(client.path), 0, "requests to the upstream for what is over")


async def statuses_that_stay(world):
    """The stream is lost: the client is cut, so that it does not take what it has for all. Coming back, it gets the rest, and
    behind that the upstream's own answer."""
    for status in (400, 401, 403, 404, 410):
        client, upstream = await world.opened("lost", 1, 2)
        await upstream.cut()
        await (await world.request(client.path, "2")).answer(status)
        await whole(client, 2, "cut")
        late = Client(client.port, client.path, last_id="1")
        equal((await late.connect(), late.resume), (200, "exact"), f"{status}: status for one that has not seen all")
        equal((await late.read(), late.numbers), ("cut", [2]), f"{status}: what it gets")
        back = asyncio.ensure_future(late.connect())
        await (await world.request(client.path, "2")).answer(status)
        equal(await back, status, "the upstream's answer to one that comes back")
        late.leave()


async def no_stream(world):
    """200 with a page in place of the stream."""
    for field in ("Content-Type: text/html", "Content-Type: application/json"):
        client, upstream = await world.opened("page", 1)
        await upstream.cut()
        await (await world.request(client.path, "1")).answer(200, field, body=b"data: 2\nid: 2\n\n")
        await whole(client, 1, "cut")


async def redirects(world):
    """Followed with the cursor; credentials stay with the origin that they are for."""
    secrets = [("Authorization", "Bearer secret"), ("Cookie", "session=secret")]
    for status in (301, 302, 303, 307, 308):
        client, upstream = await world.opened("redirect", 1, fields=secrets)
        await upstream.cut()
        await (await world.request(client.path, "1")).answer(status, f"Location: {client.path}/there")
        upstream = await world.request(client.path + "/there", "1")
        equal(upstream.request.fields.get("authorization"), "Bearer secret", f"{status}: credentials within the origin")
        await upstream.open(event(2))
        await upstream.cut()
        await (await world.request(client.path, "2")).answer(204)
        await whole(client, 2)
    elsewhere = Upstream()
    await elsewhere.start()
    client, upstream = await world.opened("away", 1, fields=secrets)
    await upstream.cut()
    await (await world.request(client.path, "1")).answer(307, f"Location: {elsewhere.address}/there")
    upstream = await within(elsewhere.connection("/there"), "a request at another origin", DEADLINE)
    equal(upstream.last_event_id, "1", "cursor at another origin")
    equal([upstream.request.fields.get(name) for name in ("authorization", "cookie")], [None, None], "credentials at another origin")
    await upstream.open(event(2))
    await upstream.cut()
    await end_by_204(world, client, "2")
    await whole(client, 2)


async def no_answer(world):
    """A request that is taken and never answered: a black hole behind a load balancer."""
    client, upstream = await world.opened("hole", 1)
    await upstream.cut()
    for _ in range(2):
        await (await world.request(client.path, "1")).gone()
    upstream = await world.request(client.path, "1")
    await upstream.open(event(2))
    await upstream.end()
    await end_by_204(world, client, "2")
    await whole(client, 2)


async def dead_on_arrival(world):
    """Responses that end before their first event leave the cursor where it is."""
    client, upstream = await world.opened("dead", 1, 2)
    await upstream.cut()
    for end in ("cut", "end", "reset", "cut"):
        upstream = await world.request(client.path, "2")
        await upstream.open(": nothing yet\n\n")
        result = getattr(upstream, end)()
        if result is not None:
            await result
    upstream = await world.request(client.path, "2")
    await upstream.open("id: 3\n", chunked=False)  # an id that was never committed
    await upstream.cut()
    upstream = await world.request(client.path, "2")
    await upstream.open(event(3))
    await upstream.end()
    await end_by_204(world, client, "3")
    await whole(client, 3)


async def mute(world):
    """Open, and silent: some servers accept a resume and have lost the stream. Noticed sooner than silence later on."""
    client, upstream = await world.opened("mute", 1)
    await upstream.cut()
    for _ in range(2):
        upstream = await world.request(client.path, "1")
        await upstream.open()
        await upstream.gone()
    upstream = await world.request(client.path, "1")
    await upstream.open(event(2))
    await client.read_numbers(2)
    # It has proved to be alive: silence is no failure now.
    await asyncio.sleep(1.5)
    equal(world.server.unanswered(client.path), 0, "resumes of a stream that is merely quiet")
    await upstream.send(event(3))
    await upstream.end()
    await end_by_204(world, client, "3")
    await whole(client, 3)


async def mute_from_the_beginning(world):
    """A new stream that has nothing to say yet is let be."""
    client, upstream = await world.opened("quiet")
    await asyncio.sleep(1.5)
    equal(world.server.unanswered(client.path), 0, "resumes of a stream that is merely quiet")
    await upstream.send(event(1))
    await upstream.end()
    await end_by_204(world, client, "1")
    await whole(client, 1)


async def behind_the_log(bench):
    """An id that the log has no more: the rest comes from the upstream, then what is live, without a hole or a double."""
    for sharing in ("own", "shared"):
        server = bench.flaky("--events", "400", "--rate", "200", "--after-last", "204")
        proxy = bench.proxy(server.address, *QUICK, "--sharing", sharing, "--log-events", "20")
        client, other = Client(proxy.port, "/"), Client(proxy.port, "/")
        for one in (client, other):
            equal(await one.connect(), 200, "status")
        await client.read_numbers(10)
        client.leave()
        # By then the log of a shared stream has long lost what comes next.
        await other.read_numbers(200)
        equal(await client.connect(), 200, "status when it comes back")
        equal((await client.read(), client.gaps), ("clean", []), "end and gap signals")
        numbers = client.numbers
        equal(numbers, list(range(numbers[0], 401)), f"{sharing}: events")
        equal(await other.read(), "clean", "the end of the other one")
        other.leave()


CHECKS = [statuses_that_pass, retry_after, no_content, statuses_that_stay, no_stream, redirects, dead_on_arrival]
IMPATIENT = [mute, mute_from_the_beginning]


async def resume(bench):
    world = await World.start(bench)
    checks = [check(world) for check in CHECKS] + [behind_the_log(bench)]
    checks.append(no_answer(await World.start(bench, "--response-timeout", "500ms")))
    if proxy_has("--resume-silence"):
        impatient = await World.start(bench, "--resume-silence", "300ms")
        checks += [check(impatient) for check in IMPATIENT]
    await all_of(checks)
