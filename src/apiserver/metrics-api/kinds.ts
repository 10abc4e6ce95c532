import { definition } from '#api/definitions.ts';
import { age } from '#machinery/human-duration.ts';
import type { Column, Kind } from '#machinery/kind.ts';
import type { ApiObject } from '#machinery/object.ts';
import type { ObjectSchema, Schema } from '#machinery/schema.ts';

/** What something uses: `cpu` in cores, `memory` in bytes, as quantities. */
export interface Usage {
  readonly cpu: string;
  readonly memory: string;
}

/** Source: k8s.io/metrics/pkg/apis/metrics/v1beta1 (types.go). */
export interface NodeMetrics extends ApiObject {
  /** The end of the window, RFC 3339. */
  readonly timestamp: string;
  readonly window: string;
  readonly usage: Usage;
}

export interface PodMetrics extends ApiObject {
  readonly timestamp: string;
  readonly window: string;
  readonly containers: readonly { readonly name: string; readonly usage: Usage }[];
}

const text: Schema = { type: 'string' };
const usage: Schema = { type: 'map', values: { type: 'quantity' } };
const container: ObjectSchema = {
  type: 'object',
  fields: { name: { schema: text }, usage: { schema: usage } },
  required: ['name', 'usage'],
};

function schemaWith(fields: Readonly<Record<string, Schema>>): ObjectSchema {
  return {
    type: 'object',
    get fields() {
      const all = {
        apiVersion: text,
        kind: text,
        metadata: definition('io.k8s.apimachinery.pkg.apis.meta.v1.ObjectMeta'),
        timestamp: text,
        window: text,
        ...fields,
      };
      return Object.fromEntries(Object.entries(all).map(([name, schema]) => [name, { schema }]));
    },
    required: [],
  };
}

const nameColumn: Column<ApiObject> = {
  name: 'Name',
  type: 'string',
  format: 'name',
  description: 'Whose usage it is.',
  priority: 0,
  cell: ({ metadata }) => metadata?.name ?? '',
};
const measuredColumn: Column<ApiObject> = {
  name: 'Measured',
  type: 'string',
  description: 'How long ago it was measured.',
  priority: 0,
  cell: (object, now) => age((object as NodeMetrics).timestamp, now),
};

export const metricsGroup = 'metrics.k8s.io';
const shared = { group: metricsGroup, version: 'v1beta1', singular: '', verbs: ['get', 'list'] } as const;

export const NodeMetrics: Kind<NodeMetrics> = {
  ...shared,
  kind: 'NodeMetrics',
  plural: 'nodes',
  namespaced: false,
  schema: schemaWith({ usage }),
  columns: [
    nameColumn,
    { name: 'CPU', type: 'string', description: 'Cores in use.', priority: 0, cell: (node) => node.usage.cpu },
    { name: 'Memory', type: 'string', description: 'Memory in use.', priority: 0, cell: (node) => node.usage.memory },
    measuredColumn,
  ],
};

export const PodMetrics: Kind<PodMetrics> = {
  ...shared,
  kind: 'PodMetrics',
  plural: 'pods',
  namespaced: true,
  schema: schemaWith({ containers: { type: 'array', items: container } }),
  columns: [nameColumn, measuredColumn],
};

export const metricsKinds: readonly Kind[] = [NodeMetrics, PodMetrics];
