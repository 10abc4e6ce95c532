// Written by tools/generate-api.ts from Kubernetes v1.35's published schemas. Do not edit.
import type * as authentication from '../authentication/types.generated.ts';
import type * as meta from '#machinery/meta.generated.ts';

export interface AdmissionRequest {
  readonly uid?: string;
  readonly kind?: meta.GroupVersionKind;
  readonly resource?: meta.GroupVersionResource;
  readonly subResource?: string;
  readonly requestKind?: meta.GroupVersionKind;
  readonly requestResource?: meta.GroupVersionResource;
  readonly requestSubResource?: string;
  readonly name?: string;
  readonly namespace?: string;
  readonly operation?: string;
  readonly userInfo?: authentication.UserInfo;
  readonly object?: Readonly<Record<string, unknown>>;
  readonly oldObject?: Readonly<Record<string, unknown>>;
  readonly dryRun?: boolean;
  readonly options?: Readonly<Record<string, unknown>>;
}

export interface AdmissionResponse {
  readonly uid?: string;
  readonly allowed?: boolean;
  readonly status?: meta.Status;
  readonly patch?: string;
  readonly patchType?: string;
  readonly auditAnnotations?: Readonly<Record<string, string>>;
  readonly warnings?: readonly string[];
}

export interface AdmissionReview {
  readonly apiVersion?: string;
  readonly kind?: string;
  readonly request?: AdmissionRequest;
  readonly response?: AdmissionResponse;
}
