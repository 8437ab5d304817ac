// The version without resumption, which the SDK does not speak yet: plain HTTP against a server that gives ids all the same.

import http from 'node:http';

import { expect, finally_, listen, startProxy, until } from './harness.mjs';
import { Exchange } from './mcp_http.mjs';
import { Relay } from './mcp_relay.mjs';
import { equal, SOON } from './mcp_world.mjs';

const VERSION = '2026-07-28';

/** Answers each POST with a stream that begins with two events, and waits. */
class Upstream {
    static async start() {
        const upstream = new Upstream();
        upstream.url = await listen(upstream.server);
        finally_(() => upstream.server.closeAllConnections());
        return upstream;
    }

    constructor() {
        this.methods = [];
        this.server = http.createServer((request, response) => {
            this.methods.push(request.method);
            this.gone = undefined;
            request.resume();
            response.on('close', () => { this.gone = Date.now(); });
            response.writeHead(200, { 'Content-Type': 'text/event-stream' });
            for (const progress of [1, 2]) {
                const message = { jsonrpc: '2.0', method: 'notifications/progress', params: { progress } };
                response.write(`id: ${progress}\ndata: ${JSON.stringify(message)}\n\n`);
            }
        });
    }
}

async function begun(upstream, proxy, version) {
    const methods = upstream.methods.length;
    const exchange = new Exchange(`${proxy.url}/mcp`, {
        method: 'POST',
        headers: {
            'content-type': 'application/json', 'accept': 'application/json, text/event-stream', 'mcp-protocol-version': version,
        },
        body: '{"jsonrpc":"2.0","id":7,"method":"tools/call","params":{"name":"work"}}',
    });
    await exchange.has('"progress":2', SOON);
    equal(upstream.methods.slice(methods), ['POST'], 'requests at the server');
    return exchange;
}

export async function stateless() {
    const upstream = await Upstream.start();
    const relay = await Relay.before(upstream.url);
    const proxy = await startProxy(relay.url, { more: ['--post', 'mcp'] });

    const cut = await begun(upstream, proxy, VERSION);
    relay.cut();
    equal(await cut.ended(SOON), 'cut', 'the end of a stream that was cut upstream');

    const left = await begun(upstream, proxy, VERSION);
    left.leave();
    const at = Date.now();
    await until(() => upstream.gone, SOON, 'the server learns that its client has left');
    const ms = upstream.gone - at;
    expect(ms < 5000, `the server was told after ${ms} ms`);
    equal(upstream.methods, ['POST', 'POST'], 'requests at the server');

    // The same, one version before: it goes on by itself, and without its client.
    const older = await begun(upstream, proxy, '2025-11-25');
    relay.cut();
    await until(() => upstream.methods.at(-1) === 'GET', SOON, 'the proxy resumes');
    equal(older.end, undefined, 'the end of a stream that is resumed');
    older.leave();
    return `a stream that was cut upstream is cut, and not resumed (as one of 2025-11-25 is); ` +
        `the server learns within ${ms} ms that the client has left`;
}
