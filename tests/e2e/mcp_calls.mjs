// Calls whose answers are streams, cut on the way: what the SDK's client and the server see of it.

import { expect, sleep, until } from './harness.mjs';
import { arrived, completed, equal, inCall, settled, SOON, upTo, World } from './mcp_world.mjs';

/** The upstream connection is cut several times in mid-stream. */
export async function upstreamCut(version) {
    const { world, caller, call, job } = await inCall({ version });
    for (let cuts = 0; cuts < 4; ++cuts) {
        await job.emit(3);
        if (cuts !== 2) await arrived(call, job.progress);  // once they are cut while on their way
        const resumes = world.server.resumes().length;
        world.upstream.cut();
        await job.emit(2);
        await until(() => world.server.resumes().length > resumes, SOON, 'the proxy resumes');
    }
    world.upstream.cut();
    job.finish();
    await completed(call, 20);
    equal(caller.gets().length, 1, "the client's GETs");
    equal(caller.errors, [], "the client's errors");
    world.account(1, [call]);
    return `5 cuts upstream: 20 notifications once and in order, the result, ${world.server.resumes().length} resumptions, ` +
        'none of them by the client; one POST of the call';
}

/** The client's connection is cut in mid-stream; without an event store it comes back with an id of the proxy's own. */
export async function clientCut(version, { store = true } = {}) {
    const { world, caller, call, job } = await inCall({ version, store });
    for (let cuts = 0; cuts < 2; ++cuts) {
        await job.emit(3);
        await arrived(call, job.progress);
        world.clients.cut();
        await job.emit(3);
        if (cuts === 0) await arrived(call, job.progress);
    }
    job.finish();
    await completed(call, 12);
    const resumed = caller.gets().filter((get) => get.lastEventId);
    equal(resumed.length, 2, "the client's GETs with an id");
    equal(world.server.resumes().length, 0, 'resumptions at the server');
    world.account(1, [call]);
    return `event store: ${store}; 2 cuts of the client's connection: it came back by GET, and had 12 notifications once and in ` +
        "order from the proxy's log";
}

/** The client is cut again before anything came over the stream that it resumed, when the SDK has forgotten its id. */
export async function clientCutTwice(version) {
    const { world, caller, call, job } = await inCall({ version });
    await job.emit(3);
    await arrived(call, 3);
    for (let cuts = 0; cuts < 2; ++cuts) {
        const ids = call.ids.length;
        world.clients.cut();
        await until(() => call.ids.length > ids, SOON, 'the stream begins with the id that it goes on behind');
        equal(call.ids.at(-1), call.ids[ids - 1], 'that id');
    }
    await job.emit(3);
    job.finish();
    await completed(call, 6);
    world.account(1, [call]);
    return 'a client that was cut again before the resumed stream brought anything still gets the rest';
}

/** Both sides at once, with several calls in the session, one of which asks its client something. */
export async function bothCut(version) {
    const world = await World.start({ version });
    const caller = await world.caller();
    const calls = ['red', 'green', 'blue'].map((name) => caller.call(name));
    const jobs = await Promise.all(calls.map((call) => world.server.job(call.name)));
    const each = (action) => Promise.all(jobs.map(action));
    const all = () => Promise.all(calls.map((call, i) => arrived(call, jobs[i].progress)));
    const interleaved = async (count) => {
        for (let i = 0; i < count; ++i) await each((job) => job.emit(1));
    };
    for (let cuts = 0; cuts < 2; ++cuts) {
        await interleaved(4);
        await all();
        world.upstream.cut();
        world.clients.cut();
        await interleaved(4);
        await all();
    }
    world.upstream.cut();
    const roots = await jobs[1].askRoots();
    equal(roots.roots[0].uri, 'file:///here', "the client's answer to the server");
    equal(caller.rootsAsked, 1, 'times the client was asked');
    world.upstream.cut();
    world.clients.cut();
    await interleaved(4);
    jobs[2].finish();
    jobs[0].finish();
    jobs[1].finish();
    for (const call of calls) await completed(call, 20);
    world.account(1, calls, 1);
    return '3 calls at once, both sides cut together 3 times: 20 notifications each, none with another call; ' +
        "the server's question asked and answered once";
}

/** The proxy is another one when the client comes back: it has no log, but the ids are the server's. */
export async function proxyRestarted(version) {
    const { world, caller, call, job } = await inCall({ version });
    await job.emit(3);
    await arrived(call, 3);
    await world.restart();
    await job.emit(3);
    await arrived(call, 6);
    world.upstream.cut();
    job.finish();
    await completed(call, 6);
    world.account(1, [call]);
    return 'the proxy was restarted in the midst of a call: the client came back, 6 notifications once and in order, the result';
}

/** The server does not notice the cut for a while, and refuses to resume with 409. */
export async function conflict(version) {
    const { world, caller, call, job } = await inCall({ version });
    await job.emit(3);
    await arrived(call, 3);
    world.upstream.cutNear();
    await job.emit(3);
    const refused = () => world.server.resumes().filter(({ response }) => response.statusCode === 409).length;
    await until(() => refused() >= 3, SOON, 'the server refuses 3 times');
    await job.emit(3);
    world.upstream.release();
    await arrived(call, 9);
    job.finish();
    await completed(call, 9);
    equal(caller.gets().length, 1, "the client's GETs");
    world.account(1, [call]);
    return `a server that takes the cut stream for alive: ${refused()} times 409, then resumed, nothing lost`;
}

