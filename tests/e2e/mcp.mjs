// The official MCP SDK (npm), client and server, through the proxy, while both sides are cut. Every scenario has a world
// of its own, so they run at the same time. MCP_ONLY=NAME in the environment: only those scenarios.

import { expect, run } from './harness.mjs';
import * as calls from './mcp_calls.mjs';
import * as sessions from './mcp_sessions.mjs';
import * as standalone from './mcp_standalone.mjs';
import { stateless } from './mcp_stateless.mjs';

const AT_ONCE = 8;
const both = ['2025-06-18', '2025-11-25'];
const newest = both.slice(1);

const scenarios = [
    [calls.upstreamCut, both],
    [calls.clientCut, both],
    [calls.clientCut, both, { store: false }],
    [calls.clientCutTwice, newest],  // those before are not told again where they are
    [calls.bothCut, both],
    [calls.proxyRestarted, both],
    [calls.conflict, both],
    [calls.lostUpstream, both],
    [calls.sessionLost, both],
    [calls.unanswered, both],
    [calls.cutBeforeFirst, newest],  // likewise
    [calls.tooLate, both],
    [calls.polling, both],
    [standalone.announcements, both],
    [standalone.returnWithoutId, both],
    [standalone.conflictWithoutId, both],
    [standalone.noneOffered, both],
    [sessions.isolation, both],
    [sessions.isolation, both, { store: false }],
    [sessions.terminated, both],
    [sessions.terminated, both, { store: false }],
    [stateless, ['2026-07-28']],
];

async function test() {
    const all = scenarios.flatMap(([scenario, versions, options]) => versions.map((version) => ({ scenario, version, options })));
    const waiting = all.filter(({ scenario }) => (process.env.MCP_ONLY ?? scenario.name) === scenario.name);
    const count = waiting.length;
    const failures = [];
    const work = async () => {
        for (let next = waiting.shift(); next; next = waiting.shift()) {
            const { scenario, version, options } = next;
            try {
                console.log(`ok: ${version}: ${await scenario(version, options)}`);
            } catch (error) {
                failures.push(scenario.name);
                console.error(`FAILED: ${version}: ${scenario.name}: ${error.stack}`);
            }
        }
    };
    await Promise.all(Array.from({ length: AT_ONCE }, work));
    expect(failures.length === 0, `${failures.length} of ${count} scenarios: ${failures.join(', ')}`);
    console.log(`${count} scenarios`);
}

run(test);
