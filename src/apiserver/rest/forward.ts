import { request as httpRequest, STATUS_CODES, type ClientRequest, type IncomingMessage } from 'node:http';
import { request as httpsRequest, type RequestOptions } from 'node:https';
import { isIP } from 'node:net';
import type { Duplex } from 'node:stream';
import { pipeline } from 'node:stream/promises';
import { unavailable } from '#machinery/status-error.ts';
import type { Exchange, HttpRequest } from './exchange.ts';
import { flushHead, send as sendBody, writeHead } from './reply.ts';
import type { Address } from '../service-address.ts';

/** A request that is passed on: to an address that was found and checked before. */
export interface Onward {
  readonly address: Address;
  readonly scheme: 'http' | 'https';
  /** With its query. */
  readonly path: string;
  /** Besides those of the request itself. */
  readonly headers: Readonly<Record<string, string | readonly string[]>>;
  /** How to know the other side and to be known by it; nobody is known unless given. */
  readonly tls?: Pick<RequestOptions, 'ca' | 'cert' | 'key' | 'servername' | 'rejectUnauthorized'>;
  /** Redirects are an error of what lies behind, instead of being the caller's business. */
  readonly refusesRedirects?: boolean;
  /** What is not there, in messages: `the pod`. */
  readonly to: string;
}

/** How long the other side may take to begin its answer to an upgrade. */
const upgradeMsMax = 30_000;

/** Headers that belong to one connection, or that prove who the caller is to us and to nobody else. */
const withheld = new Set([
  'authorization',
  'connection',
  'host',
  'http2-settings',
  'impersonate-group',
  'impersonate-uid',
  'impersonate-user',
  'keep-alive',
  'proxy-authorization',
  'proxy-connection',
  'te',
  'trailer',
  'transfer-encoding',
  'upgrade',
]);
const withheldPrefixes = [':', 'impersonate-extra-', 'x-remote-'];

function headersOf(req: HttpRequest, { address, headers }: Onward): Record<string, string | string[]> {
  const { host, port } = address;
  const onward: Record<string, string | string[]> = {
    host: isIP(host) === 6 ? `[${host}]:${port}` : `${host}:${port}`,
  };
  for (const [key, value] of Object.entries(req.headers)) {
    if (value === undefined || withheld.has(key) || withheldPrefixes.some((prefix) => key.startsWith(prefix))) continue;
    onward[key] = value;
  }
  for (const [key, value] of Object.entries(headers)) onward[key] = typeof value === 'string' ? value : [...value];
  return onward;
}

function send(method: string, onward: Onward, headers: Record<string, string | string[]>, signal: AbortSignal) {
  const { address, path, scheme, tls } = onward;
  const options = { host: address.host, port: address.port, method, path, headers, signal, agent: false };
  // Upstream does not verify what serves a pod's port: nobody signs certificates for pod addresses.
  return scheme === 'https'
    ? httpsRequest({ ...options, rejectUnauthorized: false, ...tls })
    : httpRequest({ ...options, agent: undefined });
}

const unreachable = ({ to }: Onward, error: Error) =>
  unavailable(`error trying to reach ${to}: ${error.message}`, error);

const isRedirect = ({ statusCode = 502, headers }: IncomingMessage) =>
  statusCode >= 300 && statusCode < 400 && headers.location !== undefined;
/** CVE-2022-3172: where an aggregated server sends callers is not for it to say. */
const redirected = 'the backend attempted to redirect this request, which is not permitted';

