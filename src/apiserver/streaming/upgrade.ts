import type { IncomingMessage } from 'node:http';
import type { Duplex } from 'node:stream';
import { WebSocketServer, type WebSocket } from 'ws';
import { messageBytesMax } from '#client/channels.ts';
import { badRequest, internalError, StatusError } from '#machinery/status-error.ts';

/** What a client wants a connection to become. Throws BadRequest for anything else. */
export function upgradeOf(req: IncomingMessage): 'websocket' | 'spdy' {
  const wanted = req.headers.upgrade?.toLowerCase();
  if (wanted === 'websocket') return 'websocket';
  if (wanted === 'spdy/3.1') return 'spdy';
  throw badRequest(`only upgrades to WebSocket and SPDY/3.1 are served, not to ${JSON.stringify(wanted ?? '')}`);
}

/** The subprotocols a WebSocket client offers, in its order; `['']` if it offers none. */
export function offeredProtocols(req: IncomingMessage): readonly string[] {
  return listOf(req.headers['sec-websocket-protocol']);
}

/** The stream protocols a SPDY client offers, in its order; `['']` if it offers none. */
export function offeredStreamProtocols(req: IncomingMessage): readonly string[] {
  return listOf(req.headers['x-stream-protocol-version']);
}

function listOf(header: string | string[] | undefined): readonly string[] {
  const names = [header ?? []]
    .flat()
    .flatMap((value) => value.split(','))
    .map((name) => name.trim());
  return names.length === 0 ? [''] : names;
}

/** The first of what is offered that is served; undefined if there is none. */
export function chooseProtocol(offered: readonly string[], served: Iterable<string>): string | undefined {
  const known = new Set(served);
  return offered.find((name) => known.has(name));
}

/**
 * Completes a WebSocket handshake with `protocol`; `serve` must listen before it returns. If the handshake is not
 * in order the client gets a 400 and `serve` is not called: what waits for it should end with the socket.
 */
export function acceptWebSocket(
  req: IncomingMessage,
  socket: Duplex,
  head: Buffer,
  protocol: string,
  serve: (webSocket: WebSocket) => void,
): void {
  const server = new WebSocketServer({
    noServer: true,
    clientTracking: false,
    handleProtocols: () => (protocol === '' ? false : protocol),
    maxPayload: messageBytesMax,
    perMessageDeflate: false,
  });
  server.handleUpgrade(req, socket, head, serve);
}

/** Completes the upgrade to SPDY; from here on the socket carries frames. */
export function acceptSpdy(socket: Duplex, head: Buffer, protocol: string): void {
  if (head.length > 0) socket.unshift(head);
  socket.write(
    'HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: SPDY/3.1\r\n' +
      `${protocol === '' ? '' : `X-Stream-Protocol-Version: ${protocol}\r\n`}\r\n`,
  );
}

/**
 * An upgrade that is not granted gets an ordinary reply with a Status, and the connection ends: whatever the client
 * has sent after its request is never read as another one.
 */
export function refuseUpgrade(socket: Duplex, error: unknown, headers: Readonly<Record<string, string>> = {}): void {
  if (socket.destroyed) return;
  const status =
    error instanceof StatusError ? error : internalError(error instanceof Error ? error.message : String(error), error);
  const body = JSON.stringify(status.toStatus());
  const lines = Object.entries({
    'content-type': 'application/json',
    'content-length': String(Buffer.byteLength(body)),
    connection: 'close',
    ...headers,
  }).map(([name, value]) => `${name}: ${value}\r\n`);
  socket.end(`HTTP/1.1 ${status.code} ${status.reason}\r\n${lines.join('')}\r\n${body}`);
  socket.resume(); // so that the end of the client is noticed
}
