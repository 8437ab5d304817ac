"""Nothing is left behind: descriptors and memory after thousands of clients, memory under floods, bounds. Arguments: checks to run."""

import asyncio
import random
import socket
import sys
import time
import urllib.request

from cutter import Cutter, reset
from fault_peers import DEADLINE, FAST, QUICK, Answer, Client, drive, until
from fidelity import at_rest, back_to
from harness import counters, equal, expect

MIB = 1024 * 1024
WARM_UP = 600
CYCLES = 2000
AT_ONCE = 40
READERS = 20
LOG = 1 * MIB
FLOOD = 2  # seconds
# Of a log, a quarter more for the blocks of 64 KiB that it begins and ends in, its index, and the parser before it. And
# 2 MiB for what does not depend on the readers.
LOGS = READERS * LOG * 5 // 4 + 2 * MIB
# Of a log that all share: twice while its blocks are replaced, and a batch of 256 KiB for each client that is being written to.
SHARED_LOG = 2 * LOG + (READERS + 1) * 256 * 1024 + 2 * MIB


def status(program, name):
    with open(f"/proc/{program.pid}/status", encoding="ascii") as lines:
        return next(int(line.split()[1]) * 1024 for line in lines if line.startswith(name + ":"))


def rss(program):
    return status(program, "VmRSS")


def is_instrumented(program):
    """A sanitizer keeps what was freed, and reserves terabytes of addresses."""
    return status(program, "VmSize") > 2**40


def within_bound(program, start, bound, text):
    grown = rss(program) - start
    expect(grown <= bound or is_instrumented(program), f"{text}: memory grew by {grown / MIB:.2f} MiB, which may be {bound / MIB:.2f}")
    return grown


def gauge(admin, name):
    with urllib.request.urlopen(admin + "/metrics", timeout=DEADLINE) as answer:
        return sum(float(line.split()[-1]) for line in answer.read().decode().splitlines() if line.startswith((name + " ", name + "{")))


# --- thousands of clients ---


async def cycle(port, number, rng):
    """A client that reads a little and goes, the polite way or with a reset; every other one comes back once."""
    client = Client(port, f"/{number % 50}")
    for visit in range(1 + number % 2):
        while await client.connect() == 502 and visit == 0:
            pass  # the upstream was cut before it had answered
        # Who comes back too late is not served from a log; the upstream has it all as well.
        equal(client.response.status, 200, "status")
        expect(client.resume in (None, "exact") if visit else client.resume is None, "how it goes on:", client.resume)
        await client.read_numbers(len(client.numbers) + rng.randrange(1, 30))
        if rng.random() < 0.5:
            client.response.writer.close()
        else:
            reset(client.response.writer)
        client.response = None
    first = client.numbers[0]
    equal(client.numbers, list(range(first, first + len(client.numbers))), "events")


async def cycles(proxy, begin, count, at_once, rng):
    free = asyncio.Semaphore(at_once)

    async def one(number):
        async with free:
            await cycle(proxy.port, number, rng)

    await asyncio.gather(*[one(number) for number in range(begin, begin + count)])


async def cut_now_and_then(cutter):
    while True:
        await asyncio.sleep(0.5)
        cutter.cut()


