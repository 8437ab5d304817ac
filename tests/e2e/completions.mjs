// A completions server -> cutter -> rejoin-proxy -> cutter -> the npm clients of OpenAI and Anthropic.
//
// An answer costs: it is asked for exactly as often as the client asks, and what was cut never looks whole.

import http from 'node:http';

import { APIS, AUTHORIZATION, CompletionsServer } from './completions_server.mjs';
import { Cutter, expect, listen, run, startProxy, until } from './harness.mjs';

const DEADLINE = 10000;
const AT_ONCE = 4000;  // well below any linger

// What JSON, UTF-8 and event streams could stumble over, and one piece that doesn't fit into a segment.
const LARGE = 'x'.repeat(100_000);
const PIECES = ['Weil ', 'es „so“ ist:', '\n\n', 'data: [DONE]\n\n', ' \u2028 ', '🦀', '"\\', '', LARGE, 'é', '\r\n', ' end'];
const TEXT = PIECES.join('');

function same(actual, expected, text) {
    const [a, b] = [actual, expected].map((one) => JSON.stringify(one));
    expect(a === b, `${text}: ${a.slice(0, 400)} instead of ${b.slice(0, 400)}`);
}

/** The events of a body as { id, frame }, the frame being the event without its id. */
function events(text) {
    const lines = text.split('\n').filter((line) => !line.startsWith(':'));
    return lines.join('\n').split('\n\n').slice(0, -1).map((block) => {
        const fields = block.split('\n');
        const ids = fields.filter((line) => line.startsWith('id: '));
        return { id: ids.at(-1)?.slice(4), frame: `${fields.filter((line) => !line.startsWith('id: ')).join('\n')}\n\n` };
    });
}

/** Reads all that the client makes of its answer; what it throws is in `error`. */
async function collect(api, asked) {
    const got = { chunks: [], text: '', error: undefined };
    try {
        for await (const chunk of await asked) {
            got.chunks.push(chunk);
            got.text += api.text(chunk);
        }
    } catch (error) {
        got.error = error;
    }
    return got;
}

class Route {
    static async start(mode) {
        const route = new Route();
        route.counted = 0;
        route.server = new CompletionsServer();
        route.upstream = await Cutter.before(await listen(route.server.server));
        route.proxy = await startProxy(route.upstream.url, { more: ['--post', mode] });
        await route.newClient();
        return route;
    }

    /** A cutter of its own: whoever was behind another one keeps dead connections for a while. */
    async newClient() {
        this.client = await Cutter.before(this.proxy.url);
        this.url = this.client.url;
    }

    /** Has the next answers follow `script`; what is posted from now on comes alone. */
    answer(script) {
        this.server.posts.length = 0;
        this.server.script = script;
    }

    /** What came since the last answer(), as the client's name and its own count of retries. */
    posts(...expected) {
        same(this.server.posts.map(({ api, retry }) => `${api.name} ${retry}`), expected, 'POSTs upstream');
        this.counted += expected.length;
    }

    async finish() {
        const code = await this.proxy.stop();
        expect(code === 0, `rejoin-proxy ended with ${code}`);
        expect(this.server.all === this.counted, `${this.server.all} POSTs came upstream, ${this.counted} were meant`);
    }
}

// --- answers that are whole ---

async function whole(route, api) {
    const frames = api.frames(PIECES);
    route.answer(async (post) => {
        if (!post.body.stream) return post.json(200, api.whole(TEXT));
        post.begin();
        await post.send(frames);
        return post.end();
    });
    const { chunks, text, error } = await collect(api, api.ask(route.url));
    expect(!error, `${api.name} threw ${error}`);
    expect(text === TEXT, `${api.name}: ${JSON.stringify(text).slice(0, 400)}`);
    // The clients keep these two to themselves.
    const sent = frames.map((frame) => frame.slice(frame.indexOf('data: ') + 'data: '.length))
        .filter((data) => !/^(\[DONE\]|\{"type":"ping"\})\n/.test(data));
    same(chunks, sent.map((data) => JSON.parse(data)), `${api.name}: chunks`);

    const raw = await fetch(route.url + api.path, { method: 'POST', body: '{"stream":true}' });
    same(events(await raw.text()).map(({ frame }) => frame), frames, `${api.name}: events of the body, but for their ids`);

    const json = await api.ask(route.url, { stream: false });
    same(api.textOfWhole(json), TEXT, `${api.name}: answer without a stream`);
    route.posts(`${api.name} 0`, `${api.name} undefined`, `${api.name} 0`);
}

