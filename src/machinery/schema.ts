/**
 * The schema language: one description of a kind's fields, from which defaulting, validation of shapes, pruning,
 * OpenAPI v2/v3, protobuf, patch-merge rules and server-side-apply rules all come. Schemas are plain data, so
 * custom resources and dialect kinds use the same machinery as the built-in ones.
 */
export type Schema =
  | StringSchema
  | IntegerSchema
  | NumberSchema
  | BooleanSchema
  | QuantitySchema
  | IntOrStringSchema
  | AnySchema
  | ArraySchema
  | MapSchema
  | ObjectSchema;

interface Common {
  /** Short sentence for `kubectl explain`. */
  readonly description?: string;
  /** Default that upstream publishes in OpenAPI and that applies whenever the field is absent. */
  readonly default?: unknown;
  /** Published in OpenAPI as they are, else unused. */
  readonly extensions?: Readonly<Record<string, unknown>>;
}

export interface StringSchema extends Common {
  readonly type: 'string';
  /** `byte` is base64 of bytes; `date-time` RFC 3339 in seconds; `micro-time` RFC 3339 with microseconds. */
  readonly format?: 'byte' | 'date-time' | 'micro-time' | 'duration' | (string & {});
  readonly enum?: readonly string[];
}
export interface IntegerSchema extends Common {
  readonly type: 'integer';
  readonly format?: 'int32' | 'int64' | (string & {});
}
export interface NumberSchema extends Common {
  readonly type: 'number';
  readonly format?: string;
}
export interface BooleanSchema extends Common {
  readonly type: 'boolean';
}
/** A resource quantity: string or number on the way in, canonical string on the way out. */
export interface QuantitySchema extends Common {
  readonly type: 'quantity';
}
export interface IntOrStringSchema extends Common {
  readonly type: 'int-or-string';
}
/** Anything, kept as it is (RawExtension, FieldsV1, JSON). `object` restricts it to JSON objects. */
export interface AnySchema extends Common {
  readonly type: 'any';
  readonly object?: boolean;
  /** What it must conform to where it is an object (`items` and `additionalProperties` of JSON schemas). */
  readonly objects?: ObjectSchema;
  /** The OpenAPI definition it stands for (`io.k8s.apimachinery.pkg.runtime.RawExtension`). */
  readonly name?: string;
}
export interface ArraySchema extends Common {
  readonly type: 'array';
  readonly items: Schema;
  /** `x-kubernetes-list-type`; absent means atomic for server-side apply. */
  readonly listType?: 'atomic' | 'set' | 'map';
  readonly listMapKeys?: readonly string[];
  /** Strategic merge patch: `x-kubernetes-patch-strategy` and `-merge-key`. */
  readonly patchStrategy?: readonly ('merge' | 'replace' | 'retainKeys')[];
  readonly patchMergeKey?: string;
}
export interface MapSchema extends Common {
  readonly type: 'map';
  readonly values: Schema;
  readonly mapType?: 'atomic' | 'granular';
}
export interface ObjectSchema extends Common {
  readonly type: 'object';
  /** The OpenAPI definition it stands for (`io.k8s.api.core.v1.PodSpec`); absent for anonymous objects. */
  readonly name?: string;
  /** In published order (alphabetical). Resolved lazily, so that definitions may refer to each other. */
  readonly fields: Readonly<Record<string, Field>>;
  readonly required: readonly string[];
  readonly mapType?: 'atomic' | 'granular';
  /** Keep fields that are not listed (`x-kubernetes-preserve-unknown-fields`). */
  readonly preserveUnknownFields?: boolean;
  readonly patchStrategy?: readonly ('merge' | 'replace' | 'retainKeys')[];
  /**
   * A Go struct: a scalar field that is no `pointer` reads as absent when it is zero (`""`, 0, false). Never set for
   * custom resources, where zero is a value like any other.
   */
  readonly zeroIsAbsent?: boolean;
  /** The kinds this definition is the body of: `x-kubernetes-group-version-kind`. */
  readonly kinds?: readonly GroupVersionKind[];
  /** Published as `x-kubernetes-unions`, else unused. */
  readonly unions?: readonly unknown[];
}
export interface Field {
  readonly schema: Schema;
  /** Protobuf field number; absent for kinds that have no protobuf form. */
  readonly number?: number;
  /**
   * JSON inlines a struct that is a message of its own in protobuf: the numbers of the enclosing messages, outermost
   * first.
   */
  readonly within?: readonly number[];
  /**
   * A pointer in Go: zero is a value of its own and absence is kept. Other fields are always encoded in protobuf and
   * read as absent when they are zero (unless required).
   */
  readonly pointer?: boolean;
}
export interface GroupVersionKind {
  readonly group: string;
  readonly version: string;
  readonly kind: string;
}
