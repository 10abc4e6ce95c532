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
