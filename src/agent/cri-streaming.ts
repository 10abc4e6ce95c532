import { request } from 'node:http';
import { Writable, type Duplex, type Readable } from 'node:stream';
import { text } from 'node:stream/consumers';
import type { Clock } from '#lib/clock.ts';
import { deadline } from '#lib/deadline.ts';
import { SpdySession } from '#lib/spdy/session.ts';
import type { SpdyStream } from '#lib/spdy/stream.ts';
import type { AttachOptions, CallOptions, Session } from '#client/client.ts';
import { internalError, StatusError, timeout, unavailable, type Status } from '#machinery/status-error.ts';
import { ForwardedPort } from './forwarded-port.ts';
import type { RuntimeStreaming } from './cri-pod-streams.ts';

const handshakeMsMax = 30_000;
/** How long a runtime may keep its side open after ours has ended. */
const goodbyeMsMax = 5_000;

/**
 * The client of a CRI runtime's streaming server: SPDY/3.1 on the URLs that Exec, Attach and PortForward hand out.
 * They are one-time tokens on this machine's loopback; any other address is refused. Failures are StatusErrors.
 */
export function criStreaming(clock: Clock): RuntimeStreaming {
  return {
    session: (url, options) => openSession(url, options, clock),
    port: (url, port, options) => openPort(url, port, options, clock),
  };
}

/** Streams are opened in the order kubelet's own clients use: error, stdin, stdout, stderr, resize. */
async function openSession(url: string, options: AttachOptions, clock: Clock): Promise<Session> {
  using limit = deadline(clock, handshakeMsMax, options.signal, () => timeout('The container runtime does not answer'));
  const { signal } = limit;
  const spdy = new SpdySession(await upgrade(url, 'v4.channel.k8s.io', signal), { role: 'client' });
  try {
    const open = (type: string) => spdy.open(new Map([['streamtype', [type]]]), signal);
    const error = await open('error');
    const stdin = options.stdin ? await open('stdin') : undefined;
    const stdout = options.stdout ? await open('stdout') : undefined;
    const stderr = options.stderr ? await open('stderr') : undefined;
    const resizes = options.tty ? await open('resize') : undefined;
    // One direction of each stream is never used; left open it would keep the stream from ending.
    for (const output of [error, stdout, stderr]) output?.end();
    stdin?.resume();
    return {
      stdin: stdin === undefined ? undefined : onlyWritable(stdin),
      stdout,
      stderr,
      resize: (width, height) => void resizes?.write(JSON.stringify({ Width: width, Height: height })),
      done: outcome(error, [stdout, stderr], spdy, clock),
      close: () => spdy.destroy(),
    };
  } catch (cause) {
    spdy.destroy();
    throw options.signal.aborted ? cause : streamingError(cause);
  }
}

/** stdin must end without its reading side being waited for. */
function onlyWritable(stream: SpdyStream): Writable {
  const writable = new Writable({
    write: (chunk: Buffer, _encoding, done) => void stream.write(chunk, done),
    final: (done) => void stream.end(done),
    destroy(error, done) {
      if (error !== null) stream.destroy();
      done(error);
    },
  });
  stream.once('close', () => writable.destroy());
  return writable;
}

/** The Status on the error stream, once the outputs have ended too; nothing on it means success. */
async function outcome(
  error: SpdyStream,
  outputs: readonly (Readable | undefined)[],
  spdy: SpdySession,
  clock: Clock,
): Promise<Status> {
  const ended = outputs
    .filter((output) => output !== undefined)
    .map((output) => new Promise<void>((resolve) => void output.once('close', () => resolve())));
  const said = await text(error).catch(() => undefined);
  await Promise.race([Promise.all(ended), spdy.closed]);
  part(spdy, clock);
  if (said === undefined) return internalError('The container runtime cut the session off').toStatus();
  if (said === '') return { kind: 'Status', apiVersion: 'v1', metadata: {}, status: 'Success', code: 200 };
  try {
    return JSON.parse(said) as Status;
  } catch {
    return internalError(said).toStatus();
  }
}

/**
 * One forwarded connection. The runtime dials only after both streams are open and says on the error stream if it
 * cannot; that destroys the returned stream with a StatusError. After our side has ended, containerd 1.6 lets the
 * other go on for one second only: a half-close does not reach the program.
 */
async function openPort(url: string, port: number, options: CallOptions, clock: Clock): Promise<Duplex> {
  using limit = deadline(clock, handshakeMsMax, options.signal, () => timeout('The container runtime does not answer'));
  const { signal } = limit;
  const spdy = new SpdySession(await upgrade(url, 'portforward.k8s.io', signal), { role: 'client' });
  try {
    const headers = (type: string) =>
      new Map([
        ['streamtype', [type]],
        ['port', [String(port)]],
        ['requestid', ['0']],
      ]);
    const error = await spdy.open(headers('error'), signal);
    error.end();
    const data = await spdy.open(headers('data'), signal);
    data.once('close', () => part(spdy, clock));
    return new ForwardedPort(data, error);
  } catch (cause) {
    spdy.destroy();
    throw options.signal.aborted ? cause : streamingError(cause);
  }
}

/** Says goodbye, and does not wait for long that the runtime does too. */
function part(spdy: SpdySession, clock: Clock): void {
  spdy.end();
  const late = clock.after(goodbyeMsMax, () => spdy.destroy());
  void spdy.closed.then(() => late[Symbol.dispose]());
}

/** Asks for SPDY; resolves with the connection once it is granted. Redirects are refusals like any other. */
function upgrade(url: string, protocol: string, signal: AbortSignal): Promise<Duplex> {
  const { protocol: scheme, hostname } = new URL(url);
  if (scheme !== 'http:' || !['127.0.0.1', 'localhost', '[::1]'].includes(hostname)) {
    throw internalError(`The container runtime wants to stream from ${hostname}, which is not this machine`);
  }
  return new Promise((resolve, reject) => {
    const call = request(url, {
      method: 'POST',
      agent: false,
      signal,
      headers: { connection: 'Upgrade', upgrade: 'SPDY/3.1', 'x-stream-protocol-version': protocol },
    });
    call.once('error', (cause) => reject(signal.aborted ? (signal.reason as Error) : streamingError(cause)));
    call.once('response', (response) => {
      response.resume();
      call.destroy();
      reject(unavailable(`The container runtime refused to stream: it answered ${response.statusCode ?? 0}`));
    });
    call.once('upgrade', (response, socket, head) => {
      if (head.length > 0) socket.unshift(head);
      const granted = response.headers['x-stream-protocol-version'];
      if (granted === undefined || granted === protocol) return resolve(socket);
      socket.destroy();
      reject(unavailable(`The container runtime speaks ${String(granted)}, not ${protocol}`));
    });
    call.end();
  });
}

function streamingError(cause: unknown): StatusError {
  if (cause instanceof StatusError) return cause;
  return unavailable(
    `Cannot stream from the container runtime: ${cause instanceof Error ? cause.message : String(cause)}`,
    cause,
  );
}
