import type { IncomingMessage, ServerResponse } from 'node:http';
import type { Http2ServerRequest, Http2ServerResponse } from 'node:http2';
import type { RequestContext } from '../request.ts';
import type { YamlThread } from './yaml-thread.ts';

export type HttpRequest = IncomingMessage | Http2ServerRequest;
export type HttpResponse = ServerResponse | Http2ServerResponse;

/** One request over HTTP/1.1 or HTTP/2 whose caller is known, and its reply. */
export interface Exchange {
  readonly req: HttpRequest;
  readonly res: HttpResponse;
  readonly method: string;
  readonly query: URLSearchParams;
  /** Ends when the client goes away, the server stops or the request's time is up. */
  readonly context: RequestContext;
  /** Collected `Warning` headers; sent with the head of the reply. */
  readonly warnings: readonly string[];
  /** Reads YAML bodies; without one they are read in place. */
  readonly yaml?: YamlThread | undefined;
  /** Told when what follows lasts as long as the client likes: the request's seat is then free for others. */
  readonly begun?: (() => void) | undefined;
}
