// A server of event streams -> cutter -> rejoin-proxy -> cutter -> npm's `eventsource` and `@microsoft/fetch-event-source`.

import { EventCutter } from './event_cutter.mjs';
import { FetchEventSource, NpmEventSource } from './event_source_clients.mjs';
import { Cutter, expect, finally_, listen, npm, run, sleep, startProxy, until } from './harness.mjs';
import { BetterSseHistory, NumberedHistory } from './histories.mjs';

const EVENTS = 100;
const INTERVAL = 15;
const UPSTREAM_CUTS = [20, 40, 60, 80];
const CLIENT_CUTS = [30, 70];
const OUTAGE = 1000;
const RETRY = 200;

const CLIENTS = { eventsource: NpmEventSource, 'fetch-event-source': FetchEventSource };

/** `sealed`: the ids are the proxy's, which stand for the upstream's. */
function exactly(name, client, history, sealed = false) {
    const said = sealed ? history.map(([, data]) => ['sealed', data]) : history;
    const seen = sealed ? client.seen.map(([id, data]) => [/^rjs-[\w-]+$/.test(id) ? 'sealed' : id, data]) : client.seen;
    expect(client.over === '', `${name} gave up: ${client.over}`);
    expect(JSON.stringify(seen) === JSON.stringify(said), `${name}: ${seen.length} events instead of ${said.length}: ${JSON.stringify(seen)}`);
}

/** Each of the clients behind a cutter of its own. */
async function startClients(proxy, cutterType) {
    const clients = [];
    for (const [name, Type] of Object.entries(CLIENTS)) {
        const cutter = await cutterType.before(proxy.url);
        const path = `/events?client=${name}`;
        const client = new Type(cutter.url + path);
        finally_(() => client.close());
        clients.push({ name, path, cutter, client });
    }
    return clients;
}

/** Waits for all the clients, and tells of what they have seen. */
const all = (clients, condition, text) =>
    until(() => clients.every(({ client }) => condition(client)), 15000,
        () => `${text}: ${clients.map(({ name, client }) => `${name}: ${client.opens} opens, ${client.errors} errors, ` +
            `${client.seen.length} events, last ${client.seen.at(-1)}, ${client.over}`).join('; ')}`);

async function cutOnBothSides(title, upstream, more, sealed = false) {
    const upstreamCutter = await Cutter.before(await listen(upstream.server));
    const proxy = await startProxy(upstreamCutter.url, { more });
    const clients = await startClients(proxy, Cutter);
    await all(clients, (client) => client.open(), 'the clients open');
    const arrived = () =>
        all(clients, (client) => client.seen.length >= upstream.history.length, `${upstream.history.length} events`);

    for (let n = 1; n <= EVENTS; ++n) {
        if (UPSTREAM_CUTS.includes(n)) {
            await until(() => upstream.open() === clients.length, 10000, 'the proxy reads the upstream for both');
            upstream.publish({ part: 0.5 });
            await upstreamCutter.cut();
        } else {
            upstream.publish();
        }
        if (CLIENT_CUTS.includes(n)) {
            await all(clients, (client) => client.open(), 'the clients are open');
            for (const { cutter } of clients) await cutter.cut();
        }
        await sleep(INTERVAL);
    }
    await arrived();
    for (const { name, path, client } of clients) {
        exactly(name, client, upstream.history, sealed);
        expect(client.errors === CLIENT_CUTS.length, `${name} saw ${client.errors} errors, not just those of its own connection`);
        const asked = upstream.requests.filter(([url]) => url === path).map(([, id]) => id);
        expect(asked.length === 1 + UPSTREAM_CUTS.length, `${name}: ids asked for upstream: ${JSON.stringify(asked)}`);
        if (client instanceof FetchEventSource) {
            expect(client.retries[0] === RETRY, `${name} was told retry: ${client.retries[0]} instead of ${RETRY}`);
        }
    }
    console.log(`ok: ${title}: ${EVENTS} events once and in order at each client; ${UPSTREAM_CUTS.length} cuts upstream unseen, ` +
        `${CLIENT_CUTS.length} of the clients' own connections`);

    // The upstream is away; the clients are cut meanwhile and must be let in, and held.
    await upstreamCutter.tell('down');
    for (const { cutter } of clients) await cutter.cut();
    await all(clients, (client) => client.errors === CLIENT_CUTS.length + 1 && client.open(), 'the clients are let in');
    for (let i = 0; i < 5; ++i) upstream.publish();
    await sleep(OUTAGE);
    for (const { name, client } of clients) {
        expect(client.open() && client.errors === CLIENT_CUTS.length + 1, `${name} was not held open in the outage`);
    }
    await upstreamCutter.tell('up');
    await arrived();
    for (let i = 0; i < 5; ++i) upstream.publish();
    await arrived();
    for (const { name, client } of clients) {
        exactly(name, client, upstream.history, sealed);
        expect(client.errors === CLIENT_CUTS.length + 1 && client.open(), `${name} saw ${client.errors} errors behind the outage`);
        expect(client.statuses.every((status) => status === 200), `${name} was answered ${client.statuses}`);
        client.close();
    }
    console.log(`ok: ${title}: an outage: the clients came back meanwhile, were held open with 200, and went on afterwards`);
    const code = await proxy.stop();
    expect(code === 0, `rejoin-proxy ended with ${code}`);
}

