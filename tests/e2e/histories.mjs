// Event-stream servers with a history, which they replay behind Last-Event-ID: `publish()` adds an event, `history` holds what
// a client has to see as [id, data], `requests` the targets and ids that were asked for.

import http from 'node:http';

class History {
    constructor() {
        this.history = [];
        this.requests = [];
        this.server = http.createServer((request, response) => {
            // Header values come byte by byte; an id is UTF-8.
            const last = Buffer.from(request.headers['last-event-id'] ?? '', 'latin1').toString();
            this.requests.push([request.url, last]);
            this.answer(request, response);
        });
    }

    /** What lies behind an id; everything for one that is none of this history. */
    behind(id) {
        return this.history.slice(this.history.findIndex(([known]) => known === id) + 1);
    }
}

/** Ids are numbers, or what `id` makes of a number; they come first in an event, as with most servers. */
export class NumberedHistory extends History {
    constructor({ id = String } = {}) {
        super();
        this.id = id;
        this.streams = new Set();
    }

    answer(request, response) {
        response.writeHead(200, { 'Content-Type': 'text/event-stream' });
        response.flushHeaders();
        for (const event of this.behind(this.requests.at(-1)[1])) response.write(NumberedHistory.frame(event));
        this.streams.add(response);
        response.on('close', () => this.streams.delete(response));
    }

    static frame([id, data]) {
        return `id: ${id}\ndata: ${data}\n\n`;
    }

    open() {
        return this.streams.size;
    }

    /** `part`: how much of the event is written now, as if the server died at it. */
    publish({ part = 1 } = {}) {
        const n = this.history.length + 1;
        const event = [this.id(n), `event ${n}`];
        this.history.push(event);
        const frame = NumberedHistory.frame(event);
        for (const response of this.streams) response.write(frame.slice(0, Math.ceil(part * frame.length)));
    }
}

/** npm's better-sse: ids are UUIDs, the events have a type, and its `retry:` stands in a block of its own. */
export class BetterSseHistory extends History {
    constructor({ createSession, createChannel }, { retry }) {
        super();
        this.createSession = createSession;
        this.options = { retry, keepAlive: 100 };
        this.channel = createChannel();
        this.channel.on('broadcast', (data, type, id) => this.history.push([id, JSON.stringify(data)]));
    }

    async answer(request, response) {
        const session = await this.createSession(request, response, this.options);
        if (!session.isConnected) return;
        for (const [id, data] of this.behind(session.lastId)) session.push(JSON.parse(data), 'message', id);
        this.channel.register(session);
    }

    open() {
        return this.channel.sessionCount;
    }

    publish() {
        this.channel.broadcast({ number: this.history.length + 1, text: 'grüße\nfrom a server' });
    }
}
