// Written by tools/generate-api.ts from Kubernetes v1.35's published schemas. Do not edit.
import type * as core from '../core/types.generated.ts';
import type * as object from '#machinery/object.ts';

export interface Endpoint {
  readonly addresses: readonly string[];
  readonly conditions?: EndpointConditions;
  readonly deprecatedTopology?: Readonly<Record<string, string>>;
  readonly hints?: EndpointHints;
  readonly hostname?: string;
  readonly nodeName?: string;
  readonly targetRef?: core.ObjectReference;
  readonly zone?: string;
}

export interface EndpointConditions {
  readonly ready?: boolean;
  readonly serving?: boolean;
  readonly terminating?: boolean;
}

export interface EndpointHints {
  readonly forNodes?: readonly ForNode[];
  readonly forZones?: readonly ForZone[];
}

export interface EndpointPort {
  readonly appProtocol?: string;
  readonly name?: string;
  readonly port?: number;
  readonly protocol?: string;
}

export interface EndpointSlice {
  readonly addressType: string;
  readonly apiVersion?: string;
  readonly endpoints: readonly Endpoint[];
  readonly kind?: string;
  readonly metadata?: object.ObjectMeta;
  readonly ports?: readonly EndpointPort[];
}

export interface EndpointSliceList {
  readonly apiVersion?: string;
  readonly items: readonly EndpointSlice[];
  readonly kind?: string;
  readonly metadata: object.ListMeta;
}

export interface ForNode {
  readonly name: string;
}

export interface ForZone {
  readonly name: string;
}
