// A server that answers like the APIs of OpenAI and Anthropic do, and the official clients of both.
//
// What an answer does is up to `server.script(post)`; `server.posts` holds the POSTs that came in,
// `server.all` is their number.

import http from 'node:http';

import { npm } from './harness.mjs';

const { default: OpenAI } = await npm('openai');
const { default: Anthropic } = await npm('@anthropic-ai/sdk');

const KEY = 'sk-of-the-test';

/** What both clients make of the key. */
export const AUTHORIZATION = { Authorization: `Bearer ${KEY}` };

class OpenAiApi {
    name = 'openai';
    path = '/v1/chat/completions';

    /** The events of a streamed answer, as they go over the wire. */
    frames(pieces) {
        const chunk = (delta, finish_reason = null) =>
            `data: ${JSON.stringify({
                id: 'chatcmpl-1', object: 'chat.completion.chunk', created: 1790000000, model: 'm', system_fingerprint: 'fp',
                choices: [{ index: 0, delta, logprobs: null, finish_reason }],
            })}\n\n`;
        return [chunk({ role: 'assistant', content: '' }), ...pieces.map((content) => chunk({ content })), chunk({}, 'stop'),
            'data: [DONE]\n\n'];
    }

    whole(content) {
        return {
            id: 'chatcmpl-1', object: 'chat.completion', created: 1790000000, model: 'm',
            choices: [{ index: 0, message: { role: 'assistant', content }, logprobs: null, finish_reason: 'stop' }],
            usage: { prompt_tokens: 1, completion_tokens: 1, total_tokens: 2 },
        };
    }

    textOfWhole(answer) {
        return answer.choices[0].message.content;
    }

    /** Like every other call of the client: a promise, which has withResponse(). */
    ask(url, { stream = true, retries = 2 } = {}) {
        const client = new OpenAI({ apiKey: KEY, baseURL: `${url}/v1`, maxRetries: retries });
        return client.chat.completions.create({ model: 'm', messages: [{ role: 'user', content: 'Why?' }], stream });
    }

    text(chunk) {
        return chunk.choices[0]?.delta?.content ?? '';
    }
}

class AnthropicApi {
    name = '@anthropic-ai/sdk';
    path = '/v1/messages';

    frames(pieces) {
        const event = (type, more = {}) => `event: ${type}\ndata: ${JSON.stringify({ type, ...more })}\n\n`;
        const { content, stop_reason, ...message } = this.whole('');
        return [
            event('message_start', { message: { ...message, content: [], stop_reason: null } }),
            event('content_block_start', { index: 0, content_block: { type: 'text', text: '' } }),
            event('ping'),
            ...pieces.map((text) => event('content_block_delta', { index: 0, delta: { type: 'text_delta', text } })),
            event('content_block_stop', { index: 0 }),
            event('message_delta', { delta: { stop_reason: 'end_turn', stop_sequence: null }, usage: { output_tokens: 1 } }),
            event('message_stop'),
        ];
    }

    whole(text) {
        return {
            id: 'msg_1', type: 'message', role: 'assistant', model: 'm', content: [{ type: 'text', text }], stop_reason: 'end_turn',
            stop_sequence: null, usage: { input_tokens: 1, output_tokens: 1 },
        };
    }

    textOfWhole(answer) {
        return answer.content[0].text;
    }

    ask(url, { stream = true, retries = 2 } = {}) {
        const client = new Anthropic({ apiKey: KEY, baseURL: url, maxRetries: retries });
        return client.messages.create({ model: 'm', max_tokens: 100, messages: [{ role: 'user', content: 'Why?' }], stream });
    }

    text(event) {
        return event.type === 'content_block_delta' ? event.delta.text : '';
    }
}

export const APIS = [new OpenAiApi(), new AnthropicApi()];

/** One request and the answer to it. */
class Post {
    constructor(api, request, body, response) {
        this.api = api;
        this.body = JSON.parse(body);
        this.retry = request.headers['x-stainless-retry-count'];
        this.response = response;
        this.gone = false;  // the other side has closed before the answer was whole
        response.on('close', () => { this.gone = !response.writableFinished; });
    }

    begin() {
        this.response.writeHead(200, { 'Content-Type': 'text/event-stream; charset=utf-8' });
        this.response.flushHeaders();
    }

    async send(frames) {
        for (const frame of frames) {
            this.response.write(frame);
            await new Promise((done) => setTimeout(done, 2));
        }
    }

    end() {
        this.response.end();
    }

    /** In the middle of the chunked body. */
    cut() {
        this.response.destroy();
    }

    json(status, value, fields = {}) {
        this.response.writeHead(status, { 'Content-Type': 'application/json', ...fields }).end(JSON.stringify(value));
    }
}

export class CompletionsServer {
    constructor() {
        this.posts = [];
        this.all = 0;
        this.others = [];
        this.script = undefined;
        this.server = http.createServer(async (request, response) => {
            let body = '';
            for await (const data of request) body += data;
            const api = APIS.find((one) => one.path === request.url);
            if (!api || request.method !== 'POST') {
                this.others.push(`${request.method} ${request.url}`);
                response.writeHead(405, { 'Content-Type': 'application/json', Allow: 'POST' }).end('{}');
                return;
            }
            const post = new Post(api, request, body, response);
            this.posts.push(post);
            ++this.all;
            try {
                await this.script(post);
            } catch (error) {
                console.error(error);
                post.cut();
            }
        });
    }
}
