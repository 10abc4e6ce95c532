import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';

/** One schema of an OpenAPI v3 document, as far as Kubernetes uses the language. */
export interface OpenApiSchema {
  readonly type?: string;
  readonly format?: string;
  readonly default?: unknown;
  readonly $ref?: string;
  readonly allOf?: readonly OpenApiSchema[];
  readonly oneOf?: readonly OpenApiSchema[];
  readonly items?: OpenApiSchema;
  readonly additionalProperties?: OpenApiSchema;
  readonly properties?: Readonly<Record<string, OpenApiSchema>>;
  readonly required?: readonly string[];
  readonly 'x-kubernetes-group-version-kind'?: readonly GroupVersionKind[];
  readonly 'x-kubernetes-list-type'?: 'atomic' | 'set' | 'map';
  readonly 'x-kubernetes-list-map-keys'?: readonly string[];
  readonly 'x-kubernetes-map-type'?: 'atomic' | 'granular';
  /** One or several, with commas between. */
  readonly 'x-kubernetes-patch-strategy'?: string;
  readonly 'x-kubernetes-patch-merge-key'?: string;
  readonly 'x-kubernetes-unions'?: readonly unknown[];
}

export interface GroupVersionKind {
  readonly group: string;
  readonly version: string;
  readonly kind: string;
}

export interface Operation {
  readonly 'x-kubernetes-action'?: string;
  readonly 'x-kubernetes-group-version-kind'?: GroupVersionKind;
}

export interface OpenApiDocument {
  readonly components: { readonly schemas: Readonly<Record<string, OpenApiSchema>> };
  readonly paths: Readonly<Record<string, Readonly<Record<string, Operation>>>>;
}

/** `[number, name, type, oneof?]`; the type as protobuf spells it, e.g. `repeated .k8s.io.api.core.v1.Pod`. */
export type ProtoField = readonly [number, string, string, string?];

/** Everything the generator and the oracle tests read, see the oracle's own README. */
export interface Oracle {
  /** By group version, e.g. `apps/v1`; the core group is `v1`. */
  readonly documents: ReadonlyMap<string, OpenApiDocument>;
  /** Package → message → fields. */
  readonly messages: Readonly<Record<string, Readonly<Record<string, readonly ProtoField[]>>>>;
  /** The union of all documents' schemas by definition name. */
  readonly schemas: ReadonlyMap<string, OpenApiSchema>;
}

/** Reads the oracle's folder. Throws if it is absent. */
export function readOracle(folder: string): Oracle {
  const documents = new Map<string, OpenApiDocument>();
  const schemas = new Map<string, OpenApiSchema>();
  for (const file of readdirSync(join(folder, 'openapi-v1.35')).toSorted()) {
    const match = /^apis?_(?:(.+)_)?(v\d+)\.json$/.exec(file);
    if (match === null) continue;
    const document = readJson(join(folder, 'openapi-v1.35', file)) as OpenApiDocument;
    documents.set(match[1] === undefined ? match[2]! : `${match[1]}/${match[2]}`, document);
    for (const [name, schema] of Object.entries(document.components.schemas)) schemas.set(name, schema);
  }
  return {
    documents,
    schemas,
    messages: readJson(join(folder, 'protobuf', 'kubernetes-v1.36.json')) as Oracle['messages'],
  };
}

function readJson(path: string): unknown {
  return JSON.parse(readFileSync(path, 'utf8'));
}
