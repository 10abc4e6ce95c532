import type { IncomingMessage } from 'node:http';
import { Duplex } from 'node:stream';
import type { ConnectionOptions } from 'node:tls';
import { type RawData, WebSocket } from 'ws';
import { internalError, type Status, type StatusError, unavailable } from '#machinery/status-error.ts';
import { binaryChannels, bytesOf, channels, channelWritable, Flow, messageBytesMax, sendOn } from './channels.ts';
import type { AttachOptions, Session } from './client.ts';
import { errorFrom } from './http-reply.ts';
import { describe } from './http2-connection.ts';
import { type Server, tlsOptionsOf } from './server.ts';

const sessionProtocols = ['v5.channel.k8s.io', 'v4.channel.k8s.io'];
const handshakeMsMax = 30_000;
const errorBodyBytesMax = 1024 * 1024;

/** Starts exec or attach at `path`. Rejects with the server's Status if it refuses. */
export async function openSession(
  server: Server,
  path: string,
  headers: Readonly<Record<string, string | string[]>>,
  options: AttachOptions,
): Promise<Session> {
  return sessionOver(await connectWebSocket(server, path, headers, sessionProtocols, options.signal), options);
}

/** Exec or attach over a socket that has just been opened with one of the session protocols. */
export function sessionOver(socket: WebSocket, options: Omit<AttachOptions, 'signal'>): Session {
  const flow = new Flow(socket);
  const stdout = options.stdout ? flow.readable() : undefined;
  const stderr = options.stderr ? flow.readable() : undefined;
  const stdin = options.stdin
    ? channelWritable(socket, binaryChannels, channels.stdin, socket.protocol === sessionProtocols[0])
    : undefined;
  let outcome: Status | undefined;

  socket.on('message', (data: RawData) => {
    const [channel, payload] = binaryChannels.decode(data);
    switch (channel) {
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
  socket.resume();
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
  const socket = await connectWebSocket(server, path, headers, ['v4.channel.k8s.io'], signal);
  const duplex = new Duplex({
    allowHalfOpen: false,
    read: () => socket.resume(),
    write: (chunk: Buffer, _encoding, done) => sendOn(socket, binaryChannels, 0, chunk, done),
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
  socket.resume();
  return duplex;
}

/**
 * Opens a WebSocket, still paused; rejects with the server's Status if it refuses. Redirects are not followed.
 * `tls` adds to the server's own options.
 */
export function connectWebSocket(
  server: Server,
  path: string,
  headers: Readonly<Record<string, string | string[]>>,
  protocols: string[],
  signal: AbortSignal,
  tls: Pick<ConnectionOptions, 'checkServerIdentity'> = {},
): Promise<WebSocket> {
  signal.throwIfAborted();
  const url = server.url.replace(/^http/, 'ws').replace(/\/+$/, '') + path;
  return new Promise((resolve, reject) => {
    const socket = new WebSocket(url, protocols, {
      ...tlsOptionsOf(server),
      ...tls,
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
    socket.once('open', () => {
      socket.pause(); // until somebody listens: messages may have come along with the handshake
      resolve(socket);
    });
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

function parseStatus(payload: Buffer): Status | undefined {
  if (payload.length === 0) return undefined;
  try {
    return JSON.parse(payload.toString('utf8')) as Status;
  } catch {
    return internalError(payload.toString('utf8')).toStatus();
  }
}
