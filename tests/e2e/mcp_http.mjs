// A plain HTTP client, for requests that the SDK's would not send.

import http from 'node:http';

import { until } from './harness.mjs';

export class Exchange {
    constructor(url, { method = 'GET', headers = {}, body } = {}) {
        this.text = '';
        this.status = undefined;
        this.end = undefined;  // 'whole' or 'cut'
        this.request = http.request(url, { method, headers, agent: false }, (response) => {
            this.status = response.statusCode;
            this.headers = response.headers;
            response.setEncoding('utf8').on('data', (data) => { this.text += data; });
            response.on('end', () => { this.end = 'whole'; }).on('error', () => { this.end = 'cut'; });
        }).on('error', () => { this.end = 'cut'; });
        this.request.end(body);
    }

    has(text, ms) {
        return until(() => this.text.includes(text), ms, () => `${text}: ${this.status} ${this.text}`);
    }

    ended(ms) {
        return until(() => this.end, ms, () => `the response ends: ${this.status} ${this.text}`);
    }

    leave() {
        this.request.destroy();
    }
}
