import type * as object from '#machinery/object.ts';

/** Kinds of `scheduling.k8s.io/v1alpha1`. */
export interface Workload {
  readonly apiVersion?: string;
  readonly kind?: string;
  readonly metadata?: object.ObjectMeta;
  readonly spec: WorkloadSpec;
}

interface WorkloadSpec {
  readonly controllerRef?: TypedLocalObjectReference;
  readonly podGroups: readonly PodGroup[];
}

export interface TypedLocalObjectReference {
  readonly apiGroup?: string;
  readonly kind: string;
  readonly name: string;
}

export interface PodGroup {
  readonly name: string;
  readonly policy: PodGroupPolicy;
}

/** Exactly one of the two is set. */
export interface PodGroupPolicy {
  readonly basic?: Readonly<Record<string, never>>;
  readonly gang?: { readonly minCount: number };
}
