import type { UserInfo } from '#client/client.ts';
import type { FieldSelector } from '#machinery/field-selector.ts';
import type { Kind } from '#machinery/kind.ts';

/** A request once parsed: what authorization decides on and what the registry then does, the very same tuple. */
export interface Attributes {
  readonly user: UserInfo;
  /** `get`, `list`, `watch`, `create`, `update`, `patch`, `delete`, `deletecollection`; for paths outside resources the HTTP method in lower case. */
  readonly verb: string;
  /** Undefined for paths that are no resource (`/version`, `/openapi/v3`). */
  readonly kind: Kind | undefined;
  readonly namespace: string | undefined;
  readonly name: string | undefined;
  readonly subresource: string | undefined;
  /** What a list, watch or deletecollection is narrowed to; a list or watch by `metadata.name` has that as its `name`. */
  readonly fields?: FieldSelector;
  readonly path: string;
}

/** The field a caller of the whole request pipeline carries along. */
export interface RequestContext {
  readonly user: UserInfo;
  readonly signal: AbortSignal;
  readonly userAgent: string;
  /** Adds a `Warning: 299` header to the reply (in process: is logged). */
  warn(text: string): void;
  /** What the request leaves in the audit log; undefined where it leaves nothing. */
  readonly audit?: AuditEntry | undefined;
}

/** The audit event of one request, for the parts that it passes. */
export interface AuditEntry {
  /** Adds an annotation (`authorization.k8s.io/decision`, `podsecurity.kubernetes.io/audit-violations`); the last one counts. */
  annotate(key: string, value: string): void;
  /** What the request asks for: its body, parsed, or its patch. */
  request?(value: unknown): void;
  /** What it is answered with; asked for only where the event holds it. */
  response?(value: () => unknown): void;
  /** The head of a reply has gone out whose body may be long in coming. */
  started?(code: number): void;
}
