import { connect } from 'node:net';
import type { HandlerResult, HttpTarget } from './http-get.ts';

/** Success is an accepted connection, which is closed at once. */
export function tcpConnect({ host, port }: HttpTarget, timeoutMs: number, signal: AbortSignal): Promise<HandlerResult> {
  const { promise, resolve } = Promise.withResolvers<HandlerResult>();
  const socket = connect({ host, port, signal });
  const at = `dial tcp ${host.includes(':') ? `[${host}]` : host}:${port}`;
  const settle = (result: HandlerResult) => {
    resolve(result);
    socket.destroy();
  };
  socket.setTimeout(timeoutMs, () => settle({ ok: false, message: `${at}: i/o timeout` }));
  socket.once('connect', () => settle({ ok: true, message: 'connected' }));
  socket.once('error', (error: NodeJS.ErrnoException) => {
    settle({
      ok: false,
      message: `${at}: connect: ${error.code === 'ECONNREFUSED' ? 'connection refused' : error.message}`,
    });
  });
  return promise;
}
