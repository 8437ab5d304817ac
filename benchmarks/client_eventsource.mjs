// npm's `eventsource` in the client benchmark (client.sh runs it from the folder that holds node_modules): `streams` objects,
// whose events are counted and no more. One line of name=value pairs as bench_client_rejoin prints it.
//
//     node client_eventsource.mjs full|idle|storm events --port P --load PID [...]      or: --version

import { readFileSync, readdirSync, readlinkSync } from "node:fs";
import { EventSource } from "eventsource";

if (process.argv[2] === "--version") {
  console.log(JSON.parse(readFileSync(new URL("node_modules/eventsource/package.json", import.meta.url))).version);
  process.exit(0);
}

const options = { streams: 1, seconds: 4, heartbeat: 15, ramp: 2000, away: 2, port: 0, load: 0 };
for (let i = 4; i + 1 < process.argv.length; i += 2) options[process.argv[i].slice(2)] = Number(process.argv[i + 1]);
const scenario = process.argv[2];
const path = scenario === "full" ? "/full" : `/quiet?heartbeat=${options.heartbeat}`;

// --- what the machine did ---

const ticks = (line) => line.trim().split(/\s+/);

function processorsBusy() {
  const lines = readFileSync("/proc/stat", "utf8").split("\n").filter((line) => /^cpu[01] /.test(line));
  const busy = lines.reduce((sum, line) => {
    const t = ticks(line).slice(1).map(Number);
    return sum + t[0] + t[1] + t[2] + t[5] + t[6] + t[7];
  }, 0);
  return { busy: busy / 100, count: Math.max(1, lines.length) };
}

// Of the server and its children.
function loadCpu() {
  let sum = 0;
  for (const name of readdirSync("/proc").filter((entry) => /^\d+$/.test(entry))) {
    try {
      const stat = readFileSync(`/proc/${name}/stat`, "utf8");
      const fields = ticks(stat.slice(stat.lastIndexOf(")") + 1));
      if (Number(name) === options.load || Number(fields[1]) === options.load) sum += Number(fields[11]) + Number(fields[12]);
    } catch {
      // gone meanwhile
    }
  }
  return sum / 100;
}

class Window {
  #begin = process.hrtime.bigint();
  #cpu = process.cpuUsage();
  #load = loadCpu();
  #busy = processorsBusy().busy;

  seconds = () => Number(process.hrtime.bigint() - this.#begin) / 1e9;
  cpu = () => {
    const { user, system } = process.cpuUsage(this.#cpu);
    return (user + system) / 1e6;
  };
  foreign = () => {
    const { busy, count } = processorsBusy();
    const used = this.cpu() + Math.max(0, loadCpu() - this.#load);
    return Math.max(0, ((busy - this.#busy - used) / (this.seconds() * count)) * 100);
  };
}

const openSockets = () =>
  readdirSync("/proc/self/fd").filter((fd) => {
    try {
      return readlinkSync(`/proc/self/fd/${fd}`).startsWith("socket:");
    } catch {
      return false;
    }
  }).length;

// --- the streams ---

const totals = { events: 0, ready: 0, opened: 0, open: 0, dropped: 0, attempts: 0 };
const kept = [];

function openOne() {
  // Each attempt is a fetch, which is how the attempts are counted.
  const source = new EventSource(`http://127.0.0.1:${options.port}${path}`, {
    fetch: (url, init) => {
      ++totals.attempts;
      return fetch(url, init);
    },
  });
  let open = false;
  let ready = false;
  source.onopen = () => {
    open = true;
    ++totals.open;
  };
  source.onerror = () => {
    if (!open) return;
    open = false;
    --totals.open;
    ++totals.dropped;
  };
  source.onmessage = () => {
    ++totals.events;
    if (ready) return;
    ready = true;
    ++totals.ready;
  };
  kept.push(source);
}

const sleep = (seconds) => new Promise((resolve) => setTimeout(resolve, seconds * 1000));

async function until(condition, limit) {
  const latest = Date.now() + limit * 1000;
  while (!condition() && Date.now() < latest) await sleep(0.01);
}

function print(figures) {
  console.log(Object.entries(figures).map(([name, value]) => `${name}=${value}`).join(" "));
}

// --- the story ---

const memory = process.memoryUsage.rss();
const begin = Date.now();
const latest = begin + (options.streams / options.ramp + 20) * 1000;
while (Date.now() < latest && totals.ready < options.streams) {
  const due = ((Date.now() - begin) / 1000) * options.ramp + 1;
  while (kept.length < options.streams && kept.length < due) openOne();
  await sleep(0.005);
}
await sleep(1);

const window = new Window();
const before = { ...totals };
if (scenario === "full") {
  await sleep(options.seconds);
  const events = totals.events - before.events;
  const [cpu, seconds] = [window.cpu(), window.seconds()];
  print({
    events, events_per_s: Math.round(events / seconds), cpu_us: ((cpu * 1e6) / Math.max(1, events)).toFixed(4),
    cpu_share: ((cpu / seconds) * 100).toFixed(0), streams: options.streams, ready: totals.ready, foreign: window.foreign().toFixed(0),
  });
} else if (scenario === "idle") {
  await sleep(options.seconds);
  const cpu = ((window.cpu() * 1e3) / window.seconds()).toFixed(2);
  const bytes = Math.round((process.memoryUsage.rss() - memory) / options.streams);
  const [open, dropped, sockets] = [totals.open, totals.dropped - before.dropped, openSockets()];
  const events = totals.events;
  process.kill(options.load, "SIGUSR1");
  await until(() => totals.events - events >= options.streams, 10);
  print({
    stream_bytes: bytes, streams: options.streams, open, dropped, alive: totals.events - events, sockets, cpu_ms_per_s: cpu,
    held_s: window.seconds().toFixed(1), foreign: window.foreign().toFixed(0),
  });
} else {
  process.kill(options.load, "SIGUSR2");
  await sleep(options.away);
  const [awayCpu, awaySeconds, awayAttempts] = [window.cpu(), window.seconds(), totals.attempts - before.attempts];
  const back = (count) => totals.dropped - before.dropped >= count && totals.events - before.events >= count;
  await until(() => back((options.streams + 1) / 2), 60);
  const half = window.seconds() - options.away;
  await until(() => back(options.streams) && totals.open === options.streams, 60);
  print({
    away_cpu_ms: (awayCpu * 1e3).toFixed(0), away_share: ((awayCpu / awaySeconds) * 100).toFixed(1), away_attempts: awayAttempts,
    half_s: half.toFixed(2), all_s: (window.seconds() - options.away).toFixed(2), all_cpu_ms: (window.cpu() * 1e3).toFixed(0),
    attempts: totals.attempts - before.attempts, streams: options.streams, open: totals.open, dropped: totals.dropped - before.dropped,
    events: totals.events - before.events, gaps: 0, foreign: window.foreign().toFixed(0),
  });
}
process.exit(0);
