// A TCP relay that ends a connection at a certain byte of what comes from its target.

import net from 'node:net';

import { finally_ } from './harness.mjs';

export class EventCutter {
    static async before(url) {
        const cutter = new EventCutter(new URL(url).port);
        await new Promise((done) => cutter.server.listen(0, '127.0.0.1', done));
        cutter.url = `http://127.0.0.1:${cutter.server.address().port}`;
        finally_(() => cutter.server.close());
        return cutter;
    }

    constructor(port) {
        this.cuts = 0;
        this.server = net.createServer((client) => this.relay(client, net.connect(port, '127.0.0.1')));
    }

    /** The next connection that carries `marker` ends `offset` bytes behind the marker's begin. */
    arm(marker, offset) {
        this.armed = { marker, offset };
    }

    relay(client, target) {
        let held = Buffer.alloc(0);
        client.pipe(target);
        target.on('data', (data) => {
            held = Buffer.concat([held, data]);
            if (!this.armed) {
                client.write(held);
                held = Buffer.alloc(0);
                return;
            }
            // Until the marker is there whole nothing goes on, or too much might have.
            const at = held.indexOf(this.armed.marker);
            if (at < 0 || held.length < at + this.armed.offset) return;
            // In order, not with a reset: what was sent must arrive.
            client.end(held.subarray(0, at + this.armed.offset));
            target.destroy();
            this.armed = undefined;
            ++this.cuts;
        });
        target.on('end', () => client.end(held));
        for (const [one, other] of [[client, target], [target, client]]) {
            one.on('error', () => other.destroy());
            one.on('close', () => { if (one === client) other.destroy(); });
        }
    }
}