/** The id goes last in an event, so that a client that takes it early has the event's data by then. */
async function cutAtEachByte() {
    const upstream = new NumberedHistory();
    const proxy = await startProxy(await listen(upstream.server), { more: ['--retry', '20ms'] });
    const clients = await startClients(proxy, EventCutter);
    await all(clients, (client) => client.open(), 'the clients open');

    const marker = (n) => `data: event ${n}\n`;
    const length = (n) => `${marker(n)}id: ${n}\n\n`.length;
    let n = 0;
    for (let offset = 0; n === 0 || offset <= length(n); ++offset) {
        ++n;
        for (const { client, cutter } of clients) {
            // Between the last two line feeds such a client has the id and not the event: nobody can mend that.
            if (client.takes_id_early && offset === length(n) - 1) continue;
            cutter.arm(marker(n), offset);
        }
        upstream.publish();
        await until(() => clients.every(({ cutter }) => !cutter.armed), 10000, `the cut behind ${offset} bytes of event ${n}`);
        await all(clients, (client) => client.seen.length >= n && client.open(), `event ${n}, cut behind ${offset} bytes`);
    }
    for (const { client, cutter } of clients) {
        await until(() => client.errors === cutter.cuts && client.open(), 10000, 'each cut is noticed');
    }
    upstream.publish();
    await all(clients, (client) => client.seen.length >= n + 1, 'the event behind the cuts');
    for (const { name, client } of clients) exactly(name, client, upstream.history);
    const cuts = clients.map(({ cutter }) => cutter.cuts);
    expect(cuts[0] === n && cuts[1] === n - 1, `${cuts} cuts at ${n} events`);
    console.log(`ok: cut behind each byte of an event, ${cuts.join(' and ')} times: each event once and in order`);
    for (const { client } of clients) client.close();
    const code = await proxy.stop();
    expect(code === 0, `rejoin-proxy ended with ${code}`);
}

async function test() {
    const retry = ['--retry', `${RETRY}ms`];
    await Promise.all([
        cutOnBothSides('node:http', new NumberedHistory(), retry),
        cutOnBothSides('better-sse', new BetterSseHistory(await npm('better-sse'), { retry: RETRY }), []),
    ]);
    // Node's fetch sends the one as Latin-1, and the other not at all.
    await Promise.all([
        cutOnBothSides('ids up to U+00FF', new NumberedHistory({ id: (n) => `\u00fc-${n}` }), retry),
        cutOnBothSides('ids above U+00FF, sealed', new NumberedHistory({ id: (n) => `\u2116 ${n}` }), [...retry, '--seal-wide-ids'], true),
        cutAtEachByte(),
    ]);
}

run(test);
