/** Another host of the cluster, as far as reaching its pods goes. */
export interface Peer {
  readonly nodeName: string;
  readonly address: string;
  readonly podCidr: string;
}

/**
 * How pods reach pods on other hosts. There is one implementation for a cluster of one host; direct routes and
 * VXLAN will be others. What they must keep true: only peers may inject packets, nothing runs in a shell, and every
 * change on the host is noted in `HostChanges` first.
 */
export interface PodRoutes {
  /** Makes the host know the way to exactly these peers. Throws if one of them cannot be reached that way. */
  apply(peers: readonly Peer[], signal: AbortSignal): Promise<void>;
}

/** The cluster's pods are all here: their bridge is the way to each of them. */
export const singleHostRoutes: PodRoutes = { apply: async () => {} };
