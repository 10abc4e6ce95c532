/** Transport protocols as nftables spells them. */
export type Protocol = 'tcp' | 'udp' | 'sctp';

/** Where a connection ends up: one port of one pod, or of whatever a slice names. */
export interface Target {
  readonly ip: string;
  readonly port: number;
}

/**
 * Those who share the connections of one frontend, in a fixed order. With none, a connection is refused at once
 * (`refuse`), or not answered (`ignore`: there are targets, but the service's policy keeps this node from using them).
 */
export interface Backends {
  readonly targets: readonly Target[];
  readonly whenEmpty: 'refuse' | 'ignore';
}

/** One address, protocol and port that a service answers on. */
export interface Frontend {
  /** Undefined: the port on every address of this node but loopback (a node port). */
  readonly address: string | undefined;
  readonly protocol: Protocol;
  readonly port: number;
  /** How long a client keeps its target after its last new connection; undefined: each connection chooses anew. */
  readonly affinitySeconds: number | undefined;
  readonly backends: Backends;
  /** For clients outside the cluster, where they are treated otherwise (`externalTrafficPolicy: Local`). */
  readonly outside: Backends | undefined;
}

/** What one service means for this node. */
export interface ServiceFrontends {
  readonly frontends: readonly Frontend[];
  /** Addresses of targets on this node: they may be sent to themselves (hairpin). */
  readonly localTargets: readonly string[];
  /** Addresses of targets elsewhere: clients from outside must be masqueraded, or replies would bypass this node. */
  readonly remoteTargets: readonly string[];
}

/** What a node knows of itself, as far as services are concerned. */
export interface ProxyFacts {
  readonly nodeName: string;
  /** `topology.kubernetes.io/zone`, for services that prefer near endpoints. */
  readonly zone: string | undefined;
  /** Addresses that are answered on this node itself and never forwarded: the cluster's DNS. */
  readonly ownAddresses: readonly string[];
}
