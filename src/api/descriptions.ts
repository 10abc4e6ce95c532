import { existsSync, readFileSync } from 'node:fs';
import { schemaOf, tableFileOf } from './definitions.ts';

/** What `kubectl explain` says of a definition and its fields: short sentences of our own. */
export interface Description {
  readonly text?: string;
  readonly fields: Readonly<Record<string, string>>;
}

/**
 * `descriptions/<group>.<version>.json`: short name → its sentence, then one a field, then the definition of the same
 * file whose fields it has too.
 */
type DescriptionTable = Readonly<Record<string, readonly [string, Readonly<Record<string, string>>?, string?]>>;

/** What every kind has, in words that fit all of them. */
const ofEveryKind: Readonly<Record<string, string>> = {
  apiVersion: 'Group and version of the kind, e.g. apps/v1.',
  kind: 'The kind of object this is.',
  metadata: 'Its name, place, labels and history.',
  spec: 'What is wished for.',
  status: 'What there is, as last seen. Set by the server.',
};
const ofEveryList: Readonly<Record<string, string>> = {
  ...ofEveryKind,
  items: 'The objects.',
  metadata: 'The revision of the list, and where it goes on.',
};

const tables = new Map<string, DescriptionTable>();
const nothing: Description = { fields: {} };

/** The description of `io.k8s.api.core.v1.Pod` and the like; empty where none is written. Reads its file on first use. */
export function describe(definition: string): Description {
  const ours = definition.startsWith('dev.tutti.');
  if (!ours && !definition.startsWith('io.k8s.')) return nothing;
  const dot = definition.lastIndexOf('.');
  const name = definition.slice(dot + 1);
  const table = tableOf(tableFileOf(definition.slice(0, dot)));
  if (ours && Object.keys(table).length === 0) return nothing;
  const [text = '', own = {}, base] = table[name] ?? [];
  const schema = schemaOf(definition);
  const isKind = schema.type === 'object' && schema.kinds !== undefined && schema.kinds.length > 0;
  if (isKind && text === '' && name.endsWith('List')) {
    return { text: `A list of ${name.slice(0, -'List'.length)} objects.`, fields: ofEveryList };
  }
  const fields = { ...(isKind ? ofEveryKind : {}), ...(base === undefined ? {} : table[base]?.[1]), ...own };
  return text === '' ? { fields } : { text, fields };
}

function tableOf(file: string): DescriptionTable {
  let table = tables.get(file);
  if (table === undefined) {
    const url = new URL(`./descriptions/${file}.json`, import.meta.url);
    table = existsSync(url) ? (JSON.parse(readFileSync(url, 'utf8')) as DescriptionTable) : {};
    tables.set(file, table);
  }
  return table;
}
