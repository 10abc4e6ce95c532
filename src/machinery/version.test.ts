import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { test } from 'node:test';
import { versionInfo } from './version.ts';

test('the version is that of the package', () => {
  const { version } = JSON.parse(readFileSync(new URL('../../package.json', import.meta.url), 'utf8')) as {
    version: string;
  };
  assert.equal(versionInfo.tutti, version);
  assert.equal(versionInfo.gitVersion, `v${versionInfo.major}.${versionInfo.minor}.0+tutti.${version}`);
});
