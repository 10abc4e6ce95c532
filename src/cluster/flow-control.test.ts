import assert from 'node:assert/strict';
import { request } from 'node:https';
import { once } from 'node:events';
import type { IncomingHttpHeaders, IncomingMessage } from 'node:http';
import { test } from 'node:test';
import { FlowSchema } from '#api/flowcontrol/flow-schema.ts';
import { PriorityLevelConfiguration } from '#api/flowcontrol/priority-level-configuration.ts';
import { loadKubeconfig } from '#client/kubeconfig.ts';
import { hasReason } from '#machinery/status-error.ts';
import { startCluster } from './test-cluster.ts';

test('the objects of flow control are there, govern at once, and the mandatory ones come back', async ({ signal }) => {
  await using cluster = await startCluster({ nodes: 0, controlled: false, clock: 'system' });
  const { client } = cluster;
  const served = await cluster.serve();
  const { server } = await loadKubeconfig([served.kubeconfigPath]);
  const as = async (user: string): Promise<IncomingHttpHeaders> => {
    const { ca, cert, key } = server;
    const headers = { 'impersonate-user': user };
    const asked = request(`${served.url}/api/v1/namespaces/n/configmaps`, { ca, cert, key, headers, agent: false });
    asked.end();
    const [reply] = (await once(asked, 'response')) as [IncomingMessage];
    reply.resume();
    return reply.headers;
  };
  const uidOf = async (kind: typeof FlowSchema | typeof PriorityLevelConfiguration, name: string) =>
    (await client.get(kind as typeof FlowSchema, { name }, { signal })).metadata?.uid;

  const names = async (kind: typeof FlowSchema | typeof PriorityLevelConfiguration) =>
    (await client.list(kind as typeof FlowSchema, { signal })).items.map(({ metadata }) => metadata?.name);
  assert.equal((await names(FlowSchema)).length, 13);
  assert.deepEqual(await names(PriorityLevelConfiguration), [
    'catch-all',
    'exempt',
    'global-default',
    'leader-election',
    'node-high',
    'system',
    'workload-high',
    'workload-low',
  ]);
  assert.equal(
    (await as('bob'))['x-kubernetes-pf-prioritylevel-uid'],
    await uidOf(PriorityLevelConfiguration, 'global-default'),
  );
  assert.equal((await as('bob'))['x-kubernetes-pf-flowschema-uid'], await uidOf(FlowSchema, 'global-default'));

  // A schema whose level is missing says so, and governs nothing until that is there.
  const schema: FlowSchema = {
    metadata: { name: 'bobs' },
    spec: {
      priorityLevelConfiguration: { name: 'bobs' },
      matchingPrecedence: 50,
      rules: [
        {
          subjects: [{ kind: 'User', user: { name: 'bob' } }],
          resourceRules: [{ verbs: ['*'], apiGroups: ['*'], resources: ['*'], namespaces: ['*'] }],
        },
      ],
    },
  };
  await client.create(FlowSchema, schema, { signal });
  const dangling = async () => {
    const { status } = await client.get(FlowSchema, { name: 'bobs' }, { signal });
    return status?.conditions?.find(({ type }) => type === 'Dangling')?.status;
  };
  await cluster.until(async () => (await dangling()) === 'True', { what: 'the condition Dangling' });
  assert.equal(
    (await as('bob'))['x-kubernetes-pf-prioritylevel-uid'],
    await uidOf(PriorityLevelConfiguration, 'global-default'),
  );
  const level: PriorityLevelConfiguration = {
    metadata: { name: 'bobs' },
    spec: { type: 'Limited', limited: { limitResponse: { type: 'Queue', queuing: {} } } },
  };
  const made = await client.create(PriorityLevelConfiguration, level, { signal });
  assert.deepEqual(made.spec.limited, {
    nominalConcurrencyShares: 30,
    lendablePercent: 0,
    limitResponse: { type: 'Queue', queuing: { queues: 64, handSize: 8, queueLengthLimit: 50 } },
  });
  await cluster.until(async () => (await dangling()) === 'False', { what: 'the condition Dangling to end' });
  assert.equal((await as('bob'))['x-kubernetes-pf-prioritylevel-uid'], made.metadata?.uid);
  assert.notEqual((await as('alice'))['x-kubernetes-pf-prioritylevel-uid'], made.metadata?.uid);

  // Mandatory ones: neither changed nor gone for long. Suggested ones are the operator's to remove.
  const catchAll = await client.get(PriorityLevelConfiguration, { name: 'catch-all' }, { signal });
  const widened = {
    ...catchAll,
    spec: { type: 'Limited', limited: { nominalConcurrencyShares: 500, limitResponse: { type: 'Reject' } } },
  };
  await assert.rejects(client.update(PriorityLevelConfiguration, widened, { signal }), (error) => {
    return hasReason(error, 'Invalid') && error.message.includes("spec of 'catch-all' must equal the fixed value");
  });
  await client.delete(FlowSchema, { name: 'catch-all' }, { signal });
  await client.delete(FlowSchema, { name: 'probes' }, { signal });
  await cluster.until(async () => (await names(FlowSchema)).includes('catch-all'), { what: 'catch-all to come back' });
  assert.equal((await names(FlowSchema)).includes('probes'), false);
});

