/**
 * Writes what Tutti knows of Kubernetes' API from the facts in the oracle: types, schema tables, and a first version
 * of each served kind's file. Run by hand: `node tools/generate-api.ts`.
 *
 * Types and tables are overwritten; a kind's file is only written where none is.
 */
import { existsSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { allVerbs } from '#machinery/kind.ts';
import { kebab, payloads, placeOf, served } from './generate/names.ts';
import { readOracle } from './generate/oracle.ts';
import { resourcesOf, type Resource } from './generate/resources.ts';
import { kindSource } from './generate/scaffold.ts';
import { tablesOf } from './generate/tables.ts';
import { typesSource } from './generate/types.ts';

const root = join(import.meta.dirname, '..');
const oracle = readOracle(join(root, '..', 'shared', 'oracle'));
const presence = JSON.parse(readFileSync(join(import.meta.dirname, 'generate', 'presence.json'), 'utf8'));
const tables = tablesOf(oracle, presence);

const sorted = [...tables].toSorted(([a], [b]) => (a < b ? -1 : 1));
for (const [pkg, table] of sorted) {
  if (!/\.v\d+$/.test(pkg)) continue; // the definitions of machinery packages are scalars and free-form objects
  const place = placeOf(pkg);
  const folder = place.area === 'machinery' ? join(root, 'src', 'machinery') : join(root, 'src', 'api', place.area);
  write(join(folder, place.typesFile), typesSource(place, table));
  const rows = Object.keys(table)
    .toSorted()
    .map((name) => `${JSON.stringify(name)}:${JSON.stringify(table[name])}`);
  write(join(root, 'src', 'api', 'schemas', `${place.table}.json`), `{\n${rows.join(',\n')}\n}\n`);
}
for (const [list, isPayload] of [
  [served, false],
  [payloads, true],
] as const) {
  for (const [groupVersion, kinds] of Object.entries(list)) {
    const resources = resourcesOf(groupVersion, oracle);
    for (const kind of kinds) {
      const pkg = packageOfKind(groupVersion, kind);
      const resource = resources.get(kind) ?? payload(groupVersion, kind);
      const path = join(root, 'src', 'api', placeOf(pkg).area, `${kebab(kind)}.ts`);
      const differ = isPayload || resource.verbs.join() !== allVerbs.join();
      if (!existsSync(path)) write(path, kindSource(pkg, resource, differ));
    }
  }
}

function packageOfKind(groupVersion: string, kind: string): string {
  for (const [name, schema] of oracle.schemas) {
    if (!name.endsWith(`.${kind}`)) continue;
    for (const { group, version } of schema['x-kubernetes-group-version-kind'] ?? []) {
      if ((group === '' ? version : `${group}/${version}`) === groupVersion) return name.slice(0, -kind.length - 1);
    }
  }
  throw new Error(`no definition of ${groupVersion} ${kind}`);
}

function payload(groupVersion: string, kind: string): Resource {
  const [group = '', version = ''] = groupVersion.split('/');
  return {
    group,
    version,
    kind,
    plural: `${kind.toLowerCase()}s`,
    namespaced: true,
    verbs: ['create'],
    subresources: new Map(),
  };
}

function write(path: string, text: string): void {
  mkdirSync(dirname(path), { recursive: true });
  writeFileSync(path, text);
}
