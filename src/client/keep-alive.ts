import type { WebSocket } from 'ws';
import type { Clock } from '#lib/clock.ts';

const pingIntervalMs = 30_000;
const unansweredPingsMax = 2;

/**
 * Pings the peer of a WebSocket and drops it when it stays silent: a machine that lost its power says no goodbye.
 * Silence proves nothing while we do not read (`resting`), nor while the peer is busy with what we have sent.
 * Disposing stops the pings.
 */
export function keepAlive(socket: WebSocket, clock: Clock, resting: () => boolean): Disposable {
  let unanswered = 0;
  let timer: Disposable;
  const beat = () => {
    if (socket.readyState !== socket.OPEN) return;
    if (resting() || socket.bufferedAmount > 0) unanswered = 0;
    if (unanswered >= unansweredPingsMax) return socket.terminate();
    unanswered++;
    socket.ping();
    timer = clock.after(pingIntervalMs, beat);
  };
  socket.on('pong', () => (unanswered = 0));
  socket.on('message', () => (unanswered = 0));
  timer = clock.after(pingIntervalMs, beat);
  return { [Symbol.dispose]: () => timer[Symbol.dispose]() };
}
