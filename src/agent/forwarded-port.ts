import { Duplex } from 'node:stream';
import { text } from 'node:stream/consumers';
import { unavailable } from '#machinery/status-error.ts';

/**
 * The data of a forwarded connection, joined with the stream on which the runtime says what went wrong. The runtime
 * ends both at about the same time, in any order, so the end of the data is an end only once no failure was told.
 * A failure waits for its reader: it may come before anybody listens.
 */
export class ForwardedPort extends Duplex {
  readonly #data: Duplex;
  #failure: Error | undefined;
  #isRead = false;

  constructor(data: Duplex, errors: Duplex) {
    super({ allowHalfOpen: true });
    this.#data = data;
    data.pause();
    data.on('data', (chunk: Buffer) => {
      if (!this.push(chunk)) data.pause();
    });
    const told = text(errors).catch(() => ''); // the session was lost, and the data with it
    void told.then((said) => said !== '' && this.#fail(unavailable(said.trim())));
    data.once('end', () => void told.then((said) => said === '' && this.push(null)));
    data.once('error', (error) => this.#fail(error));
    data.once(
      'close',
      () => void told.then(() => !data.readableEnded && this.#fail(new Error('The connection was cut off'))),
    );
    this.on('error', () => {}); // a connection that fails must not end the process
  }

  override _read(): void {
    this.#isRead = true;
    if (this.#failure === undefined) this.#data.resume();
    else this.destroy(this.#failure);
  }

  override _write(chunk: Buffer, _encoding: BufferEncoding, done: (error?: Error | null) => void): void {
    this.#data.write(chunk, done);
  }

  override _final(done: (error?: Error | null) => void): void {
    this.#data.end(done);
  }

  override _destroy(error: Error | null, done: (error?: Error | null) => void): void {
    this.#data.destroy();
    done(error);
  }

  #fail(error: Error): void {
    if (this.destroyed || this.readableEnded) return;
    this.#failure ??= error;
    if (this.#isRead) this.destroy(this.#failure);
  }
}
