import type { IncomingMessage } from 'node:http';
import { Duplex, Readable, Writable } from 'node:stream';
import { type RawData, WebSocket } from 'ws';
import { internalError, type Status, type StatusError, unavailable } from '#machinery/status-error.ts';
import type { AttachOptions, Session } from './client.ts';
import { errorFrom } from './http-reply.ts';
import { describe } from './http2-connection.ts';
import { type Server, tlsOptionsOf } from './server.ts';

/**
 * Kubernetes' streams over one WebSocket: each message starts with a byte that says which stream it belongs to.
 * v5 adds "channel 255 closes the channel named in the next byte", which is how stdin ends while output goes on.
 * Facts: https://github.com/kubernetes/enhancements/tree/master/keps/sig-api-machinery/4006-transition-spdy-to-websockets
 */
const channels = { stdin: 0, stdout: 1, stderr: 2, error: 3, resize: 4, close: 255 } as const;
const sessionProtocols = ['v5.channel.k8s.io', 'v4.channel.k8s.io'];
const handshakeMsMax = 30_000;
const messageBytesMax = 32 * 1024 * 1024;
const errorBodyBytesMax = 1024 * 1024;

/** Starts exec or attach at `path`. Rejects with the server's Status if it refuses. */
export async function openSession(
  server: Server,
  path: string,
  headers: Readonly<Record<string, string | string[]>>,
  options: AttachOptions,
): Promise<Session> {
  const socket = await connect(server, path, headers, sessionProtocols, options.signal);
  const flow = new Flow(socket);
  const stdout = options.stdout ? flow.readable() : undefined;
  const stderr = options.stderr ? flow.readable() : undefined;
  const stdin = options.stdin ? writable(socket, channels.stdin) : undefined;
  let outcome: Status | undefined;

  socket.on('message', (data: RawData) => {
    const message = bytesOf(data);
    const payload = message.subarray(1);
    switch (message[0]) {
      case channels.stdout:
        if (payload.length > 0) stdout?.push(payload);
        break;
      case channels.stderr:
        if (payload.length > 0) stderr?.push(payload);
        break;
      case channels.error:
        outcome = parseStatus(payload) ?? outcome;
        break;
      case channels.close:
        if (payload[0] === channels.stdout) stdout?.end();
        if (payload[0] === channels.stderr) stderr?.end();
        break;
      default: // a channel of a later protocol
    }
  });
  const done = new Promise<Status>((resolve) => {
    socket.once('close', () => {
      stdout?.end();
      stderr?.end();
      stdin?.destroy();
      resolve(outcome ?? internalError('The session was cut off before the command ended').toStatus());
    });
  });
  return {
    stdin,
    stdout: stdout?.stream,
    stderr: stderr?.stream,
    resize(width, height) {
      if (socket.readyState !== WebSocket.OPEN) return;
      const size = Buffer.from(JSON.stringify({ Width: width, Height: height }));
      socket.send(Buffer.concat([Buffer.of(channels.resize), size]));
    },
    done,
    close: () => socket.terminate(),
  };
}

/**
 * One forwarded connection. Data travels on channel 0 and errors on channel 1; the first message of each holds
 * the port as two bytes, low byte first. An error destroys the stream.
 */
export async function openPortForward(
  server: Server,
  path: string,
  headers: Readonly<Record<string, string | string[]>>,
  signal: AbortSignal,
): Promise<Duplex> {
  const socket = await connect(server, path, headers, ['v4.channel.k8s.io'], signal);
  const duplex = new Duplex({
    allowHalfOpen: false,
    read: () => socket.resume(),
    write: (chunk: Buffer, _encoding, done) => sendOn(socket, 0, chunk, done),
    destroy(error, done) {
      socket.resume(); // or its closing handshake would never be read
      socket.close(1000);
      done(error);
    },
  });
  const seen = new Set<number>();
  let failure: StatusError | undefined;
  socket.on('message', (data: RawData) => {
    const message = bytesOf(data);
    const channel = message[0] ?? 0;
    const first = !seen.has(channel);
    seen.add(channel);
    const payload = message.subarray(first ? 3 : 1);
    if (payload.length === 0 || duplex.destroyed) return;
    if (channel !== 0) failure ??= unavailable(payload.toString('utf8'));
    else if (!duplex.push(payload)) socket.pause();
  });
  socket.once('close', () => {
    if (duplex.destroyed) return;
    if (failure === undefined) duplex.push(null);
    else duplex.destroy(failure);
  });
  return duplex;
}

