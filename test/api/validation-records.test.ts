/**
 * Bad objects and what upstream answers to them, derived from its sources, against a whole cluster over HTTPS. The
 * records stand in `validation-records/`, one file for what belongs together.
 */
import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';
import { ServiceAccount } from '#api/core/service-account.ts';
import { startCluster, type TestCluster } from '#cluster/test-cluster.ts';
import { apiVersionOf, type Kind } from '#machinery/kind.ts';
import { applyMergePatch } from '#machinery/patch/merge-patch.ts';
import { RawApi } from '../support/api.ts';
import { admissionRecords } from './validation-records/admission.ts';
import { appsRecords } from './validation-records/apps.ts';
import { autoscalingRecords } from './validation-records/autoscaling.ts';
import { batchRecords } from './validation-records/batch.ts';
import { clusterRecords } from './validation-records/cluster.ts';
import { containerRecords } from './validation-records/containers.ts';
import { coreRecords } from './validation-records/core.ts';
import { csiRecords } from './validation-records/csi.ts';
import { definitionRecords } from './validation-records/definitions.ts';
import { metadataRecords } from './validation-records/metadata.ts';
import { networkingRecords } from './validation-records/networking.ts';
import { podRecords, podUpdateRecords } from './validation-records/pods.ts';
import { rbacRecords } from './validation-records/rbac.ts';
import { invalidAnswer, type RecordTable, type ValidationRecord } from './validation-records/record.ts';
import { serviceRecords } from './validation-records/services.ts';
import { volumeRecords } from './validation-records/volumes.ts';

const tables: readonly RecordTable[] = [
  ...metadataRecords,
  containerRecords,
  podRecords,
  ...podUpdateRecords,
  ...serviceRecords,
  ...coreRecords,
  ...volumeRecords,
  ...appsRecords,
  ...batchRecords,
  ...networkingRecords,
  ...autoscalingRecords,
  ...rbacRecords,
  ...clusterRecords,
  ...admissionRecords,
  ...definitionRecords,
  ...csiRecords,
];

let cluster: TestCluster;
let api: RawApi;
before(async () => {
  cluster = await startCluster({ nodes: 0, controlled: false });
  api = await RawApi.open((await cluster.serve()).kubeconfigPath);
  await cluster.client.create(
    ServiceAccount,
    { apiVersion: 'v1', kind: 'ServiceAccount', metadata: { namespace: 'default', name: 'default' } },
    { signal: cluster.signal },
  );
});
after(async () => {
  api[Symbol.dispose]();
  await cluster[Symbol.asyncDispose]();
});

function pathOf({ group, version, plural, namespaced }: Kind): string {
  const root = group === '' ? `/api/${version}` : `/apis/${group}/${version}`;
  return `${root}${namespaced ? '/namespaces/default' : ''}/${plural}`;
}

const typed = (kind: Kind, object: object) => ({ apiVersion: apiVersionOf(kind), kind: kind.kind, ...object });
const nameOf = (object: unknown) => (object as { metadata: { name?: string } }).metadata.name ?? '';

/** An answer with each of its causes once: upstream has layers that repeat what others have said. */
function distinct(answer: unknown): unknown {
  const { details, ...others } = answer as { readonly details?: { readonly causes?: readonly object[] } };
  if (details?.causes === undefined) return answer;
  const causes = new Map(details.causes.map((cause) => [JSON.stringify(cause), cause]));
  return { ...others, details: { ...details, causes: [...causes.values()] } };
}

/** Sends the bad object, which is never stored even if it is taken. */
type Send = (record: ValidationRecord) => Promise<{ readonly name: string; readonly answer: unknown }>;

/** Checks that the valid object is valid, and says how a bad one is sent. */
async function sender({ kind, operation, subresource, object, status }: RecordTable): Promise<Send> {
  const path = pathOf(kind);
  if (operation === 'create') {
    await api.json('POST', `${path}?dryRun=All`, typed(kind, object));
    return async ({ change }) => {
      const body = applyMergePatch(typed(kind, object), change);
      const { body: answer } = await api.send('POST', `${path}?dryRun=All`, body);
      return { name: nameOf(body), answer: distinct(answer) };
    };
  }
  await api.json('POST', path, typed(kind, object));
  const own = `${path}/${nameOf(object)}`;
  if (status !== undefined) {
    await api.json('PATCH', `${own}/status`, { status }, { 'content-type': 'application/merge-patch+json' });
  }
  const stored = await api.json<object>('GET', own);
  const door = subresource === undefined ? own : `${own}/${subresource}`;
  await api.json('PUT', `${door}?dryRun=All`, stored);
  return async ({ change }) => {
    const { body: answer } = await api.send('PUT', `${door}?dryRun=All`, applyMergePatch<object>(stored, change));
    return { name: nameOf(object), answer: distinct(answer) };
  };
}

for (const table of tables) {
  const { kind, operation, subresource, object, records } = table;
  const what = subresource === undefined ? kind.plural : `${kind.plural}/${subresource}`;
  test(`${operation} of ${what}: ${records.length} bad changes of ${nameOf(object)} are answered as upstream does`, async (t) => {
    const send = await sender(table);
    for (const record of records) {
      await t.test(`${record.source}: ${JSON.stringify(record.change).slice(0, 100)}`, async () => {
        const { name, answer } = await send(record);
        assert.deepEqual(answer, invalidAnswer(kind, name, (record.deviation ?? record).causes));
      });
    }
  });
}
