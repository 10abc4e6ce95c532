import type { Duplex } from 'node:stream';
import { dataHeader, encodeControl, FrameParser, resetStatus, SpdyProtocolError, type Frame } from './frame.ts';
import { HeaderReader, HeaderWriter, type SpdyHeaders } from './header-block.ts';
import { SpdyStream, type StreamLink } from './stream.ts';

export interface SpdySessionOptions {
  readonly role: 'client' | 'server';
  /**
   * Called for every stream the peer opens, before any of its data is handed on. Throwing refuses the stream.
   * Absent: all are refused.
   */
  readonly onStream?: (stream: SpdyStream) => void;
  readonly streamsMax?: number;
}

const streamsMaxDefault = 1_000;
/**
 * Control frames that may wait for a peer to read them. They cannot hold up reading, or two sides that both send a lot
 * would wait for each other; a peer that provokes more answers than this without reading them is let go.
 */
const unsentControlFramesMax = 10_000;
const noHeaders: SpdyHeaders = new Map();

/**
 * A SPDY/3.1 session over any byte stream: a socket, or a WebSocket that carries one.
 *
 * Flow control: Kubernetes' own library neither sends nor obeys windows, so waiting for WINDOW_UPDATE would stall every
 * real client after 64 KB. A session therefore sends as fast as the transport takes it, and holds a fast sender back
 * by not reading from the transport while a stream's reader is behind (`streamBufferBytesMax`). A peer that speaks of
 * windows gets its WINDOW_UPDATEs all the same.
 */
export class SpdySession {
  /** Settles when the session is over: with undefined after an orderly end, else with what ended it. Never rejects. */
  readonly closed: Promise<Error | undefined>;
  readonly #transport: Duplex;
  readonly #options: SpdySessionOptions;
  readonly #streams = new Map<number, SpdyStream>();
  readonly #replies = new Map<number, () => void>();
  readonly #parser = new FrameParser();
  readonly #headerReader = new HeaderReader();
  readonly #headerWriter = new HeaderWriter();
  readonly #link: StreamLink;
  #drained: (() => void)[] = [];
  #nextId: number;
  #lastPeerId = 0;
  #pingId: number;
  #peerHasWindows = false;
  #goingAway = false;
  #over = false;
  #unsent = 0;

