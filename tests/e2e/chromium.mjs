// An event-stream server in node -> cutter -> rejoin-proxy -> cutter -> Chromium's EventSource.
//
// The page comes through the proxy, too, as a regular request, so that the stream has its origin.

import { spawn } from 'node:child_process';
import fs from 'node:fs';
import http from 'node:http';
import path from 'node:path';
import { createInterface } from 'node:readline';
import { fileURLToPath, pathToFileURL } from 'node:url';

const { chromium } = await import(pathToFileURL(path.join(process.env.PLAYWRIGHT_CORE, 'index.mjs')));

const EVENTS = 200;
const INTERVAL = 40;
const UPSTREAM_CUTS = [30, 60, 90, 120, 150];
const CLIENT_CUTS = [45, 105, 165];
const here = path.dirname(fileURLToPath(import.meta.url));
const scratch = process.env.REJOIN_E2E_SCRATCH;

function expect(condition, text) {
    if (!condition) throw new Error(text);
}

const sleep = (ms) => new Promise((done) => setTimeout(done, ms));

async function until(condition, ms, text) {
    const deadline = Date.now() + ms;
    for (;;) {
        const value = await condition();
        if (value) return value;
        expect(Date.now() < deadline, `not within ${ms} ms: ${typeof text === 'function' ? await text() : text}`);
        await sleep(20);
    }
}

// --- programs ---

const programs = [];

class Program {
    constructor(name, command, args) {
        this.name = name;
        this.log = path.join(scratch, `${programs.length}-${name}.log`);
        this.process = spawn(command, args, { stdio: ['pipe', 'pipe', fs.openSync(this.log, 'w')] });
        this.ended = new Promise((done) => {
            this.process.on('exit', (code, signal) => done(code ?? signal));
            this.process.on('error', (error) => done(error));
        });
        this.lines = [];
        this.waiting = [];
        createInterface({ input: this.process.stdout }).on('line', (line) => {
            const next = this.waiting.shift();
            if (next) next(line);
            else this.lines.push(line);
        });
        programs.push(this);
    }

    async line() {
        if (this.lines.length > 0) return this.lines.shift();
        const line = new Promise((done) => this.waiting.push(done));
        return Promise.race([line, this.ended.then((how) => Promise.reject(new Error(`${this.name} ended: ${how}`)))]);
    }

    async started() {
        const line = await this.line();
        expect(line.startsWith('listening on '), `${this.name} told no address: ${line}`);
        this.url = line.slice('listening on '.length);
        return this;
    }

    async stop() {
        this.process.kill('SIGTERM');
        return this.ended;
    }
}

class Cutter extends Program {
    static async before(url) {
        return new Cutter('cutter', 'python3', ['-B', path.join(here, 'cutter.py'), url]).started();
    }

    async tell(command) {
        this.process.stdin.write(`${command}\n`);
        return this.line();
    }

    async cut() {
        const answer = await this.tell('cut');
        expect(/^cut [1-9]/.test(answer), `there was nothing to cut: ${answer}`);
    }
}

const startProxy = (upstream, listen) =>
    new Program('rejoin-proxy', path.join(process.env.REJOIN_BIN_DIR, 'rejoin-proxy'),
        ['--listen', listen, '--upstream', upstream, '--retry', '300ms', '--backoff-base', '50ms', '--backoff-cap', '500ms',
            '--drain', '200ms', '--verbose']).started();

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

    listen() {
        return new Promise((done) => this.server.listen(0, '127.0.0.1', () => done(`http://127.0.0.1:${this.server.address().port}`)));
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
    const upstreamCutter = await Cutter.before(await upstream.listen());
    let proxy = await startProxy(upstreamCutter.url, '127.0.0.1:0');
    const clientCutter = await Cutter.before(proxy.url);

    browser = await chromium.launch({
        executablePath: fs.realpathSync(process.env.CHROMIUM ?? '/usr/bin/chromium'),
        args: ['--no-sandbox', '--disable-gpu', '--disable-quic', '--no-first-run', '--disable-background-networking',
            '--disable-component-update', '--disable-sync'],
    });
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

    // The upstream is away for 3 s; the browser is cut meanwhile and must be let in.
    await upstreamCutter.tell('down');
    await clientCutter.cut();
    const down = Date.now();
    await until(async () => (await state()).opens.length === now.opens.length + 1, 2500, 'the EventSource reopens in the outage');
    for (let i = 0; i < 10; ++i) upstream.publish();
    await sleep(Math.max(0, down + 3000 - Date.now()));
    now = await state();
    expect(now.readyState === 1 && now.errors.length === CLIENT_CUTS.length + 1, `in the outage: ${JSON.stringify(now)}`);
    await upstreamCutter.tell('up');
    await arrived(EVENTS + 10);
    await exactly(EVENTS + 10);
    console.log('ok: an outage of 3 s: the browser came back meanwhile, was held open, and got what it had missed');

    // Again, and now the proxy is a new one that has never seen the stream.
    await upstreamCutter.tell('down');
    const url = new URL(proxy.url);
    const code = await proxy.stop();
    expect(code === 0, `rejoin-proxy ended with ${code}`);
    proxy = await startProxy(upstreamCutter.url, url.host);
    await until(async () => (await state()).opens.length === now.opens.length + 1, 10000, 'the EventSource reopens at the new proxy');
    upstream.publish();
    await sleep(500);
    expect((await state()).readyState === 1, 'the new proxy did not hold the stream open');
    await upstreamCutter.tell('up');
    await arrived(EVENTS + 11);
    await exactly(EVENTS + 11);
    console.log('ok: the proxy was restarted in an outage: nothing lost, nothing doubled');

    await browser.close();
    browser = null;
    const last = await proxy.stop();
    expect(last === 0, `rejoin-proxy ended with ${last}`);
}

let browser = null;

async function cleanup() {
    if (browser) await browser.close().catch(() => {});
    for (const one of programs) one.process.kill('SIGKILL');
}

process.on('SIGTERM', () => cleanup().finally(() => process.exit(143)));
const begin = Date.now();
let failed = false;
try {
    await test();
} catch (error) {
    failed = true;
    await cleanup();
    for (const one of programs) {
        const lines = fs.readFileSync(one.log, 'utf8').trimEnd().split('\n');
        if (lines[0] !== '') console.error(`--- ${one.name}\n${lines.slice(-40).join('\n')}`);
    }
    console.error(`FAILED: ${error.stack}`);
}
await cleanup();
if (!failed) console.log(`passed in ${((Date.now() - begin) / 1000).toFixed(1)} s`);
process.exit(failed ? 1 : 0);
