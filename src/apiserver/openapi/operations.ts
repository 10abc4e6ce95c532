/**
 * The operations on one kind, as OpenAPI v3 publishes them. kubectl looks here, in the PATCH of a kind, whether the
 * server validates fields. Source: k8s.io/apiserver/pkg/endpoints/installer.go and the published documents.
 */
import { definition } from '#api/definitions.ts';
import { allVerbs, apiVersionOf, type Kind, type Subresource } from '#machinery/kind.ts';
import type { GroupVersionKind } from '#machinery/schema.ts';
import type { Json } from './components.ts';
import { bodyComponentOf, componentOfKind, listComponentOf } from './component-names.ts';

const meta = 'io.k8s.apimachinery.pkg.apis.meta.v1';
const objectTypes = ['application/json', 'application/vnd.kubernetes.protobuf', 'application/yaml'];
const listTypes = [...objectTypes, 'application/json;stream=watch', 'application/vnd.kubernetes.protobuf;stream=watch'];
const patchTypes = [
  'application/apply-patch+yaml',
  'application/json-patch+json',
  'application/merge-patch+json',
  'application/strategic-merge-patch+json',
];

type ParameterType = 'string' | 'integer' | 'boolean';
const query = (name: string, type: ParameterType = 'string'): Json => ({
  in: 'query',
  name,
  schema: { type, uniqueItems: true },
});
const inPath = (name: string): Json => ({
  in: 'path',
  name,
  required: true,
  schema: { type: 'string', uniqueItems: true },
});

const selecting = [
  query('continue'),
  query('fieldSelector'),
  query('labelSelector'),
  query('limit', 'integer'),
  query('resourceVersion'),
  query('resourceVersionMatch'),
  query('sendInitialEvents', 'boolean'),
  query('timeoutSeconds', 'integer'),
];
const listing = [query('allowWatchBookmarks', 'boolean'), ...selecting, query('watch', 'boolean')];
const writing = [query('dryRun'), query('fieldManager'), query('fieldValidation')];
const patching = [...writing, query('force', 'boolean')];
const deleting = [
  query('dryRun'),
  query('gracePeriodSeconds', 'integer'),
  query('ignoreStoreReadErrorWithClusterBreakingPotential', 'boolean'),
  query('orphanDependents', 'boolean'),
  query('propagationPolicy'),
];
const deletingMany = [...deleting, ...selecting].toSorted(byName);

function byName(a: Json, b: Json): number {
  return String(a['name']) < String(b['name']) ? -1 : 1;
}

/** `CoreV1`, `RbacAuthorizationV1`: the group version in operation ids. */
function titleOf({ group, version }: Pick<Kind, 'group' | 'version'>): string {
  return capital(tagOf({ group, version }).replace(/_(.)/, (_, first: string) => first.toUpperCase()));
}

/** `core_v1`, `rbacAuthorization_v1`: what operations are grouped under. */
function tagOf({ group, version }: Pick<Kind, 'group' | 'version'>): string {
  const [first = '', ...rest] = (group === '' ? 'core' : group.replace(/\.k8s\.io$/, '')).split('.');
  return `${first}${rest.map(capital).join('')}_${version}`;
}

const capital = (text: string) => text.charAt(0).toUpperCase() + text.slice(1);

