import assert from 'node:assert/strict';
import { test } from 'node:test';
import * as fc from 'fast-check';
import type { MatchResources, NamedRuleWithOperations } from '#api/admissionregistration/types.generated.ts';
import { Deployment } from '#api/apps/deployment.ts';
import { HorizontalPodAutoscaler as AutoscalerV1 } from '#api/autoscaling/horizontal-pod-autoscaler-v1.ts';
import { HorizontalPodAutoscaler } from '#api/autoscaling/horizontal-pod-autoscaler.ts';
import { Namespace } from '#api/core/namespace.ts';
import { Pod } from '#api/core/pod.ts';
import { builtinKinds } from '#api/kinds.ts';
import type { Kind } from '#machinery/kind.ts';
import type { AdmissionRequest } from '../admission.ts';
import { Catalog } from '../../catalog.ts';
import { equivalentsOf } from './equivalents.ts';
import { matchedKind, matchingOf } from './matching.ts';

const user = { username: 'u', groups: [] };
const catalog = new Catalog(builtinKinds);
const around = (labels: Readonly<Record<string, string>> | undefined) => ({
  namespaceLabels: async () => labels,
  equivalents: (kind: Kind) => equivalentsOf(catalog, kind),
});

function request(kind: Kind, change: Partial<AdmissionRequest['attributes']> = {}): AdmissionRequest {
  const namespace = kind.namespaced ? 'ns' : undefined;
  const attributes = { user, verb: 'create', kind, namespace, name: 'n', subresource: undefined, path: '', ...change };
  return {
    attributes,
    operation: 'CREATE',
    object: { metadata: { name: 'n', labels: { app: 'x' } } },
    stored: undefined,
    dryRun: false,
  };
}

const rule = (change: NamedRuleWithOperations = {}): NamedRuleWithOperations => ({
  apiGroups: ['*'],
  apiVersions: ['*'],
  operations: ['*'],
  resources: ['*'],
  ...change,
});
const meant = async (match: MatchResources, asked: AdmissionRequest, labels?: Readonly<Record<string, string>>) =>
  (await matchedKind(matchingOf(match), asked, around(labels)))?.kind;

test('rules name resources, subresources, scopes and names', async () => {
  const by = (change: NamedRuleWithOperations, asked = request(Deployment)) =>
    meant({ resourceRules: [rule(change)] }, asked);
  const scaled = request(Deployment, { subresource: 'scale' });
  assert.equal(await by({}), 'Deployment');
  assert.equal(await by({ resources: ['deployments/scale'] }), undefined);
  assert.equal(await by({ resources: ['deployments/scale'] }, scaled), 'Deployment');
  assert.equal(await by({ resources: ['*/scale'] }, scaled), 'Deployment');
  assert.equal(await by({ resources: ['*'] }, scaled), undefined);
  assert.equal(await by({ resources: ['*/*'] }, scaled), 'Deployment');
  assert.equal(await by({ apiGroups: ['', 'batch'] }), undefined);
  assert.equal(await by({ operations: ['UPDATE', 'DELETE'] }), undefined);
  assert.equal(await by({ resourceNames: ['m'] }), undefined);
  assert.equal(await by({ resourceNames: ['m', 'n'] }), 'Deployment');
  assert.equal(await by({ scope: 'Cluster' }), undefined);
  assert.equal(await by({ scope: 'Namespaced' }), 'Deployment');
  const namespace = request(Namespace, { namespace: 'n' });
  assert.equal(await by({ scope: 'Namespaced' }, namespace), undefined);
  assert.equal(await by({ scope: 'Cluster' }, namespace), 'Namespace');
});

test('a request in another version of the same objects is meant too, unless only the exact one is', async () => {
  const match = { resourceRules: [rule({ apiGroups: ['autoscaling'], apiVersions: ['v1'] })] };
  const found = await matchedKind(
    matchingOf({ ...match, matchPolicy: 'Equivalent' }),
    request(HorizontalPodAutoscaler),
    around({}),
  );
  assert.equal(found, AutoscalerV1);
  assert.equal(await meant({ ...match, matchPolicy: 'Exact' }, request(HorizontalPodAutoscaler)), undefined);
});

test('selectors look at the namespace, and at the object as it was or will be', async () => {
  const team = { namespaceSelector: { matchLabels: { team: 'a' } } };
  assert.equal(await meant(team, request(Pod), { team: 'a' }), 'Pod');
  assert.equal(await meant(team, request(Pod), { team: 'b' }), undefined);
  assert.equal(await meant(team, request(Pod), undefined), undefined);
  assert.equal(await meant(team, request(Namespace), { team: 'a' }), undefined, 'its own labels count');
  const objects = { objectSelector: { matchLabels: { app: 'y' } } };
  const old = { metadata: { labels: { app: 'y' } } };
  assert.equal(await meant(objects, request(Pod)), undefined);
  assert.equal(await meant(objects, { ...request(Pod), operation: 'UPDATE', stored: old }), 'Pod');
  assert.equal(await meant(objects, { ...request(Pod), operation: 'DELETE', object: undefined, stored: old }), 'Pod');
});

test('what a rule excludes is never meant, whatever rules mean it', async () => {
  const list = (...all: readonly string[]) => fc.subarray([...all], { minLength: 1 });
  const rules = fc.array(
    fc.record({
      apiGroups: list('', 'apps', '*'),
      apiVersions: list('v1', '*'),
      operations: list('CREATE', 'UPDATE', '*'),
      resources: list('pods', 'deployments', '*', '*/*', 'deployments/scale'),
    }),
    { maxLength: 3 },
  );
  await fc.assert(
    fc.asyncProperty(rules, rules, fc.constantFrom<Kind>(Pod, Deployment), async (included, excluded, kind) => {
      const asked = request(kind);
      const isExcluded = excluded.length > 0 && (await meant({ resourceRules: excluded }, asked)) !== undefined;
      const isIncluded = (await meant({ resourceRules: included }, asked)) !== undefined;
      const result = await meant({ resourceRules: included, excludeResourceRules: excluded }, asked);
      assert.equal(result !== undefined, isIncluded && !isExcluded);
    }),
    { numRuns: 200 },
  );
});
