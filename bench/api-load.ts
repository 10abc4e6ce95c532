/**
 * The clients of `api.bench.ts`, in a process of their own so that they share no event loop with the server or the
 * harness: `node api-load.ts KUBECONFIG WHAT`. Each client is one HTTP/2 connection with one request under way.
 * Prints what it measured as JSON.
 */
import { connect, constants, type ClientHttp2Session } from 'node:http2';
import { setTimeout } from 'node:timers/promises';
import { loadKubeconfig } from '#client/kubeconfig.ts';
import { percentile } from './row.ts';

const clients = 32;
const pacedPerSecond = 2_000;
const createMs = 6_000;
const warmMs = 2_000;
const getMs = 4_000;
const pods = 10_000;
const lists = 15;
const watchers = 1_000;
const watchConnections = 20;
const watchedWrites = 400;
const deliveryMsMax = 30_000;
const objectBytes = 1024;
const delayedPerSecond = 200;
const delayMs = 6_000;
const delaySampled = 10;
const applied = 500;

const [, , kubeconfig = '', what = ''] = process.argv;
const { server } = await loadKubeconfig([kubeconfig]);

/**
 * How much a server may send before it hears that it was taken, in bytes, as client-go has it. With Node's own 64 KiB
 * a connection's fifty watches would wait for each other. Source: golang.org/x/net/http2/transport.go.
 */
const streamWindow = 4 << 20;
const connectionWindow = 1 << 30;

async function open(count: number): Promise<readonly ClientHttp2Session[]> {
  const { ca, cert, key } = server;
  return Promise.all(
    Array.from({ length: count }, async () => {
      const session = connect(server.url, {
        ...(ca === undefined ? {} : { ca }),
        ...(cert === undefined ? {} : { cert }),
        ...(key === undefined ? {} : { key }),
        settings: { initialWindowSize: streamWindow },
      });
      session.setMaxListeners(0);
      await new Promise((resolve, reject) => session.once('connect', resolve).once('error', reject));
      session.setLocalWindowSize(connectionWindow);
      return session;
    }),
  );
}

/** One request; resolves with how many bytes the reply had. Throws if it is not a success. */
function ask(session: ClientHttp2Session, path: string, body?: string): Promise<number> {
  return new Promise((resolve, reject) => {
    const stream = session.request(
      body === undefined
        ? { [constants.HTTP2_HEADER_PATH]: path }
        : {
            [constants.HTTP2_HEADER_METHOD]: 'POST',
            [constants.HTTP2_HEADER_PATH]: path,
            [constants.HTTP2_HEADER_CONTENT_TYPE]: 'application/json',
          },
      { endStream: body === undefined },
    );
    let status = 0;
    let bytes = 0;
    stream.on('response', (headers) => (status = headers[':status'] ?? 0));
    stream.on('data', (chunk: Buffer) => (bytes += chunk.length));
    stream.on('end', () => (status < 300 ? resolve(bytes) : reject(new Error(`${path} was answered with ${status}`))));
    stream.on('error', reject);
    if (body !== undefined) stream.end(body);
  });
}

interface Load {
  readonly perSecond: number;
  readonly p50: number;
  readonly p99: number;
  readonly requests: number;
}

/** Every client asks again as soon as it is answered, or when its turn at `pace` requests a second has come. */
async function load(
  ms: number,
  request: (session: ClientHttp2Session, index: number) => Promise<unknown>,
  pace = Number.POSITIVE_INFINITY,
): Promise<Load> {
  const sessions = await open(clients);
  const waits: number[] = [];
  const start = performance.now();
  const begin = start + warmMs;
  const end = begin + ms;
  let index = 0;
  const client = async (session: ClientHttp2Session) => {
    for (let now = performance.now(); now < end;) {
      const due = start + (index / pace) * 1000;
      const mine = index++;
      if (due > now) await setTimeout(due - now);
      const sent = performance.now();
      await request(session, mine);
      now = performance.now();
      if (sent >= begin) waits.push(now - sent);
    }
  };
  await Promise.all(sessions.map(client));
  for (const session of sessions) session.close();
  const perSecond = waits.length / (ms / 1000);
  return {
    perSecond,
    p50: percentile(waits, 0.5),
    p99: percentile(waits, 0.99),
    requests: waits.length,
  };
}

const run = Math.random().toString(36).slice(2, 8);
const configMaps = '/api/v1/namespaces/default/configmaps';
const filled = 'x'.repeat(objectBytes - 100);
const configMap = (name: string, text: string) =>
  `{"apiVersion":"v1","kind":"ConfigMap","metadata":{"name":"${name}"},"data":{"text":"${text}"}}`;

function create(pace?: number): Promise<Load> {
  const send = (session: ClientHttp2Session, index: number) =>
    ask(session, configMaps, configMap(`create-${run}-${index}`, filled));
  return load(createMs, send, pace);
}

