// Whose events they are: others who present a session's ids, and what is left of a session that was ended.

import { expect, finally_, until } from './harness.mjs';
import { Exchange } from './mcp_http.mjs';
import { arrived, completed, equal, SOON, World } from './mcp_world.mjs';

const COUNT = 5;

/** Asks for what came behind an event, as whoever `headers` are; those that are undefined are left out. */
function ask(url, id, headers) {
    const fields = Object.entries({ 'last-event-id': id, ...headers }).filter(([, value]) => value !== undefined);
    const asked = new Exchange(url, { headers: Object.fromEntries(fields) });
    finally_(() => asked.leave());
    return asked;
}

/** A session with a call that has ended and one that goes on, both in the proxy's log. */
async function history(options) {
    const world = await World.start(options);
    const caller = await world.caller();
    const calls = ['ended', 'going'].map((name) => caller.call(name));
    const jobs = await Promise.all(calls.map((call) => world.server.job(call.name)));
    for (const job of jobs) await job.emit(COUNT);
    jobs[0].finish();
    await completed(calls[0], COUNT);
    await arrived(calls[1], COUNT);
    // Otherwise it would prove nothing that others do not get it.
    const requests = world.server.requests.length;
    const own = ask(caller.url, calls[0].ids[0], caller.headers());
    await own.has(`ended done after ${COUNT}`, SOON);
    equal(await own.ended(SOON), 'whole', "the end of the session's own resumption");
    equal(world.server.requests.length, requests, 'requests at the server');
    return { world, caller, calls, jobs };
}

/** Nobody but the session itself, with the credentials that it began with, gets anything of it. */
export async function isolation(version, { store = true } = {}) {
    const { world, caller, calls, jobs } = await history({ version, store });
    const other = await world.caller('Bearer two');
    const own = caller.headers();
    const others = {
        'a second one': other.headers(),
        'an unknown session': { ...own, 'mcp-session-id': 'none' },
        'no session': { ...own, 'mcp-session-id': undefined },
        'another authorization': { ...own, 'authorization': 'Bearer two' },
        'no authorization': { ...own, 'authorization': undefined },
        'another authorization and a cookie': { ...own, 'authorization': 'Bearer two', 'cookie': 'a=b' },
        'a second one, with the id in the query': { ...other.headers(), 'last-event-id': undefined },
    };
    // The first may be the proxy's, the next the server's; there is more behind both.
    const ids = calls.flatMap((call) => call.ids.slice(0, 2));
    for (const [who, headers] of Object.entries(others)) {
        for (const id of ids) {
            const query = 'last-event-id' in headers ? `?lastEventId=${id}` : '';
            const asked = ask(`${caller.url}${query}`, id, headers);
            await until(() => asked.status !== undefined, SOON, () => `an answer to ${who}: ${asked.end}`);
            if (asked.status === 200) {
                // It is taken for another stream: that has to be all there is.
                await other.client.ping();
                asked.leave();
            } else {
                await asked.ended(SOON);
            }
            expect(!/ended|going|progress/.test(asked.text), `${who} got ${asked.status} ${asked.text}`);
        }
    }
    // Nor is the stream disturbed that the other session has.
    await world.announce(other, 'undisturbed');
    await until(() => other.logged().length > 0, SOON, "a message over the other session's own stream");
    equal(other.gets().length, 1, "the other client's GETs");
    await jobs[1].emit(1);
    jobs[1].finish();
    await completed(calls[1], COUNT + 1);
    equal(caller.gets().length, 1, "the client's GETs");
    return `event store: ${store}; ${Object.keys(others).length} ways to ask for another's events, of a call that has ended and of ` +
        'one that goes on: nothing, and neither session is disturbed';
}

/** DELETE: nothing of the session is left. */
export async function terminated(version, { store = true } = {}) {
    const { world, caller, calls } = await history({ version, store });
    const going = ask(caller.url, calls[1].ids[0], caller.headers());
    await going.has(`going ${COUNT}`, SOON);
    const headers = caller.headers();
    await caller.transport.terminateSession();
    equal(world.server.of('DELETE').length, 1, 'DELETEs at the server');
    await going.ended(SOON);
    for (const call of calls) {
        const asked = ask(caller.url, call.ids[0], headers);
        await asked.ended(SOON);
        equal([asked.status, asked.text], [404, ''], `answer to a GET with an id of ${call.name}`);
    }
    return `event store: ${store}; terminateSession(): its streams end, its ids get the 404 of the server, and nothing from the log`;
}
