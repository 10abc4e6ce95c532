import { Readable, Writable } from 'node:stream';
import { type RawData, WebSocket } from 'ws';
import { unavailable } from '#machinery/status-error.ts';

/**
 * Kubernetes' streams over one WebSocket: each message starts with a byte that says which stream it belongs to.
 * v5 adds "channel 255 closes the channel named in the next byte", which is how stdin ends while output goes on.
 * Facts: https://github.com/kubernetes/enhancements/tree/master/keps/sig-api-machinery/4006-transition-spdy-to-websockets
 */
export const channels = { stdin: 0, stdout: 1, stderr: 2, error: 3, resize: 4, close: 255 } as const;

export const messageBytesMax = 32 * 1024 * 1024;

/** How a channel number and its bytes become one message, and back. */
export interface ChannelCodec {
  encode(channel: number, payload: Buffer): Buffer | string;
  decode(data: RawData): readonly [channel: number, payload: Buffer];
}

/** The channel as one byte before the payload. */
export const binaryChannels: ChannelCodec = {
  encode: (channel, payload) => Buffer.concat([Buffer.of(channel), payload]),
  decode(data) {
    const bytes = bytesOf(data);
    return [bytes[0] ?? 0, bytes.subarray(1)];
  },
};

/** Text messages for browsers that cannot send bytes: the channel as a digit, then base64. */
export const base64Channels: ChannelCodec = {
  encode: (channel, payload) => `${channel}${payload.toString('base64')}`,
  decode(data) {
    const text = bytesOf(data).toString('latin1');
    return [text.charCodeAt(0) - 48, Buffer.from(text.slice(1), 'base64')];
  },
};

export function bytesOf(data: RawData): Buffer {
  if (Array.isArray(data)) return Buffer.concat(data);
  return Buffer.isBuffer(data) ? data : Buffer.from(data);
}

/** Lets the socket rest while any of its readers is full, so that the sender waits and memory stays bounded. */
export class Flow {
  readonly #socket: WebSocket;
  #full = 0;

  constructor(socket: WebSocket) {
    this.#socket = socket;
  }

  /** True while this side does not read; then silence says nothing about the peer. */
  get resting(): boolean {
    return this.#full > 0;
  }

  readable(): { readonly stream: Readable; push(chunk: Buffer): void; end(): void } {
    let full = false;
    let ended = false;
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
        if (!stream.destroyed && !ended && !stream.push(chunk)) settle(true);
      },
      end() {
        if (stream.destroyed || ended) return;
        ended = true;
        stream.push(null);
      },
    };
  }
}

/**
 * Writes go out as messages of one channel, each taken by the socket before the next. With `closes`, the end closes
 * the channel; without, the peer never learns of it.
 */
export function channelWritable(socket: WebSocket, codec: ChannelCodec, channel: number, closes: boolean): Writable {
  return new Writable({
    write: (chunk: Buffer, _encoding, done) => sendOn(socket, codec, channel, chunk, done),
    final(done) {
      if (!closes || socket.readyState !== WebSocket.OPEN) return done();
      socket.send(codec.encode(channels.close, Buffer.of(channel)), done);
    },
  });
}

/** Sends one message; calls back once the socket has taken it, with an error if it is closed. */
export function sendOn(
  socket: WebSocket,
  codec: ChannelCodec,
  channel: number,
  chunk: Buffer,
  done: (error?: Error) => void,
): void {
  if (socket.readyState === WebSocket.OPEN) socket.send(codec.encode(channel, chunk), done);
  else done(unavailable('The session has ended'));
}
