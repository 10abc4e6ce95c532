import type { IncomingMessage, ServerResponse } from 'node:http';
import type { Http2ServerRequest, Http2ServerResponse } from 'node:http2';
import type { Duplex, Readable } from 'node:stream';
import type { AttachOptions, CallOptions, ExecOptions, LogOptions, Session } from '#client/client.ts';
import type { Pod } from '#api/core/pod.ts';
import type { Attributes, RequestContext } from '../request.ts';

/** The way from the API server to the agent of the node that a pod runs on. */
export interface NodeStreams {
  logs(pod: Pod, options: LogOptions): Promise<Readable>;
  exec(pod: Pod, options: ExecOptions): Promise<Session>;
  attach(pod: Pod, options: AttachOptions): Promise<Session>;
  portForward(pod: Pod, port: number, options: CallOptions): Promise<Duplex>;
}

/** A request for `pods/log|exec|attach|portforward`, authenticated, authorized (as `create`, but for `log`: `get`) and with its pod found. */
export interface ConnectRequest {
  readonly attributes: Attributes;
  readonly context: RequestContext;
  readonly pod: Pod;
  readonly query: URLSearchParams;
}

/** Answers the streaming subresources of a pod to any client: plain HTTP (`log`), WebSocket and SPDY/3.1. */
export interface ConnectHandler {
  /** `log`, and the refusal of the others without an upgrade. */
  handle(
    request: ConnectRequest,
    req: IncomingMessage | Http2ServerRequest,
    res: ServerResponse | Http2ServerResponse,
  ): Promise<void>;
  /** After an HTTP/1.1 upgrade; owns the socket from here on. Errors become an HTTP reply with a Status body. */
  upgrade(request: ConnectRequest, req: IncomingMessage, socket: Duplex, head: Buffer): Promise<void>;
}
