import { Duplex } from 'node:stream';
import type { SpdyHeaders } from './header-block.ts';

/** What a stream needs of its session. */
export interface StreamLink {
  /** Sends data, `fin` with the last of it; calls back when more may be sent. */
  data(stream: SpdyStream, data: Buffer | undefined, fin: boolean, done: (error?: Error | null) => void): void;
  /** The stream is destroyed; `complete` if both sides had ended before. */
  closed(stream: SpdyStream, complete: boolean): void;
}

/** Data that may wait in one stream for its reader before the session stops reading from its peer. */
export const streamBufferBytesMax = 1024 * 1024;
const frameBytesMax = 64 * 1024;

/**
 * One stream of a session. Ending it is a half-close; destroying it before both sides have ended resets it. It errors
 * if the session is lost.
 */
export class SpdyStream extends Duplex {
  readonly id: number;
  readonly headers: SpdyHeaders;
  readonly #link: StreamLink;
  #reset: Error | undefined;
  #received = false;
  #sent = false;
  #room: (() => void) | undefined;

  constructor(id: number, headers: SpdyHeaders, link: StreamLink) {
    super({ allowHalfOpen: true, readableHighWaterMark: frameBytesMax, writableHighWaterMark: frameBytesMax });
    this.id = id;
    this.headers = headers;
    this.#link = link;
    this.on('error', () => {}); // a reset by the peer must not end the process of a reader who does not care
  }

  /** The first value of a header. */
  header(name: string): string | undefined {
    return this.headers.get(name)?.[0];
  }

  /** Takes what the peer sent. */
  receive(data: Buffer): void {
    if (data.length > 0 && !this.destroyed && !this.#received) this.push(data);
  }

  /** The peer has half-closed the stream. */
  receiveEnd(): void {
    if (this.#received || this.destroyed) return;
    this.#received = true;
    this.push(null);
  }

  /**
   * The peer wants nothing more to do with the stream. Go's library ends every stream so, also after an orderly end,
   * so what has arrived is still handed out and is followed by an ordinary end; only writing fails.
   */
  receiveReset(error: Error): void {
    if (this.destroyed) return;
    this.#reset = error;
    if (this.readableEnded) return void this.destroy();
    this.once('end', () => this.destroy());
    this.receiveEnd();
  }

  /** The session is gone: an error, unless the peer had said all it had to say before. */
  receiveLoss(reason: Error): void {
    if (this.#received) this.receiveReset(reason);
    else this.destroy(reason);
  }

  /** Settles once the reader has caught up far enough for the session to go on. */
  room(): Promise<void> | undefined {
    if (this.destroyed || this.readableLength <= streamBufferBytesMax) return undefined;
    return new Promise((resolve) => (this.#room = resolve));
  }

  override _read(): void {
    this.#release();
  }

  override _write(chunk: Buffer, _encoding: BufferEncoding, done: (error?: Error | null) => void): void {
    if (this.#reset !== undefined) return done(this.#reset);
    const send = (offset: number) => {
      const piece = chunk.subarray(offset, offset + frameBytesMax);
      const next = offset + piece.length;
      this.#link.data(this, piece, false, (error) => (error || next >= chunk.length ? done(error) : send(next)));
    };
    send(0);
  }

  override _final(done: (error?: Error | null) => void): void {
    this.#sent = true;
    if (this.#reset !== undefined) return done();
    this.#link.data(this, undefined, true, done);
  }

  override _destroy(error: Error | null, done: (error?: Error | null) => void): void {
    this.#release();
    this.#link.closed(this, this.#sent && this.#received);
    done(error);
  }

  #release(): void {
    this.#room?.();
    this.#room = undefined;
  }
}
