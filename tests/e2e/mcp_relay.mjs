// A TCP relay as cutter.py is one, within this process: there are two for each scenario. It can also be cut as a dying NAT
// would do it.

import net from 'node:net';

import { expect, finally_, listen } from './harness.mjs';

export class Relay {
    static async before(url) {
        const relay = new Relay(new URL(url));
        relay.url = await listen(relay.server);
        finally_(() => {
            for (const { near, far } of [...relay.pairs, ...relay.halves]) [near, far].forEach((one) => one.destroy());
        });
        return relay;
    }

    constructor(target) {
        this.pairs = new Set();
        this.halves = [];
        this.server = net.createServer({ allowHalfOpen: true }, (near) => {
            const pair = { near, far: net.connect({ port: Number(target.port), host: target.hostname, allowHalfOpen: true }) };
            this.pairs.add(pair);
            this.pump(pair, pair.near, pair.far);
            this.pump(pair, pair.far, pair.near);
        });
    }

    pump(pair, from, to) {
        from.on('data', (data) => to.destroyed || to.write(data) || from.pause());
        to.on('drain', () => from.resume());
        from.on('end', () => to.end());
        from.on('error', () => to.destroyed || to.resetAndDestroy());
        from.on('close', () => this.pairs.delete(pair));
    }

    take() {
        expect(this.pairs.size > 0, 'there was nothing to cut');
        const pairs = [...this.pairs];
        this.pairs.clear();
        return pairs;
    }

    /** Resets all connections; what is on its way is lost. */
    cut() {
        for (const { near, far } of this.take()) [near, far].forEach((one) => one.resetAndDestroy());
    }

    /** Resets them for whoever connected; the target does not hear of it before `release()`. */
    cutNear() {
        this.halves = this.take();
        for (const { near, far } of this.halves) {
            far.removeAllListeners('data').resume();
            near.removeAllListeners().on('error', () => {}).resetAndDestroy();
        }
    }

    release() {
        for (const { far } of this.halves) far.resetAndDestroy();
    }
}