async def coming_and_going(bench):
    rng = random.Random(1)
    server = bench.flaky("--rate", "1000", "--size", "200")
    between = await Cutter.to_tcp("127.0.0.1", server.port)
    proxy = bench.proxy(between.address, *FAST, "--linger", "500ms")
    descriptors = await at_rest(proxy)
    cutting = asyncio.ensure_future(cut_now_and_then(between))
    # More at once than later: memory is at its most, and what the allocator keeps of that is enough for the rest.
    await cycles(proxy, 0, WARM_UP, 2 * AT_ONCE, rng)
    await back_to(descriptors, proxy, DEADLINE)
    start = rss(proxy)
    await cycles(proxy, WARM_UP, CYCLES, AT_ONCE, rng)
    await back_to(descriptors, proxy, DEADLINE)
    equal(proxy.descriptors(), descriptors, "descriptors")
    # It still goes up and down by some MiB, but grows no further in many times as many cycles. What a client and its stream left
    # behind each time would be more: they are made of more than 4 KiB.
    memory = within_bound(proxy, start, CYCLES * 4096, "after clients came and went")
    cutting.cancel()
    between.down()
    equal(proxy.stop(), 0, "exit code")
    count = counters(proxy.errors())
    drops = sum(value for name, value in count.items() if name.startswith("upstream drops: "))
    expect(drops > AT_ONCE and count["clients resumed from a log"] > CYCLES // 4, "what was to happen did not:", count)
    print(f"{count['clients opened']} clients, {drops} upstream cuts, {memory / MIB:.2f} MiB more; ", end="")


# --- floods ---


def stopped_reader(port, path, bytes_read=1):
    """A client that has begun to read and then does not."""
    reader = socket.create_connection(("127.0.0.1", port), timeout=DEADLINE)
    reader.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 65536)
    reader.sendall(f"GET {path} HTTP/1.1\r\nHost: h\r\n\r\n".encode())
    expect(reader.recv(bytes_read), "an answer")
    return reader


def is_cut(reader):
    """Takes what was on its way. A response that was ended would end with the last chunk."""
    last = b""
    try:
        while piece := reader.recv(MIB):
            last = (last + piece)[-16:]
    except ConnectionError:
        return True
    return not last.endswith(b"\r\n0\r\n\r\n")


async def flood(bench, *flags):
    """Readers that stopped, and the most memory taken in a while."""
    server = bench.flaky("--rate", "0", "--size", "1000")
    proxy = bench.proxy(server.address, *FAST, "--log-bytes", str(LOG), "--log-events", "100000", "--linger", "100ms", *flags)
    descriptors = await at_rest(proxy)
    return server, proxy, descriptors, rss(proxy)


async def watched(proxy, start, bound, text, seconds=FLOOD):
    """The most memory taken meanwhile."""
    most = 0
    until_then = time.monotonic() + seconds
    while time.monotonic() < until_then:
        most = max(most, within_bound(proxy, start, bound, text))
        await asyncio.sleep(0.02)
    return f"{most / MIB:.1f} of at most {bound / MIB:.1f} MiB"


