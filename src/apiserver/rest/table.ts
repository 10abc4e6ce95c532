import { formatJson } from '#machinery/json.ts';
import { conform } from '#machinery/conform.ts';
import type { Column, Kind } from '#machinery/kind.ts';
import type { ApiObject } from '#machinery/object.ts';
import { badRequest } from '#machinery/status-error.ts';
import { age } from '#machinery/human-duration.ts';
import { bookmarkMetadata } from '../watch-cache/watcher.ts';
import { partialMetadata } from './partial-metadata.ts';
import type { EventEncoder } from './watch-stream.ts';

/** What each row carries of its object: `includeObject`. */
export type IncludeObject = 'None' | 'Metadata' | 'Object';

export function includeObjectOf(query: URLSearchParams): IncludeObject {
  const text = query.get('includeObject') ?? '';
  if (text === '') return 'Metadata';
  if (text === 'None' || text === 'Metadata' || text === 'Object') return text;
  throw badRequest(
    `includeObject: Unsupported value: ${JSON.stringify(text)}: supported values: "", "Metadata", "None", "Object"`,
  );
}

/** Source: k8s.io/apiserver/pkg/registry/rest/table.go, for kinds that print nothing of their own. */
const defaultColumns: readonly Column<ApiObject>[] = [
  {
    name: 'Name',
    type: 'string',
    format: 'name',
    description: 'Name must be unique within a namespace.',
    priority: 0,
    cell: ({ metadata }) => metadata?.name ?? '',
  },
  {
    name: 'Age',
    type: 'string',
    description: 'Time since the object was created.',
    priority: 0,
    cell: ({ metadata }, now) => age(metadata?.creationTimestamp, now),
  },
];

export interface TableOptions {
  readonly version: string;
  readonly include: IncludeObject;
  /** Milliseconds since the epoch, for ages. */
  readonly now: number;
}

function columnsOf(kind: Kind): readonly Column<ApiObject>[] {
  return kind.columns ?? defaultColumns;
}

/** Objects as the rows `kubectl get` prints. Source: k8s.io/apimachinery/pkg/apis/meta/v1 (Table). */
export function tableOf(kind: Kind, objects: readonly ApiObject[], metadata: object, options: TableOptions): unknown {
  return {
    kind: 'Table',
    apiVersion: `meta.k8s.io/${options.version}`,
    metadata,
    columnDefinitions: columnsOf(kind).map(({ name, type, format = '', description, priority }) => ({
      name,
      type,
      format,
      description,
      priority,
    })),
    rows: objects.map((object) => rowOf(kind, object, options)),
  };
}

function rowOf(kind: Kind, object: ApiObject, { include, version, now }: TableOptions): unknown {
  const cells = columnsOf(kind).map((column) => column.cell(object, now));
  switch (include) {
    case 'None':
      return { cells };
    case 'Object':
      return { cells, object };
    case 'Metadata':
      return { cells, object: partialMetadata(object, version) };
  }
}

/**
 * Rows of a watch: column definitions come with the first event alone, so an encoder belongs to one watch.
 * Source: k8s.io/apiserver/pkg/endpoints/handlers/response.go (watchEmbeddedEncoder).
 */
export function tableEncoder(kind: Kind, options: Omit<TableOptions, 'now'>, now: () => number): EventEncoder {
  let first = true;
  const line = (type: string, objects: readonly ApiObject[], metadata: object): Buffer => {
    const table = tableOf(kind, objects, metadata, { ...options, now: now() }) as { columnDefinitions: unknown };
    const object = first ? table : { ...table, columnDefinitions: null };
    first = false;
    return Buffer.from(`${formatJson({ type, object })}\n`);
  };
  return {
    shared: false,
    object: (type, { whole, resourceVersion }) => line(type, [whole], { resourceVersion }),
    bookmark(resourceVersion, initial) {
      const metadata = bookmarkMetadata(resourceVersion, initial);
      // Columns read objects that conform to their kind's schema, so even this one must.
      const { value } = conform(kind.schema, { metadata });
      return line('BOOKMARK', [value as ApiObject], metadata);
    },
  };
}
