import { finished } from 'node:stream/promises';
import type { Readable } from 'node:stream';
import type { RawData, WebSocket } from 'ws';
import type { Clock } from '#lib/clock.ts';
import { StatusError, type Status } from '#machinery/status-error.ts';
import { base64Channels, binaryChannels, channels, channelWritable, Flow, type ChannelCodec } from './channels.ts';
import type { Session } from './client.ts';
import { keepAlive } from './keep-alive.ts';

/** What the name of a subprotocol means. */
interface SessionProtocol {
  readonly codec: ChannelCodec;
  /** stdin can be closed while output goes on. */
  readonly closes: boolean;
  /** The outcome is sent as a Status; before v4 it is a text, and nothing means success. */
  readonly status: boolean;
}

/** Best first. Source: k8s.io/apimachinery/pkg/util/remotecommand and kubelet's remotecommand/websocket.go. */
export const sessionProtocols: ReadonlyMap<string, SessionProtocol> = new Map([
  ['v5.channel.k8s.io', { codec: binaryChannels, closes: true, status: true }],
  ['v4.channel.k8s.io', { codec: binaryChannels, closes: false, status: true }],
  ['v4.base64.channel.k8s.io', { codec: base64Channels, closes: false, status: true }],
  ['channel.k8s.io', { codec: binaryChannels, closes: false, status: false }],
  ['base64.channel.k8s.io', { codec: base64Channels, closes: false, status: false }],
  ['', { codec: binaryChannels, closes: false, status: false }],
]);

/**
 * Carries a running exec or attach over a WebSocket that has been accepted with one of `sessionProtocols`, until both
 * its output and its outcome have been sent, or the peer has gone; then the session is closed. Never rejects.
 */
export async function serveSession(socket: WebSocket, session: Session, clock: Clock): Promise<void> {
  const protocol = sessionProtocols.get(socket.protocol) ?? { codec: binaryChannels, closes: false, status: true };
  const { codec } = protocol;
  const flow = new Flow(socket);
  const input = session.stdin === undefined ? undefined : flow.readable();
  if (input !== undefined && session.stdin !== undefined) {
    const target = session.stdin;
    target.on('error', () => {});
    target.on('close', () => input.stream.destroy()); // the command reads no more: what still comes is dropped
    input.stream.on('error', () => {});
    input.stream.pipe(target);
  }
  socket.on('message', (data: RawData) => {
    const [channel, payload] = codec.decode(data);
    if (channel === channels.stdin && payload.length > 0) input?.push(payload);
    else if (channel === channels.resize) resize(session, payload);
    else if (channel === channels.close && protocol.closes && payload[0] === channels.stdin) input?.end();
  });
  socket.on('error', () => {}); // followed by close
  const gone = new Promise<void>((resolve) => socket.once('close', resolve));
  void gone.then(() => session.close());
  using _ = keepAlive(socket, clock, () => flow.resting);

  // Some clients wait for a first message before they believe that the command runs.
  socket.send(codec.encode(session.stdout === undefined ? channels.error : channels.stdout, Buffer.alloc(0)));
  const send = async (source: Readable | undefined, channel: number) => {
    if (source === undefined) return;
    // kubectl complains about close messages for its outputs, so their end is the end of the session.
    const target = channelWritable(socket, codec, channel, false);
    target.on('error', () => {});
    source.pipe(target);
    await Promise.race([finished(source, { writable: false }).catch(() => {}), gone]);
    if (source.readableEnded) await Promise.race([finished(target).catch(() => {}), gone]);
    else source.destroy(); // nobody is left to read it
  };
  await Promise.all([send(session.stdout, channels.stdout), send(session.stderr, channels.stderr)]);
  const status = await Promise.race([session.done.catch(failureOf), gone]);
  if (status !== undefined && socket.readyState === socket.OPEN) {
    const text = protocol.status
      ? JSON.stringify(status)
      : status.status === 'Success'
        ? ''
        : (status.message ?? 'failed');
    if (text !== '') socket.send(codec.encode(channels.error, Buffer.from(text)));
    socket.close(1000);
    socket.resume(); // or the closing handshake of a peer that goes on sending input would never be read
    input?.stream.destroy();
  }
  await gone;
}

function failureOf(error: unknown): Status {
  return (error instanceof StatusError ? error : new StatusError('InternalError', String(error))).toStatus();
}

function resize(session: Session, payload: Buffer): void {
  try {
    const { Width: width, Height: height } = JSON.parse(payload.toString('utf8')) as Record<string, unknown>;
    if (isCells(width) && isCells(height)) session.resize(width, height);
  } catch {
    // not a size: a terminal of the wrong size is no reason to end a session
  }
}

function isCells(value: unknown): value is number {
  return Number.isInteger(value) && (value as number) >= 0 && (value as number) <= 0xffff;
}
