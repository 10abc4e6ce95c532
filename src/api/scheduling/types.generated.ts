// Written by tools/generate-api.ts from Kubernetes v1.35's published schemas. Do not edit.
import type * as object from '#machinery/object.ts';

export interface PriorityClass {
  readonly apiVersion?: string;
  readonly description?: string;
  readonly globalDefault?: boolean;
  readonly kind?: string;
  readonly metadata?: object.ObjectMeta;
  readonly preemptionPolicy?: string;
  readonly value: number;
}

export interface PriorityClassList {
  readonly apiVersion?: string;
  readonly items: readonly PriorityClass[];
  readonly kind?: string;
  readonly metadata: object.ListMeta;
}
