import type { LabelSelectorSource } from '#machinery/labels.ts';
import type { NodeSelector, TopologySelectorTerm } from '#api/core/types.generated.ts';
import type { Disk } from './disks.ts';

/**
 * What a pod's volumes ask of nodes, as far as equal pods ask the same: it names no claim or volume that only this pod
 * uses, so that pods with like claims have equal demands.
 */
export interface VolumeDemand {
  /** Why no node can take the pod as things are: a claim is missing, going, lost, or somebody else's to bind. */
  readonly refusal: string | undefined;
  /** Of the volumes that its claims are bound to. */
  readonly affinities: readonly NodeSelector[];
  /** Zone and region labels of these volumes, each with the values that will do. */
  readonly zones: readonly VolumeZone[];
  /** True if a claim is bound to a volume that does not exist. */
  readonly hasLost: boolean;
  /** Claims that are bound once the pod has a node; the smallest first. */
  readonly unbound: readonly UnboundClaim[];
  /** CSI driver → volumes to be attached that are on no node and no other pod's. */
  readonly attaches: Readonly<Record<string, number>>;
  /** JSON of driver and what names the volume, for those that may be on a node already. */
  readonly attachesShared: readonly string[];
  /** Claims that one pod at a time may use, where there are several that would. */
  readonly exclusiveClaims: readonly string[];
  /** Disks that the pod names itself and that are exclusive by their nature. */
  readonly disks: readonly Disk[];
}

export interface VolumeZone {
  readonly key: string;
  readonly values: readonly string[];
}

/** A claim of a class that waits for its first consumer. */
export interface UnboundClaim {
  readonly className: string;
  readonly accessModes: readonly string[];
  readonly bytes: number;
  readonly selector: LabelSelectorSource | undefined;
  readonly volumeMode: string;
  readonly attributesClass: string;
  /** The volume that is kept for the claim: no other will do. */
  readonly reserved: { readonly name: string; readonly affinity: NodeSelector | undefined } | undefined;
  /** The node for which a volume is being made already. */
  readonly selectedNode: string | undefined;
  /** How a volume would be made; undefined if nobody makes any. */
  readonly provision: Provision | undefined;
}

export interface Provision {
  readonly topologies: readonly TopologySelectorTerm[];
  /** True if the driver tells where it has how much space. */
  readonly checksCapacity: boolean;
}
