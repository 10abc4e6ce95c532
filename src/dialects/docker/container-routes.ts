import type { ServerResponse } from 'node:http';
import { Node } from '#api/core/node.ts';
import { badRequest } from '#machinery/status-error.ts';
import { attach, writeAll } from './attach.ts';
import { hasTty, type ContainerRecord } from './container-record.ts';
import { isGated, stateOf } from './container-state.ts';
import { createdAt, inspectionOf, rowOf, type NodeView } from './container-view.ts';
import type { DockerContext } from './context.ts';
import { parseCreateBody } from './create-body.ts';
import { notOffered } from './errors.ts';
import { containerEvent } from './events.ts';
import { containerFilters, containerMatcher, parseFilters } from './filters.ts';
import { streamType } from './frames.ts';
import { outputOf } from './output.ts';
import { flag, type Answer, type Call, type Route } from './router.ts';

/** /containers. */
export function containerRoutes(context: DockerContext): readonly Route[] {
  const { containers, lifecycle, clock, readers, sizes } = context;
  const named = ({ params }: Call) => containers.find(params['name'] ?? '');
  return [
    { method: 'GET', path: '/containers/json', answer: (call) => list(context, call) },
    { method: 'POST', path: '/containers/create', answer: (call) => create(context, call) },
    {
      method: 'GET',
      path: '/containers/{name}/json',
      answer: (call) => {
        const record = named(call);
        return { code: 200, body: inspectionOf(record, nodeOf(context, record), clock.now()) };
      },
    },
    {
      method: 'POST',
      path: '/containers/{name}/start',
      answer: async (call) => ({ code: (await lifecycle.start(named(call), call.signal)) ? 204 : 304 }),
    },
    {
      method: 'POST',
      path: '/containers/{name}/stop',
      answer: async (call) => ({ code: (await lifecycle.stop(named(call), secondsOf(call), call.signal)) ? 204 : 304 }),
    },
    {
      method: 'POST',
      path: '/containers/{name}/restart',
      answer: async (call) => {
        const { id } = named(call);
        await lifecycle.stop(containers.find(id), secondsOf(call), call.signal);
        await lifecycle.start(containers.find(id), call.signal);
        context.events.add(containerEvent(containers.find(id), 'restart', clock.now()));
        return { code: 204 };
      },
    },
    {
      method: 'POST',
      path: '/containers/{name}/kill',
      answer: async (call) => {
        await lifecycle.kill(named(call), call.query.get('signal') ?? '', call.signal);
        return { code: 204 };
      },
    },
    {
      method: 'DELETE',
      path: '/containers/{name}',
      answer: async (call) => {
        if (flag(call.query, 'link')) throw notOffered('links between containers');
        await lifecycle.remove(named(call), flag(call.query, 'force'), call.signal);
        return { code: 204 };
      },
    },
    { method: 'POST', path: '/containers/{name}/wait', write: (call, res) => wait(context, named(call), call, res) },
    { method: 'GET', path: '/containers/{name}/logs', write: (call, res) => logs(context, named(call), call, res) },
    {
      method: 'POST',
      path: '/containers/{name}/attach',
      async stream(call, grant) {
        const record = named(call);
        const { query, signal } = call;
        const hijacked = grant(streamType(hasTty(record)));
        const request = {
          stdin: flag(query, 'stdin'),
          stdout: flag(query, 'stdout'),
          stderr: flag(query, 'stderr'),
          logs: flag(query, 'logs'),
          stream: flag(query, 'stream'),
        };
        const reading = attach(context, record, request, hijacked, signal);
        readers.add(record.id, reading);
        context.events.add(containerEvent(record, 'attach', clock.now()));
        await reading;
      },
    },
    {
      method: 'POST',
      path: '/containers/{name}/resize',
      answer: (call) => {
        sizes.tell(named(call).id, call.query);
        return { code: 200 };
      },
    },
  ];
}

function secondsOf({ query }: Call): number | undefined {
  const text = query.get('t');
  if (query.get('signal'))
    throw notOffered('another stop signal for one stop (docker stop --signal)', 'set it when creating: --stop-signal');
  if (text === null || text === '') return undefined;
  if (!/^-?\d{1,9}$/.test(text)) throw badRequest(`invalid t: ${JSON.stringify(text)} is no number of seconds`);
  return Number(text);
}

export function nodeOf({ cache }: DockerContext, { pod }: ContainerRecord): NodeView | undefined {
  const name = pod.spec.nodeName ?? '';
  if (name === '') return undefined;
  const address = cache.get(Node, { name })?.status?.addresses?.find(({ type }) => type === 'InternalIP')?.address;
  return { name, ip: pod.status?.hostIP ?? address ?? '' };
}

function list(context: DockerContext, { query }: Call): Answer {
  const { containers, clock } = context;
  const now = clock.now();
  const filters = parseFilters(query.get('filters'), containerFilters);
  const matches = containerMatcher(filters, (name) => containers.find(name), now);
  const limit = Number(query.get('limit') ?? 0);
  if (!Number.isInteger(limit)) throw badRequest(`invalid limit: ${query.get('limit')}`);
  // A state that was asked for is shown although it is not "running".
  const all = flag(query, 'all') || limit > 0 || filters.has('status') || filters.has('exited');
  const shown = [...containers.all()].filter((record) => (all || isUp(record, now)) && matches(record));
  shown.sort((a, b) => (createdAt(a) < createdAt(b) ? 1 : createdAt(a) > createdAt(b) ? -1 : a.name < b.name ? -1 : 1));
  const cut = limit > 0 ? shown.slice(0, limit) : shown;
  return { code: 200, body: cut.map((record) => rowOf(record, nodeOf(context, record), now)) };
}