async function get(pace?: number): Promise<Load> {
  const [session] = await open(1);
  if (session === undefined) throw new Error('No connection');
  await ask(session, configMaps, configMap(`get-${run}`, filled));
  session.close();
  return load(getMs, (client) => ask(client, `${configMaps}/get-${run}`), pace);
}

/** Milliseconds a full list of pods from the cache takes, and its bytes. Nobody schedules these pods. */
async function list(): Promise<{ readonly ms: readonly number[]; readonly bytes: number }> {
  const sessions = await open(clients);
  let created = 0;
  const creator = async (session: ClientHttp2Session) => {
    while (created < pods) {
      const name = `pod-${created++}`;
      await ask(
        session,
        '/api/v1/namespaces/default/pods',
        JSON.stringify({
          apiVersion: 'v1',
          kind: 'Pod',
          metadata: { name, labels: { app: 'web' } },
          spec: { schedulerName: 'none', containers: [{ name: 'main', image: 'web:1' }] },
        }),
      );
    }
  };
  await Promise.all(sessions.map(creator));
  for (const session of sessions.slice(1)) session.close();
  const [session] = sessions;
  if (session === undefined) throw new Error('No connection');
  const ms: number[] = [];
  let bytes = 0;
  for (let sample = 0; sample < lists; sample++) {
    const start = performance.now();
    bytes = await ask(session, '/api/v1/namespaces/default/pods?resourceVersion=0');
    ms.push(performance.now() - start);
  }
  session.close();
  return { ms, bytes };
}

/** Events a second that reach watchers while objects are created as fast as they go. */
async function watch(): Promise<{ readonly perSecond: number; readonly delivered: number; readonly bytes: number }> {
  const sessions = await open(watchConnections);
  const expected = watchers * watchedWrites;
  let delivered = 0;
  let bytes = 0;
  let last = 0;
  const all = Promise.withResolvers<void>();
  const stop = new AbortController();
  void setTimeout(deliveryMsMax, undefined, { signal: stop.signal }).then(
    () => all.resolve(),
    () => undefined,
  );
  await Promise.all(
    Array.from({ length: watchers }, async (_, index) => {
      const session = sessions[index % watchConnections];
      // From "now" on: the objects of other benchmarks are not sent.
      const path = `${configMaps}?watch=1&resourceVersion=${revision}`;
      const stream = session?.request({ [constants.HTTP2_HEADER_PATH]: path });
      stream?.on('data', (chunk: Buffer) => {
        bytes += chunk.length;
        // Every event ends in the only line feed it has.
        for (let at = chunk.indexOf(10); at !== -1; at = chunk.indexOf(10, at + 1)) delivered++;
        last = performance.now();
        if (delivered >= expected) all.resolve();
      });
      await new Promise((resolve, reject) => stream?.once('response', resolve).once('error', reject));
    }),
  );
  const [writer] = await open(1);
  const start = performance.now();
  const names = Array.from({ length: watchedWrites }, (_, index) => `watch-${run}-${index}`).values();
  await Promise.all(
    Array.from({ length: clients }, async () => {
      for (const name of names) if (writer !== undefined) await ask(writer, configMaps, configMap(name, 'small'));
    }),
  );
  await all.promise;
  stop.abort();
  return { perSecond: delivered / ((last - start) / 1000), delivered, bytes };
}

/** Milliseconds from sending a write to hearing of it, as every `delaySampled`th of the watchers does, at a given pace. */
async function watchDelay(): Promise<{ readonly p50: number; readonly p99: number; readonly events: number }> {
  const sessions = await open(watchConnections);
  const sent: number[] = [];
  const delays: number[] = [];
  const named = new RegExp(`"name":"delay-${run}-(\\d+)"`, 'g');
  await Promise.all(
    Array.from({ length: watchers }, async (_, index) => {
      const path = `${configMaps}?watch=1&resourceVersion=${revision}`;
      const stream = sessions[index % watchConnections]?.request({ [constants.HTTP2_HEADER_PATH]: path });
      let rest = '';
      stream?.on('data', (chunk: Buffer) => {
        if (index % delaySampled !== 0) return;
        const now = performance.now();
        const text = rest + chunk.toString('latin1');
        const end = text.lastIndexOf('\n') + 1;
        rest = text.slice(end);
        for (const [, event] of text.slice(0, end).matchAll(named)) delays.push(now - (sent[Number(event)] ?? now));
      });
      await new Promise((resolve, reject) => stream?.once('response', resolve).once('error', reject));
    }),
  );
  const [writer] = await open(1);
  if (writer === undefined) throw new Error('No connection');
  const events = (delayMs / 1000) * delayedPerSecond;
  const start = performance.now();
  const writes: Promise<unknown>[] = [];
  for (let event = 0; event < events; event++) {
    const wait = start + (event / delayedPerSecond) * 1000 - performance.now();
    if (wait > 0) await setTimeout(wait);
    sent[event] = performance.now();
    writes.push(ask(writer, configMaps, configMap(`delay-${run}-${event}`, 'small')));
  }
  await Promise.all(writes);
  const expected = events * Math.ceil(watchers / delaySampled);
  const late = performance.now() + deliveryMsMax;
  while (delays.length < expected && performance.now() < late) await setTimeout(20);
  if (delays.length < expected) throw new Error(`${expected - delays.length} events were not delivered`);
  // The first second warms up both sides.
  const steady = delays.slice(delayedPerSecond * Math.ceil(watchers / delaySampled));
  return { p50: percentile(steady, 0.5), p99: percentile(steady, 0.99), events: steady.length };
}

