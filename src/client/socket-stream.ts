import { Duplex } from 'node:stream';
import { type RawData, WebSocket } from 'ws';
import { StatusError, unavailable } from '#machinery/status-error.ts';
import { bytesOf } from './channels.ts';

/** "Internal error" of RFC 6455, §7.4.1: what was connected here has failed. */
const failed = 1011;
const reasonBytesMax = 123;

/**
 * A WebSocket's messages as one byte stream. With `halfClose`, an empty message says that a side has nothing more to
 * send, and the connection lives until both have said so; both ends must agree on that. Without it, ending the
 * stream closes the socket. Backpressure holds both ways. Destroying it with an error drops the connection, which is
 * an error at the other end too; of a StatusError the message gets there, as ServiceUnavailable. Whoever has paused the socket before may stop worrying: reading starts here.
 */
export function socketStream(socket: WebSocket, { halfClose }: { readonly halfClose: boolean }): Duplex {
  let ended = false;
  const stream = new Duplex({
    allowHalfOpen: halfClose,
    read: () => socket.resume(),
    write(chunk: Buffer, _encoding, done) {
      if (socket.readyState === WebSocket.OPEN) socket.send(chunk, done);
      else done(unavailable('The connection has ended'));
    },
    final(done) {
      if (socket.readyState !== WebSocket.OPEN) return done();
      if (halfClose) socket.send(Buffer.alloc(0), done);
      else {
        socket.close(1000);
        done();
      }
    },
    destroy(error, done) {
      if (error === null) socket.close(1000);
      else if (error instanceof StatusError) socket.close(failed, reasonOf(error));
      else socket.terminate();
      socket.resume(); // or the closing handshake would never be read
      done(error);
    },
  });
  const end = () => {
    if (ended || stream.destroyed) return;
    ended = true;
    stream.push(null);
  };
  socket.on('message', (data: RawData) => {
    const bytes = bytesOf(data);
    if (bytes.length === 0 && halfClose) end();
    else if (bytes.length > 0 && !ended && !stream.destroyed && !stream.push(bytes)) socket.pause();
  });
  socket.on('error', () => {}); // followed by close
  socket.once('close', (code, reason) => {
    if (code === failed) stream.destroy(unavailable(reason.toString('utf8')));
    else if (halfClose && !ended && code !== 1000) stream.destroy(new Error('The connection was cut off'));
    else end();
  });
  socket.resume();
  return stream;
}

/**
 * As much of the message as a close frame holds: its end, where the cause is told. Up to three bytes of a character cut
 * in two become U+FFFD each.
 */
function reasonOf({ message }: Error): string {
  const bytes = Buffer.from(message);
  if (bytes.length <= reasonBytesMax) return message;
  return `…${bytes.subarray(9 - reasonBytesMax).toString('utf8')}`;
}
