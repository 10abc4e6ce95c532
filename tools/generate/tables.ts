import type { Extras, FieldRow, Row } from '#api/definitions.ts';
import { protoPackageOf, packageOf, scalarDefinitions, shortNameOf } from './names.ts';
import type { OpenApiSchema, Oracle, ProtoField } from './oracle.ts';

type Presence = Readonly<Record<string, string>>;
interface Numbered {
  readonly number: number | readonly number[];
  readonly owner: string;
}

const zero = (value: unknown) => value === '' || value === 0 || value === false;
const refPrefix = '#/components/schemas/';

/** Turns the oracle into one table a package: definition's short name → row. */
export function tablesOf(oracle: Oracle, presence: Presence): Map<string, Record<string, Row>> {
  const tables = new Map<string, Record<string, Row>>();
  const put = (name: string, row: Row) => {
    const pkg = packageOf(name);
    if (!tables.has(pkg)) tables.set(pkg, {});
    tables.get(pkg)![shortNameOf(name)] = row;
  };
  for (const [name, schema] of oracle.schemas) {
    if (scalarDefinitions[name] !== undefined) continue;
    put(name, openApiRow(name, schema, oracle, presence));
  }
  for (const [protoPackage, messages] of Object.entries(oracle.messages)) {
    if (!/\.v\d+$/.test(protoPackage)) continue;
    const pkg = protoPackage
      .replace(/^k8s\.io\./, 'io.k8s.')
      .replace('apiextensions_apiserver', 'apiextensions-apiserver');
    for (const message of Object.keys(messages)) {
      const name = `${pkg}.${message}`;
      if (oracle.schemas.has(name) || !isOwnMessage(name, oracle)) continue;
      put(name, protoRow(name, oracle, presence));
    }
  }
  return tables;
}

/** Messages without an OpenAPI definition that are objects in their own right, not helpers of Go's encoding. */
function isOwnMessage(name: string, oracle: Oracle): boolean {
  const short = shortNameOf(name);
  if (/^io\.k8s\.(api\.(admission|apidiscovery))\./.test(name)) return true;
  if (/^(Verbs|ExtraValue|Timestamp|Time|MicroTime|Duration|List|PartialObject.*)$/.test(short))
    return short.startsWith('Partial');
  if (packageOf(name) === 'io.k8s.apimachinery.pkg.apis.meta.v1')
    return /(Options|^GroupVersion(Kind|Resource)|^API(Group|GroupList|Versions)|ForDiscovery|ByClientCIDR)$/.test(
      short,
    );
  return (
    /(Options|PodStatusResult|RangeAllocation|SerializedReference|ObjectReference)$/.test(short) &&
    oracle.schemas.size > 0
  );
}

function openApiRow(name: string, schema: OpenApiSchema, oracle: Oracle, presence: Presence): Row {
  const gvks = schema['x-kubernetes-group-version-kind'];
  const groups =
    gvks === undefined ? {} : { g: gvks.map(({ group, version }) => (group === '' ? version : `${group}/${version}`)) };
  if (schema.properties === undefined) {
    // An object without properties is either free-form or simply empty; protobuf knows the empty ones.
    const message = messageOf(name, oracle);
    if (schema.type === undefined) return { a: 'any', ...groups };
    return message === undefined ||
      message.some(([, field]) => field.toLowerCase() === 'raw') ||
      shortNameOf(name) === 'Patch'
      ? { a: 'object', ...groups }
      : { f: {}, ...groups };
  }
  const numbers = numbersOf(name, oracle);
  const f: Record<string, FieldRow> = {};
  for (const [field, property] of Object.entries(schema.properties)) {
    const numbered = numbers.get(field);
    const pointer =
      isPointer(numbered?.owner ?? name, field, presence) ||
      (isStructRef(property, oracle) && property.default === undefined);
    const [type, extras] = typeOf(property, packageOf(name));
    const row: [number | readonly number[], string, Extras?] = [numbered?.number ?? 0, (pointer ? '*' : '') + type];
    if (Object.keys(extras).length > 0) row.push(extras);
    f[field] = row;
  }
  return {
    f,
    ...(schema.required === undefined ? {} : { r: schema.required }),
    ...groups,
    ...(schema['x-kubernetes-map-type'] === undefined ? {} : { m: schema['x-kubernetes-map-type'] }),
    ...(schema['x-kubernetes-unions'] === undefined ? {} : { u: schema['x-kubernetes-unions'] }),
  };
}

const isPointer = (owner: string, field: string, presence: Presence) =>
  (presence[owner] ?? '').split(' ').includes(field);

/** A reference to a definition with fields (scalars such as Time say nothing about pointers by their default). */
function isStructRef(schema: OpenApiSchema, oracle: Oracle): boolean {
  const ref = refOf(schema);
  return ref !== undefined && scalarDefinitions[ref] === undefined && oracle.schemas.get(ref)?.properties !== undefined;
}

function refOf(schema: OpenApiSchema): string | undefined {
  return (schema.$ref ?? schema.allOf?.[0]?.$ref)?.slice(refPrefix.length);
}

