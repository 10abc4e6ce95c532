import { X509Certificate } from 'node:crypto';
import { once } from 'node:events';
import type { IncomingMessage, ServerResponse } from 'node:http';
import { createServer, type Server } from 'node:https';
import type { AddressInfo } from 'node:net';
import type { Duplex } from 'node:stream';
import type { TLSSocket } from 'node:tls';
import { issueCertificate } from '#lib/x509.ts';
import type { RawApi } from './api.ts';

interface Caller {
  readonly username: string;
  readonly groups: readonly string[];
  readonly extra: Readonly<Record<string, readonly string[]>>;
}

interface Flunder {
  readonly metadata: { readonly name: string };
}

const group = 'wardle.example.com';
const root = `/apis/${group}/v1alpha1`;
const methods: Readonly<Record<string, string>> = { GET: 'get', POST: 'create', DELETE: 'delete' };

/**
 * An API server of somebody else, as the aggregation layer expects one: it believes in callers named by who shows the
 * front proxy's certificate, asks the cluster about tokens and rights, and serves `flunders` in group
 * `wardle.example.com`, and pages that mean harm.
 */
export class AggregatedServer implements AsyncDisposable {
  readonly #server: Server;
  readonly #api: RawApi;
  readonly #proxyAuthority: X509Certificate;
  readonly #flunders = new Map<string, Flunder>();
  readonly #sockets = new Set<Duplex>();
  /** PEM of who has signed its certificate. */
  readonly authority: string;
  /** What it was asked, and by whom. */
  readonly seen: { readonly method: string; readonly url: string; readonly caller: Caller | undefined }[] = [];
  /** Answers discovery with an error while set. */
  isBroken = false;