// --- answers that are cut ---

async function truncated(route, api, cut) {
    const frames = api.frames(['One, ', 'two, ', 'three']);
    const half = frames.findIndex((frame) => frame.includes('two, ')) + 1;
    let seen = 0;
    route.answer(async (post) => {
        post.begin();
        await post.send(frames.slice(0, half));
        // What the client has is not to be lost in the cut.
        await until(() => seen === 2, DEADLINE, 'the client has what was sent');
        await cut(post);
    });
    let text = '';
    let error;
    try {
        for await (const chunk of await api.ask(route.url)) {
            text += api.text(chunk);
            if (api.text(chunk) !== '') ++seen;
        }
    } catch (thrown) {
        error = thrown;
    }
    expect(error, `${api.name} took a cut answer for a whole one: ${text}`);
    expect(text === 'One, two, ', `${api.name}: ${text}`);
    route.posts(`${api.name} 0`);
}

// --- answers that are refused ---

async function refused(route, api) {
    let refusals = 1;
    route.answer(async (post) => {
        if (refusals-- > 0) {
            return post.json(503, { error: { type: 'overloaded_error', message: 'busy' } }, { 'Retry-After-Ms': '20' });
        }
        post.begin();
        await post.send(api.frames(PIECES));
        return post.end();
    });
    const { text, error } = await collect(api, api.ask(route.url));
    expect(!error && text === TEXT, `${api.name} behind a 503: ${error}, ${text.slice(0, 100)}`);
    route.posts(`${api.name} 0`, `${api.name} 1`);

    route.answer(undefined);
    await route.upstream.tell('down');
    const away = await collect(api, api.ask(route.url, { retries: 0 }));
    expect(away.error?.status === 502, `${api.name}, the upstream being away: ${away.error}`);
    await route.upstream.tell('up');
    route.posts();
}

// --- a client that leaves ---

async function abandoned(route, api) {
    const frames = api.frames(['a ', 'b ', 'c ']);
    route.answer(async (post) => {
        post.begin();
        await post.send(frames.slice(0, -3));
    });
    const stream = await api.ask(route.url);
    let left;
    for await (const chunk of stream) {
        if (api.text(chunk) !== 'b ') continue;
        left = Date.now();
        stream.controller.abort();
    }
    expect(left, `${api.name}: the answer did not begin`);
    await until(() => route.server.posts[0].gone, AT_ONCE, 'the upstream is told that the client has left');
    const ms = Date.now() - left;
    route.posts(`${api.name} 0`);
    return ms;
}

// --- a client that comes back ---

/** By GET, over a new connection: those that are kept for `fetch` have been cut. */
const resume = (route, api, id, { fields = AUTHORIZATION, begun = () => {} } = {}) =>
    new Promise((done, failed) => {
        const headers = { ...fields, Accept: 'text/event-stream', 'Last-Event-ID': id };
        http.get(route.url + api.path, { agent: false, headers }, async (response) => {
            begun();
            let text = '';
            try {
                for await (const data of response.setEncoding('utf8')) text += data;
                done({ status: response.statusCode, headers: response.headers, text });
            } catch (error) {
                failed(error);
            }
        }).on('error', failed);
    });

/** Something to wait for until somebody opens it. */
function gate() {
    let open;
    const opened = new Promise((done) => { open = done; });
    return { opened, open };
}