  constructor(transport: Duplex, options: SpdySessionOptions) {
    this.#transport = transport;
    this.#options = options;
    this.#nextId = options.role === 'client' ? 1 : 2;
    this.#pingId = this.#nextId;
    this.#link = {
      data: (stream, data, fin, done) => this.#sendData(stream, data, fin, done),
      closed: (stream, complete) => this.#forget(stream, complete),
    };
    transport.on('drain', () => this.#release());
    transport.on('close', () => this.#lose(new Error('The SPDY session ended before its stream')));
    transport.on('error', () => {}); // the reading side reports it
    this.closed = this.#run();
  }

  get streamCount(): number {
    return this.#streams.size;
  }

  /** Opens a stream and waits until the peer has accepted it; rejects if it refuses, or `signal` aborts. */
  async open(headers: SpdyHeaders, signal: AbortSignal): Promise<SpdyStream> {
    signal.throwIfAborted();
    if (this.#over || this.#goingAway) throw new Error('The SPDY session has ended');
    const id = this.#nextId;
    this.#nextId += 2;
    const stream = new SpdyStream(id, headers, this.#link);
    this.#streams.set(id, stream);
    const { promise, resolve, reject } = Promise.withResolvers<void>();
    this.#replies.set(id, resolve);
    const abort = () => stream.destroy(signal.reason instanceof Error ? signal.reason : new Error('Aborted'));
    signal.addEventListener('abort', abort, { once: true });
    stream.once('error', reject);
    stream.once('close', () => reject(new Error('The SPDY stream was closed before it was accepted')));
    this.#send({
      type: 'syn-stream',
      stream: id,
      block: this.#headerWriter.write(headers),
      fin: false,
      unidirectional: false,
    });
    try {
      await promise;
      return stream;
    } finally {
      signal.removeEventListener('abort', abort);
      stream.off('error', reject);
      this.#replies.delete(id);
    }
  }

  /** Sends a ping: keeps middleboxes awake and finds out, by the failing write, that a peer is gone. */
  ping(): void {
    this.#send({ type: 'ping', id: this.#pingId });
    this.#pingId += 2;
  }

  /** Says goodbye and ends the transport once everything written so far is out. Streams should have ended before. */
  end(): void {
    if (this.#over || this.#goingAway) return;
    this.#goingAway = true;
    this.#send({ type: 'goaway', lastStream: this.#lastPeerId, status: 0 });
    this.#transport.end();
  }

  /** Drops the transport and every stream at once. */
  destroy(error?: Error): void {
    for (const stream of this.#streams.values()) stream.destroy(error);
    this.#transport.destroy(error);
  }

  async #run(): Promise<Error | undefined> {
    let failure: Error | undefined;
    try {
      for await (const chunk of this.#transport.iterator({ destroyOnReturn: false }) as AsyncIterable<Buffer>) {
        for (const frame of this.#parser.push(chunk)) await this.#handle(frame);
      }
    } catch (error) {
      failure = error instanceof Error ? error : new Error(String(error));
      if (failure instanceof SpdyProtocolError && this.#transport.writable) {
        this.#send({ type: 'goaway', lastStream: this.#lastPeerId, status: 1 });
        this.#transport.end();
      } else {
        this.#transport.destroy();
      }
    }
    this.#headerReader.close();
    this.#lose(failure ?? new Error('The SPDY session ended before its stream'));
    if (this.#transport.writable) this.#transport.end();
    return failure;
  }

  /** Whatever still runs over the session ends with `reason`; what had arrived completely can still be read. */
  #lose(reason: Error): void {
    this.#over = true;
    this.#release();
    for (const stream of this.#streams.values()) stream.receiveLoss(reason);
  }

  async #handle(frame: Frame): Promise<void> {
    switch (frame.type) {
      case 'data': {
        const stream = this.#streams.get(frame.stream);
        if (stream === undefined) {
          if (!this.#wasOpened(frame.stream)) this.#reset(frame.stream, resetStatus.invalidStream);
          return;
        }
        stream.receive(frame.data);
        if (frame.fin) stream.receiveEnd();
        await stream.room();
        if (this.#peerHasWindows) this.#grant(stream, frame.data.length);
        return;
      }
      case 'syn-stream':
        return this.#accept(frame.stream, await this.#headerReader.read(frame.block), frame.fin, frame.unidirectional);
      case 'syn-reply':
        await this.#headerReader.read(frame.block);
        this.#replies.get(frame.stream)?.();
        if (frame.fin) this.#streams.get(frame.stream)?.receiveEnd();
        return;
      case 'headers':
        await this.#headerReader.read(frame.block);
        if (frame.fin) this.#streams.get(frame.stream)?.receiveEnd();
        return;
      case 'rst-stream': {
        const stream = this.#streams.get(frame.stream);
        this.#streams.delete(frame.stream); // no reset in answer to a reset
        const error = new Error(`The peer reset the stream (status ${frame.status})`);
        // Before it was accepted, or with another reason than "no longer wanted", it is a failure.
        if (frame.status === resetStatus.cancel && !this.#replies.has(frame.stream)) stream?.receiveReset(error);
        else stream?.destroy(error);
        return;
      }
      case 'ping':
        // Those with our parity are answers to ours.
        if (frame.id % 2 !== this.#pingId % 2) this.#send({ type: 'ping', id: frame.id });
        return;
      case 'settings':
      case 'window-update':
        this.#peerHasWindows = true;
        return;
      case 'goaway':
        this.#goingAway = true;
    }
  }

  #accept(id: number, headers: SpdyHeaders, fin: boolean, unidirectional: boolean): void {
    const isPeers = id % 2 === (this.#options.role === 'server' ? 1 : 0);
    if (!isPeers || id <= this.#lastPeerId) throw new SpdyProtocolError(`stream ${id} cannot be opened now`);
    this.#lastPeerId = id;
    const { onStream, streamsMax = streamsMaxDefault } = this.#options;
    if (onStream === undefined || this.#goingAway || this.#streams.size >= streamsMax) {
      return this.#reset(id, resetStatus.refusedStream);
    }
    const stream = new SpdyStream(id, headers, this.#link);
    this.#streams.set(id, stream);
    try {
      onStream(stream);
    } catch {
      this.#streams.delete(id);
      stream.destroy();
      return this.#reset(id, resetStatus.refusedStream);
    }
    if (stream.destroyed) return; // and reset
    this.#send({ type: 'syn-reply', stream: id, block: this.#headerWriter.write(noHeaders), fin: false });
    if (fin) stream.receiveEnd();
    if (unidirectional) stream.end();
  }

  /** True for streams that have been open once; their late frames are ignored. */
  #wasOpened(id: number): boolean {
    return id % 2 === this.#nextId % 2 ? id < this.#nextId : id <= this.#lastPeerId;
  }

  #send(frame: Exclude<Frame, { type: 'data' | 'settings' }>): void {
    if (!this.#transport.writable) return;
    this.#unsent++;
    this.#transport.write(encodeControl(frame), () => this.#unsent--);
    if (this.#unsent > unsentControlFramesMax) this.#transport.destroy(new SpdyProtocolError('the peer does not read'));
  }

  #reset(id: number, status: number): void {
    this.#send({ type: 'rst-stream', stream: id, status });
  }

  #sendData(stream: SpdyStream, data: Buffer | undefined, fin: boolean, done: (error?: Error | null) => void): void {
    if (!this.#transport.writable) return done(new Error('The SPDY session has ended'));
    this.#transport.cork();
    let more = this.#transport.write(dataHeader(stream.id, data?.length ?? 0, fin));
    if (data !== undefined) more = this.#transport.write(data);
    this.#transport.uncork();
    if (more) done();
    else this.#drained.push(() => done(this.#transport.destroyed ? new Error('The SPDY session has ended') : null));
  }

  #grant(stream: SpdyStream, bytes: number): void {
    if (bytes === 0) return;
    this.#send({ type: 'window-update', stream: stream.id, delta: bytes });
    this.#send({ type: 'window-update', stream: 0, delta: bytes });
  }

  #forget(stream: SpdyStream, complete: boolean): void {
    if (!this.#streams.delete(stream.id)) return;
    if (!complete && !this.#over) this.#reset(stream.id, resetStatus.cancel);
  }

  #release(): void {
    const waiting = this.#drained;
    this.#drained = [];
    for (const resume of waiting) resume();
  }
}
