// Written by tools/generate-api.ts from Kubernetes v1.35's published schemas. Do not edit.
import type * as meta from '#machinery/meta.generated.ts';
import type * as object from '#machinery/object.ts';

export interface Eviction {
  readonly apiVersion?: string;
  readonly deleteOptions?: meta.DeleteOptions;
  readonly kind?: string;
  readonly metadata?: object.ObjectMeta;
}

export interface PodDisruptionBudget {
  readonly apiVersion?: string;
  readonly kind?: string;
  readonly metadata?: object.ObjectMeta;
  readonly spec: PodDisruptionBudgetSpec;
  readonly status?: PodDisruptionBudgetStatus;
}

export interface PodDisruptionBudgetList {
  readonly apiVersion?: string;
  readonly items: readonly PodDisruptionBudget[];
  readonly kind?: string;
  readonly metadata: object.ListMeta;
}

export interface PodDisruptionBudgetSpec {
  readonly maxUnavailable?: number | string;
  readonly minAvailable?: number | string;
  readonly selector?: meta.LabelSelector;
  readonly unhealthyPodEvictionPolicy?: string;
}

export interface PodDisruptionBudgetStatus {
  readonly conditions?: readonly meta.Condition[];
  readonly currentHealthy: number;
  readonly desiredHealthy: number;
  readonly disruptedPods?: Readonly<Record<string, string>>;
  readonly disruptionsAllowed: number;
  readonly expectedPods: number;
  readonly observedGeneration?: number;
}