/** A manifest of Deployments, Services and ConfigMaps, one server-side apply after the other, as kubectl sends them. */
async function applyUnchanged(): Promise<{ readonly ms: number; readonly written: number }> {
  const [session] = await open(1);
  if (session === undefined) throw new Error('No connection');
  const applyAll = async () => {
    const versions: string[] = [];
    for (let index = 0; index < applied; index++) versions.push(await apply(session, manifestOf(index)));
    return versions;
  };
  await applyAll();
  // What controllers write of new Deployments is theirs; wait until they are done.
  let before = await applyAll();
  for (let again = await applyAll(); !same(before, again); again = await applyAll()) before = again;
  const start = performance.now();
  const after = await applyAll();
  const ms = performance.now() - start;
  session.close();
  return { ms, written: after.filter((version, index) => version !== before[index]).length };
}

const same = (a: readonly string[], b: readonly string[]) => a.every((each, index) => each === b[index]);

interface Manifest {
  readonly path: string;
  readonly object: Readonly<Record<string, unknown>>;
}

function manifestOf(index: number): Manifest {
  const name = `apply-${run}-${index}`;
  const labels = { app: name };
  const metadata = { name, labels };
  switch (index % 3) {
    case 0: {
      const resources = { requests: { cpu: '100m', memory: '64Mi' } };
      const containers = [{ name: 'main', image: 'web:1', ports: [{ containerPort: 80 }], resources }];
      const spec = {
        replicas: 0,
        selector: { matchLabels: labels },
        template: { metadata: { labels }, spec: { containers } },
      };
      return {
        path: `/apis/apps/v1/namespaces/default/deployments/${name}`,
        object: { apiVersion: 'apps/v1', kind: 'Deployment', metadata, spec },
      };
    }
    case 1: {
      const spec = { selector: labels, ports: [{ port: 80, targetPort: 80 }] };
      return {
        path: `/api/v1/namespaces/default/services/${name}`,
        object: { apiVersion: 'v1', kind: 'Service', metadata, spec },
      };
    }
    default:
      return {
        path: `${configMaps}/${name}`,
        object: { apiVersion: 'v1', kind: 'ConfigMap', metadata, data: { text: filled } },
      };
  }
}

/** The `resourceVersion` that the object has afterwards. */
function apply(session: ClientHttp2Session, { path, object }: Manifest): Promise<string> {
  return new Promise((resolve, reject) => {
    const stream = session.request({
      [constants.HTTP2_HEADER_METHOD]: 'PATCH',
      [constants.HTTP2_HEADER_PATH]: `${path}?fieldManager=bench`,
      [constants.HTTP2_HEADER_CONTENT_TYPE]: 'application/apply-patch+yaml',
    });
    let text = '';
    stream.setEncoding('utf8');
    stream.on('data', (chunk: string) => (text += chunk));
    stream.on('end', () => {
      const { metadata, message } = JSON.parse(text) as {
        readonly metadata: { readonly resourceVersion?: string };
        readonly message?: string;
      };
      if (metadata.resourceVersion === undefined) reject(new Error(message));
      else resolve(metadata.resourceVersion);
    });
    stream.on('error', reject);
    stream.end(JSON.stringify(object));
  });
}

async function newestRevision(): Promise<string> {
  const [session] = await open(1);
  if (session === undefined) throw new Error('No connection');
  const text = await new Promise<string>((resolve, reject) => {
    const stream = session.request({ [constants.HTTP2_HEADER_PATH]: `${configMaps}?limit=1` });
    let reply = '';
    stream.setEncoding('utf8');
    stream.on('data', (chunk: string) => (reply += chunk));
    stream.on('end', () => resolve(reply));
    stream.on('error', reject);
  });
  session.close();
  return (JSON.parse(text) as { metadata: { resourceVersion: string } }).metadata.resourceVersion;
}

const revision = what.startsWith('watch') ? await newestRevision() : '';
const measured = {
  create: () => create(),
  'create-paced': () => create(pacedPerSecond),
  get: () => get(),
  'get-paced': () => get(pacedPerSecond),
  list,
  watch,
  'watch-delay': watchDelay,
  'apply-unchanged': applyUnchanged,
};
const measure = measured[what as keyof typeof measured];
if (measure === undefined) throw new Error(`Nothing to measure is called "${what}"`);
process.stdout.write(JSON.stringify(await measure()), () => process.exit(0));