/** Passes a request on and its answer back; redirects are never followed here. Throws ServiceUnavailable. */
export async function forward(exchange: Exchange, onward: Onward): Promise<void> {
  const { req, res, method, context } = exchange;
  const outgoing = send(method, onward, headersOf(req, onward), context.signal);
  const answered = new Promise<IncomingMessage>((resolve, reject) => {
    outgoing.once('response', resolve);
    outgoing.once('error', (error) => reject(unreachable(onward, error)));
  });
  // What lies behind may answer before it has taken the whole body, or instead.
  const [answer] = await Promise.all([answered, pipeline(req, outgoing).catch(() => undefined)]);
  const status = answer.statusCode ?? 502;
  if (onward.refusesRedirects === true && isRedirect(answer)) {
    answer.destroy();
    return sendBody(exchange, 502, 'text/plain; charset=utf-8', Buffer.from(redirected));
  }
  const back: Record<string, string> = {};
  for (const [key, value] of Object.entries(answer.headers)) {
    if (value !== undefined && !withheld.has(key)) back[key] = Array.isArray(value) ? value.join(', ') : value;
  }
  if (!writeHead(exchange, status, back)) {
    answer.destroy();
    return;
  }
  flushHead(res);
  await pipeline(answer, res).catch(() => res.destroy());
}

/**
 * Passes an upgrade on. Only once the other side has switched protocols do the two talk; any other answer is relayed
 * and both connections end, so that nothing that a client sends behind a refused upgrade is ever read as a request
 * (CVE-2018-1002105). Throws before anything was said.
 */
export async function forwardUpgrade(
  req: IncomingMessage,
  socket: Duplex,
  head: Buffer,
  onward: Onward,
  signal: AbortSignal,
): Promise<void> {
  const headers = {
    ...headersOf(req, onward),
    connection: 'Upgrade',
    upgrade: req.headers.upgrade ?? '',
  };
  const outgoing = send(req.method ?? 'GET', onward, headers, signal);
  const late = setTimeout(() => outgoing.destroy(new Error('no answer to the upgrade')), upgradeMsMax).unref();
  const answer = await new Promise<Answer>((resolve, reject) => {
    outgoing.once('upgrade', (response: IncomingMessage, other: Duplex, first: Buffer) =>
      resolve({ response, switched: { other, first } }),
    );
    outgoing.once('response', (response) => resolve({ response, switched: undefined }));
    outgoing.once('error', (error) => reject(unreachable(onward, error)));
    outgoing.end();
  }).finally(() => clearTimeout(late));
  if (answer.switched === undefined) return relay(answer.response, outgoing, socket, onward);
  const { other, first } = answer.switched;
  socket.write(headOf(answer.response, ['Connection: Upgrade']));
  if (first.length > 0) socket.write(first);
  if (head.length > 0) other.write(head);
  await Promise.all([pipeline(socket, other), pipeline(other, socket)]).catch(() => undefined);
  socket.destroy();
  other.destroy();
}

interface Answer {
  readonly response: IncomingMessage;
  readonly switched: { readonly other: Duplex; readonly first: Buffer } | undefined;
}

async function relay(
  response: IncomingMessage,
  outgoing: ClientRequest,
  socket: Duplex,
  { refusesRedirects }: Onward,
): Promise<void> {
  if (refusesRedirects === true && isRedirect(response)) {
    outgoing.destroy();
    const head = `content-type: text/plain\r\ncontent-length: ${redirected.length}\r\nconnection: close`;
    socket.end(`HTTP/1.1 502 Bad Gateway\r\n${head}\r\n\r\n${redirected}`);
    return;
  }
  socket.write(headOf(response, ['Connection: close']));
  await pipeline(response, socket).catch(() => undefined);
  outgoing.destroy();
  socket.destroy();
}

function headOf({ statusCode = 502, rawHeaders }: IncomingMessage, own: readonly string[]): string {
  const lines = [`HTTP/1.1 ${statusCode} ${STATUS_CODES[statusCode] ?? 'Unknown'}`];
  for (let at = 0; at + 1 < rawHeaders.length; at += 2) {
    const name = rawHeaders[at]!.toLowerCase();
    if (!withheld.has(name) || name === 'upgrade') lines.push(`${rawHeaders[at]}: ${rawHeaders[at + 1]}`);
  }
  return `${[...lines, ...own].join('\r\n')}\r\n\r\n`;
}
