// The two clients most used in node, seen alike: what came, how often they opened and lost their stream, what they asked for.

import { npm } from './harness.mjs';

const { EventSource } = await npm('eventsource');
// Made for browsers.
globalThis.window = globalThis;
globalThis.document = { addEventListener() {}, removeEventListener() {} };
const { fetchEventSource } = await npm('@microsoft/fetch-event-source');

class Client {
    constructor() {
        this.seen = [];  // [id, data]
        this.opens = 0;
        this.errors = 0;
        this.over = '';  // why it will not come back
        this.statuses = [];
    }

    /** Each loss is told once, and then it opens again. */
    open() {
        return this.over === '' && this.opens === this.errors + 1;
    }

    async fetch(input, init) {
        const response = await fetch(input, init);
        this.statuses.push(response.status);
        return response;
    }
}

/** Ignores an incomplete event, as the standard says; gives up for good at any status but 200. */
export class NpmEventSource extends Client {
    constructor(url) {
        super();
        this.source = new EventSource(url, { fetch: (input, init) => this.fetch(input, init) });
        this.source.onopen = () => ++this.opens;
        this.source.onmessage = (event) => this.seen.push([event.lastEventId, event.data]);
        this.source.onerror = (event) => {
            ++this.errors;
            if (this.source.readyState === EventSource.CLOSED) this.over = event.message;
        };
    }

    close() {
        this.source.close();
    }
}

/** Takes an id before its event is complete, fires at every blank line, and does not come back after an orderly end. */
export class FetchEventSource extends Client {
    constructor(url) {
        super();
        this.takes_id_early = true;
        this.retries = [];
        this.controller = new AbortController();
        fetchEventSource(url, {
            signal: this.controller.signal,
            openWhenHidden: true,
            fetch: (input, init) => this.fetch(input, init),
            onopen: async (response) => {
                if (response.status !== 200) throw new Error(`status ${response.status}`);
                ++this.opens;
            },
            onmessage: (message) => {
                this.seen.push([message.id, message.data]);
                if (message.retry !== undefined) this.retries.push(message.retry);
            },
            onclose: () => { this.over = 'an orderly end'; },
            onerror: () => { ++this.errors; },
        });
    }

    close() {
        this.controller.abort();
    }
}