test('objects that could not govern are refused with upstream’s words', async ({ signal }) => {
  await using cluster = await startCluster({ nodes: 0, controlled: false });
  const { client } = cluster;
  const rules = [
    {
      subjects: [{ kind: 'Group', group: { name: 'g' } }],
      nonResourceRules: [{ verbs: ['get'], nonResourceURLs: ['/x'] }],
    },
  ];
  const schemas: readonly [Partial<FlowSchema['spec']>, string][] = [
    [
      { matchingPrecedence: 1 },
      "spec.matchingPrecedence: Invalid value: 1: only the schema named 'exempt' may have matchingPrecedence 1",
    ],
    [{ matchingPrecedence: 10_001 }, 'spec.matchingPrecedence: Invalid value: 10001: must not be greater than 10000'],
    [
      { distinguisherMethod: { type: 'ByMood' } },
      'spec.distinguisherMethod.type: Unsupported value: "ByMood": supported values: "ByNamespace", "ByUser"',
    ],
    [
      { priorityLevelConfiguration: { name: '' } },
      'spec.priorityLevelConfiguration.name: Required value: must reference a priority level',
    ],
    [
      { rules: [{ ...rules[0]!, subjects: [] }] },
      'spec.rules[0].subjects: Required value: subjects must contain at least one value',
    ],
    [
      { rules: [{ subjects: rules[0]!.subjects }] },
      'spec.rules[0]: Required value: at least one of resourceRules and nonResourceRules has to be non-empty',
    ],
    [
      { rules: [{ ...rules[0]!, nonResourceRules: [{ verbs: ['get', '*'], nonResourceURLs: ['a//b'] }] }] },
      'spec.rules[0].nonResourceRules[0].verbs: Invalid value: ["get","*"]: if \'*\' is present, must not specify other verbs',
    ],
    [
      { rules: [{ ...rules[0]!, subjects: [{ kind: 'User', group: { name: 'g' } }] }] },
      "spec.rules[0].subjects[0].user: Required value: user is required when subject kind is 'User'",
    ],
  ];
  for (const [spec, message] of schemas) {
    const object: FlowSchema = {
      metadata: { name: 'x' },
      spec: { priorityLevelConfiguration: { name: 'system' }, rules, ...spec },
    };
    await assert.rejects(client.create(FlowSchema, object, { signal }), (error) => {
      return hasReason(error, 'Invalid') && error.message.includes(message)
        ? true
        : assert.fail(`${String(error)} lacks ${message}`);
    });
  }
  const queue = (queuing: object) => ({ type: 'Limited', limited: { limitResponse: { type: 'Queue', queuing } } });
  const levels: readonly [PriorityLevelConfiguration['spec'], string][] = [
    [{ type: 'Exempt' }, "spec.type: Invalid value: \"Exempt\": type must be 'Exempt' if and only if name is 'exempt'"],
    [{ type: 'Limited' }, 'spec.limited: Required value: must not be empty when type is Limited'],
    [
      queue({ queues: 4, handSize: 5 }),
      'spec.limited.limitResponse.queuing.handSize: Invalid value: 5: should not be greater than queues (4)',
    ],
    [
      queue({ queues: 10_000_001 }),
      'spec.limited.limitResponse.queuing.queues: Invalid value: 10000001: must not be greater than 10000000',
    ],
    [
      queue({ queues: 1_024, handSize: 8 }),
      'required entropy bits of deckSize 1024 and handSize 8 should not be greater than 60',
    ],
    [
      { type: 'Limited', limited: { lendablePercent: 101, limitResponse: { type: 'Reject' } } },
      'spec.limited.lendablePercent: Invalid value: 101: must be between 0 and 100, inclusive',
    ],
    [
      { type: 'Limited', limited: { limitResponse: { type: 'Sulk' } } },
      'spec.limited.limitResponse.type: Unsupported value: "Sulk": supported values: "Queue", "Reject"',
    ],
  ];
  for (const [spec, message] of levels) {
    await assert.rejects(
      client.create(PriorityLevelConfiguration, { metadata: { name: 'x' }, spec }, { signal }),
      (error) => {
        return hasReason(error, 'Invalid') && error.message.includes(message)
          ? true
          : assert.fail(`${String(error)} lacks ${message}`);
      },
    );
  }
});