/** A call that has ended with an error is over for its client, too. */
async function atRest(caller, gets) {
    // The SDK comes back for every stream that brought ids and no result, with an id or without: to be told that there is
    // nothing more, once.
    const back = () => caller.gets().slice(gets);
    await until(() => back().some((get) => get.lastEventId && get.status), SOON, 'the client comes back');
    await sleep(2500);
    equal(back().length, 1, `returns for a call that has ended (${JSON.stringify(back())})`);
    equal(caller.errors.filter((error) => /unknown message/.test(error)), [], 'answers to nothing');
}

/** A server without an event store: what was lost upstream can't be had again, and the caller is told so. */
export async function lostUpstream(version) {
    const { world, caller, call, job } = await inCall({ version, store: false });
    await job.emit(3);
    await arrived(call, 3);
    const gets = caller.gets().length;
    const cut = Date.now();
    world.upstream.cut();
    await settled(call);
    const ms = Date.now() - cut;
    expect(call.end instanceof Error, `the call came to ${JSON.stringify(call.end)}`);
    equal(call.end.code, -32000, 'code of the error');
    equal(call.seen, upTo(3), 'notifications');
    await atRest(caller, gets);
    world.account(1, [call]);
    return `no event store, cut upstream: the call ended with an error after ${ms} ms, was not sent again, nor come back for`;
}

/** The server has forgotten the session when the proxy wants to go on: no event store could help. */
export async function sessionLost(version) {
    // The session's own stream would come back in vain as well.
    const { world, caller, call, job } = await inCall({ version, standalone: false });
    await job.emit(3);
    await arrived(call, 3);
    world.server.sessions.clear();
    const gets = caller.gets().length;
    world.upstream.cut();
    await settled(call);
    equal(call.end.code, -32000, 'code of the error');
    await atRest(caller, gets);
    equal(world.server.posts().filter((method) => method === 'tools/call').length, 1, 'POSTs of the call');
    return 'a server that lost its sessions: the call ended with one error, and was not come back for';
}

/** The client comes back too late for its call: neither the proxy nor the server has it any more. */
export async function tooLate(version) {
    // The heartbeat decides how often the proxy looks for streams that are due.
    const flags = ['--post-linger', '50ms', '--heartbeat', '400ms'];
    const { world, caller, call, job } = await inCall({ version, store: false, flags });
    await job.emit(3);
    await arrived(call, 3);
    world.clients.cut();
    const refused = () => caller.gets().filter((get) => get.lastEventId && get.status >= 400).length;
    await until(() => refused() === 2, SOON, () => `the SDK tries twice: ${JSON.stringify(caller.gets())}`);
    await until(() => caller.gets().some((get, i) => i > 0 && get.status === 200), SOON, "the session's own stream is back");
    await world.announce(caller, 'undisturbed');
    await until(() => caller.logged().length === 1, SOON, "a message over the session's own stream");
    await sleep(1500);
    equal(caller.gets().length, 4, `GETs: 2 for the session's own stream, 2 in vain (${JSON.stringify(caller.gets())})`);
    world.account(1, [call]);
    return "a call that nobody has any more: refused, and the session's own stream is not given for it";
}

/** The client is cut before its call has brought anything: only an event that the proxy begins with lets it come back. */
export async function cutBeforeFirst(version) {
    const { world, caller, call, job } = await inCall({ version, store: false });
    await until(() => call.ids.length > 0, SOON, 'the stream begins with an id');
    world.clients.cut();
    await job.emit(3);
    job.finish();
    await completed(call, 3);
    world.account(1, [call]);
    return 'no event store, the client cut before the first event: 3 notifications and the result';
}

/** SEP-1699: the server ends the stream before the answer, and has the client come back. */
export async function polling(version) {
    const retry = 700;
    const { world, caller, call, job } = await inCall({ version, retry });
    const { transport } = world.server.sessions.get(caller.session);
    const waits = [];
    for (let polls = 0; polls < 2; ++polls) {
        await job.emit(3);
        await arrived(call, job.progress);
        const resumes = world.server.resumes().length;
        const closed = Date.now();
        transport.closeSSEStream(job.extra.requestId);
        await job.emit(3);
        await until(() => world.server.resumes().length > resumes, SOON, 'the proxy comes for more');
        waits.push(world.server.resumes().at(-1).at - closed);
        await arrived(call, job.progress);
    }
    job.finish();
    await completed(call, 12);
    equal(caller.gets().length, 1, "the client's GETs");
    world.account(1, [call]);
    // Up to 2025-06-18 the server tells no `retry:`.
    const least = version >= '2025-11-25' ? retry - 20 : 0;
    expect(waits.every((ms) => ms >= least), `the proxy came back after ${waits} ms instead of ${retry}`);
    return `a server that ends the stream twice before the answer: the proxy came for more after ${waits.join(' and ')} ms` +
        `${least > 0 ? `, as retry: ${retry} said` : ''}; 12 notifications and the result`;
}

/** Cut between the request and any answer to it: nobody knows whether it was executed. */
export async function unanswered(version) {
    const world = await World.start({ version });
    const caller = await world.caller();
    let release;
    world.server.hold = new Promise((done) => { release = done; });
    const call = caller.call('report');
    await until(() => world.server.posts().at(-1) === 'tools/call', SOON, 'the call arrives');
    world.upstream.cut();
    await settled(call);
    release();
    expect(/502/.test(call.end.code), `the call came to ${call.end}`);
    await world.server.job('report');
    world.account(1, [call]);
    return 'cut before any answer: the call ended with an error, one POST';
}