function typeOf(schema: OpenApiSchema, pkg: string): [string, Extras] {
  const extras: { -readonly [K in keyof Extras]: Extras[K] } = {};
  const ref = refOf(schema);
  const strategy = schema['x-kubernetes-patch-strategy'];
  if (strategy !== undefined) extras.s = strategy.split(',') as ('merge' | 'replace' | 'retainKeys')[]; // the only ones there are
  if (schema['x-kubernetes-patch-merge-key'] !== undefined) extras.p = schema['x-kubernetes-patch-merge-key'];
  if (schema['x-kubernetes-list-map-keys'] !== undefined) extras.k = schema['x-kubernetes-list-map-keys'];
  if (schema['x-kubernetes-map-type'] !== undefined) extras.m = schema['x-kubernetes-map-type'];
  const listType = schema['x-kubernetes-list-type'];
  if (listType !== undefined) {
    if (schema.type === 'array') extras.l = listType;
    else extras.x = { 'x-kubernetes-list-type': listType };
  }
  if (ref !== undefined) {
    const scalar = scalarDefinitions[ref];
    const type = scalar ?? (packageOf(ref) === pkg ? shortNameOf(ref) : `${packageOf(ref)}#${shortNameOf(ref)}`);
    return [type, extras];
  }
  if (schema.type === 'array') return [`[]${typeOf(schema.items!, pkg)[0].replace(/=$/, '')}`, extras];
  if (schema.type === 'object' && schema.additionalProperties !== undefined) {
    return [`{}${typeOf(schema.additionalProperties, pkg)[0].replace(/=$/, '')}`, extras];
  }
  let type = scalarOf(schema);
  if (zero(schema.default)) type += '=';
  else if (schema.default !== undefined) extras.d = schema.default;
  return [type, extras];
}

function scalarOf({ type, format }: OpenApiSchema): string {
  switch (type) {
    case 'string':
      return format ?? 'string';
    case 'integer':
      return format ?? 'integer';
    case 'boolean':
      return 'bool';
    case 'number':
      return format ?? 'number';
    default:
      throw new Error(`no code for type ${type} format ${format}`);
  }
}

function messageOf(name: string, oracle: Oracle): readonly ProtoField[] | undefined {
  return oracle.messages[protoPackageOf(packageOf(name))]?.[shortNameOf(name)];
}

/** Fields of v1.35 that v1.36, the oracle's version of protobuf, no longer has; the numbers are in v1.35's fixtures. */
const droppedNumbers: Readonly<Record<string, Readonly<Record<string, number>>>> = {
  'io.k8s.api.core.v1.PodSpec': { workloadRef: 42 },
  'io.k8s.api.core.v1.WorkloadReference': { name: 1, podGroup: 2, podGroupReplicaKey: 3 },
};

/**
 * Protobuf numbers by JSON name. A Go struct that JSON inlines is a message of its own in protobuf: its fields get
 * the path of numbers that leads to them.
 */
function numbersOf(name: string, oracle: Oracle): Map<string, Numbered> {
  const found = new Map<string, Numbered>();
  const properties = new Set(Object.keys(oracle.schemas.get(name)?.properties ?? {}));
  const visit = (definition: string, path: readonly number[]) => {
    for (const [number, field, type] of messageOf(definition, oracle) ?? []) {
      const json = properties.has(field)
        ? field
        : [...properties].find((each) => each.toLowerCase() === field.toLowerCase());
      if (json !== undefined) {
        if (!found.has(json))
          found.set(json, { number: path.length === 0 ? number : [...path, number], owner: definition });
      } else if (/^[.A-Z]/.test(type)) {
        visit(
          type.startsWith('.') ? type.slice(1).replace(/^k8s\.io\./, 'io.k8s.') : `${packageOf(definition)}.${type}`,
          [...path, number],
        );
      }
    }
  };
  visit(name, []);
  for (const [json, number] of Object.entries(droppedNumbers[name] ?? {})) found.set(json, { number, owner: name });
  return found;
}

/** A definition that only protobuf publishes. */
function protoRow(name: string, oracle: Oracle, presence: Presence): Row {
  const f: Record<string, FieldRow> = {};
  const pkg = packageOf(name);
  const code = (type: string): string => {
    const repeated = /^repeated (.*)$/.exec(type);
    if (repeated !== null) return `[]${code(repeated[1]!)}`;
    const map = /^map<string,\s*(.*)>$/.exec(type);
    if (map !== null) return `{}${code(map[1]!)}`;
    if (type === 'bytes') return 'byte';
    if (/^[a-z]/.test(type)) return type;
    const full = type.startsWith('.') ? type.slice(1).replace(/^k8s\.io\./, 'io.k8s.') : `${pkg}.${type}`;
    if (shortNameOf(full) === 'Verbs') return '[]string';
    return (
      scalarDefinitions[full] ??
      (packageOf(full) === pkg ? shortNameOf(full) : `${packageOf(full)}#${shortNameOf(full)}`)
    );
  };
  const isKind =
    /(Options|List|Review|Discovery|Result|Allocation|Reference|PartialObjectMetadata|APIGroup|APIVersions)$/.test(
      shortNameOf(name),
    );
  if (isKind) {
    f['apiVersion'] = [0, 'string'];
    f['kind'] = [0, 'string'];
  }
  for (const [number, field, type] of messageOf(name, oracle) ?? []) {
    if (field === 'shardInfo' || field === 'shardSelector') continue; // later than v1.35
    f[field] = [number, (isPointer(name, field, presence) ? '*' : '') + code(type)];
  }
  return { f };
}
