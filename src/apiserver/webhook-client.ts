/**
 * Calls a webhook: one POST of JSON over TLS to where its configuration says, and nowhere else. Redirects are not
 * followed, a name is looked up once, replies and times are bounded, and connections are kept for the next call.
 * Source: k8s.io/apiserver/pkg/util/webhook.
 */
import { Agent, request } from 'node:https';
import { isIP } from 'node:net';
import { Service } from '#api/core/service.ts';
import type { Registry } from './registry/registry.ts';
import { isProxyable, resolveOnce, serviceAddress, type Address } from './service-address.ts';

export interface WebhookClientConfig {
  readonly url?: string;
  readonly service?: {
    readonly name?: string;
    readonly namespace?: string;
    readonly path?: string;
    readonly port?: number;
  };
  /** PEM in base64; the system's authorities unless given. */
  readonly caBundle?: string;
}

export interface WebhookCall {
  readonly signal: AbortSignal;
  readonly timeoutMs: number;
  readonly replyBytesMax: number;
  /** Added to the URL, `timeout=10s`. */
  readonly query?: string;
}

/** No reply that counts: it could not be reached, did not answer in time, or answered with a status of failure. */
export class WebhookFailure extends Error {
  /** Of an HTTP reply; 0 if there was none. */
  readonly status: number;
  constructor(message: string, status = 0, cause?: unknown) {
    super(message, cause === undefined ? undefined : { cause });
    this.name = 'WebhookFailure';
    this.status = status;
  }
}

/**
 * A kept connection ended as it was used again, most likely because the other side had let go of it while it was idle.
 * Webhooks are to be idempotent, so one may be asked once more.
 */
class StaleConnection extends Error {}

/** Connections to one place, in all, and idle ones. */
const [socketsMax, totalSocketsMax, idleSocketsMax] = [64, 256, 8];
const idleMsMax = 60_000;
const agent = new Agent({
  keepAlive: true,
  maxSockets: socketsMax,
  maxTotalSockets: totalSocketsMax,
  maxFreeSockets: idleSocketsMax,
  timeout: idleMsMax,
});

interface Where {
  readonly address: Address;
  readonly path: string;
  /** The name its certificate must have. */
  readonly servername: string;
  /** As it is told in errors. */
  readonly url: string;
}

async function whereIs({ url, service }: WebhookClientConfig, registry: Registry, signal: AbortSignal): Promise<Where> {
  if (url !== undefined) {
    const { hostname, port, pathname } = new URL(url);
    const host = hostname.replace(/^\[|\]$/g, '');
    const address = {
      host: isIP(host) === 0 ? await unlessAborted(resolveOnce(host), signal) : host,
      port: port === '' ? 443 : Number(port),
    };
    return { address, path: pathname, servername: host, url };
  }
  const { name = '', namespace = '', path = '/', port = 443 } = service ?? {};
  const servername = `${name}.${namespace}.svc`;
  const found = await registry.of(Service).get({ namespace, name }, { want: 'newest' }, signal);
  const address = await serviceAddress(registry, found.object, String(port), signal);
  // Whoever writes endpoints must not make this server call itself, or its host.
  if (!isProxyable(address.host))
    throw new Error(`service ${JSON.stringify(name)} leads to an address that is not allowed`);
  return { address, path, servername, url: `https://${servername}:${port}${path}` };
}

/** A look-up cannot be stopped, but need not be waited for. */
function unlessAborted<T>(promise: Promise<T>, signal: AbortSignal): Promise<T> {
  return Promise.race([
    promise,
    new Promise<never>((_, reject) => {
      signal.addEventListener('abort', () => reject(signal.reason as Error), { once: true });
    }),
  ]);
}

/** The body of the reply. Throws WebhookFailure, or the reason of `signal`. */
export async function callWebhook(
  registry: Registry,
  config: WebhookClientConfig,
  body: string,
  call: WebhookCall,
): Promise<Buffer> {
  const { signal, timeoutMs, query } = call;
  const timeout = AbortSignal.timeout(timeoutMs);
  const limit = AbortSignal.any([signal, timeout]);
  let url = '';
  try {
    const where = await whereIs(config, registry, limit);
    const suffix = query === undefined ? '' : `?${query}`;
    url = where.url + suffix;
    const there = { ...where, path: where.path + suffix };
    try {
      return await post(there, config, body, { ...call, signal: limit });
    } catch (error) {
      if (!(error instanceof StaleConnection)) throw error;
      return await post(there, config, body, { ...call, signal: limit });
    }
  } catch (error) {
    if (signal.aborted) throw signal.reason;
    const lead = url === '' ? '' : `Post ${JSON.stringify(url)}: `;
    if (timeout.aborted) throw new WebhookFailure(`${lead}context deadline exceeded`, 0, error);
    if (error instanceof WebhookFailure) throw error;
    throw new WebhookFailure(lead + (error instanceof Error ? error.message : String(error)), 0, error);
  }
}

function post(
  { address, path, servername }: Where,
  { caBundle }: WebhookClientConfig,
  body: string,
  { signal, replyBytesMax }: WebhookCall,
): Promise<Buffer> {
  return new Promise((resolve, reject) => {
    const outgoing = request({
      host: address.host,
      port: address.port,
      path,
      method: 'POST',
      agent,
      signal,
      ...(isIP(servername) === 0 ? { servername } : {}),
      ...(caBundle === undefined || caBundle === '' ? {} : { ca: Buffer.from(caBundle, 'base64') }),
      headers: {
        host: servername,
        'content-type': 'application/json',
        accept: 'application/json',
        'content-length': Buffer.byteLength(body),
      },
    });
    outgoing.on('error', (error: NodeJS.ErrnoException) => {
      const isStale = outgoing.reusedSocket && error.code === 'ECONNRESET' && !answers;
      reject(isStale ? new StaleConnection(error.message, { cause: error }) : error);
    });
    let answers = false;
    outgoing.on('response', (response) => {
      answers = true;
      const chunks: Buffer[] = [];
      let bytes = 0;
      response.on('error', reject);
      response.on('data', (chunk: Buffer) => {
        bytes += chunk.length;
        if (bytes > replyBytesMax) outgoing.destroy(new Error(`the reply has more than ${replyBytesMax} bytes`));
        else chunks.push(chunk);
      });
      response.on('end', () => {
        const { statusCode = 0 } = response;
        if (statusCode >= 200 && statusCode < 300) resolve(Buffer.concat(chunks));
        else reject(new WebhookFailure(`it answered with status ${statusCode}`, statusCode));
      });
    });
    outgoing.end(body);
  });
}
