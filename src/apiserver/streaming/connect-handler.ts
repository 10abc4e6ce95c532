import type { IncomingMessage, ServerResponse } from 'node:http';
import type { Duplex } from 'node:stream';
import { pipeline } from 'node:stream/promises';
import type { Clock } from '#lib/clock.ts';
import { serveSession, sessionProtocols } from '#client/channel-server.ts';
import { socketStream } from '#client/socket-stream.ts';
import { badRequest, StatusError } from '#machinery/status-error.ts';
import type { ConnectHandler, ConnectRequest, NodeStreams } from './connect.ts';
import {
  channelPortForwardProtocols,
  serveChannelPortForward,
  servePortForward,
  spdyPortForwardProtocol,
  tunnelPortForwardProtocol,
} from './port-forward.ts';
import { serveSpdySession, spdyProtocols } from './spdy-session.ts';
import { attachOptionsOf, commandOf, podLogOptionsOf, portsOf } from './stream-query.ts';
import {
  acceptSpdy,
  acceptWebSocket,
  chooseProtocol,
  offeredProtocols,
  offeredStreamProtocols,
  refuseUpgrade,
  upgradeOf,
} from './upgrade.ts';

/** What may go wrong is found out before the client's connection is upgraded, so that it gets a Status as usual. */
export function connectHandler(streams: NodeStreams, clock: Clock): ConnectHandler {
  async function session(request: ConnectRequest, req: IncomingMessage, socket: Duplex, head: Buffer): Promise<void> {
    const { pod, query, context } = request;
    const upgrade = upgradeOf(req);
    const protocol =
      upgrade === 'websocket'
        ? chooseProtocol(offeredProtocols(req), sessionProtocols.keys())
        : chooseProtocol(offeredStreamProtocols(req), [...spdyProtocols, '']);
    if (protocol === undefined)
      return refuseProtocol(socket, upgrade === 'websocket' ? [...sessionProtocols.keys()] : spdyProtocols);
    const { signal } = context;
    const isExec = request.attributes.subresource === 'exec';
    const wanted = attachOptionsOf(pod, query);
    const running = isExec
      ? await streams.exec(pod, { ...wanted, command: commandOf(query), signal })
      : await streams.attach(pod, { ...wanted, signal });
    if (socket.destroyed) return running.close();
    socket.once('close', () => running.close());
    if (upgrade === 'websocket') {
      acceptWebSocket(req, socket, head, protocol, (webSocket) => void serveSession(webSocket, running, clock));
    } else {
      acceptSpdy(socket, head, protocol);
      await serveSpdySession(socket, protocol, wanted, running, clock);
    }
  }

  async function portForward(
    { pod, query }: ConnectRequest,
    req: IncomingMessage,
    socket: Duplex,
    head: Buffer,
  ): Promise<void> {
    const podName = pod.metadata?.name ?? '';
    const dial = (port: number, signal: AbortSignal) => streams.portForward(pod, port, { signal });
    if (pod.spec?.nodeName === undefined) throw badRequest(`pod ${podName} does not have a host assigned`);
    if (upgradeOf(req) === 'spdy') {
      const protocol = chooseProtocol(offeredStreamProtocols(req), [spdyPortForwardProtocol, '']);
      if (protocol === undefined) return refuseProtocol(socket, [spdyPortForwardProtocol]);
      acceptSpdy(socket, head, protocol);
      return servePortForward(socket, podName, dial, clock);
    }
    const served = [tunnelPortForwardProtocol, ...channelPortForwardProtocols];
    const protocol = chooseProtocol(offeredProtocols(req), served);
    if (protocol === undefined) return refuseProtocol(socket, served);
    const ports = protocol === tunnelPortForwardProtocol ? [] : portsOf(query);
    acceptWebSocket(req, socket, head, protocol, (webSocket) => {
      if (protocol === tunnelPortForwardProtocol) {
        void servePortForward(socketStream(webSocket, { halfClose: false }), podName, dial, clock);
      } else {
        void serveChannelPortForward(webSocket, ports, podName, dial, clock);
      }
    });
  }

  return {
    async handle({ attributes, context, pod, query }, _req, reply) {
      const res = reply as ServerResponse; // HTTP/2's has the same methods, in a type of its own
      if (attributes.subresource !== 'log') throw badRequest('Upgrade request required');
      const { signal } = context;
      const wanted = podLogOptionsOf(pod, query);
      const isPlaced = pod.spec?.nodeName !== undefined && pod.spec.nodeName !== '';
      const log = isPlaced ? await streams.logs(pod, { ...wanted, signal }) : undefined; // nothing was said yet
      res.writeHead(200, { 'content-type': 'text/plain' });
      if (log === undefined) return void res.end();
      res.flushHeaders(); // a follower sees at once that it is connected
      await pipeline(log, res, { signal }).catch(() => res.destroy()); // the head is out: all one can do is cut it off
    },

    async upgrade(request, req, socket, head) {
      socket.on('error', () => {}); // its close is what counts
      try {
        switch (request.attributes.subresource) {
          case 'exec':
          case 'attach':
            return await session(request, req, socket, head);
          case 'portforward':
            return await portForward(request, req, socket, head);
          default:
            throw badRequest('this resource cannot be upgraded');
        }
      } catch (error) {
        refuseUpgrade(socket, error);
      }
    },
  };
}

/** Which versions there would have been, for clients that can try again. */
function refuseProtocol(socket: Duplex, served: readonly string[]): void {
  const names = served.filter((name) => name !== '').join(', ');
  const error = new StatusError(
    'Forbidden',
    `unable to upgrade: unable to negotiate protocol: the server accepts ${names}`,
  );
  refuseUpgrade(socket, error, { 'x-accepted-stream-protocol-versions': names });
}
