// Written by tools/generate-api.ts from Kubernetes v1.35's published schemas. Do not edit.
import type * as meta from '#machinery/meta.generated.ts';
import type * as object from '#machinery/object.ts';

export interface APIGroupDiscovery {
  readonly apiVersion?: string;
  readonly kind?: string;
  readonly metadata?: object.ObjectMeta;
  readonly versions?: readonly APIVersionDiscovery[];
}

export interface APIGroupDiscoveryList {
  readonly apiVersion?: string;
  readonly kind?: string;
  readonly metadata?: object.ListMeta;
  readonly items?: readonly APIGroupDiscovery[];
}

export interface APIResourceDiscovery {
  readonly apiVersion?: string;
  readonly kind?: string;
  readonly resource?: string;
  readonly responseKind?: meta.GroupVersionKind;
  readonly scope?: string;
  readonly singularResource?: string;
  readonly verbs?: readonly string[];
  readonly shortNames?: readonly string[];
  readonly categories?: readonly string[];
  readonly subresources?: readonly APISubresourceDiscovery[];
}

export interface APISubresourceDiscovery {
  readonly apiVersion?: string;
  readonly kind?: string;
  readonly subresource?: string;
  readonly responseKind?: meta.GroupVersionKind;
  readonly acceptedTypes?: readonly meta.GroupVersionKind[];
  readonly verbs?: readonly string[];
}

export interface APIVersionDiscovery {
  readonly apiVersion?: string;
  readonly kind?: string;
  readonly version?: string;
  readonly resources?: readonly APIResourceDiscovery[];
  readonly freshness?: string;
}
