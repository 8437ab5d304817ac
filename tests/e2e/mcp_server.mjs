// A server of the official MCP SDK, with sessions, on node:http. It has one tool, `work`, whose calls the test steps
// through; it remembers every request, and what became of it.

import { randomUUID } from 'node:crypto';
import http from 'node:http';

import { finally_, listen, npm, until } from './harness.mjs';

const { Server } = await npm('@modelcontextprotocol/sdk/server/index.js');
const { StreamableHTTPServerTransport } = await npm('@modelcontextprotocol/sdk/server/streamableHttp.js');
const { CallToolRequestSchema, ListRootsResultSchema } = await npm('@modelcontextprotocol/sdk/types.js');

/** The events of one session. The ids say nothing of their order. */
class EventStore {
    constructor() {
        this.places = new Map();
        this.streams = new Map();
    }

    async storeEvent(stream, message) {
        if (!this.streams.has(stream)) this.streams.set(stream, []);
        const events = this.streams.get(stream);
        const id = randomUUID();
        this.places.set(id, { stream, index: events.length });
        events.push({ id, message });
        return id;
    }

    async getStreamIdForEventId(id) {
        return this.places.get(id)?.stream;
    }

    async replayEventsAfter(id, { send }) {
        const { stream, index } = this.places.get(id);
        const events = this.streams.get(stream);
        // Those that come meanwhile, too.
        for (let i = index + 1; i < events.length; ++i) await send(events[i].id, events[i].message);
        return stream;
    }
}

/** One execution of the tool. */
class Job {
    constructor(name, extra) {
        this.name = name;
        this.extra = extra;
        this.progress = 0;
        this.ended = new Promise((done) => { this.end = done; });
    }

    async emit(count) {
        for (let i = 0; i < count; ++i) {
            const progress = ++this.progress;
            await this.extra.sendNotification({
                method: 'notifications/progress',
                params: { progressToken: this.extra._meta.progressToken, progress, message: `${this.name} ${progress}` },
            });
        }
    }

    finish() {
        this.end({ content: [{ type: 'text', text: `${this.name} done after ${this.progress}` }] });
    }

    /** Asks the client something, in the midst of its call. */
    askRoots() {
        return this.extra.sendRequest({ method: 'roots/list' }, ListRootsResultSchema);
    }
}

export class McpServer {
    /** `store`: with an event store; `retry`: milliseconds told to clients; `standalone`: GET without an id gets a stream. */
    constructor({ store = true, retry, standalone = true } = {}) {
        this.store = store;
        this.retry = retry;
        this.standalone = standalone;
        this.sessions = new Map();
        this.jobs = [];
        this.requests = [];
        this.hold = undefined;  // a promise: nothing is answered until it is kept
        this.server = http.createServer((request, response) => this.answer(request, response));
    }

    static async start(options) {
        const server = new McpServer(options);
        server.url = await listen(server.server);
        finally_(() => server.server.closeAllConnections());
        return server;
    }

    async answer(request, response) {
        const chunks = [];
        for await (const chunk of request) chunks.push(chunk);
        const text = Buffer.concat(chunks).toString();
        const body = text === '' ? undefined : JSON.parse(text);
        const id = request.headers['mcp-session-id'];
        this.requests.push({ method: request.method, headers: request.headers, body, response, at: Date.now() });
        await this.hold;

        let session = this.sessions.get(id);
        if (!session && body?.method === 'initialize') session = await this.open(request.headers.authorization);
        if (!session) return response.writeHead(404).end();
        if (session.authorization !== request.headers.authorization) return response.writeHead(403).end();
        const own = request.method === 'GET' && !request.headers['last-event-id'];
        if (own && !this.standalone) return response.writeHead(405).end();
        await session.transport.handleRequest(request, response, body);
    }

    async open(authorization) {
        const transport = new StreamableHTTPServerTransport({
            sessionIdGenerator: randomUUID,
            eventStore: this.store ? new EventStore() : undefined,
            retryInterval: this.retry,
            onsessioninitialized: (id) => this.sessions.set(id, session),
            onsessionclosed: (id) => this.sessions.delete(id),
        });
        const server = new Server({ name: 'work', version: '1' }, { capabilities: { tools: {}, logging: {} } });
        const session = { transport, server, authorization };
        server.setRequestHandler(CallToolRequestSchema, ({ params }, extra) => {
            const job = new Job(params.arguments.job, extra);
            this.jobs.push(job);
            return job.ended;
        });
        await server.connect(transport);
        return session;
    }

    /** The running job of that name; by then it must have been called once. */
    job(name) {
        return until(() => this.jobs.find((job) => job.name === name), 20000, `the tool is called for ${name}`);
    }

    executions(name) {
        return this.jobs.filter((job) => job.name === name).length;
    }

    of(method) {
        return this.requests.filter((request) => request.method === method);
    }

    /** GETs that resume a stream. */
    resumes() {
        return this.of('GET').filter((request) => request.headers['last-event-id']);
    }

    /** The JSON-RPC methods that came by POST; answers to the server count as `answer`. */
    posts() {
        return this.of('POST').map(({ body }) => body.method ?? 'answer');
    }
}
