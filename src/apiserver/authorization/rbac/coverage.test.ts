import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import type { PolicyRule } from '#api/rbac/types.generated.ts';
import { Pod } from '#api/core/pod.ts';
import type { Attributes } from '../../request.ts';
import { ruleAllows } from '../rules.ts';
import { compacted, described, rightsMax, uncovered } from './coverage.ts';

const some = <T>(...values: readonly T[]) => fc.subarray([...values], { minLength: 1 });
const ofResources: fc.Arbitrary<PolicyRule> = fc.record({
  verbs: some('get', 'list', '*'),
  apiGroups: some('', 'apps', '*'),
  resources: some('pods', 'pods/log', '*/log', '*', 'secrets'),
  resourceNames: fc.option(some('one', 'two'), { nil: [] }),
});
const ofPaths: fc.Arbitrary<PolicyRule> = fc.record({
  verbs: some('get', 'list', '*'),
  nonResourceURLs: some('/a', '/a/*', '/ab', '*'),
});
const rules = fc.array(fc.oneof(ofResources, ofPaths), { maxLength: 4 });

/** Every question that the words above can make, and some beside them. */
function* questions(): Generator<Attributes> {
  const user = { username: 'x', groups: [] };
  const none = { user, namespace: undefined, name: undefined, subresource: undefined, path: '' };
  for (const verb of ['get', 'list', 'watch']) {
    for (const path of ['/a', '/a/b', '/ab', '/c']) yield { ...none, verb, kind: undefined, path };
    for (const group of ['', 'apps', 'batch']) {
      for (const plural of ['pods', 'secrets', 'jobs']) {
        const kind = { ...Pod, group, plural };
        for (const subresource of [undefined, 'log', 'exec']) {
          for (const name of [undefined, 'one', 'two', 'three']) yield { ...none, verb, kind, subresource, name };
        }
      }
    }
  }
}

test('whoever lacks nothing of some rules may do all that they allow', () => {
  let held_ = 0;
  fc.assert(
    fc.property(rules, rules, (held, wanted) => {
      const missing = uncovered(held, wanted);
      if (missing.length > 0) return;
      held_++;
      for (const question of questions()) {
        if (!wanted.some((rule) => ruleAllows(rule, question))) continue;
        assert.ok(held.some((rule) => ruleAllows(rule, question)));
      }
    }),
    { numRuns: 1_500 },
  );
  assert.ok(held_ > 100, 'the property was put to the test');
});

test('what is missing is named, joined by verbs, in upstream’s form', () => {
  const wanted = [
    { apiGroups: ['', 'apps'], resources: ['pods'], verbs: ['get', 'delete'] },
    { apiGroups: [''], resources: ['secrets'], resourceNames: ['one'], verbs: ['get'] },
    { nonResourceURLs: ['/metrics'], verbs: ['get'] },
  ];
  const held = [{ apiGroups: [''], resources: ['pods'], verbs: ['get'] }];
  assert.deepEqual(compacted(uncovered(held, wanted)).map(described).toSorted(), [
    '{APIGroups:[""], Resources:["pods"], Verbs:["delete"]}',
    '{APIGroups:[""], Resources:["secrets"], ResourceNames:["one"], Verbs:["get"]}',
    '{APIGroups:["apps"], Resources:["pods"], Verbs:["get" "delete"]}',
    '{NonResourceURLs:["/metrics"], Verbs:["get"]}',
  ]);
});

test('a rule of a million rights costs no million comparisons', () => {
  const many = Array.from({ length: 1_000 }, (_, i) => `x${i}`);
  const huge = { apiGroups: many, resources: many, verbs: many };
  assert.ok(1_000 ** 3 > rightsMax);
  const start = performance.now();
  assert.deepEqual(uncovered([{ apiGroups: ['x1'], resources: ['*'], verbs: ['*'] }], [huge]), [huge]);
  assert.deepEqual(uncovered([{ apiGroups: ['*'], resources: ['*'], verbs: ['*'] }], [huge]), []);
  assert.ok(performance.now() - start < 1_000);
});