/** Lets the socket rest while any of its readers is full, so that the sender waits and memory stays bounded. */
class Flow {
  readonly #socket: WebSocket;
  #full = 0;

  constructor(socket: WebSocket) {
    this.#socket = socket;
  }

  readable(): { readonly stream: Readable; push(chunk: Buffer): void; end(): void } {
    let full = false;
    const settle = (now: boolean) => {
      if (full === now) return;
      full = now;
      this.#full += now ? 1 : -1;
      if (this.#full > 0) this.#socket.pause();
      else this.#socket.resume();
    };
    const stream = new Readable({
      read: () => settle(false),
      destroy(error, done) {
        settle(false); // nobody reads any more: the rest is dropped
        done(error);
      },
    });
    return {
      stream,
      push(chunk) {
        if (!stream.destroyed && !stream.readableEnded && !stream.push(chunk)) settle(true);
      },
      end() {
        if (!stream.destroyed && !stream.readableEnded) stream.push(null);
      },
    };
  }
}

/** Writes go out as messages of one channel, each taken by the socket before the next; the end closes the channel. */
function writable(socket: WebSocket, channel: number): Writable {
  return new Writable({
    write: (chunk: Buffer, _encoding, done) => sendOn(socket, channel, chunk, done),
    final(done) {
      if (socket.readyState !== WebSocket.OPEN || socket.protocol !== sessionProtocols[0]) return done();
      socket.send(Buffer.of(channels.close, channel), done);
    },
  });
}

function sendOn(socket: WebSocket, channel: number, chunk: Buffer, done: (error?: Error) => void): void {
  if (socket.readyState !== WebSocket.OPEN) done(unavailable('The session has ended'));
  else socket.send(Buffer.concat([Buffer.of(channel), chunk]), done);
}

function connect(
  server: Server,
  path: string,
  headers: Readonly<Record<string, string | string[]>>,
  protocols: string[],
  signal: AbortSignal,
): Promise<WebSocket> {
  signal.throwIfAborted();
  const url = server.url.replace(/^http/, 'ws').replace(/\/+$/, '') + path;
  return new Promise((resolve, reject) => {
    const socket = new WebSocket(url, protocols, {
      ...tlsOptionsOf(server),
      headers,
      handshakeTimeout: handshakeMsMax,
      maxPayload: messageBytesMax,
      perMessageDeflate: false,
    });
    socket.binaryType = 'nodebuffer';
    const abort = () => {
      reject(signal.reason);
      socket.terminate();
    };
    signal.addEventListener('abort', abort, { once: true });
    socket.once('close', () => signal.removeEventListener('abort', abort));
    socket.on('error', (cause) =>
      reject(unavailable(`Cannot open a stream to ${server.url}: ${describe(cause)}`, cause)),
    );
    socket.once('unexpected-response', (_request, reply) => {
      void refusal(reply)
        .then(reject)
        .finally(() => socket.terminate());
    });
    socket.once('open', () => resolve(socket));
  });
}

/** Why the server would not upgrade. */
async function refusal(reply: IncomingMessage): Promise<StatusError> {
  let text = '';
  try {
    for await (const chunk of reply as AsyncIterable<Buffer>) {
      text += chunk.toString('utf8');
      if (text.length > errorBodyBytesMax) break;
    }
  } catch {
    // what came so far has to do
  }
  return errorFrom(reply.statusCode ?? 500, text);
}

function bytesOf(data: RawData): Buffer {
  if (Array.isArray(data)) return Buffer.concat(data);
  return Buffer.isBuffer(data) ? data : Buffer.from(data);
}

function parseStatus(payload: Buffer): Status | undefined {
  if (payload.length === 0) return undefined;
  try {
    return JSON.parse(payload.toString('utf8')) as Status;
  } catch {
    return internalError(payload.toString('utf8')).toStatus();
  }
}
