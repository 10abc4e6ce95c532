/**
 * Clients that mean harm, for tests and benchmarks: connections that do nothing, that send a byte now and then, and
 * streams that are opened to be cancelled.
 */
import { once } from 'node:events';
import { connect as connectHttp2, constants, type ClientHttp2Session } from 'node:http2';
import { connect as connectTls, type TLSSocket } from 'node:tls';

const opensAtOnce = 50;
const dribbleMs = 500;
const streamsAtOnce = 200;

export interface Target {
  readonly url: string;
  readonly ca: string;
}

export interface Flood extends Disposable {
  /** Connections that the server has closed so far. */
  readonly closed: number;
}

async function openSockets({ url, ca }: Target, count: number): Promise<readonly TLSSocket[]> {
  const { hostname, port } = new URL(url);
  const sockets: TLSSocket[] = [];
  while (sockets.length < count) {
    const batch = Array.from({ length: Math.min(opensAtOnce, count - sockets.length) }, () =>
      connectTls({ host: hostname, port: Number(port), ca, ALPNProtocols: ['http/1.1'] }).on('error', () => undefined),
    );
    await Promise.all(batch.map((socket) => once(socket, 'secureConnect')));
    sockets.push(...batch);
  }
  return sockets;
}

function floodOf(sockets: readonly TLSSocket[], also: () => void): Flood {
  const flood = {
    closed: 0,
    [Symbol.dispose]() {
      also();
      for (const socket of sockets) socket.destroy();
    },
  };
  for (const socket of sockets) {
    socket.resume();
    socket.once('close', () => flood.closed++);
  }
  return flood;
}

/** Connections over which nothing comes. */
export async function idleFlood(target: Target, count: number): Promise<Flood> {
  return floodOf(await openSockets(target, count), () => undefined);
}

/** Connections over which a request never comes to its end. */
export async function slowFlood(target: Target, count: number): Promise<Flood> {
  const sockets = await openSockets(target, count);
  for (const socket of sockets) socket.write('GET /readyz HTTP/1.1\r\nhost: x\r\n');
  const timer = setInterval(() => {
    for (const socket of sockets) if (!socket.destroyed) socket.write('x: y\r\n');
  }, dribbleMs);
  return floodOf(sockets, () => clearInterval(timer));
}

/** Opens `count` streams and cancels each at once, on a new connection whenever the server has ended one. */
export async function resetFlood({ url, ca }: Target, count: number): Promise<{ readonly connections: number }> {
  let connections = 0;
  let session: ClientHttp2Session | undefined;
  for (let sent = 0; sent < count;) {
    if (session === undefined || session.destroyed || session.closed) {
      session = connectHttp2(url, { ca }).on('error', () => undefined);
      session.setMaxListeners(0);
      connections++;
      await Promise.race([once(session, 'connect'), once(session, 'close')]);
      continue;
    }
    const streams = Array.from({ length: streamsAtOnce }, () => {
      const stream = session!.request({ ':path': '/readyz', ':method': 'POST' }, { endStream: false });
      return stream.on('error', () => undefined);
    });
    await answered(session); // the server has them: one that it has never seen would cost it nothing
    for (const stream of streams) stream.close(constants.NGHTTP2_CANCEL);
    await answered(session);
    sent += streamsAtOnce;
  }
  session?.destroy();
  return { connections };
}

/** Resolves once the server has read everything up to here, or has ended the connection. */
function answered(session: ClientHttp2Session): Promise<void> {
  return new Promise((resolve) => {
    session.once('close', resolve);
    if (session.destroyed || !session.ping(() => resolve())) resolve();
  });
}
