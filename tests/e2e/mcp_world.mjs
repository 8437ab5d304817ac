// SDK's server -> relay -> rejoin-proxy -> relay -> SDK's client, and what the client sees.

import { isDeepStrictEqual } from 'node:util';

import { expect, finally_, npm, startProxy, until } from './harness.mjs';
import { Relay } from './mcp_relay.mjs';
import { McpServer } from './mcp_server.mjs';

const { Client } = await npm('@modelcontextprotocol/sdk/client/index.js');
const { StreamableHTTPClientTransport } = await npm('@modelcontextprotocol/sdk/client/streamableHttp.js');
const { ListRootsRequestSchema } = await npm('@modelcontextprotocol/sdk/types.js');

/** Long enough for a slow machine, far shorter than the minute that a call would hang for. */
export const SOON = 20000;

export const upTo = (n) => Array.from({ length: n }, (_, i) => i + 1);

export function equal(actual, expected, text) {
    expect(isDeepStrictEqual(actual, expected), `${text}: ${JSON.stringify(actual)} instead of ${JSON.stringify(expected)}`);
}

/** An SDK client that is one of that version, and notes everything. */
export class Caller {
    constructor(url, version, authorization) {
        this.url = new URL('/mcp', url);
        this.version = version;
        this.authorization = authorization;
        this.requests = [];
        this.messages = [];
        this.errors = [];
        this.rootsAsked = 0;
        this.transport = new StreamableHTTPClientTransport(this.url, {
            requestInit: { headers: { authorization } },
            fetch: async (target, init) => {
                const request = { method: init.method, lastEventId: init.headers.get('last-event-id') };
                this.requests.push(request);
                const response = await fetch(target, init);
                request.status = response.status;
                return response;
            },
        });
        const send = this.transport.send.bind(this.transport);
        this.transport.send = (message, options) => {
            // The SDK only ever asks for its newest version; the answer decides what its headers say from then on.
            const params = message.method === 'initialize' ? { params: { ...message.params, protocolVersion: version } } : {};
            return send({ ...message, ...params }, options);
        };
        this.transport.onmessage = (message) => this.messages.push(message);
        this.client = new Client({ name: 'caller', version: '1' }, { capabilities: { roots: {} } });
        this.client.onerror = (error) => this.errors.push(error.message);
        this.client.setRequestHandler(ListRootsRequestSchema, () => {
            ++this.rootsAsked;
            return { roots: [{ uri: 'file:///here' }] };
        });
        finally_(() => this.client.close());
    }

    async connect() {
        await this.client.connect(this.transport);
        equal(this.transport.protocolVersion, this.version, 'version that the client goes by');
        this.session = this.transport.sessionId;
        return this;
    }

    /** Calls the tool; what arrives for it is in what is returned, `end` once it is settled. */
    call(name, timeout = 60000) {
        const call = { name, seen: [], ids: [], end: undefined };
        this.client.callTool({ name: 'work', arguments: { job: name } }, undefined, {
            timeout,
            onresumptiontoken: (id) => call.ids.push(id),
            onprogress: ({ progress, message }) => call.seen.push(message === `${name} ${progress}` ? progress : message),
        }).then((result) => { call.end = result.content[0].text; }, (error) => { call.end = error; });
        return call;
    }

    gets() {
        return this.requests.filter((request) => request.method === 'GET');
    }

    /** What came over the session's own stream: the data of log messages. */
    logged() {
        return this.messages.filter(({ method }) => method === 'notifications/message').map(({ params }) => params.data);
    }

    /** As the client would ask for a stream. */
    headers(more = {}) {
        return {
            'authorization': this.authorization, 'mcp-session-id': this.session, 'mcp-protocol-version': this.version,
            'accept': 'text/event-stream', ...more,
        };
    }
}

/** All of what `call` waits for: as many notifications. */
export const arrived = (call, count) =>
    until(() => call.seen.length >= count, SOON, () => `${count} notifications for ${call.name}: ${JSON.stringify(call)}`);

export const settled = (call) => until(() => call.end !== undefined, SOON, () => `${call.name} ends: ${JSON.stringify(call)}`);

/** The call's end: each notification once and in order, and the result. */
export async function completed(call, count) {
    await settled(call);
    equal(call.seen, upTo(count), `notifications for ${call.name}`);
    equal(call.end, `${call.name} done after ${count}`, 'result');
}

export class World {
    static async start({ version, flags = [], ...options }) {
        const world = new World();
        world.version = version;
        world.server = await McpServer.start(options);
        world.upstream = await Relay.before(world.server.url);
        world.flags = { more: ['--post', 'mcp', ...flags] };
        world.proxy = await startProxy(world.upstream.url, world.flags);
        world.clients = await Relay.before(world.proxy.url);
        return world;
    }

    /** Another proxy takes over at the same address. */
    async restart() {
        equal(await this.proxy.stop(), 0, 'exit code of the proxy');
        this.proxy = await startProxy(this.upstream.url, { listen: new URL(this.proxy.url).host, ...this.flags });
    }

    async caller(authorization = 'Bearer one') {
        const gets = this.server.of('GET').length;
        const caller = await new Caller(this.clients.url, this.version, authorization).connect();
        await until(() => this.server.of('GET').length === gets + 1, SOON, "the session's own stream is asked for");
        return caller;
    }

    /** Says something over a session's own stream. */
    async announce(caller, data) {
        await this.server.sessions.get(caller.session).server.sendLoggingMessage({ level: 'info', data });
    }

    /** The server has executed those calls once each and been sent nothing else; every request said whose it was. */
    account(sessions, calls, answers = 0) {
        const { server } = this;
        const count = (method) => server.posts().filter((one) => one === method).length;
        const posts = { 'initialize': sessions, 'notifications/initialized': sessions, 'tools/call': calls.length, 'answer': answers };
        for (const [method, number] of Object.entries(posts)) equal(count(method), number, `POSTs of ${method}`);
        equal(server.posts().length, 2 * sessions + calls.length + answers, 'POSTs');
        for (const call of calls) equal(server.executions(call.name), 1, `executions of ${call.name}`);
        for (const { method, headers, body } of server.requests) {
            if (body?.method === 'initialize') continue;
            equal(headers['mcp-protocol-version'], this.version, `version of a ${method}`);
            expect(headers['mcp-session-id'] && headers.authorization, `a ${method} without session or authorization`);
            if (method === 'GET') equal(headers['content-type'], undefined, 'Content-Type of a GET');
        }
    }
}

/** A world with a client whose call the server works on. */
export async function inCall(options) {
    const world = await World.start(options);
    const caller = await world.caller();
    const call = caller.call('report');
    const job = await world.server.job('report');
    return { world, caller, call, job };
}
