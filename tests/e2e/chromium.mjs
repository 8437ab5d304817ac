// An event-stream server in node -> cutter -> rejoin-proxy -> cutter -> Chromium's EventSource.
//
// The page comes through the proxy, too, as a regular request, so that the stream has its origin.

import fs from 'node:fs';
import http from 'node:http';

import { Cutter, expect, finally_, listen, npm, run, sleep, startProxy, until } from './harness.mjs';

const { chromium } = await npm('playwright-core');

const EVENTS = 200;
const INTERVAL = 40;
const UPSTREAM_CUTS = [30, 60, 90, 120, 150];
const CLIENT_CUTS = [45, 105, 165];
const RETRY = ['--retry', '300ms'];
const LONG_OUTAGE = 5000;

// --- the server ---

const page = `<!doctype html><title>events</title><script>
const seen = [], errors = [], opens = [];
const source = new EventSource('/events');
source.onopen = () => opens.push(performance.now());
source.onmessage = (event) => seen.push([event.lastEventId, event.data]);
source.onerror = () => errors.push([performance.now(), source.readyState]);
</script>`;

class Upstream {
    constructor() {
        this.history = 0;
        this.streams = new Set();
        this.requests = [];
        this.server = http.createServer((request, response) => this.answer(request, response));
    }

    answer(request, response) {
        if (request.url === '/') {
            response.writeHead(200, { 'Content-Type': 'text/html' }).end(page);
        } else if (request.url === '/events') {
            const id = request.headers['last-event-id'];
            this.requests.push(id ?? '');
            response.writeHead(200, { 'Content-Type': 'text/event-stream' });
            response.flushHeaders();
            for (let n = Number(id ?? 0) + 1; n <= this.history; ++n) response.write(Upstream.event(n));
            this.streams.add(response);
            response.on('close', () => this.streams.delete(response));
        } else {
            response.writeHead(404).end();
        }
    }

    static event(n) {
        return `id: ${n}\ndata: event ${n}\n\n`;
    }

    publish() {
        ++this.history;
        for (const response of this.streams) response.write(Upstream.event(this.history));
    }
}

// --- the test ---

