import type { Duplex, Readable } from 'node:stream';
import type { AttachOptions, CallOptions, ExecOptions, LogOptions, Session } from '#client/client.ts';
import type { StatsSummary } from '#client/stats-summary.ts';
import type { ObjectRef } from '#machinery/object.ts';

export type { StatsSummary };

/**
 * What an agent offers to look into its pods; `agent/stream-server.ts` serves it to the API server over HTTPS,
 * the CRI runtime and the `sim` runtime implement it. Throws NotFound for pods and containers that are not here.
 */
export interface PodStreams {
  logs(pod: ObjectRef, options: LogOptions): Promise<Readable>;
  exec(pod: ObjectRef, options: ExecOptions): Promise<Session>;
  attach(pod: ObjectRef, options: AttachOptions): Promise<Session>;
  portForward(pod: ObjectRef, port: number, options: CallOptions): Promise<Duplex>;
  /** CPU and memory of the node and of each container, as Kubernetes' `/stats/summary` shapes them. */
  stats(options: CallOptions): Promise<StatsSummary>;
}