function isUp(record: ContainerRecord, now: number): boolean {
  const { status } = stateOf(record, now);
  return status === 'running' || status === 'restarting';
}

async function create({ lifecycle }: DockerContext, { json, query, signal }: Call): Promise<Answer> {
  const body = parseCreateBody(await json());
  const { id, warnings } = await lifecycle.create(body, query.get('name'), query.get('platform') ?? '', signal);
  return { code: 201, body: { Id: id, Warnings: warnings } };
}

const conditions = ['', 'not-running', 'next-exit', 'removed'];
/** How long the end of a container is kept back for those who still read what it wrote. */
const readersMsMax = 2_000;

/** The head of the reply goes out at once: the CLI starts the container only after it. */
async function wait(
  { containers, readers, clock }: DockerContext,
  record: ContainerRecord,
  { query, signal }: Call,
  res: ServerResponse,
): Promise<void> {
  const condition = query.get('condition') ?? '';
  if (!conditions.includes(condition)) throw badRequest(`invalid condition: "${condition}"`);
  res.writeHead(200, { 'content-type': 'application/json' });
  res.flushHeaders();
  const ended = (now: ContainerRecord) => !isGated(now) && stateOf(now, clock.now()).status === 'exited';
  const begunAs = `${record.pod.metadata?.uid ?? ''}/${stateOf(record, clock.now()).finishedAt}`;
  let last = record;
  const code = await containers.until(
    record.id,
    (now) => {
      if (now === undefined) return stateOf(last, clock.now()).exitCode;
      last = now;
      const state = stateOf(now, clock.now());
      switch (condition) {
        case 'removed':
          return undefined;
        case 'next-exit': {
          const isSame = begunAs === `${now.pod.metadata?.uid ?? ''}/${state.finishedAt}`;
          return !isSame && (ended(now) || state.status === 'restarting')
            ? state.exitCode
            : failedStart(now, state.error, state.exitCode);
        }
        default:
          return ended(now) || isGated(now) ? state.exitCode : undefined;
      }
    },
    signal,
  );
  // As with Docker: who hears of the end has been sent all output by then, unless it does not take it.
  const tooSlow = clock.sleep(readersMsMax, signal).catch(() => undefined);
  await Promise.race([readers.idle(record.id), tooSlow]);
  res.end(`${JSON.stringify({ StatusCode: code })}\n`);
}

/** A start that failed puts a new, gated pod in the old one's place; nobody waits for the exit of that. */
function failedStart(record: ContainerRecord, error: string, exitCode: number): number | undefined {
  return isGated(record) && error !== '' ? exitCode : undefined;
}

async function logs(
  context: DockerContext,
  record: ContainerRecord,
  { query, signal }: Call,
  res: ServerResponse,
): Promise<void> {
  const { client, clock, readers } = context;
  const [stdout, stderr, follow] = [flag(query, 'stdout'), flag(query, 'stderr'), flag(query, 'follow')];
  if (!stdout && !stderr) throw badRequest('Bad parameters: you must choose at least one stream');
  const tail = query.get('tail') ?? 'all';
  if (tail !== 'all' && !/^\d{1,9}$/.test(tail))
    throw badRequest(`invalid tail: ${JSON.stringify(tail)} is neither a number nor "all"`);
  const [since, until] = ['since', 'until'].map((name) => momentOf(query, name));
  const head = () => {
    res.writeHead(200, { 'content-type': streamType(hasTty(record)) });
    res.flushHeaders();
  };
  if (stateOf(record, clock.now()).startedAt.startsWith('0001')) {
    // Nothing has run; with follow Docker waits for the start.
    head();
    if (follow) {
      const begun = await context.containers.until(
        record.id,
        (now) => (now === undefined ? null : stateOf(now, clock.now()).startedAt.startsWith('0001') ? undefined : now),
        signal,
      );
      if (begun !== null)
        await writeAll(
          outputOf(client, clock, begun, { stdout, stderr, follow, timestamps: flag(query, 'timestamps'), signal }),
          res,
        );
    }
    return void res.end();
  }
  const chunks = outputOf(client, clock, record, {
    stdout,
    stderr,
    follow,
    timestamps: flag(query, 'timestamps'),
    ...(tail === 'all' ? {} : { tail: Number(tail) }),
    ...(since === undefined ? {} : { since }),
    ...(until === undefined ? {} : { until }),
    signal,
  });
  // The head waits for the first bytes or a short while, so that a failure still has a code of its own.
  const first = chunks.next();
  first.catch(() => {}); // told below
  await Promise.race([first, clock.sleep(firstByteMs, signal)]);
  head();
  const reading = (async () => {
    const { done, value } = await first;
    if (done === true) return;
    res.write(value);
    await writeAll(chunks, res);
  })();
  readers.add(record.id, reading);
  await reading;
  res.end();
}

const firstByteMs = 300;

/** Seconds since the epoch, with a fraction. */
function momentOf(query: URLSearchParams, name: string): string | undefined {
  const text = query.get(name) ?? '';
  if (text === '' || text === '0') return undefined;
  if (!/^\d{1,11}(\.\d{1,9})?$/.test(text))
    throw badRequest(`invalid ${name}: ${JSON.stringify(text)} is no Unix time`);
  const [seconds = '0', fraction = ''] = text.split('.');
  return `${new Date(Number(seconds) * 1000).toISOString().slice(0, 19)}.${fraction.padEnd(9, '0')}Z`;
}
