import assert from 'node:assert/strict';
import { existsSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';
import { placeOf } from '../../tools/generate/names.ts';
import { readOracle } from '../../tools/generate/oracle.ts';
import { tablesOf } from '../../tools/generate/tables.ts';
import { typesSource } from '../../tools/generate/types.ts';

const root = join(import.meta.dirname, '../..');
const folder = join(root, '../shared/oracle');
const skip = existsSync(folder) ? false : 'the oracle is absent: ../shared/oracle';

test('types and tables are what the generator writes', { skip }, () => {
  const presence = JSON.parse(readFileSync(join(root, 'tools/generate/presence.json'), 'utf8')) as Record<
    string,
    string
  >;
  let count = 0;
  for (const [pkg, table] of tablesOf(readOracle(folder), presence)) {
    if (!/\.v\d+$/.test(pkg)) continue;
    const { area, table: file, typesFile } = placeOf(pkg);
    const source = join(root, 'src', area === 'machinery' ? 'machinery' : `api/${area}`, typesFile);
    assert.deepEqual(JSON.parse(readFileSync(join(root, 'src/api/schemas', `${file}.json`), 'utf8')), table, file);
    assert.equal(readFileSync(source, 'utf8'), typesSource(placeOf(pkg), table), source);
    count++;
  }
  assert.ok(count > 20);
});
