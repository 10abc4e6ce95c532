import { createSocket, type RemoteInfo, type Socket as UdpSocket } from 'node:dgram';
import { once } from 'node:events';
import { createServer, type Server, type Socket } from 'node:net';
import type { Log } from '#lib/log.ts';
import { abortController } from '#lib/clock.ts';
import type { Responder } from './responder.ts';

export interface DnsServerOptions {
  readonly address: string;
  /** 0 takes any free one. */
  readonly port: number;
  readonly respond: Responder;
  /** Strangers get no answer: an open resolver is a weapon. */
  readonly isAllowed: (address: string) => boolean;
  readonly log: Log;
}

const connectionsMax = 256;
const idleMs = 10_000;
/** Questions of one TCP connection that are answered at once; more wait unread. */
const perConnectionMax = 32;
/** Answers over UDP that wait for other servers; beyond that, questions are dropped and clients ask again. */
const waitingMax = 2_048;
const receiveBufferBytes = 1024 * 1024;

/** DNS over UDP and TCP on one address. Throws the system's error (EADDRINUSE, EADDRNOTAVAIL) if it cannot listen. */
export class DnsServer implements AsyncDisposable {
  readonly #options: DnsServerOptions;
  readonly #stop = abortController();
  readonly #udp: UdpSocket;
  readonly #tcp: Server;
  readonly #connections = new Set<Socket>();
  #waiting = 0;

  private constructor(options: DnsServerOptions) {
    this.#options = options;
    this.#udp = createSocket({ type: 'udp4', recvBufferSize: receiveBufferBytes });
    this.#tcp = createServer((socket) => this.#serve(socket));
    this.#tcp.maxConnections = connectionsMax;
  }

  static async listen(options: DnsServerOptions): Promise<DnsServer> {
    const server = new DnsServer(options);
    try {
      await once(server.#tcp.listen(options.port, options.address), 'listening');
      server.#udp.bind(server.port, options.address);
      await once(server.#udp, 'listening');
    } catch (error) {
      await server[Symbol.asyncDispose]();
      throw error;
    }
    server.#udp.on('message', (message, from) => server.#receive(message, from));
    server.#udp.on('error', (error) => options.log.warn('DNS socket failed', { error: error.message }));
    server.#tcp.on('error', (error) => options.log.warn('DNS listener failed', { error: error.message }));
    return server;
  }

  get port(): number {
    const address = this.#tcp.address();
    return typeof address === 'object' && address !== null ? address.port : this.#options.port;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#stop.abort(new Error('the DNS server stops'));
    for (const socket of this.#connections) socket.destroy();
    if (this.#tcp.listening) await new Promise<void>((resolve) => this.#tcp.close(() => resolve()));
    await new Promise<void>((resolve) => {
      try {
        this.#udp.close(() => resolve());
      } catch {
        resolve(); // never opened
      }
    });
  }

  #receive(message: Buffer, from: RemoteInfo): void {
    const { respond, isAllowed } = this.#options;
    if (from.port === 0 || !isAllowed(from.address)) return;
    const reply = respond(message, 'udp', this.#stop.signal);
    if (reply === undefined) return;
    if (Buffer.isBuffer(reply)) return this.#send(reply, from);
    if (this.#waiting >= waitingMax) return;
    this.#waiting++;
    const sendLate = (late: Buffer) => {
      this.#waiting--;
      this.#send(late, from);
    };
    void reply.then(sendLate);
  }

  #send(reply: Buffer, { port, address }: RemoteInfo): void {
    if (!this.#stop.signal.aborted) this.#udp.send(reply, port, address, () => {}); // lost, as any packet may be
  }

  #serve(socket: Socket): void {
    const { respond, isAllowed } = this.#options;
    socket.on('error', () => socket.destroy());
    if (!isAllowed(socket.remoteAddress ?? '')) return void socket.destroy();
    this.#connections.add(socket);
    socket.on('close', () => this.#connections.delete(socket));
    socket.setTimeout(idleMs, () => socket.destroy());
    let received = Buffer.alloc(0);
    let busy = 0;
    const takeMore = (late: Buffer) => {
      busy--;
      write(socket, late);
      take();
    };
    const take = () => {
      while (busy < perConnectionMax && received.length >= 2 && received.length >= 2 + received.readUInt16BE(0)) {
        const message = Buffer.from(received.subarray(2, 2 + received.readUInt16BE(0)));
        received = received.subarray(2 + message.length);
        const reply = respond(message, 'tcp', this.#stop.signal);
        if (reply === undefined) return void socket.destroy();
        if (Buffer.isBuffer(reply)) {
          write(socket, reply);
          continue;
        }
        busy++;
        void reply.then(takeMore);
      }
      if (busy >= perConnectionMax || socket.writableNeedDrain) socket.pause();
      else socket.resume();
    };
    socket.on('drain', take);
    socket.on('data', (chunk) => {
      received = Buffer.concat([received, chunk]);
      take();
    });
  }
}

function write(socket: Socket, reply: Buffer): void {
  if (!socket.writable) return;
  const length = Buffer.alloc(2);
  length.writeUInt16BE(reply.length);
  socket.write(Buffer.concat([length, reply]));
}
