import type { IncomingMessage, ServerResponse } from 'node:http';
import { badRequest } from '#machinery/status-error.ts';
import { notOffered, pageNotFound } from './errors.ts';
import type { Grant } from './hijack.ts';

/** One request of a Docker client. */
export interface Call {
  readonly method: string;
  readonly params: Readonly<Record<string, string>>;
  readonly query: URLSearchParams;
  readonly headers: IncomingMessage['headers'];
  /** Aborts when the client goes away or the server stops. */
  readonly signal: AbortSignal;
  /** The JSON of the body; undefined if there is none. */
  readonly json: () => Promise<unknown>;
}

/** A route answers with JSON, with a body it writes itself, or turns the connection into a stream. */
export type Route = {
  readonly method: 'GET' | 'HEAD' | 'POST' | 'DELETE' | 'PUT';
  /** `{name}` stands for one part, `{name*}` for one or more. */
  readonly path: string;
} & (
  | { readonly answer: (call: Call) => Promise<Answer> | Answer }
  | { readonly write: (call: Call, res: ServerResponse) => Promise<void> }
  | {
      /** `serving` lasts as long as the server, for what goes on without its client. */
      readonly stream: (call: Call, grant: Grant, serving: AbortSignal) => Promise<void>;
    }
);

export interface Answer {
  readonly code: number;
  /** Absent for an empty body. */
  readonly body?: unknown;
}

export const apiVersions = { min: '1.40', max: '1.50' } as const;

/** Docker has these; we have not. Whatever is in neither list is no path of Docker's at all. */
const foreign =
  /^\/(containers|images|networks|volumes|exec|build|session|grpc|commit|auth|search|system|swarm|services|tasks|nodes|secrets|configs|plugins|distribution)(\/|$)/;

export interface Match {
  readonly route: Route;
  readonly params: Readonly<Record<string, string>>;
  readonly query: URLSearchParams;
}

export class Router {
  readonly #routes: readonly { readonly route: Route; readonly pattern: RegExp }[];

  constructor(routes: readonly Route[]) {
    this.#routes = routes.map((route) => ({ route, pattern: patternOf(route.path) }));
  }

  /** Throws BadRequest for a version we do not speak, `notOffered` or NotFound for what is not here. */
  match(method: string, url: string): Match {
    const question = url.indexOf('?');
    const full = question < 0 ? url : url.slice(0, question);
    const [, version, rest = full] = /^\/v(\d+\.\d+)(\/.*)$/.exec(full) ?? [];
    if (version !== undefined) checkVersion(version);
    const query = new URLSearchParams(question < 0 ? '' : url.slice(question + 1));
    for (const { route, pattern } of this.#routes) {
      if (route.method !== method && !(route.method === 'GET' && method === 'HEAD')) continue;
      const found = pattern.exec(rest);
      if (found === null) continue;
      const params = Object.fromEntries(
        Object.entries(found.groups ?? {}).map(([name, value]) => [name, decoded(value)]),
      );
      return { route, params, query };
    }
    throw foreign.test(rest) ? notOffered(`${method} ${rest}`) : pageNotFound();
  }
}

function patternOf(path: string): RegExp {
  const source = path.replace(
    /\{(\w+)(\*?)\}/g,
    (_, name: string, many: string) => `(?<${name}>${many === '' ? '[^/]+' : '.+'})`,
  );
  return new RegExp(`^${source}$`);
}

function decoded(text: string): string {
  try {
    return decodeURIComponent(text);
  } catch {
    throw badRequest(`the path is not well encoded: ${text}`);
  }
}

function checkVersion(version: string): void {
  const number = (text: string) => Number(text.split('.')[0]) * 1000 + Number(text.split('.')[1]);
  if (number(version) < number(apiVersions.min))
    throw badRequest(
      `client version ${version} is too old. Minimum supported API version is ${apiVersions.min}, please upgrade your client to a newer version`,
    );
  if (number(version) > number(apiVersions.max))
    throw badRequest(`client version ${version} is too new. Maximum supported API version is ${apiVersions.max}`);
}

/** Docker's booleans in queries. */
export const flag = (query: URLSearchParams, name: string, otherwise = false): boolean => {
  const text = query.get(name);
  return text === null || text === '' ? otherwise : !['0', 'false', 'no', 'none'].includes(text.toLowerCase());
};