/** It has seen some events, which carry the proxy's ids; others come while it is away, and the rest when it is back. */
async function backWithEvents(route, api) {
    await route.newClient();
    const frames = api.frames(PIECES);
    const half = Math.floor(frames.length / 2);
    const away = gate();
    const back = gate();
    route.answer(async (post) => {
        post.begin();
        await post.send(frames.slice(0, half));
        await away.opened;
        await post.send(frames.slice(half, -4));
        await back.opened;
        await post.send(frames.slice(-4));
        post.end();
    });
    const first = await fetch(route.url + api.path, { method: 'POST', headers: AUTHORIZATION, body: '{"stream":true}' });
    let text = '';
    let error;
    try {
        for await (const data of first.body.pipeThrough(new TextDecoderStream())) {
            text += data;
            if (events(text).length === half) await route.client.cut();
        }
    } catch (thrown) {
        error = thrown;
    }
    expect(error, `${api.name}: the cut was not noticed`);
    const seen = events(text);
    expect(seen.length === half && seen.every(({ id }) => id), `${api.name}: ${seen.length} of ${half} events with an id`);
    away.open();
    const response = await resume(route, api, seen.at(-1).id, { begun: back.open });
    expect(response.status === 200 && response.headers['sse-resume'] === 'exact',
        `${api.name}: ${response.status}, SSE-Resume: ${response.headers['sse-resume']}`);
    const rest = events(response.text);
    same([...seen, ...rest].map(({ frame }) => frame), frames, `${api.name}: what came before and behind the cut`);
    expect(!route.server.posts[0].gone, `${api.name}: the answer was not let go on`);

    const end = await resume(route, api, rest.at(-1).id);
    expect(end.status === 204, `${api.name}: ${end.status} instead of 204 behind the last event`);
    route.posts(`${api.name} undefined`);
    same(route.server.others, [], 'other requests upstream');

    const stranger = await resume(route, api, seen.at(-1).id, { fields: { Authorization: 'Bearer sk-of-another' } });
    expect(stranger.status === 405, `${api.name}: a stranger with the id was answered ${stranger.status}`);
    same(route.server.others.splice(0), [`GET ${api.path}`], 'other requests upstream');
}

/** It has seen nothing but the response's head; and it is the real client that was cut. */
async function backWithNothing(route, api) {
    await route.newClient();
    const frames = api.frames(PIECES);
    const away = gate();
    route.answer(async (post) => {
        post.begin();
        await away.opened;
        await post.send(frames);
        post.end();
    });
    const { data: stream, response } = await api.ask(route.url).withResponse();
    const id = response.headers.get('sse-stream-id');
    expect(id, `${api.name}: no SSE-Stream-Id`);
    const reading = collect(api, stream);
    await route.client.cut();
    const { text, error } = await reading;
    expect(error && text === '', `${api.name}: ${error} behind the cut`);
    away.open();
    const rest = await resume(route, api, id);
    expect(rest.status === 200, `${api.name}: ${rest.status} with SSE-Stream-Id`);
    same(events(rest.text).map(({ frame }) => frame), frames, `${api.name}: the whole answer behind the cut`);
    route.posts(`${api.name} 0`);
    same(route.server.others, [], 'other requests upstream');
}

// --- the test ---

async function test() {
    const cut = await Route.start('cut');
    for (const api of APIS) await whole(cut, api);
    console.log('ok: answers arrive as they were sent, streamed and not');
    for (const api of APIS) {
        await truncated(cut, api, (post) => post.cut());
        await truncated(cut, api, () => cut.upstream.cut());
    }
    console.log('ok: an answer that is cut upstream throws at the client, and is asked for once');
    for (const api of APIS) await refused(cut, api);
    console.log("ok: a 503 reaches the client, whose retry is the upstream's second POST; an upstream that is away is a 502");
    const times = [];
    for (const api of APIS) times.push(await abandoned(cut, api));
    console.log(`ok: a client that leaves ends its answer upstream, ${times.join(' and ')} ms later`);
    await cut.finish();

    const detach = await Route.start('detach');
    for (const api of APIS) await backWithEvents(detach, api);
    console.log('ok: with --post detach a cut client gets exactly the rest by GET behind its last id, then 204');
    for (const api of APIS) await backWithNothing(detach, api);
    console.log('ok: with --post detach a client that saw no event gets the whole answer by its SSE-Stream-Id');
    await detach.finish();
}

run(test);
