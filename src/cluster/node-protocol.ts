import type { LogLevel } from './log-file.ts';

/** What the thread of a node is started with; everything as text, as a node on another host would have it. */
export interface NodeWorkerOptions {
  readonly nodeName: string;
  readonly dataDir: string;
  readonly server: string;
  /** PEM: the cluster's authority, and the node's own certificate and key. */
  readonly authority: string;
  readonly certificate: string;
  readonly key: string;
  readonly hostIps: readonly string[];
  readonly dnsService: string;
  readonly clusterDomain: string;
  readonly serviceCidr: string;
  /** All pods of the cluster, wherever. */
  readonly clusterCidr: string;
  readonly agentPort: number;
  readonly version: string;
  readonly logFile: string;
  readonly logLevel: LogLevel;
}

/** From the thread: it runs, or it cannot. To the thread: `stop`. */
export type NodeMessage =
  | { readonly type: 'running'; readonly runtimeSocket: string }
  | { readonly type: 'failed'; readonly message: string };
export type NodeCommand = 'stop';
