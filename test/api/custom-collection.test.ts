import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';
import type { ApiObject } from '#machinery/object.ts';
import { RawApi } from '../support/api.ts';
import { define, definitionOf, schemaOf } from '../support/definitions.ts';
import { Tutti } from '../support/tutti.ts';
import { until } from '../support/until.ts';

/** Custom resources among owners, in quotas and in namespaces that go away. */

let cluster: Tutti;
let api: RawApi;
before(async () => {
  cluster = await Tutti.up(['--sim', '--nodes', '0']);
  api = await RawApi.open(cluster.kubeconfig);
});
after(async () => {
  api[Symbol.dispose]();
  await cluster[Symbol.asyncDispose]();
});

const namespaces = '/api/v1/namespaces';
const secrets = (namespace: string) => `${namespaces}/${namespace}/secrets`;
const customs = (plural: string, namespace: string) => `/apis/example.com/v1/namespaces/${namespace}/${plural}`;
const custom = (kind: string, name: string, metadata: object = {}) => ({
  apiVersion: 'example.com/v1',
  kind,
  metadata: { name, ...metadata },
});
const secret = (name: string, owner: object) => ({
  apiVersion: 'v1',
  kind: 'Secret',
  metadata: { name, ownerReferences: [owner] },
});
const isGone = async (path: string) => (await api.send('GET', path)).code === 404;

async function withNamespace(name: string): Promise<string> {
  await api.json('POST', namespaces, { apiVersion: 'v1', kind: 'Namespace', metadata: { name } });
  return name;
}

test('what a custom resource owns goes with it, also if the last of its kind has gone before', async () => {
  const [plural, kind] = ['parents', 'Parent'];
  await define(api, definitionOf(schemaOf({}), { plural, kind }));
  const ns = await withNamespace('owners');
  const owner = { apiVersion: 'example.com/v1', kind, name: 'never', uid: 'there-was-none' };
  await api.json('POST', secrets(ns), secret('lost', owner));
  await until('the lost dependent is collected', () => isGone(`${secrets(ns)}/lost`));
  const parent = await api.json<ApiObject>('POST', customs(plural, ns), custom(kind, 'p'));
  const { uid = '' } = parent.metadata ?? {};
  await api.json('POST', secrets(ns), secret('child', { ...owner, name: 'p', uid, blockOwnerDeletion: true }));
  const childOf = { apiVersion: 'v1', kind: 'Secret', name: 'child' };
  const child = await api.json<ApiObject>('GET', `${secrets(ns)}/child`);
  const grandchild = custom(kind, 'grandchild', { ownerReferences: [{ ...childOf, uid: child.metadata?.uid }] });
  await api.json('POST', customs(plural, ns), grandchild);
  await api.json('DELETE', `${customs(plural, ns)}/p?propagationPolicy=Foreground`);
  for (const path of [`${secrets(ns)}/child`, `${customs(plural, ns)}/p`, `${customs(plural, ns)}/grandchild`]) {
    await until(`${path} is collected`, () => isGone(path));
  }
});

test('a quota counts custom resources from the first on, however many are made at once', async () => {
  const [plural, kind] = ['counted', 'Counted'];
  await define(api, definitionOf(schemaOf({}), { plural, kind }));
  const ns = await withNamespace('counting');
  const quotas = `${namespaces}/${ns}/resourcequotas`;
  const hard = { [`count/${plural}.example.com`]: '3' };
  await api.json('POST', quotas, { apiVersion: 'v1', kind: 'ResourceQuota', metadata: { name: 'q' }, spec: { hard } });
  const used = async () => {
    const { status } = await api.json<{ status?: { used?: Record<string, string> } }>('GET', `${quotas}/q`);
    return status?.used?.[`count/${plural}.example.com`];
  };
  await until('usage is known', async () => (await used()) === '0');
  const codes = await Promise.all(
    Array.from(
      { length: 16 },
      async (_, i) => (await api.send('POST', customs(plural, ns), custom(kind, `c${i}`))).code,
    ),
  );
  assert.deepEqual(
    codes.toSorted((a, b) => a - b),
    [...Array<number>(3).fill(201), ...Array<number>(13).fill(403)],
  );
  assert.equal(await used(), '3');
  const { items } = await api.json<{ items: readonly ApiObject[] }>('GET', customs(plural, ns));
  await api.json('DELETE', `${customs(plural, ns)}/${items[0]?.metadata?.name}`);
  await until('one is given back', async () => (await used()) === '2');
});

test('a namespace takes custom resources along, and tells which hold it', async () => {
  const [plural, kind] = ['holders', 'Holder'];
  await define(api, definitionOf(schemaOf({}), { plural, kind }));
  const ns = await withNamespace('leaving');
  await api.json('POST', customs(plural, ns), custom(kind, 'h', { finalizers: ['example.com/hold'] }));
  await api.json('POST', customs(plural, ns), custom(kind, 'free'));
  await api.json('DELETE', `${namespaces}/${ns}`);
  interface Conditions {
    readonly status?: { readonly conditions?: readonly { readonly type: string; readonly message?: string }[] };
  }
  const told = async (type: string) => {
    const { status } = await api.json<Conditions>('GET', `${namespaces}/${ns}`);
    return status?.conditions?.find((each) => each.type === type)?.message;
  };
  await until(
    'what is left is told',
    async () =>
      (await told('NamespaceContentRemaining')) ===
      'Some resources are remaining: holders.example.com has 1 resource instances',
  );
  assert.equal(
    await told('NamespaceFinalizersRemaining'),
    'Some content in the namespace has finalizers remaining: example.com/hold in 1 resource instances',
  );
  const merge = { 'content-type': 'application/merge-patch+json' };
  await api.json('PATCH', `${customs(plural, ns)}/h`, { metadata: { finalizers: null } }, merge);
  await until('the namespace is gone', () => isGone(`${namespaces}/${ns}`));
});
