import { definition } from '#api/definitions.ts';
import { apiVersionOf, listKindOf, type Kind } from '#machinery/kind.ts';
import type { ObjectSchema } from '#machinery/schema.ts';
import { versionInfo } from '#machinery/version.ts';
import { componentOfKind, listComponentOf } from './component-names.ts';
import { componentsOf, type Json, type Root } from './components.ts';
import { discoveryPath, pathsOf } from './operations.ts';

const meta = 'io.k8s.apimachinery.pkg.apis.meta.v1';
/** `api/v1`, `apis/apps/v1`: how the index and the URLs call a group version. */
export function documentPath(version: Pick<Kind, 'group' | 'version'>): string {
  return version.group === '' ? `api/${version.version}` : `apis/${apiVersionOf(version)}`;
}

/** Kinds by the path of their document, in the order given. */
export function byDocument(kinds: readonly Kind[]): ReadonlyMap<string, readonly Kind[]> {
  const documents = new Map<string, Kind[]>();
  for (const kind of kinds) {
    const path = documentPath(kind);
    documents.set(path, [...(documents.get(path) ?? []), kind]);
  }
  return documents;
}

/** `/openapi/v3`: where each document is; `hashOf` makes its URL change with its content. */
export function openapiV3Index(paths: Iterable<string>, hashOf: (path: string) => string): Json {
  const entries = [...paths].map((path) => [path, { serverRelativeURL: `/openapi/v3/${path}?hash=${hashOf(path)}` }]);
  return { paths: Object.fromEntries(entries) };
}

/** The document of one group version, whose kinds are `kinds`; there must be one at least. */
export function openapiV3Document(kinds: readonly Kind[]): Json {
  const [first] = kinds;
  if (first === undefined) throw new Error('a document needs a kind');
  const paths = Object.assign({}, discoveryPath(first), ...kinds.map(pathsOf)) as Json;
  const isWatched = kinds.some(({ verbs }) => verbs?.includes('watch') !== false);
  const roots = [...referencesIn(paths), ...kinds.flatMap(ownRootsOf), ...(isWatched ? [`${meta}.WatchEvent`] : [])];
  return {
    openapi: '3.0.0',
    info: { title: 'Kubernetes', version: versionInfo.gitVersion },
    paths,
    components: {
      schemas: componentsOf(roots),
      securitySchemes: { BearerToken: { type: 'apiKey', in: 'header', name: 'authorization' } },
    },
  };
}

/** Upstream's definitions that operations refer to. */
function referencesIn(paths: Json): readonly string[] {
  const found = JSON.stringify(paths).matchAll(/"#\/components\/schemas\/(io\.k8s\.[^"]+)"/g);
  return [...new Set(Array.from(found, ([, name = '']) => name))];
}

/** The components of a kind that is none of upstream's definitions. */
export function ownRootsOf(kind: Kind): readonly Root[] {
  const { schema, group, version } = kind;
  if (schema.name?.startsWith('io.k8s.') === true) return [];
  const name = componentOfKind(kind);
  if (kind.custom !== undefined) return customRootsOf(kind, name);
  const named: ObjectSchema = { ...schema, fields: schema.fields, name, kinds: [{ group, version, kind: kind.kind }] };
  const list = { name: listComponentOf(kind), schema: listSchema(kind, named) };
  return [{ name, schema: named }, ...(kind.verbs?.includes('list') === false ? [] : [list])];
}

function customRootsOf(kind: Kind, name: string): readonly Root[] {
  const refer = (to: string) => ({ allOf: [{ $ref: `#/components/schemas/${to}` }] });
  const list: Json = {
    description: `A list of ${kind.plural}.`,
    type: 'object',
    required: ['items'],
    properties: {
      apiVersion: { type: 'string' },
      items: { type: 'array', items: refer(name) },
      kind: { type: 'string' },
      metadata: refer(`${meta}.ListMeta`),
    },
    'x-kubernetes-group-version-kind': [{ group: kind.group, version: kind.version, kind: listKindOf(kind) }],
  };
  return [
    { name, json: kind.custom?.openapi() ?? {}, refersTo: [`${meta}.ObjectMeta`] },
    { name: listComponentOf(kind), json: list, refersTo: [`${meta}.ListMeta`] },
  ];
}

function listSchema(kind: Kind, items: ObjectSchema): ObjectSchema {
  return {
    type: 'object',
    name: listComponentOf(kind),
    description: `A list of ${kind.plural}.`,
    required: ['items'],
    kinds: [{ group: kind.group, version: kind.version, kind: listKindOf(kind) }],
    fields: {
      apiVersion: { schema: { type: 'string' } },
      items: { schema: { type: 'array', items } },
      kind: { schema: { type: 'string' } },
      metadata: { schema: definition(`${meta}.ListMeta`) },
    },
  };
}
