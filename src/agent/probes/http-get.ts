import { request as httpRequest, type IncomingMessage } from 'node:http';
import { request as httpsRequest } from 'node:https';
import type * as core from '#api/core/types.generated.ts';
import { StatusError } from '#machinery/status-error.ts';

export interface HttpTarget {
  readonly host: string;
  readonly port: number;
}

/** What a probe or hook came to: success, or failure with the words to show. */
export interface HandlerResult {
  readonly ok: boolean;
  readonly message: string;
}

const bodyBytesMax = 10 * 1024;

/**
 * One GET. Success is a status from 200 to 399; a redirect is an answer and is never followed, so that no container
 * can send the node's requests elsewhere. Certificates are not checked: a probe asks whether something answers.
 */
export async function httpGet(
  action: core.HTTPGetAction,
  target: HttpTarget,
  userAgent: string,
  timeoutMs: number,
  signal: AbortSignal,
): Promise<HandlerResult> {
  const { promise, resolve } = Promise.withResolvers<HandlerResult>();
  const headers: Record<string, string | string[]> = { 'User-Agent': userAgent, Accept: '*/*', Connection: 'close' };
  for (const { name, value } of action.httpHeaders ?? []) {
    const key = Object.keys(headers).find((known) => known.toLowerCase() === name.toLowerCase()) ?? name;
    if (value === '' && (key === 'Accept' || key === 'User-Agent')) delete headers[key];
    else headers[key] = value;
  }
  const isTls = action.scheme === 'HTTPS';
  const path = action.path === undefined || action.path === '' ? '/' : action.path;
  const url = `${isTls ? 'https' : 'http'}://${target.host.includes(':') ? `[${target.host}]` : target.host}:${target.port}${path.startsWith('/') ? path : `/${path}`}`;
  const limit = AbortSignal.any([signal, AbortSignal.timeout(timeoutMs)]);
  try {
    const options = { agent: false, headers, signal: limit } as const;
    const request = isTls ? httpsRequest(url, { ...options, rejectUnauthorized: false }) : httpRequest(url, options);
    request.on('response', (response) => readReply(response, resolve));
    request.on('error', (error) => {
      const isLate = limit.aborted && !signal.aborted;
      const why = isLate ? 'context deadline exceeded (Client.Timeout exceeded while awaiting headers)' : error.message;
      resolve({ ok: false, message: `Get "${url}": ${why}` });
    });
    request.end();
  } catch (error) {
    return { ok: false, message: `Get "${url}": ${(error as Error).message}` };
  }
  return promise;
}

function readReply(response: IncomingMessage, resolve: (result: HandlerResult) => void): void {
  const status = response.statusCode ?? 0;
  const ok = status >= 200 && status < 400;
  let size = 0;
  const end = () => {
    response.destroy();
    resolve({ ok, message: ok ? `HTTP status ${status}` : `HTTP probe failed with statuscode: ${status}` });
  };
  response.on('data', (chunk: Buffer) => {
    size += chunk.length;
    if (size > bodyBytesMax) end();
  });
  response.on('end', end);
  response.on('error', end);
}

/** The number of a port given by number or by a name of the container's ports. Throws BadRequest for an unknown name. */
export function portNumber(port: number | string, container: core.Container): number {
  const number = Number(port);
  if (Number.isInteger(number) && number > 0 && number < 65_536) return number;
  const named = container.ports?.find(({ name }) => name === port);
  if (named !== undefined) return named.containerPort;
  throw new StatusError('BadRequest', `couldn't find port ${JSON.stringify(port)} in container ${container.name}`);
}