  private constructor(server: Server, api: RawApi, proxyAuthority: string, authority: string) {
    this.#server = server;
    this.#api = api;
    this.#proxyAuthority = new X509Certificate(proxyAuthority);
    this.authority = authority;
    server.on('request', (req, res) => void this.#handle(req, res));
    server.on('upgrade', (req: IncomingMessage, socket: Duplex) => this.#upgrade(req, socket));
    server.on('connection', (socket: Duplex) => this.#sockets.add(socket));
    server.on('secureConnection', (socket: Duplex) => this.#sockets.add(socket));
  }

  /** Listens on `host`, as the Service `name` of namespace `default`. */
  static async open(api: RawApi, host: string, name: string): Promise<AggregatedServer> {
    const config = await api.json<{ data: Record<string, string> }>(
      'GET',
      '/api/v1/namespaces/kube-system/configmaps/extension-apiserver-authentication',
    );
    const proxyAuthority = config.data['requestheader-client-ca-file'] ?? '';
    const validity = { notBefore: Date.now() - 60_000, notAfter: Date.now() + 3_600_000 };
    const ca = await issueCertificate({ use: 'authority', commonName: 'wardle CA', ...validity });
    const hosts = [`${name}.default.svc`];
    const own = await issueCertificate({ use: 'server', commonName: 'wardle', hosts, ...validity }, ca);
    const server = createServer({
      key: own.key,
      cert: own.certificate,
      ca: proxyAuthority,
      requestCert: true,
      rejectUnauthorized: false,
    });
    const made = new AggregatedServer(server, api, proxyAuthority, ca.certificate);
    server.listen(0, host);
    await once(server, 'listening');
    return made;
  }

  get port(): number {
    return (this.#server.address() as AddressInfo).port;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#server.close();
    for (const socket of this.#sockets) socket.destroy();
    await once(this.#server, 'close');
  }

  /** By the headers of a front proxy, or by a token that the cluster knows. */
  async #callerOf(req: IncomingMessage): Promise<Caller | undefined> {
    const socket = req.socket as TLSSocket;
    const { raw } = socket.getPeerCertificate() as { raw?: Buffer };
    const isProxy =
      raw !== undefined &&
      new X509Certificate(raw).verify(this.#proxyAuthority.publicKey) &&
      new X509Certificate(raw).subject === 'CN=front-proxy-client';
    if (isProxy) {
      const extra: Record<string, readonly string[]> = {};
      for (const [key, values] of Object.entries(req.headersDistinct)) {
        if (key.startsWith('x-remote-extra-')) extra[decodeURIComponent(key.slice(15))] = values ?? [];
      }
      const groups = req.headersDistinct['x-remote-group'] ?? [];
      return { username: req.headers['x-remote-user']?.toString() ?? '', groups, extra };
    }
    const [, token] = /^Bearer (.+)$/.exec(req.headers.authorization ?? '') ?? [];
    if (token === undefined) return undefined;
    const review = await this.#api.json<{ status: { authenticated?: boolean; user?: Caller } }>(
      'POST',
      '/apis/authentication.k8s.io/v1/tokenreviews',
      { spec: { token } },
    );
    return review.status.authenticated === true ? review.status.user : undefined;
  }

  async #may(caller: Caller, method: string, name: string | undefined): Promise<boolean> {
    const verb = method === 'GET' && name === undefined ? 'list' : (methods[method] ?? method);
    const { username: user, groups } = caller;
    const resourceAttributes = { group, version: 'v1alpha1', resource: 'flunders', namespace: 'default', verb, name };
    const review = await this.#api.json<{ status: { allowed: boolean } }>(
      'POST',
      '/apis/authorization.k8s.io/v1/subjectaccessreviews',
      { spec: { user, groups, resourceAttributes } },
    );
    return review.status.allowed;
  }

  async #handle(req: IncomingMessage, res: ServerResponse): Promise<void> {
    const { method = 'GET', url = '/' } = req;
    const path = url.split('?')[0] ?? '';
    const caller = await this.#callerOf(req);
    this.seen.push({ method, url, caller });
    const reply = (code: number, body: object, headers: Readonly<Record<string, string>> = {}) => {
      res.writeHead(code, { 'content-type': 'application/json', ...headers });
      res.end(JSON.stringify(body));
    };
    if (caller === undefined) return reply(401, { kind: 'Status', code: 401, reason: 'Unauthorized' });
    if (path === '/openapi/v3') {
      return reply(200, { paths: { [root.slice(1)]: { serverRelativeURL: `/openapi/v3${root}?hash=1` } } });
    }
    if (path === `/openapi/v3${root}`) return reply(200, { openapi: '3.0.0', info: { title: 'wardle' }, paths: {} });
    if (path === root) {
      if (this.isBroken) return reply(500, {});
      const verbs = ['create', 'delete', 'get', 'list'];
      const flunders = { name: 'flunders', singularName: 'flunder', namespaced: true, kind: 'Flunder', verbs };
      const resources = [
        { ...flunders, shortNames: ['fl'] },
        { ...flunders, name: 'flunders/status', verbs: ['get'] },
      ];
      return reply(200, { kind: 'APIResourceList', apiVersion: 'v1', groupVersion: `${group}/v1alpha1`, resources });
    }
    const [, code] = /\/flunders\/redirect-(\d+)/.exec(path) ?? [];
    if (code !== undefined) {
      return reply(Number(code), {}, { location: `https://${req.headers.host ?? ''}${root}/second` });
    }
    const [, name] = /\/namespaces\/default\/flunders(?:\/([^/]+))?$/.exec(path) ?? [path, undefined];
    if (!(await this.#may(caller, method, name))) return reply(403, { kind: 'Status', code: 403, reason: 'Forbidden' });
    const apiVersion = `${group}/v1alpha1`;
    if (method === 'POST') {
      const chunks: Buffer[] = [];
      for await (const chunk of req) chunks.push(chunk as Buffer);
      const made = { ...(JSON.parse(Buffer.concat(chunks).toString()) as Flunder), apiVersion, kind: 'Flunder' };
      this.#flunders.set(made.metadata.name, made);
      return reply(201, made);
    }
    if (name === undefined) {
      return reply(200, { kind: 'FlunderList', apiVersion, metadata: {}, items: [...this.#flunders.values()] });
    }
    const found = this.#flunders.get(name);
    return found === undefined ? reply(404, { kind: 'Status', code: 404, reason: 'NotFound' }) : reply(200, found);
  }

  /** An echo for `flunders/echo`; anything else is refused, with the connection left open for what comes behind. */
  #upgrade(req: IncomingMessage, socket: Duplex): void {
    this.seen.push({ method: 'UPGRADE', url: req.url ?? '', caller: undefined });
    socket.on('error', () => socket.destroy());
    if (req.url?.includes('/flunders/echo') === true) {
      socket.write('HTTP/1.1 101 Switching Protocols\r\nconnection: Upgrade\r\nupgrade: echo\r\n\r\n');
      socket.pipe(socket);
      return;
    }
    socket.write('HTTP/1.1 403 Forbidden\r\ncontent-type: text/plain\r\ncontent-length: 2\r\n\r\nno');
    socket.on('data', (chunk: Buffer) =>
      this.seen.push({ method: 'HIDDEN', url: chunk.toString(), caller: undefined }),
    );
  }
}
