"""Every way an upstream ends x every way it goes on x where the client is meanwhile."""

import asyncio
import os
import re
import time

from fault_peers import DEADLINE, QUICK, Client, Gate, all_of, many_proxies, until
from harness import Failure, equal, expect

# `gone`: reset, and refusing connections for a while.
ENDS = ("clean", "close-delimited", "truncated", "mid-event", "reset", "stall", "gone")
REPLAYS = ("exact", "inclusive", "from-start", "lost", "none", "renumbered")
# With ids of which nobody can tell the order. (That something is missing between such ids nobody can tell either.)
OPAQUE = ("exact-opaque", "inclusive-opaque", "from-start-opaque")
CLIENTS = ("present", "away", "back-in-outage")

CUT = 12   # events of a response
LOST = 10  # that are skipped at each resume with `lost`
EVENTS = 6 * CUT + 5 * LOST  # so that the last response of a loser ends with the last event
OUTAGE = 0.2                 # seconds


class Cell:
    def __init__(self, end, replay, client):
        self.end = end
        self.replay = replay
        self.where = client
        self.name = f"{end} x {replay} x {client}"
        self.path = f"/{end}-{replay}-{client}"

    async def up(self, servers):
        """A gate before its upstream; what is renumbered is another server, from the second connection on."""
        if self.replay == "renumbered":
            ports = [servers(self.end, "exact").port, servers(self.end, "from-start", "--size", "48").port]
        else:
            ids = ("--ids", "text") if self.replay in OPAQUE else ()
            # Each client of a live server begins when it does.
            key = self.where if self.replay == "none" else ""
            ports = [servers(self.end, self.replay.removesuffix("-opaque"), *ids, key=key).port]
        self.server = servers.last
        self.gate = await Gate.before(*ports)

    # --- what happens ---

    async def run(self, port):
        self.client = Client(port, self.path)
        try:
            equal(await self.client.connect(), 200, "status")
            await getattr(self, self.where.replace("-", "_"))()
            if self.replay == "none":
                await self.client.read(lambda client: len(client.items) > 5 * CUT and client.gaps and isinstance(client.items[-1], tuple))
            else:
                equal(await self.client.read(), "clean", "the end")
                equal(await self.client.connect(), 204, "status when it comes back for more")
            self.check()
        except Failure as failure:
            raise Failure(f"{self.name}: {failure}\n  seen: {self.client}") from None
        finally:
            self.client.leave()
            self.gate.down()

    async def present(self):
        if self.end == "gone":
            for count in (CUT // 2, 2 * CUT):
                await self.client.read_numbers(count)
                self.gate.down()
                await asyncio.sleep(OUTAGE)
                await self.gate.up()

    async def departures(self):
        """The client leaves behind some events, each time round. A number that both servers use tells only where it was if the
        second one had not come to it yet."""
        renumbered = self.replay == "renumbered"
        if renumbered:
            self.gate.next_port.clear()
        for count in (CUT // 2,) if renumbered else (CUT // 2, 2 * CUT):
            await self.client.read_numbers(count)
            self.client.leave()
            self.gate.next_port.set()
            yield

    async def away(self):
        async for _ in self.departures():
            # Twice, so that much has come before the client is back.
            for _ in range(2):
                before, self.idle_since = self.gate.connections, time.monotonic()
                if self.end == "gone":
                    self.gate.down()
                    await asyncio.sleep(OUTAGE)
                    await self.gate.up()
                await until(lambda: self.gate.connections > before or self.is_over(), "the upstream is resumed without the client")
            await self.come_back()

    async def back_in_outage(self):
        async for _ in self.departures():
            if self.end == "gone":
                self.gate.down()
            else:
                self.gate.refuse()
                await until(lambda: self.gate.open == 0, "the upstream's response ends")
            await self.come_back()
            await self.client.read_comments()
            await self.gate.up()

    def is_over(self):
        """The last event may have come before a slow client left: nothing for 2 s, and an upstream that is dropped is resumed in less."""
        if self.gate.open:
            self.idle_since = time.monotonic()
        return time.monotonic() - self.idle_since > 2

    async def come_back(self):
        equal(await self.client.connect(), 200, "status when it comes back")
        equal(self.client.resume, "exact", "how it goes on")

    # --- what the client must have seen ---

    def check(self):
        if self.replay == "renumbered":
            self.check_renumbered()
        elif self.replay in ("lost", "none"):
            self.check_holes()
        else:
            equal(self.client.numbers, list(range(1, EVENTS + 1)), "events")
            equal(self.client.gaps, [], "gap signals")

    def check_holes(self):
        """What the upstream lost is missing, each time behind a signal that says how much; nothing else is."""
        seen, last_id, holes, signal = None, "", 0, None
        for item in self.client.items:
            if isinstance(item, dict):
                signal = item
                continue
            number = int(item[1].split()[0])
            missing = 0 if seen is None else number - seen - 1
            expect(missing >= 0, f"{number} behind {seen}")
            if missing:
                expect(signal is not None, f"no signal before {number}, which came behind {seen}")
                equal((signal["from"], signal["lost"]), (last_id, missing), f"the signal before {number}")
                expect(self.replay == "none" or missing == LOST, f"{missing} are missing before {number}")
                holes += 1
            else:
                expect(signal is None, f"a signal before {number}, where nothing is missing:", signal)
            seen, last_id, signal = number, item[0], None
        expect(holes > 0, "nothing was lost")
        if self.replay == "lost":
            equal(self.client.numbers[0], 1, "the first event")
            expect(seen >= EVENTS - LOST, "it ended early")
        elif self.end not in ("reset", "gone"):
            self.check_all_sent()

    def check_all_sent(self):
        """A live server's log tells what it sent before each cut. (A reset destroys what is on its way.)"""
        asked, sent = set(), set()
        for line in self.server.errors().splitlines():
            if line.endswith(" GET " + self.path):
                asked.add(line.split(":")[0])
            elif (cut := re.search(r": cut \(\S+\) after (\d+) events, next is (\d+)", line)) and line.split(":")[0] in asked:
                sent.update(range(int(cut[2]) - int(cut[1]), int(cut[2])))
        expect(sent, "the server's log tells of no cut:", self.server.errors())
        seen = self.client.numbers
        equal(sorted(number for number in sent.difference(seen) if number < seen[-1]), [], "sent and not seen")

    def check_renumbered(self):
        """All of the new numbering behind what there was of the old one, and a signal where the one goes over into the other."""
        border = next((i for i, item in enumerate(self.client.items) if isinstance(item, tuple) and len(item[1]) > 40), None)
        expect(border is not None, "nothing of the new numbering")
        numbers = [int(item[1].split()[0]) for item in self.client.items[:border] if isinstance(item, tuple)]
        equal(numbers, list(range(1, len(numbers) + 1)), "events of the old numbering")
        if self.end not in ("reset", "gone"):
            equal(len(numbers), CUT, "number of them")
        numbers = [int(item[1].split()[0]) for item in self.client.items[border:] if isinstance(item, tuple)]
        equal(numbers, list(range(1, EVENTS + 1)), "events of the new numbering")
        # The first event of the new numbering may be an edit; the second one makes it certain.
        places = [i for i, item in enumerate(self.client.items) if isinstance(item, dict)]
        equal([border <= place <= border + 1 for place in places], [True], f"one signal at the border {border}, seen at {places}")


class Servers:
    """Servers by what they do, each started when it is first asked for."""

    def __init__(self, bench):
        self._bench = bench
        self._all = {}
        self.last = None

    def __call__(self, end, replay, *more, key=""):
        what = (end, replay, more, key)
        if what not in self._all:
            cuts = () if end == "gone" else ("--end", end, "--cut-events", str(CUT))
            events = 0 if replay == "none" else EVENTS  # it goes on, whether or not anybody listens
            # What is cut from outside must last until it is.
            rate = 100 if end == "gone" else 400
            self._all[what] = self._bench.flaky("--events", str(events), "--after-last", "204", "--rate", str(rate), *cuts,
                                                "--replay", replay, "--lost", str(LOST), *more)
        self.last = self._all[what]
        return self.last


async def run_cells(bench, ends, replays, *flags):
    cells = [Cell(end, replay, client) for end in ends for replay in replays for client in CLIENTS]
    servers = Servers(bench)
    for cell in cells:
        await cell.up(servers)
    ports = many_proxies(bench, {cell.path: cell.gate.address for cell in cells}, *QUICK, "--idle-timeout", "300ms", *flags)
    await all_of(cell.run(ports[cell.path]) for cell in cells)
    return len(cells)


def stop_all(bench):
    for program in bench.programs:
        equal(program.stop(DEADLINE), 0, f"exit code of {program.name}")


async def matrix(bench):
    cells = await run_cells(bench, ENDS, REPLAYS + OPAQUE)
    stop_all(bench)
    print(f"{cells} cells, ", end="")


async def matrix_own_ids(bench):
    """With ids of the proxy's own: minted, where a new connection takes a stream over; sealed, where streams are shared."""
    key = os.path.join(bench.scratch, "matrix.key")
    with open(key, "w", encoding="ascii") as file:
        file.write("0123456789abcdef" * 4 + "\n")
    cells = await run_cells(bench, ENDS[::2], REPLAYS, "--ids", "minted", "--sharing", "exclusive")
    cells += await run_cells(bench, ENDS[1::2], REPLAYS, "--ids", "sealed", "--id-key", f"k={key}", "--sharing", "shared")
    stop_all(bench)
    print(f"{cells} cells, ", end="")
