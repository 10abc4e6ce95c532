import type { Duplex } from 'node:stream';
import { pipeline } from 'node:stream/promises';
import type { RawData, WebSocket } from 'ws';
import type { Clock } from '#lib/clock.ts';
import { SpdySession } from '#lib/spdy/session.ts';
import type { SpdyStream } from '#lib/spdy/stream.ts';
import { base64Channels, binaryChannels, channelWritable, Flow } from '#client/channels.ts';
import { keepAlive } from '#client/keep-alive.ts';
import { StatusError } from '#machinery/status-error.ts';
import { pinging } from './spdy-session.ts';
import { portNumber } from './stream-query.ts';

export const spdyPortForwardProtocol = 'portforward.k8s.io';
/** SPDY frames inside binary WebSocket messages; what kubectl prefers. */
export const tunnelPortForwardProtocol = 'SPDY/3.1+portforward.k8s.io';
/** The old way over WebSocket: two channels a port, and no way to end one side only. */
export const channelPortForwardProtocols = ['v4.channel.k8s.io', 'v4.base64.channel.k8s.io', ''];

export type Dial = (port: number, signal: AbortSignal) => Promise<Duplex>;

const streamsMax = 2_000;
const pairMsMax = 30_000;

/**
 * Port-forward over SPDY: for each connection the client opens a pair of streams, one for data and one for the text
 * of an error, matched by their request id. Takes over `transport`; settles once it is closed and never rejects.
 */
export async function servePortForward(transport: Duplex, podName: string, dial: Dial, clock: Clock): Promise<void> {
  const pairs = new Map<string, { error?: SpdyStream; data?: SpdyStream }>();
  const gone = new AbortController();
  const session = new SpdySession(transport, {
    role: 'server',
    streamsMax,
    onStream(stream) {
      const type = stream.header('streamtype');
      if (type !== 'error' && type !== 'data') throw new Error(`invalid stream type ${JSON.stringify(type)}`);
      const port = portNumber(stream.header('port'));
      // Clients before request ids opened the error stream first and the data stream right after it.
      const id = stream.header('requestid') ?? `stream ${type === 'error' ? stream.id : stream.id - 2}`;
      const pair = pairs.get(id) ?? {};
      if (pair[type] !== undefined) throw new Error(`a second ${type} stream for request ${id}`);
      pair[type] = stream;
      if (pair.error !== undefined && pair.data !== undefined) {
        pairs.delete(id);
        void forward(pair.error, pair.data, port, podName, dial, gone.signal);
      } else {
        pairs.set(id, pair);
        const late = clock.after(pairMsMax, () => {
          if (pairs.delete(id)) stream.destroy();
        });
        stream.once('close', () => {
          late[Symbol.dispose]();
          if (pairs.get(id) === pair) pairs.delete(id);
        });
      }
    },
  });
  using _ = pinging(session, clock);
  await session.closed;
  gone.abort(new Error('The client has gone'));
}

async function forward(
  error: SpdyStream,
  data: SpdyStream,
  port: number,
  podName: string,
  dial: Dial,
  signal: AbortSignal,
): Promise<void> {
  error.resume();
  let target: Duplex;
  try {
    target = await dial(port, signal);
  } catch (cause) {
    error.end(failureText(port, podName, cause));
    data.destroy();
    return;
  }
  const failure = await join(data, target);
  // Clients end the whole forwarding at any word on this stream, so a connection that merely breaks is not one.
  if (failure instanceof StatusError) error.end(failureText(port, podName, failure));
  else error.end();
}

/** Copies both ways until both sides have ended; a failure of one way ends both. Returns what failed, `right` first. */
async function join(left: Duplex, right: Duplex): Promise<unknown> {
  let failure: unknown;
  right.once('error', (error) => (failure = error));
  const results = await Promise.allSettled([pipeline(right, left), pipeline(left, right)]);
  for (const result of results) if (result.status === 'rejected') failure ??= result.reason;
  if (failure !== undefined) {
    left.destroy();
    right.destroy();
  }
  return failure;
}

const failureText = (port: number, podName: string, cause: unknown) =>
  `error forwarding port ${port} to pod ${podName}: ${cause instanceof Error ? cause.message : String(cause)}`;

/**
 * Port-forward over the channels of one WebSocket: port number `i` of the request has data on channel `2i` and errors
 * on `2i + 1`, each beginning with the port as two bytes, low byte first. The socket ends with the last connection.
 */
export async function serveChannelPortForward(
  socket: WebSocket,
  ports: readonly number[],
  podName: string,
  dial: Dial,
  clock: Clock,
): Promise<void> {
  const codec = socket.protocol === 'v4.base64.channel.k8s.io' ? base64Channels : binaryChannels;
  const flow = new Flow(socket);
  const gone = new AbortController();
  const inputs = ports.map(() => flow.readable());
  socket.on('message', (data: RawData) => {
    const [channel, payload] = codec.decode(data);
    if (channel % 2 === 0 && payload.length > 0) inputs[channel / 2]?.push(payload);
  });
  socket.on('error', () => {}); // followed by close
  socket.once('close', () => {
    gone.abort(new Error('The client has gone'));
    for (const input of inputs) input.end();
  });
  using _ = keepAlive(socket, clock, () => flow.resting);
  await Promise.all(
    ports.map(async (port, index) => {
      const start = Buffer.of(port & 0xff, port >> 8);
      for (const channel of [2 * index, 2 * index + 1]) socket.send(codec.encode(channel, start));
      const input = inputs[index]?.stream;
      if (input === undefined) return;
      try {
        const target = await dial(port, gone.signal);
        target.on('error', () => {});
        const sending = pipeline(input, target).catch(() => {});
        await pipeline(target, channelWritable(socket, codec, 2 * index, false));
        input.destroy();
        target.destroy();
        await sending;
      } catch (cause) {
        input.destroy();
        if (socket.readyState === socket.OPEN) {
          socket.send(codec.encode(2 * index + 1, Buffer.from(failureText(port, podName, cause))));
        }
      }
    }),
  );
  socket.close(1000);
  socket.resume();
}
