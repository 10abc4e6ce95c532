import type { ApiObject } from '#machinery/object.ts';
import type { RawApi } from './api.ts';
import { until } from './until.ts';

export const definitions = '/apis/apiextensions.k8s.io/v1/customresourcedefinitions';

type Open = Readonly<Record<string, unknown>>;

export interface DefinitionOptions {
  readonly group?: string;
  readonly plural?: string;
  readonly kind?: string;
  readonly scope?: 'Namespaced' | 'Cluster';
  readonly names?: Open;
  readonly spec?: Open;
  readonly versions?: readonly Open[];
  readonly metadata?: Open;
}

/** A schema of `spec` and `status`, as most definitions have. */
export const schemaOf = (spec: Open, status: Open = {}) => ({
  openAPIV3Schema: {
    type: 'object',
    properties: { spec: { type: 'object', properties: spec }, status: { type: 'object', properties: status } },
  },
});

/** A CustomResourceDefinition of one version `v1` with `schema`, unless `versions` says otherwise. */
export function definitionOf(schema: Open, options: DefinitionOptions = {}) {
  const { group = 'example.com', plural = 'widgets', kind = 'Widget', scope = 'Namespaced' } = options;
  return {
    apiVersion: 'apiextensions.k8s.io/v1',
    kind: 'CustomResourceDefinition',
    metadata: { name: `${plural}.${group}`, ...options.metadata },
    spec: {
      group,
      scope,
      names: { plural, kind, ...options.names },
      versions: options.versions ?? [{ name: 'v1', served: true, storage: true, schema }],
      ...options.spec,
    },
  };
}

interface Definition extends ApiObject {
  readonly status?: {
    readonly conditions?: readonly {
      readonly type: string;
      readonly status: string;
      readonly reason?: string;
      readonly message?: string;
    }[];
    readonly storedVersions?: readonly string[];
    readonly acceptedNames?: Open;
  };
}

export async function conditionOf(api: RawApi, name: string, type: string): Promise<string | undefined> {
  const { status } = await api.json<Definition>('GET', `${definitions}/${name}`);
  const found = status?.conditions?.find((each) => each.type === type);
  return found === undefined ? undefined : `${found.status} ${found.reason}: ${found.message}`;
}

/** Creates a definition and waits until its resource is served. */
export async function define(api: RawApi, definition: ReturnType<typeof definitionOf>): Promise<void> {
  await api.json('POST', definitions, definition);
  await until(
    `${definition.metadata.name} is established`,
    async () => (await conditionOf(api, definition.metadata.name, 'Established'))?.startsWith('True') === true,
  );
}
