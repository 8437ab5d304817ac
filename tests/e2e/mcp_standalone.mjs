// The stream of a session's own, which the SDK's client opens by GET: what the server says of itself.

import { expect, until } from './harness.mjs';
import { arrived, completed, equal, inCall, SOON, upTo, World } from './mcp_world.mjs';

class Announcer {
    constructor(world, caller) {
        this.world = world;
        this.caller = caller;
        this.count = 0;
    }

    async say(count) {
        for (let i = 0; i < count; ++i) await this.world.announce(this.caller, ++this.count);
    }

    async heard() {
        const { caller } = this;
        await until(() => caller.logged().length >= this.count, SOON, () => `message ${this.count}: ${caller.logged()}`);
        equal(caller.logged(), upTo(this.count), 'messages');
    }
}

/** Cut on both sides, at the same time and one after the other. */
export async function announcements(version) {
    const world = await World.start({ version });
    const caller = await world.caller();
    const announcer = new Announcer(world, caller);
    const cuts = [['upstream'], ['clients'], ['upstream', 'clients'], ['clients', 'upstream'], ['upstream']];
    for (const sides of cuts) {
        await announcer.say(3);
        await announcer.heard();
        for (const side of sides) world[side].cut();
        await announcer.say(3);
    }
    await announcer.heard();
    equal(caller.gets().length, 4, "the client's GETs");
    world.account(1, []);
    return `${announcer.count} messages over the session's own stream once and in order; cut 4 times upstream, 3 times at the ` +
        'client';
}

/** The client comes back without an id when it has seen none: it goes on with the stream that it left. */
export async function returnWithoutId(version) {
    const world = await World.start({ version });
    const caller = await world.caller();
    const announcer = new Announcer(world, caller);
    await until(() => caller.gets().at(-1).status === 200, SOON, 'the stream is open');
    world.clients.cut();
    await announcer.say(3);
    await announcer.heard();
    equal(caller.gets().map((get) => get.lastEventId), [null, null], "the client's GETs");
    equal(world.server.of('GET').length, 1, 'GETs at the server');
    return 'a client that came back without an id to the stream of its session: what was said meanwhile is not lost';
}

/** Without ids and with a server that takes the cut stream for alive: 409 to a GET that names no event. */
export async function conflictWithoutId(version) {
    const world = await World.start({ version, store: false });
    const caller = await world.caller();
    const announcer = new Announcer(world, caller);
    await announcer.say(2);
    await announcer.heard();
    world.upstream.cutNear();
    const refused = () => world.server.of('GET').filter(({ response }) => response.statusCode === 409).length;
    await until(() => refused() >= 2, SOON, 'the server refuses');
    const gets = world.server.of('GET').length;
    world.upstream.release();
    const isStream = ({ response }) => response.headersSent && response.statusCode === 200;
    const resumed = () => world.server.of('GET').slice(gets).some(isStream);
    await until(resumed, SOON, 'the server lets the proxy in');
    await announcer.say(2);
    await announcer.heard();
    equal(caller.gets().length, 1, "the client's GETs");
    return `without ids, a server that takes the cut stream for alive: ${refused()} times 409, then the same response went on`;
}

/** A server that offers no such stream. */
export async function noneOffered(version) {
    const { world, caller, call, job } = await inCall({ version, standalone: false });
    await until(() => caller.gets().at(-1).status !== undefined, SOON, 'the GET is answered');
    equal(caller.gets().map((get) => get.status), [405], "statuses of the client's GETs");
    await job.emit(2);
    await arrived(call, 2);
    world.upstream.cut();
    await job.emit(2);
    job.finish();
    await completed(call, 4);
    equal(caller.errors, [], "the client's errors");
    expect(world.server.of('GET').length > 1, 'the call was not resumed by GET');
    return 'no such stream at the server: 405 passed on, and calls are resumed by GET all the same';
}