async def own_streams(bench):
    """Each has a log of its own; what is more waits in the upstream."""
    _, proxy, descriptors, start = await flood(bench)
    readers = [stopped_reader(proxy.port, f"/{i}") for i in range(READERS)]
    told = await watched(proxy, start, LOGS, "20 readers that stopped")
    for reader in readers:
        reader.close()
    await back_to(descriptors, proxy, DEADLINE)
    equal(proxy.stop(), 0, "exit code")
    expect(counters(proxy.errors())["events in"] > READERS * LOG // 2 // 1100, "it was no flood:", proxy.errors())
    equal(counters(proxy.errors())["clients too slow"], 0, "clients cut")
    print(f"20 stopped readers: {told}; ", end="")


async def budget(bench):
    """A bound on all logs together takes from the streams that are there, and cuts who falls out."""
    total = 4 * MIB
    _, proxy, descriptors, start = await flood(bench, "--log-bytes-total", str(total), "--admin", "127.0.0.1:0")
    admin = proxy.process.stdout.readline().decode().split()[-1]
    readers = [stopped_reader(proxy.port, f"/{i}") for i in range(READERS)]
    # It is kept once in a second at most; meanwhile logs fill up to their own bounds.
    await asyncio.sleep(1.5)
    told = await watched(proxy, start, LOGS, "a budget for all logs", seconds=0.5)
    await until(lambda: gauge(admin, "rejoin_log_bytes") <= total, "the logs keep to the budget")
    for reader in readers:
        reader.close()
    await back_to(descriptors, proxy, DEADLINE)
    equal(proxy.stop(), 0, "exit code")
    print(f"with a budget of 4: {told}; ", end="")


async def shared_stream(bench):
    """One log for all. Somebody reads on, so the others fall out of it: they are cut, and keep nothing of it alive."""
    _, proxy, descriptors, start = await flood(bench, "--sharing", "shared")
    readers = [stopped_reader(proxy.port, "/") for _ in range(READERS)]
    eager = Client(proxy.port, "/")
    equal(await eager.connect(), 200, "status")
    reading = asyncio.ensure_future(eager.read())
    told = await watched(proxy, start, SHARED_LOG, "20 readers of one stream that stopped")
    expect(not reading.done(), "the one that reads was ended")
    reading.cancel()
    for reader in readers:
        expect(await asyncio.to_thread(is_cut, reader), "one that fell out of the log was not cut")
        reader.close()
    eager.leave()
    await back_to(descriptors, proxy, DEADLINE)
    equal(proxy.stop(), 0, "exit code")
    equal(counters(proxy.errors())["clients too slow"], READERS, "clients cut")
    print(f"on one stream: {told}; ", end="")


async def skipping_readers(bench):
    """`--slow-clients skip`: they stay, and are told what they miss. Few, for each takes megabytes before it comes to that."""
    _, proxy, descriptors, start = await flood(bench, "--sharing", "shared", "--slow-clients", "skip")
    clients = [Client(proxy.port, "/") for _ in range(3)]
    for client in clients:
        equal(await client.connect(), 200, "status")
    eager = Client(proxy.port, "/")
    equal(await eager.connect(), 200, "status")
    reading = asyncio.ensure_future(eager.read())
    told = await watched(proxy, start, SHARED_LOG, "readers of one stream that stopped", seconds=1)
    for client in clients:
        await client.read(lambda client: client.gaps and isinstance(client.items[-1], tuple))
        seen, signal = 0, None
        for item in client.items:
            if isinstance(item, dict):
                signal = item
                continue
            number = int(item[1].split()[0])
            missing = number - seen - 1 if seen else 0
            equal(missing, signal["lost"] if signal else 0, f"events missing between {seen} and {number}, told of by {signal}")
            seen, signal = number, None
        client.leave()
    reading.cancel()
    eager.leave()
    await back_to(descriptors, proxy, DEADLINE)
    equal(proxy.stop(), 0, "exit code")
    equal(counters(proxy.errors())["clients too slow"], 0, "clients cut")
    print(f"on one stream, skipping: {told}; ", end="")


async def dead_client(bench):
    """One that takes nothing for too long is cut: nothing of it stays."""
    _, proxy, descriptors, _ = await flood(bench, "--write-deadline", "500ms")
    readers = [stopped_reader(proxy.port, f"/{i}") for i in range(READERS)]
    await back_to(descriptors, proxy, DEADLINE)
    for reader in readers:
        expect(await asyncio.to_thread(is_cut, reader), "a dead client was not cut")
        reader.close()
    equal(proxy.stop(), 0, "exit code")
    equal(counters(proxy.errors())["clients too slow"], READERS, "clients cut")


# --- the bound on clients ---


async def most_clients(bench):
    proxy = bench.proxy(bench.flaky("--rate", "100").address, *QUICK, "--max-clients", "3")
    clients = [Client(proxy.port, f"/{i}") for i in range(3)]
    for client in clients:
        equal(await client.connect(), 200, "status")
    for path, resume in (("/new", []), ("/plain", []), ("/0", [("Last-Event-ID", "1")])):
        answer = await Answer.to(proxy.port, "GET", path, resume)
        equal((answer.status, answer.fields.get("connection")), (503, "close"), f"answer to one too many at {path}")
        expect(int(answer.fields["retry-after"]) > 0, "Retry-After:", answer.head)
        answer.close()
    for client in clients:
        await client.read_numbers(len(client.numbers) + 5)  # they go on
    clients[0].leave()
    late = Client(proxy.port, "/late")

    async def served():
        while await late.connect() == 503:
            await asyncio.sleep(0.02)
        return late.response.status

    equal(await asyncio.wait_for(served(), DEADLINE), 200, "status when there is room again")
    for client in (*clients, late):
        client.leave()
    equal(proxy.stop(), 0, "exit code")


CHECKS = [coming_and_going, own_streams, budget, shared_stream, skipping_readers, dead_client, most_clients]


if __name__ == "__main__":
    sys.exit(drive(CHECKS, sys.argv[1:]))
