import { createServer, type Server } from 'node:https';
import type { ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import { issueCertificate } from '#lib/x509.ts';
import type { ApiObject } from '#machinery/object.ts';

export interface Review {
  readonly apiVersion: string;
  readonly kind: string;
  readonly request: {
    readonly uid: string;
    readonly operation: string;
    readonly name?: string;
    readonly namespace?: string;
    readonly subResource?: string;
    readonly kind: { readonly group: string; readonly version: string; readonly kind: string };
    readonly resource: { readonly group: string; readonly version: string; readonly resource: string };
    readonly userInfo: { readonly username: string };
    readonly dryRun: boolean;
    readonly object: (ApiObject & Readonly<Record<string, unknown>>) | null;
    readonly oldObject: ApiObject | null;
  };
}

type Answer = Readonly<Record<string, unknown>>;
/** What a path answers with: the `response` of a review, or whatever it does with the reply itself. */
export type Handler = (review: Review, text: string) => Answer | ((res: ServerResponse) => void);

/** A webhook of the test's own, over TLS with an authority of its own, on loopback. */
export class WebhookServer implements AsyncDisposable {
  readonly caBundle: string;
  readonly reviews: Review[] = [];
  readonly #server: Server;
  readonly #handlers = new Map<string, Handler>();

  private constructor(server: Server, caBundle: string) {
    this.#server = server;
    this.caBundle = caBundle;
    server.on('request', (req, res) => {
      const chunks: Buffer[] = [];
      req.on('data', (chunk: Buffer) => chunks.push(chunk));
      req.on('end', () => this.#answer(req.url ?? '', Buffer.concat(chunks).toString(), res));
    });
  }

  /** Listens on `host`; its certificate is for loopback and the names of a service `hook` in `default`. */
  static async start(host = '127.0.0.1'): Promise<WebhookServer> {
    const validity = { notBefore: Date.now() - 60_000, notAfter: Date.now() + 3_600_000 };
    const ca = await issueCertificate({ use: 'authority', commonName: 'webhook CA', ...validity });
    const own = await issueCertificate(
      { use: 'server', commonName: 'webhook', hosts: ['127.0.0.1', 'localhost', 'hook.default.svc'], ...validity },
      ca,
    );
    const server = createServer({ key: own.key, cert: own.certificate });
    await new Promise<void>((resolve) => server.listen(0, host, resolve));
    return new WebhookServer(server, Buffer.from(ca.certificate).toString('base64'));
  }

  /** The URL of a path that `handler` answers. */
  on(path: string, handler: Handler): string {
    this.#handlers.set(path, handler);
    return this.url(path);
  }

  get port(): number {
    return (this.#server.address() as AddressInfo).port;
  }

  url(path: string): string {
    return `https://localhost:${this.port}${path}`;
  }

  #answer(url: string, text: string, res: ServerResponse): void {
    const review = JSON.parse(text) as Review;
    this.reviews.push(review);
    const handler = this.#handlers.get(url.replace(/\?.*/, ''));
    if (handler === undefined) {
      res.writeHead(404).end();
      return;
    }
    const answer = handler(review, text);
    if (typeof answer === 'function') answer(res);
    else {
      const response = { uid: review.request.uid, ...answer };
      res.end(JSON.stringify({ apiVersion: review.apiVersion, kind: 'AdmissionReview', response }));
    }
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#server.closeAllConnections();
    await new Promise((resolve) => this.#server.close(resolve));
  }
}

/** `{ patch, patchType }` of operations. */
export const patchOf = (operations: readonly object[]): Answer => ({
  allowed: true,
  patchType: 'JSONPatch',
  patch: Buffer.from(JSON.stringify(operations)).toString('base64'),
});