/** Every path of one kind with its operations, subresources included. */
export function pathsOf(kind: Kind): Json {
  const base = kind.group === '' ? `/api/${kind.version}` : `/apis/${kind.group}/${kind.version}`;
  const collection = kind.namespaced ? `${base}/namespaces/{namespace}/${kind.plural}` : `${base}/${kind.plural}`;
  const verbs = new Set<string>(kind.verbs ?? allVerbs);
  const own: GroupVersionKind = { group: kind.group, version: kind.version, kind: kind.kind };
  const body = componentOfKind(kind);
  const scope = kind.namespaced ? 'Namespaced' : '';
  const title = titleOf(kind);
  const make = (verb: string, action: string, rest: Json, operationKind = own, suffix = ''): Json => ({
    tags: [tagOf(kind)],
    operationId: `${verb.replace('*', title)}${scope}${kind.kind}${suffix}`,
    ...rest,
    'x-kubernetes-action': action,
    'x-kubernetes-group-version-kind': operationKind,
  });
  const item = (suffix: string, sub: ReadonlySet<string>, component: string, target = own): Json => ({
    ...(sub.has('get') ? { get: make('read*', 'get', reply(component), target, suffix) } : {}),
    ...(sub.has('update')
      ? {
          put: make(
            'replace*',
            'put',
            { parameters: writing, ...accept(component), ...reply(component, 200, 201) },
            target,
            suffix,
          ),
        }
      : {}),
    ...(sub.has('patch')
      ? {
          patch: make(
            'patch*',
            'patch',
            { parameters: patching, ...acceptPatch, ...reply(component, 200, 201) },
            target,
            suffix,
          ),
        }
      : {}),
    ...(sub.has('delete')
      ? {
          delete: make(
            'delete*',
            'delete',
            { parameters: deleting, ...accept(`${meta}.DeleteOptions`, false), ...reply(`${meta}.Status`, 200, 202) },
            target,
            suffix,
          ),
        }
      : {}),
  });
  const placed = [...(kind.namespaced ? [inPath('namespace')] : []), query('pretty')];
  const named = [inPath('name'), ...placed];
  const paths: Record<string, Json> = {};
  const put = (path: string, operations: Json, parameters: readonly Json[]) => {
    if (Object.keys(operations).length > 0)
      paths[path] = pathItem(operations as Readonly<Record<string, Json>>, parameters);
  };

  put(
    collection,
    {
      ...(verbs.has('list')
        ? { get: make('list*', 'list', { parameters: listing, ...replyIn(listTypes, listComponentOf(kind), 200) }) }
        : {}),
      ...(verbs.has('create')
        ? { post: make('create*', 'post', { parameters: writing, ...accept(body), ...reply(body, 200, 201, 202) }) }
        : {}),
      ...(verbs.has('deletecollection')
        ? {
            delete: make('delete*Collection', 'deletecollection', {
              parameters: deletingMany,
              ...accept(`${meta}.DeleteOptions`, false),
              ...reply(`${meta}.Status`),
            }),
          }
        : {}),
    },
    placed,
  );
  if (kind.namespaced && verbs.has('list')) {
    const everywhere = make('list*', 'list', replyIn(listTypes, listComponentOf(kind), 200));
    put(`${base}/${kind.plural}`, { get: { ...everywhere, operationId: `list${title}${kind.kind}ForAllNamespaces` } }, [
      ...listing,
      query('pretty'),
    ]);
  }
  put(`${collection}/{name}`, item('', verbs, body), named);

  const all = new Set(['get', 'patch', 'update']);
  if (kind.subresources?.status === true) put(`${collection}/{name}/status`, item('Status', all, body), named);
  if (kind.subresources?.scale !== undefined) {
    const scale = { group: 'autoscaling', version: 'v1', kind: 'Scale' };
    put(`${collection}/{name}/scale`, item('Scale', all, bodyComponentOf(scale), scale), named);
  }
  for (const [name, sub] of Object.entries(kind.subresources?.more ?? {})) {
    const target = { group: sub.group, version: sub.version, kind: sub.kind };
    const path = `${collection}/{name}/${name}`;
    const options = optionsOf(name, sub);
    if (sub.kind.endsWith('Options')) {
      const connect = (method: string) =>
        make(
          `connect*${method}`,
          'connect',
          { responses: { 200: { content: { '*/*': text }, description: 'OK' } } },
          target,
          capital(name),
        );
      const parameters = [...options, ...named.filter((each) => each['name'] !== 'pretty')].toSorted(byName);
      put(
        path,
        {
          ...(sub.verbs.includes('get') ? { get: connect('Get') } : {}),
          ...(sub.verbs.includes('create') ? { post: connect('Post') } : {}),
        },
        parameters,
      );
    } else if (name === 'log') {
      const content = Object.fromEntries([...objectTypes, 'text/plain'].map((type) => [type, text]));
      put(
        path,
        { get: make('read*', 'get', { responses: { 200: { content, description: 'OK' } } }, target, 'Log') },
        [...options, ...named].toSorted(byName),
      );
    } else if (sub.verbs.includes('create')) {
      const component = bodyComponentOf(target);
      const post = make(
        'create*',
        'post',
        { ...accept(component), ...reply(component, 200, 201, 202) },
        target,
        capital(name),
      );
      put(path, { post }, [...writing, ...named]);
    } else if (sub.verbs.length === 1 && sub.verbs[0] === 'update') {
      const operation = make('replace*', 'put', { ...accept(body), ...reply(body, 200, 201) }, target, capital(name));
      put(path, { put: operation }, [...writing, ...named]);
    } else put(path, item(capital(name), new Set(sub.verbs), body, target), named);
  }
  return kind.custom === undefined ? paths : (withoutGoTypes(paths) as Json);
}

