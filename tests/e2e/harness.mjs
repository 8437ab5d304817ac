// What the node drivers share: programs that live as long as the test, conditions with deadlines, a report.

import { spawn } from 'node:child_process';
import fs from 'node:fs';
import { createRequire } from 'node:module';
import path from 'node:path';
import { createInterface } from 'node:readline';
import { fileURLToPath, pathToFileURL } from 'node:url';

const here = path.dirname(fileURLToPath(import.meta.url));
const scratch = process.env.REJOIN_E2E_SCRATCH;
const require = createRequire(path.join(process.env.NPM_MODULES, 'none.js'));

/** One of the packages that npm.sh has installed. */
export async function npm(name) {
    try {
        return require(name);
    } catch (error) {
        if (error.code !== 'ERR_REQUIRE_ESM') throw error;
        return import(pathToFileURL(require.resolve(name)));
    }
}

export function expect(condition, text) {
    if (!condition) throw new Error(text);
}

export const sleep = (ms) => new Promise((done) => setTimeout(done, ms));

export async function until(condition, ms, text) {
    const deadline = Date.now() + ms;
    for (;;) {
        const value = await condition();
        if (value) return value;
        expect(Date.now() < deadline, `not within ${ms} ms: ${typeof text === 'function' ? await text() : text}`);
        await sleep(20);
    }
}

const programs = [];
const atEnd = [];

/** Has `action` run when the test is over, however it went. */
export const finally_ = (action) => atEnd.push(action);

export class Program {
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

    /** SIGTERM; the exit code. */
    async stop() {
        this.process.kill('SIGTERM');
        return this.ended;
    }
}

/** A TCP relay that cuts its connections when told so (cutter.py). */
export class Cutter extends Program {
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

/** rejoin-proxy with short delays; `more`: further flags, which beat these. */
export const startProxy = (upstream, { listen = '127.0.0.1:0', more = [] } = {}) =>
    new Program('rejoin-proxy', path.join(process.env.REJOIN_BIN_DIR, 'rejoin-proxy'),
        ['--listen', listen, '--upstream', upstream, '--backoff-base', '50ms', '--backoff-cap', '500ms', '--drain', '200ms', '--verbose',
            ...more]).started();

/** A node:http server on a port of its own; its URL. */
export const listen = (server) =>
    new Promise((done) => server.listen(0, '127.0.0.1', () => done(`http://127.0.0.1:${server.address().port}`)));

async function cleanup() {
    for (const action of atEnd) await Promise.resolve().then(action).catch(() => {});
    for (const one of programs) one.process.kill('SIGKILL');
}

/** Runs the test, reports, and ends the process. */
export async function run(test) {
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
}
