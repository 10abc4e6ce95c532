import { existsSync, readFileSync } from 'node:fs';

/** What `kubectl explain` says of a definition and its fields: short sentences of our own. */
export interface Description {
  readonly text?: string;
  readonly fields: Readonly<Record<string, string>>;
}

/** `descriptions/<group>.<version>.json`: short name → its sentence, then one a field. */
type DescriptionTable = Readonly<Record<string, readonly [string, Readonly<Record<string, string>>?]>>;

const tables = new Map<string, DescriptionTable>();
const nothing: Description = { fields: {} };

/** The description of `io.k8s.api.core.v1.Pod` and the like; empty where none is written. Reads its file on first use. */
export function describe(definition: string): Description {
  const [group, version, name] = definition.split('.').slice(-3);
  if (!definition.startsWith('io.k8s.') || name === undefined) return nothing;
  const entry = tableOf(`${group}.${version}`)[name];
  if (entry === undefined) return nothing;
  const [text, fields = {}] = entry;
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
