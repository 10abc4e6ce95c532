import type { Duplex } from 'node:stream';
import { finished } from 'node:stream/promises';
import { deadline } from '#lib/deadline.ts';
import type { Clock } from '#lib/clock.ts';
import { SpdySession } from '#lib/spdy/session.ts';
import type { SpdyStream } from '#lib/spdy/stream.ts';
import { abortable } from '#lib/abortable.ts';
import type { AttachOptions, Session } from '#client/client.ts';
import { StatusError, timeout, type Status } from '#machinery/status-error.ts';

/** Best first. Over SPDY, v5 differs from v4 in name only. Source: k8s.io/apimachinery/pkg/util/remotecommand. */
export const spdyProtocols = [
  'v5.channel.k8s.io',
  'v4.channel.k8s.io',
  'v3.channel.k8s.io',
  'v2.channel.k8s.io',
  'channel.k8s.io',
];

const streamsMsMax = 30_000;
const goodbyeMsMax = 5_000;
export const pingIntervalMs = 30_000;

type Role = 'error' | 'stdin' | 'stdout' | 'stderr' | 'resize';

/**
 * Carries a running exec or attach over SPDY: the client opens one stream for each thing it wants, the outcome goes to
 * the error stream. Takes over `socket`, whose upgrade has been granted; settles once it is closed and never rejects.
 */
export async function serveSpdySession(
  socket: Duplex,
  protocol: string,
  options: Omit<AttachOptions, 'signal'>,
  session: Session,
  clock: Clock,
): Promise<void> {
  const streams = new Map<Role, SpdyStream>();
  const wanted = rolesOf(protocol, options);
  const complete = Promise.withResolvers<void>();
  const spdy = new SpdySession(socket, {
    role: 'server',
    streamsMax: 5,
    onStream(stream) {
      const role = stream.header('streamtype') as Role;
      if (!wanted.has(role) || streams.has(role))
        throw new Error(`a stream of type ${JSON.stringify(role)} is not expected`);
      streams.set(role, stream);
      if (streams.size === wanted.size) complete.resolve();
    },
  });
  const over = spdy.closed.then(() => session.close());
  using _ = pinging(spdy, clock);
  try {
    await whenComplete(complete.promise, over, clock);
  } catch {
    session.close();
    spdy.destroy();
    await over;
    return;
  }
  const stream = (role: Role) => streams.get(role);
  stream('resize')?.on(
    'data',
    sizes((width, height) => session.resize(width, height)),
  );
  const input = stream('stdin');
  if (session.stdin !== undefined && input !== undefined) {
    session.stdin.on('error', () => {});
    session.stdin.on('close', () => input.resume()); // the command reads no more: what still comes is dropped
    input.pipe(session.stdin);
  }
  const outputs = (['stdout', 'stderr'] as const).map(async (role) => {
    const [source, target] = [session[role], stream(role)];
    if (target === undefined) return;
    if (source === undefined) return void target.end();
    source.pipe(target);
    await Promise.race([finished(source, { writable: false }).catch(() => target.end()), over]);
    await Promise.race([finished(target, { readable: false }).catch(() => {}), over]);
    if (!source.readableEnded) source.destroy(); // nobody is left to read it
  });
  await Promise.all(outputs);
  const status = await Promise.race([session.done.catch(failureOf), over]);
  if (status !== undefined) {
    const error = stream('error');
    error?.end(outcomeText(protocol, status));
    if (error !== undefined) await Promise.race([finished(error, { readable: false }).catch(() => {}), over]);
    spdy.end();
    const late = clock.after(goodbyeMsMax, () => spdy.destroy());
    input?.resume();
    await over;
    late[Symbol.dispose]();
  }
}

/** What a client opens for what it asked for. The first two versions know no sizes, later ones only with a terminal. */
function rolesOf(protocol: string, { stdin, stdout, stderr, tty }: Omit<AttachOptions, 'signal'>): ReadonlySet<Role> {
  const roles = new Set<Role>(['error']);
  if (stdin) roles.add('stdin');
  if (stdout) roles.add('stdout');
  if (stderr) roles.add('stderr');
  if (tty && /^v[345]\./.test(protocol)) roles.add('resize');
  return roles;
}

async function whenComplete(complete: Promise<void>, over: Promise<void>, clock: Clock): Promise<void> {
  const never = new AbortController();
  using limit = deadline(clock, streamsMsMax, never.signal, () =>
    timeout('timed out waiting for the client to open its streams'),
  );
  await abortable(
    Promise.race([
      complete,
      over.then(() => {
        throw new Error('the client has gone');
      }),
    ]),
    limit.signal,
  );
}

/** Since v4 a Status; before, a text, and nothing means success. */
function outcomeText(protocol: string, status: Status): string {
  if (/^v[45]\./.test(protocol)) return JSON.stringify(status);
  return status.status === 'Success' ? '' : (status.message ?? 'failed');
}

function failureOf(error: unknown): Status {
  return (error instanceof StatusError ? error : new StatusError('InternalError', String(error))).toStatus();
}

const sizeBytesMax = 1024;

/** Sizes come as JSON objects one after another, without anything between them. */
function sizes(resize: (width: number, height: number) => void): (chunk: Buffer) => void {
  let text = '';
  return (chunk) => {
    text += chunk.toString('latin1');
    for (let end = text.indexOf('}'); end >= 0; end = text.indexOf('}')) {
      try {
        const { Width, Height } = JSON.parse(text.slice(0, end + 1)) as Record<string, unknown>;
        if (typeof Width === 'number' && typeof Height === 'number') resize(Width, Height);
      } catch {
        // not a size: a terminal of the wrong size is no reason to end a session
      }
      text = text.slice(end + 1);
    }
    if (text.length > sizeBytesMax) text = '';
  };
}

/** Pings until disposed: the write fails once the peer is gone, also while nothing else is written or read. */
export function pinging(session: SpdySession, clock: Clock): Disposable {
  let timer: Disposable;
  const beat = () => {
    session.ping();
    timer = clock.after(pingIntervalMs, beat);
  };
  timer = clock.after(pingIntervalMs, beat);
  return { [Symbol.dispose]: () => timer[Symbol.dispose]() };
}