/** Custom resources have no protobuf and no strategic merge. */
const goTypes = new Set([...listTypes, ...patchTypes].filter((type) => /protobuf|strategic/.test(type)));

function withoutGoTypes(value: unknown): unknown {
  if (Array.isArray(value)) return (value as readonly unknown[]).map(withoutGoTypes);
  if (typeof value !== 'object' || value === null) return value;
  const kept = Object.entries(value).filter(([key]) => !goTypes.has(key));
  return Object.fromEntries(kept.map(([key, each]) => [key, withoutGoTypes(each)]));
}

/** A path's operations; parameters that all of them take stand beside them, as upstream has it. */
function pathItem(operations: Readonly<Record<string, Json>>, shared: readonly Json[]): Json {
  const own = (operation: Json) => (operation['parameters'] ?? []) as readonly Json[]; // only made here
  const all = Object.values(operations);
  const inAll = (parameter: Json) =>
    all.every((operation) => own(operation).some((each) => each['name'] === parameter['name']));
  const common = [...shared, ...own(all[0] ?? {}).filter(inAll)].toSorted(byName);
  const names = new Set(common.map((each) => each['name']));
  const items = Object.entries(operations).map(([method, operation]) => {
    const rest = own(operation).filter((each) => !names.has(each['name']));
    const { parameters, ...bare } = operation;
    return [method, parameters === undefined || rest.length === 0 ? bare : { ...bare, parameters: rest }] as const;
  });
  return { ...Object.fromEntries(items), parameters: common };
}

/** The operation that lists a group version's resources. */
export function discoveryPath(version: Pick<Kind, 'group' | 'version'>): Json {
  const path = version.group === '' ? `/api/${version.version}/` : `/apis/${apiVersionOf(version)}/`;
  const list = `${meta}.APIResourceList`;
  return {
    [path]: { get: { tags: [tagOf(version)], operationId: `get${titleOf(version)}APIResources`, ...reply(list) } },
  };
}

const text: Json = { schema: { type: 'string' } };

/** Query parameters that a subresource's options give, as far as they are plain. */
function optionsOf(name: string, { kind }: Subresource): readonly Json[] {
  const options = name === 'log' ? 'PodLogOptions' : kind;
  if (!options.endsWith('Options')) return [];
  const parameters: Json[] = [];
  for (const [field, { schema }] of Object.entries(definition(`io.k8s.api.core.v1.${options}`).fields)) {
    if (field === 'apiVersion' || field === 'kind') continue;
    const { type } = schema.type === 'array' ? schema.items : schema;
    const isTime = schema.type === 'string' && schema.format === 'date-time';
    if ((type === 'string' || type === 'integer' || type === 'boolean') && !isTime) parameters.push(query(field, type));
  }
  return parameters;
}

function schemaIn(types: readonly string[], component: string): Json {
  return Object.fromEntries(types.map((type) => [type, { schema: { $ref: `#/components/schemas/${component}` } }]));
}

function accept(component: string, required = true): Json {
  return { requestBody: { content: schemaIn(['*/*'], component), ...(required ? { required: true } : {}) } };
}

const acceptPatch: Json = { requestBody: { content: schemaIn(patchTypes, `${meta}.Patch`), required: true } };

const statusTexts: Readonly<Record<number, string>> = {
  200: 'OK',
  201: 'Created',
  202: 'Accepted',
  401: 'Unauthorized',
};

function replyIn(types: readonly string[], component: string, ...codes: readonly number[]): Json {
  const content = schemaIn(types, component);
  const replies = codes.map((code) => [code, { description: statusTexts[code], content }] as const);
  return { responses: { ...Object.fromEntries(replies), 401: { description: statusTexts[401] } } };
}

function reply(component: string, ...codes: readonly number[]): Json {
  return replyIn(objectTypes, component, ...(codes.length === 0 ? [200] : codes));
}
