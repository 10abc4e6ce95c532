import type { Duplex, Readable } from 'node:stream';
import type { AttachOptions, CallOptions, ExecOptions, LogOptions, Session } from '#client/client.ts';
import type { ObjectRef } from '#machinery/object.ts';

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

/** The part of upstream's stats/v1alpha1 Summary that metrics.k8s.io and dashboards read. Times are RFC 3339. */
export interface StatsSummary {
  readonly node: { readonly nodeName: string; readonly cpu?: CpuStats; readonly memory?: MemoryStats };
  readonly pods: readonly PodStats[];
}
export interface PodStats {
  readonly podRef: { readonly name: string; readonly namespace: string; readonly uid: string };
  readonly startTime: string;
  readonly containers: readonly { readonly name: string; readonly cpu?: CpuStats; readonly memory?: MemoryStats }[];
}
export interface CpuStats {
  readonly time: string;
  readonly usageNanoCores?: number;
  readonly usageCoreNanoSeconds?: number;
}
export interface MemoryStats {
  readonly time: string;
  readonly workingSetBytes?: number;
  readonly usageBytes?: number;
  readonly rssBytes?: number;
}