async function test() {
    const upstream = new Upstream();
    const upstreamCutter = await Cutter.before(await listen(upstream.server));
    let proxy = await startProxy(upstreamCutter.url, { more: RETRY });
    const clientCutter = await Cutter.before(proxy.url);

    const browser = await chromium.launch({
        executablePath: fs.realpathSync(process.env.CHROMIUM ?? '/usr/bin/chromium'),
        args: ['--no-sandbox', '--disable-gpu', '--disable-quic', '--no-first-run', '--disable-background-networking',
            '--disable-component-update', '--disable-sync'],
    });
    finally_(() => browser.close());
    const tab = await browser.newPage();
    await tab.goto(`${clientCutter.url}/`);
    const state = () => tab.evaluate(() => ({ seen: seen.length, errors, opens, readyState: source.readyState }));
    await until(async () => (await state()).opens.length === 1, 10000, 'the EventSource opens');

    const arrived = async (count, ms = 15000) => {
        await until(async () => (await state()).seen >= count, ms, async () => `event ${count}: ${JSON.stringify(await state())}`);
    };
    const exactly = async (count) => {
        const seen = await tab.evaluate(() => seen);
        const wanted = Array.from({ length: count }, (_, i) => [`${i + 1}`, `event ${i + 1}`]);
        expect(JSON.stringify(seen) === JSON.stringify(wanted),
            `${seen.length} events instead of 1..${count}: ${JSON.stringify(seen.map((one) => one[0]))}`);
    };

    // 200 events, and cuts among them.
    for (let n = 1; n <= EVENTS; ++n) {
        upstream.publish();
        await sleep(INTERVAL);
        if (UPSTREAM_CUTS.includes(n)) {
            await until(() => upstream.streams.size > 0, 5000, 'the proxy reads the upstream');
            await upstreamCutter.cut();
        }
        if (CLIENT_CUTS.includes(n)) {
            // The browser must be connected, or nothing would be cut.
            await until(async () => (await state()).readyState === 1, 5000, 'the EventSource is open');
            await clientCutter.cut();
        }
    }
    await arrived(EVENTS);
    await exactly(EVENTS);
    let now = await state();
    expect(now.errors.length === CLIENT_CUTS.length, `onerror fired ${now.errors.length} times, not just at the client's cuts`);
    expect(now.errors.every(([, readyState]) => readyState === 0), `the EventSource gave up: ${JSON.stringify(now.errors)}`);
    expect(now.opens.length === 1 + CLIENT_CUTS.length, `onopen fired ${now.opens.length} times`);
    const away = now.errors.map(([at], i) => Math.round(now.opens[i + 1] - at));
    expect(away.every((ms) => ms >= 250 && ms < 2500), `the browser was away for ${away} ms, --retry 300ms was not followed`);
    expect(upstream.requests.length === 1 + UPSTREAM_CUTS.length, `requests upstream: ${JSON.stringify(upstream.requests)}`);
    console.log(`ok: ${EVENTS} events once and in order; ${UPSTREAM_CUTS.length} cuts upstream unseen, ${CLIENT_CUTS.length} of the ` +
        `browser's connection, away for ${away} ms`);

    // The upstream is away for 5 s: nothing of the page's concern.
    await upstreamCutter.tell('down');
    let down = Date.now();
    for (let i = 0; i < 10; ++i) upstream.publish();
    await sleep(Math.max(0, down + LONG_OUTAGE - Date.now()));
    const attached = await state();
    expect(attached.readyState === 1 && attached.seen === EVENTS, `in the outage: ${JSON.stringify(attached)}`);
    await upstreamCutter.tell('up');
    await arrived(EVENTS + 10);
    await exactly(EVENTS + 10);
    const { errors, opens } = await state();
    expect(errors.length === now.errors.length && opens.length === now.opens.length,
        `the page saw an outage of its server: ${JSON.stringify(errors)}`);
    console.log('ok: an outage of 5 s: the page saw no error, and got what it had missed');

    // The upstream is away for 3 s; the browser is cut meanwhile and must be let in.
    await upstreamCutter.tell('down');
    await clientCutter.cut();
    down = Date.now();
    await until(async () => (await state()).opens.length === now.opens.length + 1, 2500, 'the EventSource reopens in the outage');
    for (let i = 0; i < 10; ++i) upstream.publish();
    await sleep(Math.max(0, down + 3000 - Date.now()));
    now = await state();
    expect(now.readyState === 1 && now.errors.length === CLIENT_CUTS.length + 1, `in the outage: ${JSON.stringify(now)}`);
    await upstreamCutter.tell('up');
    await arrived(EVENTS + 20);
    await exactly(EVENTS + 20);
    console.log('ok: an outage of 3 s: the browser came back meanwhile, was held open, and got what it had missed');

    // Again, and now the proxy is a new one that has never seen the stream.
    await upstreamCutter.tell('down');
    const url = new URL(proxy.url);
    const code = await proxy.stop();
    expect(code === 0, `rejoin-proxy ended with ${code}`);
    proxy = await startProxy(upstreamCutter.url, { listen: url.host, more: RETRY });
    await until(async () => (await state()).opens.length === now.opens.length + 1, 10000, 'the EventSource reopens at the new proxy');
    upstream.publish();
    await sleep(500);
    expect((await state()).readyState === 1, 'the new proxy did not hold the stream open');
    await upstreamCutter.tell('up');
    await arrived(EVENTS + 21);
    await exactly(EVENTS + 21);
    console.log('ok: the proxy was restarted in an outage: nothing lost, nothing doubled');

    await browser.close();
    const last = await proxy.stop();
    expect(last === 0, `rejoin-proxy ended with ${last}`);
}

run(test);
