// Written by tools/generate-api.ts from Kubernetes v1.35's published schemas. Do not edit.
import type * as object from '#machinery/object.ts';

export interface Lease {
  readonly apiVersion?: string;
  readonly kind?: string;
  readonly metadata?: object.ObjectMeta;
  readonly spec: LeaseSpec;
}

export interface LeaseList {
  readonly apiVersion?: string;
  readonly items: readonly Lease[];
  readonly kind?: string;
  readonly metadata: object.ListMeta;
}

export interface LeaseSpec {
  readonly acquireTime?: string;
  readonly holderIdentity?: string;
  readonly leaseDurationSeconds?: number;
  readonly leaseTransitions?: number;
  readonly preferredHolder?: string;
  readonly renewTime?: string;
  readonly strategy?: string;
}
