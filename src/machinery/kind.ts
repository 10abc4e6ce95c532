import type { Conformed } from './conform.ts';
import type { FieldError } from './field-error.ts';
import type { ApiObject } from './object.ts';
import type { ObjectSchema } from './schema.ts';

/** One printed column of `kubectl get`. `priority` 0 is always shown, 1 only with `-o wide`. */
export interface Column<T> {
  readonly name: string;
  readonly type: 'string' | 'integer' | 'number' | 'boolean' | 'date';
  readonly format?: 'name' | (string & {});
  readonly description: string;
  readonly priority: 0 | 1;
  /** `now` is in milliseconds since the epoch, for ages. */
  cell(object: T, now: number): string | number | boolean | null;
}

/** Who may be written where, and what else a kind answers to beside plain reads and writes. */
export interface Subresources {
  /** `/status` exists: writes to the main resource keep the stored status, and the other way round. */
  readonly status?: boolean;
  /**
   * JSON paths (without the leading dot) that `/scale` reads and writes; `labelSelector` leads to a LabelSelector, a
   * map of labels or a selector's text.
   */
  readonly scale?: {
    readonly specReplicas: string;
    readonly statusReplicas: string;
    readonly labelSelector: string;
  };
  /** Further subresources by name, with the kind of their bodies and their verbs in discovery. */
  readonly more?: Readonly<Record<string, Subresource>>;
}

export interface Subresource {
  readonly group: string;
  readonly version: string;
  readonly kind: string;
  readonly verbs: readonly string[];
}

/** Reads one field; declared through a method for the reason given at `Kind`. */
export type FieldOf<T> = { read(object: T): string }['read'];

/**
 * Everything Tutti knows of one API kind, declared once: its place in the API, its schema, its rules and its
 * columns. Data and pure functions; nothing here acts. The rules are methods so that a `Kind<Pod>` is also a `Kind`:
 * the registry only hands a kind objects that conform to its own schema.
 */
export interface Kind<T extends ApiObject = ApiObject> {
  readonly group: string;
  readonly version: string;
  readonly kind: string;
  readonly plural: string;
  readonly singular: string;
  readonly shortNames?: readonly string[];
  readonly categories?: readonly string[];
  readonly namespaced: boolean;
  readonly schema: ObjectSchema;
  readonly subresources?: Subresources;
  /** Set on a kind that has no objects of its own but shows those of another. */
  readonly view?: View;
  /** Verbs in discovery; the full set unless given (reviews only take `create`). */
  readonly verbs?: readonly string[];
  /** A PUT of an object that is not there makes it. Source: upstream's strategies (AllowCreateOnUpdate). */
  readonly createsOnUpdate?: boolean;
  /** `metadata.generation` rises when anything but metadata and status changes. Off for kinds upstream leaves at none. */
  readonly hasGeneration?: boolean;
  /**
   * Defaults that depend on other fields, beyond the schema's own. Gets an object that conforms to the schema and
   * returns it, or a changed copy. Must be idempotent. Never touches `metadata.uid` and the like: those are the registry's.
   */
  defaults?(object: T): T;
  /**
   * Clears or derives what a client may not set on create (e.g. status of a new pod). Runs after `metadata.uid` and
   * `creationTimestamp` were assigned and before `defaults`: a Job's selector is made of its uid.
   */
  prepareForCreate?(object: T): T;
  /** What the first request to delete an object adds to it, such as a finalizer; `now` in RFC 3339. */
  prepareForDelete?(object: T, now: string): T;
  /** Carries over what a client may not change on update, given the stored object. */
  prepareForUpdate?(object: T, stored: T): T;
  /** Loads what the rules of this object need; ends before they are asked for. */
  load?(object: T): Promise<void>;
  /**
   * Cross-field rules for a new object, already defaulted, and for a changed one. Names, labels and other metadata are
   * checked by the registry. An object without `metadata.resourceVersion` is new.
   */
  validate?(object: T): readonly FieldError[];
  /**
   * Rules for a change: immutable fields first. `validate` runs too. `subresource` names the door the change comes
   * through (`status`, `binding`, `ephemeralcontainers`, `resize` …), undefined for the resource itself: some fields
   * may change through one door only.
   */
  validateUpdate?(object: T, stored: T, subresource?: string): readonly FieldError[];
  /**
   * What whoever writes a valid object should know all the same, for `Warning` headers: fields that are deprecated or
   * that nothing acts on. `stored` is undefined for a new object.
   */
  warn?(object: T, stored: T | undefined): readonly string[];
  /** How `metadata.name` must look; a DNS subdomain unless given. Returns the complaints. */
  validateName?(name: string): readonly string[];
  readonly columns?: readonly Column<T>[];
  /** Field selectors beyond metadata.name and metadata.namespace. */
  readonly selectableFields?: Readonly<Record<string, FieldOf<T>>>;
  /** Seconds of grace a deletion gets when the caller names none; 0 or absent deletes at once. Pods have 30. */
  deletionGracePeriodSeconds?(object: T): number;
  /** `PodList` unless given. */
  readonly listKind?: string;
  /** Said to everybody who uses this version. */
  readonly deprecation?: string;
  /** Set on a version of a kind that a CustomResourceDefinition has brought. */
  readonly custom?: CustomVersion;
}

/** What is different about the kinds of custom resources. */
export interface CustomVersion {
  readonly family: CustomFamily;
  /** Reads an object in place of `schema`: pruned and defaulted, types left to validation. */
  conform(value: unknown): Conformed;
  /** The same without defaults: what is left of an object that was converted to this version. */
  prune(value: unknown): unknown;
  /** The published schema. */
  openapi(): Readonly<Record<string, unknown>>;
}

/** All versions of one custom kind. A definition that changes makes a new family. */
export interface CustomFamily {
  /** Rises from each family of a resource to the next. */
  readonly generation: number;
  /** Changes with whatever is published of it. */
  readonly fingerprint: string;
  readonly storage: Kind;
  /** By version, those that are only stored included. */
  readonly versions: ReadonlyMap<string, Kind>;
  /** How objects get from one version to another; they only change their name unless given. */
  readonly webhook?: unknown;
}

/**
 * Another face of the objects of `of`: they are stored, cached and watched as that, and translated without loss at the
 * edge. (`events.k8s.io` and core each have an Event, and both mean the same objects.)
 */
export interface View {
  readonly of: Kind;
  toStored(object: ApiObject): ApiObject;
  fromStored(stored: ApiObject): ApiObject;
}

/** `apps/v1`, or `v1` for the core group. */
export function apiVersionOf(kind: Pick<Kind, 'group' | 'version'>): string {
  return kind.group === '' ? kind.version : `${kind.group}/${kind.version}`;
}

export const listKindOf = ({ kind, listKind }: Pick<Kind, 'kind' | 'listKind'>): string => listKind ?? `${kind}List`;

/** The verbs of a kind that can be stored. */
export const allVerbs = ['create', 'delete', 'deletecollection', 'get', 'list', 'patch', 'update', 'watch'] as const;
