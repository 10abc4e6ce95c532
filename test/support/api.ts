import { Agent, request, type AgentOptions } from 'node:https';
import type { IncomingHttpHeaders } from 'node:http';
import { loadKubeconfig } from '#client/kubeconfig.ts';
import type { ApiObject } from '#machinery/object.ts';

export interface Reply {
  readonly code: number;
  readonly headers: IncomingHttpHeaders;
  /** The body as JSON; undefined if it is none. */
  readonly body: unknown;
  readonly text: string;
  readonly bytes: Buffer;
}

/** Who calls: by certificate, by token, or nobody at all. */
export interface Caller {
  readonly cert?: string;
  readonly key?: string;
  readonly token?: string;
}

export interface WatchEvent {
  readonly type: string;
  readonly object: ApiObject & Readonly<Record<string, unknown>>;
}

/** What a failed call says, in one object that a test can compare. */
export interface Refusal {
  readonly code: number;
  readonly reason: string | undefined;
  readonly message: string | undefined;
  readonly fields: readonly (string | undefined)[];
}

const answerMsMax = 30_000;

/** The API over plain HTTPS, as the administrator unless opened otherwise: sends exactly the bytes it is given. */
export class RawApi implements Disposable {
  readonly #agent: Agent;
  readonly #server: URL;
  readonly #options: AgentOptions;
  readonly #headers: Readonly<Record<string, string>>;

  private constructor(server: string, options: AgentOptions, headers: Readonly<Record<string, string>> = {}) {
    this.#server = new URL(server);
    this.#options = options;
    this.#headers = headers;
    this.#agent = new Agent({ keepAlive: true, ...options });
  }

  static async open(kubeconfig: string): Promise<RawApi> {
    const { server } = await loadKubeconfig([kubeconfig]);
    const { url, ca, cert, key } = server;
    if (ca === undefined || cert === undefined || key === undefined)
      throw new Error(`${kubeconfig} lacks certificates`);
    return new RawApi(url, { ca, cert, key });
  }

  /** The same server for somebody else. */
  as({ cert, key, token }: Caller): RawApi {
    const { ca } = this.#options;
    const options = { ...(ca === undefined ? {} : { ca }), ...(cert === undefined ? {} : { cert, key }) };
    return new RawApi(this.#server.href, options, token === undefined ? {} : { authorization: `Bearer ${token}` });
  }

  send(
    method: string,
    path: string,
    body?: string | Buffer | object,
    headers: Readonly<Record<string, string>> = {},
  ): Promise<Reply> {
    const bytes = body === undefined || typeof body === 'string' || Buffer.isBuffer(body) ? body : JSON.stringify(body);
    return new Promise((resolve, reject) => {
      const call = request(new URL(path, this.#server), {
        method,
        agent: this.#agent,
        timeout: answerMsMax,
        headers: {
          ...(bytes === undefined
            ? {}
            : { 'content-type': 'application/json', 'content-length': Buffer.byteLength(bytes) }),
          ...this.#headers,
          ...headers,
        },
      });
      call.on('timeout', () => call.destroy(new Error(`${method} ${path}: no answer within ${answerMsMax} ms`)));
      call.on('error', reject);
      call.on('response', (response) => {
        const chunks: Buffer[] = [];
        response.on('data', (chunk: Buffer) => chunks.push(chunk));
        response.on('error', reject);
        response.on('end', () => {
          const all = Buffer.concat(chunks);
          const text = all.toString();
          let parsed: unknown;
          try {
            parsed = JSON.parse(text);
          } catch {
            parsed = undefined;
          }
          resolve({ code: response.statusCode ?? 0, headers: response.headers, body: parsed, text, bytes: all });
        });
      });
      call.end(bytes);
    });
  }

  /** Like `send()`, for a call that must succeed: its body as JSON. */
  async json<T>(
    method: string,
    path: string,
    body?: string | Buffer | object,
    headers: Readonly<Record<string, string>> = {},
  ): Promise<T> {
    const reply = await this.send(method, path, body, headers);
    if (reply.code >= 300) throw new Error(`${method} ${path}: ${reply.code} ${reply.text}`);
    return reply.body as T;
  }

  /** The events of a watch that ends by itself, after a second unless `path` says otherwise. */
  async watch(path: string, headers: Readonly<Record<string, string>> = {}): Promise<readonly WatchEvent[]> {
    const url = new URL(path, this.#server);
    url.searchParams.set('watch', 'true');
    if (!url.searchParams.has('timeoutSeconds')) url.searchParams.set('timeoutSeconds', '1');
    const { code, text } = await this.send('GET', url.pathname + url.search, undefined, headers);
    if (code !== 200) throw new Error(`watch of ${path}: ${code} ${text}`);
    return text
      .split('\n')
      .filter((line) => line !== '')
      .map((line) => JSON.parse(line) as WatchEvent);
  }

  [Symbol.dispose](): void {
    this.#agent.destroy();
  }
}

interface StatusBody {
  readonly reason?: string;
  readonly message?: string;
  readonly details?: { readonly causes?: readonly { readonly field?: string }[] };
}

/** The refusal in a reply: that of a `v1 Status`. */
export function refusalOf({ code, body, text }: Reply): Refusal {
  const { reason, message, details } = (body ?? { message: text }) as StatusBody;
  return { code, reason, message, fields: (details?.causes ?? []).map(({ field }) => field) };
}
