import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import path from 'node:path';
import { after, before, test } from 'node:test';
import type { ApiObject } from '#machinery/object.ts';
import { RawApi, refusalOf } from '../support/api.ts';
import { define, definitionOf, schemaOf } from '../support/definitions.ts';
import { Tutti } from '../support/tutti.ts';
import { until } from '../support/until.ts';

/** What users forbid and change by policies in CEL, modelled on upstream's conformance tests of both kinds. */

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

type Open = Readonly<Record<string, unknown>>;
const registration = '/apis/admissionregistration.k8s.io';
const policies = `${registration}/v1/validatingadmissionpolicies`;
const bindings = `${registration}/v1/validatingadmissionpolicybindings`;
const mutators = `${registration}/v1beta1/mutatingadmissionpolicies`;
const mutatorBindings = `${registration}/v1beta1/mutatingadmissionpolicybindings`;
const configMaps = (namespace: string) => `/api/v1/namespaces/${namespace}/configmaps`;
const merge = { 'content-type': 'application/merge-patch+json' };

const onConfigMaps = {
  apiGroups: [''],
  apiVersions: ['v1'],
  operations: ['CREATE', 'UPDATE'],
  resources: ['configmaps'],
};

/** A namespace whose requests alone a test's policies are about. */
async function namespaced(name: string): Promise<{ readonly ns: string; readonly only: Open }> {
  await api.json('POST', '/api/v1/namespaces', {
    apiVersion: 'v1',
    kind: 'Namespace',
    metadata: { name, labels: { 'test.example.com/suite': name } },
  });
  return { ns: name, only: { namespaceSelector: { matchLabels: { 'test.example.com/suite': name } } } };
}

const policy = (name: string, only: Open, spec: Open, rule: Open = onConfigMaps) => ({
  apiVersion: 'admissionregistration.k8s.io/v1',
  kind: 'ValidatingAdmissionPolicy',
  metadata: { name },
  spec: { matchConstraints: { ...only, resourceRules: [rule] }, ...spec },
});
const binding = (name: string, policyName: string, spec: Open = {}) => ({
  apiVersion: 'admissionregistration.k8s.io/v1',
  kind: 'ValidatingAdmissionPolicyBinding',
  metadata: { name },
  spec: { policyName, validationActions: ['Deny'], ...spec },
});
const configMap = (name: string, data: Open = {}, metadata: Open = {}) => ({
  apiVersion: 'v1',
  kind: 'ConfigMap',
  metadata: { name, ...metadata },
  data,
});

async function bind(made: ReturnType<typeof policy>, spec: Open = {}): Promise<void> {
  await api.json('POST', policies, made);
  await api.json('POST', bindings, binding(`${made.metadata.name}-binding`, made.metadata.name, spec));
}

test("a policy that is bound denies what its validations are false for, in upstream's words", async () => {
  const { ns, only } = await namespaced('basic');
  await bind(policy('small', only, { validations: [{ expression: 'size(object.data) < 2' }] }));
  await api.json('POST', configMaps(ns), configMap('a', { x: '1' }));
  const { code, body } = await api.send('POST', configMaps(ns), configMap('b', { x: '1', y: '2' }));
  const denial =
    "ValidatingAdmissionPolicy 'small' with binding 'small-binding' denied request: failed expression: size(object.data) < 2";
  assert.deepEqual(
    { code, body },
    {
      code: 422,
      body: {
        kind: 'Status',
        apiVersion: 'v1',
        metadata: {},
        status: 'Failure',
        message: `configmaps "b" is forbidden: ${denial}`,
        reason: 'Invalid',
        details: { name: 'b', kind: 'configmaps', causes: [{ message: denial }] },
        code: 422,
      },
    },
  );
  const grown = await api.send('PATCH', `${configMaps(ns)}/a`, { data: { z: '1' } }, merge);
  assert.equal(grown.code, 422);
  await api.json('DELETE', `${bindings}/small-binding`);
  await api.json('POST', configMaps(ns), configMap('b', { x: '1', y: '2' }));
});

test('reason, message and messageExpression shape the refusal; Warn and Audit let the request pass', async () => {
  const { ns, only } = await namespaced('messages');
  const validations = [
    { expression: "!has(object.data.a) || object.data.a == '1'", message: 'a must be one', reason: 'Forbidden' },
    { expression: '!has(object.data.b)', messageExpression: "'no ' + object.data.b + ' in ' + request.namespace" },
    { expression: '!has(object.data.c)', messageExpression: 'string(object.data.missing)', message: 'no c' },
    { expression: "object.data.?d.orValue('') != object.data.nowhere || !has(object.data.d)" },
  ];
  const auditAnnotations = [
    { key: 'who', valueExpression: "has(object.data.a) ? 'a is ' + object.data.a : ''" },
    { key: 'nothing', valueExpression: 'null' },
  ];
  await bind(policy('messages', only, { validations, auditAnnotations }));
  const refused = async (data: Open) => {
    const { code, reason, message } = refusalOf(await api.send('POST', configMaps(ns), configMap('m', data)));
    return [code, reason, message?.replace(/^.* denied request: /, '')];
  };
  assert.deepEqual(await refused({ a: '2', nowhere: '' }), [403, 'Forbidden', 'a must be one']);
  assert.deepEqual(await refused({ b: 'bees', nowhere: '' }), [422, 'Invalid', 'no bees in messages']);
  assert.deepEqual(await refused({ c: '', nowhere: '' }), [422, 'Invalid', 'no c']);
  const { expression } = validations[3]!;
  assert.deepEqual(await refused({ d: '' }), [
    422,
    'Invalid',
    `expression '${expression}' resulted in error: no such key: nowhere`,
  ]);
  await api.json('PATCH', `${bindings}/messages-binding`, { spec: { validationActions: ['Warn', 'Audit'] } }, merge);
  const { code, headers } = await api.send('POST', configMaps(ns), configMap('m', { a: '2', nowhere: '' }));
  assert.equal(code, 201);
  assert.equal(
    headers['warning'],
    `299 - "Validation failed for ValidatingAdmissionPolicy 'messages' with binding 'messages-binding': a must be one"`,
  );
  interface AuditEvent {
    readonly objectRef?: { readonly namespace?: string; readonly name?: string };
    readonly annotations?: Readonly<Record<string, string>>;
  }
  const annotations = await until('the audit event is kept', () => {
    const lines = readFileSync(path.join(cluster.dataDir, 'logs', 'audit.log'), 'utf8').split('\n');
    const events = lines
      .filter((line) => line.includes('validation_failure'))
      .map((line) => JSON.parse(line) as AuditEvent);
    return events.find(({ objectRef }) => objectRef?.namespace === ns)?.annotations;
  });
  assert.deepEqual(JSON.parse(annotations['validation.policy.admission.k8s.io/validation_failure'] ?? ''), [
    {
      message: 'a must be one',
      policy: 'messages',
      binding: 'messages-binding',
      expressionIndex: 0,
      validationActions: ['Warn', 'Audit'],
    },
  ]);
  assert.equal(annotations['messages/who'], 'a is 2');
  const { text: counted } = await api.send('GET', '/metrics');
  for (const [action, count] of [
    ['warn', 1],
    ['audit', 1],
    ['deny', 4],
  ] as const) {
    const labels = `policy="messages",policy_binding="messages-binding",error_type="invalid_error",enforcement_action="${action}"`;
    assert.ok(counted.includes(`apiserver_validating_admission_policy_check_total{${labels}} ${count}\n`), action);
  }
  await api.json('PATCH', `${bindings}/messages-binding`, { spec: { validationActions: ['Deny'] } }, merge);
  await api.json('PATCH', `${policies}/messages`, { spec: { failurePolicy: 'Ignore' } }, merge);
  await api.json('POST', configMaps(ns), configMap('errors-are-ignored', { d: '' }));
});

test('variables build on each other, and see old objects, the request and the namespace', async () => {
  const { ns, only } = await namespaced('variables');
  const variables = [
    { name: 'keys', expression: 'object == null ? [] : object.data.map(k, k)' },
    { name: 'grown', expression: 'oldObject != null && object != null && size(variables.keys) > size(oldObject.data)' },
    { name: 'suite', expression: "namespaceObject.metadata.labels['test.example.com/suite']" },
  ];
  const validations = [
    { expression: '!variables.grown', messageExpression: "'grown to ' + variables.keys.join('+')" },
    { expression: "variables.suite == request.namespace && request.userInfo.groups.exists(g, g == 'system:masters')" },
    { expression: "request.operation != 'DELETE' || (object == null && oldObject.data.?hold.orValue('') != 'true')" },
    { expression: "request.kind.kind == 'ConfigMap' && request.resource.resource == 'configmaps' && !request.dryRun" },
  ];
  const rule = { ...onConfigMaps, operations: ['*'] };
  await bind(policy('variables', only, { variables, validations }, rule));
  await api.json('POST', configMaps(ns), configMap('v', { a: '', hold: 'true' }));
  const grown = refusalOf(await api.send('PATCH', `${configMaps(ns)}/v`, { data: { b: '' } }, merge));
  assert.match(grown.message ?? '', /denied request: grown to a\+hold\+b$/);
  assert.equal((await api.send('POST', `${configMaps(ns)}?dryRun=All`, configMap('dry'))).code, 422);
  const held = refusalOf(await api.send('DELETE', `${configMaps(ns)}/v`));
  assert.equal(held.code, 422);
  await api.json('PATCH', `${configMaps(ns)}/v`, { data: { hold: null } }, merge);
  await api.json('DELETE', `${configMaps(ns)}/v`);
});

test('matchConditions, resource names, exclusions and object selectors narrow what a policy is about', async () => {
  const { ns, only } = await namespaced('narrow');
  const never = { validations: [{ expression: 'false', message: 'never' }] };
  const matchConditions = [
    { name: 'not-free', expression: "!object.metadata.name.startsWith('free-')" },
    { name: 'by-admin', expression: "request.userInfo.username != ''" },
  ];
  await bind(policy('narrow', only, { ...never, matchConditions }), {
    matchResources: {
      objectSelector: { matchExpressions: [{ key: 'exempt', operator: 'DoesNotExist' }] },
      excludeResourceRules: [{ ...onConfigMaps, resourceNames: ['spared'] }],
    },
  });
  const code = async (name: string, metadata: Open = {}) =>
    (await api.send('POST', configMaps(ns), configMap(name, {}, metadata))).code;
  assert.equal(await code('caught'), 422);
  assert.equal(await code('free-1'), 201);
  assert.equal(await code('spared'), 201);
  assert.equal(await code('labelled', { labels: { exempt: '' } }), 201);
  const failing = { matchConditions: [{ name: 'broken', expression: 'object.data.no == 1' }] };
  await api.json('PATCH', `${policies}/narrow`, { spec: failing }, merge);
  assert.match(
    refusalOf(await api.send('POST', configMaps(ns), configMap('broken', { x: '' }))).message ?? '',
    /expression 'object.data.no == 1' resulted in error: no such key: no$/,
  );
  // Whoever is locked out can still change the policy.
  await api.json('DELETE', `${policies}/narrow`);
  assert.equal(await code('caught'), 201);
});

test('params come by name or by selector, from the namespace of the request or another', async () => {
  const { ns, only } = await namespaced('params');
  const limited = { paramKind: { apiVersion: 'v1', kind: 'ConfigMap' } };
  const validations = [
    {
      expression: 'params != null && size(object.data) <= int(params.data.max)',
      messageExpression: "'at most ' + params.data.max",
    },
  ];
  const rule = { ...onConfigMaps, resources: ['secrets'] };
  const made = policy('params', only, { ...limited, validations }, rule);
  await bind(made, { paramRef: { name: 'limit', parameterNotFoundAction: 'Deny' } });
  const secrets = `/api/v1/namespaces/${ns}/secrets`;
  const secret = (name: string, ...keys: readonly string[]) => ({
    apiVersion: 'v1',
    kind: 'Secret',
    metadata: { name },
    data: Object.fromEntries(keys.map((key) => [key, ''])),
  });
  const missing = refusalOf(await api.send('POST', secrets, secret('s', 'a')));
  assert.match(
    missing.message ?? '',
    /with binding 'params-binding' denied request: failed to configure binding: no params found for policy binding with `Deny` parameterNotFoundAction$/,
  );
  await api.json('POST', configMaps(ns), configMap('limit', { max: '1' }, { labels: { limits: 'yes' } }));
  await until('the param is known', async () => (await api.send('POST', secrets, secret('s', 'a'))).code === 201);
  assert.match(refusalOf(await api.send('POST', secrets, secret('t', 'a', 'b'))).message ?? '', /: at most 1$/);
  const selector = { matchLabels: { limits: 'yes' } };
  const bySelector = { spec: { paramRef: { name: null, selector } } };
  await api.json('PATCH', `${bindings}/params-binding`, bySelector, merge);
  assert.equal((await api.send('POST', secrets, secret('t', 'a', 'b'))).code, 422);
  await api.json('DELETE', `${configMaps(ns)}/limit`);
  const allow = { spec: { paramRef: { parameterNotFoundAction: 'Allow' } } };
  await api.json('PATCH', `${bindings}/params-binding`, allow, merge);
  await until(
    'without params nothing is asked',
    async () => (await api.send('POST', secrets, secret('t', 'a', 'b'))).code === 201,
  );
  await api.json('PATCH', `${bindings}/params-binding`, { spec: { paramRef: null } }, merge);
  assert.equal((await api.send('POST', secrets, secret('u', 'a'))).code, 422);
  await api.json(
    'PATCH',
    `${policies}/params`,
    { spec: { paramKind: { apiVersion: 'nobody.example.com/v1', kind: 'X' } } },
    merge,
  );
  assert.match(
    refusalOf(await api.send('POST', secrets, secret('u', 'a'))).message ?? '',
    /ValidatingAdmissionPolicy 'params' denied request: failed to configure policy: failed to find resource referenced by paramKind: 'nobody.example.com\/v1, Kind=X'$/,
  );
});

test('policies look at custom resources in any of their versions, and take them as params', async () => {
  const { ns, only } = await namespaced('customs');
  const open = { openAPIV3Schema: { type: 'object', 'x-kubernetes-preserve-unknown-fields': true } };
  const version = (name: string, storage: boolean) => ({ name, served: true, storage, schema: open });
  await define(
    api,
    definitionOf(open, { plural: 'gadgets', kind: 'Gadget', versions: [version('v1', true), version('v2', false)] }),
  );
  const gadgets = (served: string) => `/apis/example.com/${served}/namespaces/${ns}/gadgets`;
  const gadget = (served: string, name: string, spec: Open) => ({
    apiVersion: `example.com/${served}`,
    kind: 'Gadget',
    metadata: { name },
    spec,
  });
  await api.json('POST', gadgets('v1'), gadget('v1', 'limit', { max: 3 }));
  const paramKind = { apiVersion: 'example.com/v1', kind: 'Gadget' };
  const validations = [
    { expression: "object.apiVersion == 'example.com/v1' && object.spec.size <= params.spec.max" },
    { expression: "request.requestKind.version == 'v1' || request.requestKind.version == 'v2'" },
  ];
  const rule = { apiGroups: ['example.com'], apiVersions: ['v1'], operations: ['CREATE'], resources: ['gadgets'] };
  await bind(policy('customs', only, { paramKind, validations }, rule), {
    paramRef: { name: 'limit', namespace: ns, parameterNotFoundAction: 'Deny' },
  });
  const code = async (served: string, name: string, size: number) =>
    (await api.send('POST', gadgets(served), gadget(served, name, { size }))).code;
  assert.equal(await code('v1', 'small', 3), 201);
  assert.equal(await code('v1', 'large', 4), 422);
  assert.equal(await code('v2', 'large', 4), 422);
  assert.equal(await code('v2', 'other', 2), 201);
});

test('kinds with several versions are looked at, and changed, in the version that is matched', async () => {
  const { ns, only } = await namespaced('versions');
  const rule = { apiGroups: ['autoscaling'], operations: ['CREATE'], resources: ['horizontalpodautoscalers'] };
  const inV1 = { ...rule, apiVersions: ['v1'] };
  const inV2 = { ...rule, apiVersions: ['v2'] };
  const old = [
    { expression: 'object.apiVersion == "autoscaling/v1" && object.spec.targetCPUUtilizationPercentage < 90' },
  ];
  await bind(policy('versions-v1', only, { validations: old }, inV1));
  const now = [{ expression: 'object.apiVersion == "autoscaling/v2" && size(object.spec.metrics) == 1' }];
  await bind(policy('versions-v2', only, { validations: now }, inV2));
  await bindMutator(mutator('versions', only, [apply('Object{spec: Object.spec{minReplicas: 2}}')], {}, inV1));
  const spec = { scaleTargetRef: { apiVersion: 'apps/v1', kind: 'Deployment', name: 'd' }, maxReplicas: 5 };
  const target = (averageUtilization: number) => ({ type: 'Utilization', averageUtilization });
  const make = async (version: string, name: string, utilization: number) => {
    const metrics = [{ type: 'Resource', resource: { name: 'cpu', target: target(utilization) } }];
    const own = version === 'v1' ? { targetCPUUtilizationPercentage: utilization } : { metrics };
    const body = { apiVersion: `autoscaling/${version}`, kind: 'HorizontalPodAutoscaler', metadata: { name } };
    const autoscalers = `/apis/autoscaling/${version}/namespaces/${ns}/horizontalpodautoscalers`;
    const reply = await api.send('POST', autoscalers, { ...body, spec: { ...spec, ...own } });
    return reply.code === 201 ? (reply.body as { spec: { minReplicas: number } }).spec.minReplicas : reply.code;
  };
  assert.equal(await make('v1', 'a', 50), 2);
  assert.equal(await make('v2', 'b', 50), 2);
  assert.equal(await make('v1', 'c', 95), 422);
  assert.equal(await make('v2', 'c', 95), 422);
});

test('namespaces, and what is asked of running pods, are looked at too', async () => {
  const { ns, only } = await namespaced('connecting');
  const { namespaceSelector } = only as { namespaceSelector: Open };
  const onNamespaces = { apiGroups: [''], apiVersions: ['v1'], operations: ['UPDATE'], resources: ['namespaces'] };
  const validations = [
    {
      expression:
        'request.namespace == object.metadata.name && namespaceObject == null && !has(object.metadata.annotations)',
    },
  ];
  await bind(policy('namespaces', { namespaceSelector }, { validations }, onNamespaces));
  const annotated = { metadata: { annotations: { a: 'b' } } };
  const labelled = { metadata: { labels: { a: 'b' } } };
  assert.equal((await api.send('PATCH', `/api/v1/namespaces/${ns}`, annotated, merge)).code, 422);
  assert.equal((await api.send('PATCH', `/api/v1/namespaces/${ns}`, labelled, merge)).code, 200);
  const exec = { apiGroups: [''], apiVersions: ['v1'], operations: ['CONNECT'], resources: ['pods/exec'] };
  const noShells = [
    { expression: "object.kind != 'PodExecOptions' || !('sh' in object.command)", message: 'no shells' },
  ];
  await bind(policy('no-shells', only, { validations: noShells }, exec));
  const pod = {
    apiVersion: 'v1',
    kind: 'Pod',
    metadata: { name: 'p' },
    spec: { containers: [{ name: 'c', image: 'i' }] },
  };
  await api.json('POST', `/api/v1/namespaces/${ns}/pods`, pod);
  const run = (command: string) =>
    api.send('POST', `/api/v1/namespaces/${ns}/pods/p/exec?command=${command}&stdout=true`);
  assert.match(refusalOf(await run('sh')).message ?? '', /no shells$/);
  assert.doesNotMatch((await run('ls')).text, /no shells/);
});

test('expressions ask what the caller may do, and scaling is looked at as the Scale it is', async () => {
  const { ns, only } = await namespaced('asking');
  const validations = [
    {
      expression:
        "authorizer.group('').resource('configmaps').namespace('kube-system').check('delete').allowed() && variables.may",
      message: 'may not',
    },
    {
      expression:
        "!authorizer.serviceAccount('default', 'default').path('/secret').check('get').allowed() && !authorizer.requestResource.check('get').errored()",
    },
  ];
  const variables = [{ name: 'may', expression: "authorizer.requestResource.check('frob').allowed()" }];
  await bind(policy('asking', only, { variables, validations }));
  assert.equal((await api.send('POST', configMaps(ns), configMap('a'))).code, 201);
  const role = { apiVersion: 'rbac.authorization.k8s.io/v1', metadata: { name: 'maps' } };
  const rbac = `/apis/rbac.authorization.k8s.io/v1/namespaces/${ns}`;
  const rules = [{ apiGroups: [''], resources: ['configmaps'], verbs: ['create', 'get'] }];
  await api.json('POST', `${rbac}/roles`, { ...role, kind: 'Role', rules });
  const roleRef = { apiGroup: 'rbac.authorization.k8s.io', kind: 'Role', name: 'maps' };
  const subjects = [{ kind: 'User', apiGroup: 'rbac.authorization.k8s.io', name: 'mary' }];
  await api.json('POST', `${rbac}/rolebindings`, { ...role, kind: 'RoleBinding', roleRef, subjects });
  const mary = { 'impersonate-user': 'mary' };
  await until('mary may write', async () => {
    const refusal = refusalOf(await api.send('POST', configMaps(ns), configMap('b'), mary));
    return refusal.code === 422 && refusal.message?.endsWith('denied request: may not') === true;
  });
  const scale = { apiGroups: ['apps'], apiVersions: ['v1'], operations: ['UPDATE'], resources: ['deployments/scale'] };
  const few = [{ expression: "object.kind == 'Scale' && object.spec.replicas <= oldObject.spec.replicas + 1" }];
  await bind(policy('scaling', only, { validations: few }, scale));
  const deployments = `/apis/apps/v1/namespaces/${ns}/deployments`;
  await api.json('POST', deployments, {
    apiVersion: 'apps/v1',
    kind: 'Deployment',
    metadata: { name: 'd' },
    spec: {
      replicas: 1,
      selector: { matchLabels: { a: 'b' } },
      template: { metadata: { labels: { a: 'b' } }, spec: { containers: [{ name: 'c', image: 'c' }] } },
    },
  });
  const scaleTo = async (replicas: number) =>
    (await api.send('PATCH', `${deployments}/d/scale`, { spec: { replicas } }, merge)).code;
  assert.equal(await scaleTo(2), 200);
  assert.equal(await scaleTo(4), 422);
});

test('what expressions cost is bounded, for each and for a policy', async () => {
  const { ns, only } = await namespaced('costs');
  const data = Object.fromEntries(Array.from({ length: 400 }, (_, i) => [`k${i}`, '']));
  const costly = 'object.data.all(a, object.data.all(b, object.data.all(c, a != b + c)))';
  await bind(policy('costs', only, { validations: [{ expression: costly }] }));
  const exceeded = refusalOf(await api.send('POST', configMaps(ns), configMap('a', data)));
  assert.match(exceeded.message ?? '', /resulted in error: operation cancelled: actual cost limit exceeded$/);
  const check = "authorizer.group('').resource('pods').check('get').allowed()";
  await api.json(
    'PATCH',
    `${policies}/costs`,
    { spec: { validations: [{ expression: `${check} && ${check} && ${check}` }] } },
    merge,
  );
  assert.match(
    refusalOf(await api.send('POST', configMaps(ns), configMap('b'))).message ?? '',
    /actual cost limit exceeded$/,
  );
  const many = Array.from({ length: 40 }, () => ({ expression: check }));
  await api.json('PATCH', `${policies}/costs`, { spec: { validations: many } }, merge);
  assert.match(
    refusalOf(await api.send('POST', configMaps(ns), configMap('b'))).message ?? '',
    /denied request: validation failed due to running out of cost budget, no further validation rules will be run$/,
  );
});

test('the status of a policy tells what its expressions would trip over, by the schemas of what it matches', async () => {
  const { only } = await namespaced('types');
  const open = { type: 'object', properties: { spec: { type: 'object', properties: { size: { type: 'integer' } } } } };
  await define(api, definitionOf({ openAPIV3Schema: open }, { plural: 'typeds', kind: 'Typed' }));
  const rules = [
    { apiGroups: ['apps'], apiVersions: ['v1'], operations: ['*'], resources: ['deployments', 'deployments/scale'] },
    { apiGroups: ['example.com'], apiVersions: ['v1'], operations: ['*'], resources: ['typeds'] },
  ];
  const validations = [
    { expression: 'object.spec.replicas > variables.least && object.metadata.name != ""' },
    { expression: 'object.spec.size > 1', messageExpression: 'object.metadata.nope' },
    { expression: 'params.data.foo == "x" && has(object.apiVersion)' },
  ];
  const made = policy('types', only, {
    validations: [
      ...validations.slice(0, 1),
      { ...validations[1], messageExpression: 'string(object.metadata.nope)' },
      validations[2],
    ],
    variables: [{ name: 'least', expression: 'size(object.metadata.labels)' }],
    paramKind: { apiVersion: 'v1', kind: 'ConfigMap' },
  });
  await api.json('POST', policies, {
    ...made,
    spec: { ...made.spec, matchConstraints: { ...only, resourceRules: rules } },
  });
  interface Checked extends ApiObject {
    readonly status?: {
      readonly observedGeneration?: number;
      readonly typeChecking?: { readonly expressionWarnings?: readonly { fieldRef: string; warning: string }[] };
    };
  }
  const observed = (generation: number) =>
    until('its status is written', async () => {
      const { status } = await api.json<Checked>('GET', `${policies}/types`);
      return status?.observedGeneration === generation && status.typeChecking;
    });
  const nope = (kind: string) =>
    `${kind}: ERROR: <input>:1:23: undefined field 'nope'\n | string(object.metadata.nope)\n | ......................^\n`;
  assert.deepEqual(await observed(1), {
    expressionWarnings: [
      {
        fieldRef: 'spec.validations[0].expression',
        warning: `example.com/v1, Kind=Typed: ERROR: <input>:1:12: undefined field 'replicas'\n | ${validations[0]!.expression}\n | ...........^\n`,
      },
      {
        fieldRef: 'spec.validations[1].expression',
        warning: `apps/v1, Kind=Deployment: ERROR: <input>:1:12: undefined field 'size'\n | object.spec.size > 1\n | ...........^\n`,
      },
      {
        fieldRef: 'spec.validations[1].messageExpression',
        warning: `${nope('apps/v1, Kind=Deployment')}\n${nope('example.com/v1, Kind=Typed')}`,
      },
    ],
  });
  await api.json('PATCH', `${policies}/types`, { spec: { validations: [{ expression: 'has(object.spec)' }] } }, merge);
  assert.deepEqual(await observed(2), {});
});

test('whoever lets a policy read objects must be allowed to read them', async () => {
  const { only } = await namespaced('rights');
  const rbac = '/apis/rbac.authorization.k8s.io/v1';
  const rules = [{ apiGroups: ['admissionregistration.k8s.io'], resources: ['*'], verbs: ['*'] }];
  const role = { apiVersion: 'rbac.authorization.k8s.io/v1', metadata: { name: 'policy-writer' } };
  await api.json('POST', `${rbac}/clusterroles`, { ...role, kind: 'ClusterRole', rules });
  const roleRef = { apiGroup: 'rbac.authorization.k8s.io', kind: 'ClusterRole', name: 'policy-writer' };
  const subjects = [{ kind: 'User', apiGroup: 'rbac.authorization.k8s.io', name: 'writer' }];
  await api.json('POST', `${rbac}/clusterrolebindings`, { ...role, kind: 'ClusterRoleBinding', roleRef, subjects });
  const writer = { 'impersonate-user': 'writer' };
  const validations = [{ expression: 'params == null' }];
  const made = policy('rights', only, { validations, paramKind: { apiVersion: 'v1', kind: 'Secret' } });
  const refused = await until('the writer may write policies', async () => {
    const refusal = refusalOf(await api.send('POST', policies, made, writer));
    return refusal.code === 422 && refusal;
  });
  assert.equal(
    refused.message,
    'ValidatingAdmissionPolicy.admissionregistration.k8s.io "rights" is invalid: spec.paramKind: Forbidden: user writer must have "get" permission on all objects of the referenced paramKind (kind=Secret, apiVersion=v1)',
  );
  await api.json('POST', policies, made);
  const paramRef = { name: 's', namespace: 'kube-system', parameterNotFoundAction: 'Deny' };
  const bound = binding('rights', 'rights', { paramRef, matchResources: only });
  assert.deepEqual(refusalOf(await api.send('POST', bindings, bound, writer)).fields, ['spec.paramRef']);
  const { paramRef: _none, ...spec } = bound.spec as Open;
  await api.json('POST', bindings, { ...bound, spec }, writer);
});

const mutator = (name: string, only: Open, mutations: readonly Open[], spec: Open = {}, rule: Open = onConfigMaps) => ({
  apiVersion: 'admissionregistration.k8s.io/v1beta1',
  kind: 'MutatingAdmissionPolicy',
  metadata: { name },
  spec: { matchConstraints: { ...only, resourceRules: [rule] }, reinvocationPolicy: 'Never', mutations, ...spec },
});
const apply = (expression: string) => ({ patchType: 'ApplyConfiguration', applyConfiguration: { expression } });
const json = (expression: string) => ({ patchType: 'JSONPatch', jsonPatch: { expression } });

async function bindMutator(made: ReturnType<typeof mutator>, spec: Open = {}): Promise<void> {
  await api.json('POST', mutators, made);
  await api.json('POST', mutatorBindings, {
    apiVersion: 'admissionregistration.k8s.io/v1beta1',
    kind: 'MutatingAdmissionPolicyBinding',
    metadata: { name: `${made.metadata.name}-binding` },
    spec: { policyName: made.metadata.name, ...spec },
  });
}

interface Data extends ApiObject {
  readonly data?: Readonly<Record<string, string>>;
}

test('mutating policies add fields by configuration and by patch, in their order', async () => {
  const { ns, only } = await namespaced('adding');
  const variables = [{ name: 'by', expression: 'request.userInfo.username' }];
  const add = [
    apply("Object{metadata: Object.metadata{labels: {'by': 'policy'}}, data: {'seen': object.metadata.name}}"),
    json(`[
      JSONPatch{op: "test", path: "/data/seen", value: object.metadata.name},
      JSONPatch{op: "add", path: "/metadata/annotations", value: {"example.com/by": variables.by}},
      JSONPatch{op: "add", path: "/data/" + jsonpatch.escapeKey("size"), value: string(size(object.data))}
    ]`),
    json('[JSONPatch{op: "test", path: "/data/seen", value: "else"}, JSONPatch{op: "remove", path: "/data"}]'),
  ];
  await bindMutator(mutator('adding', only, add, { variables }));
  const made = await api.json<Data>('POST', configMaps(ns), configMap('a', { x: '1' }));
  assert.deepEqual(made.data, { x: '1', seen: 'a', size: '2' });
  assert.deepEqual(made.metadata?.labels, { by: 'policy' });
  assert.equal(Object.keys(made.metadata?.annotations ?? {})[0], 'example.com/by');
  assert.deepEqual(await api.json('GET', `${configMaps(ns)}/a`), made);
  const { text } = await api.send('GET', '/metrics');
  const labels = 'policy="adding",policy_binding="adding-binding",error_type="no_error"';
  assert.ok(text.includes(`apiserver_mutating_admission_policy_check_total{${labels}} 3\n`));
});

test('a list of containers is merged by its keys, and defaults are set in what was added', async () => {
  const { ns, only } = await namespaced('sidecars');
  const sidecar =
    'Object{spec: Object.spec{initContainers: [Object.spec.initContainers{name: "side", image: "side:1", restartPolicy: "Always"}]}}';
  const rule = { ...onConfigMaps, operations: ['CREATE'], resources: ['pods'] };
  const matchConditions = [
    { name: 'none-yet', expression: '!object.spec.?initContainers.orValue([]).exists(c, c.name == "side")' },
  ];
  await bindMutator(mutator('sidecars', only, [apply(sidecar)], { matchConditions }, rule));
  interface Pod {
    readonly spec: { readonly initContainers: readonly Open[]; readonly volumes: readonly { readonly name: string }[] };
  }
  const { spec } = await api.json<Pod>('POST', `/api/v1/namespaces/${ns}/pods`, {
    apiVersion: 'v1',
    kind: 'Pod',
    metadata: { name: 'p' },
    spec: { initContainers: [{ name: 'first', image: 'i' }], containers: [{ name: 'c', image: 'c' }] },
  });
  assert.deepEqual(
    spec.initContainers.map(({ name }) => name),
    ['first', 'side'],
  );
  assert.equal(spec.initContainers[1]?.['imagePullPolicy'], 'IfNotPresent');
  // The plugins that every server runs see the result once more: the newcomer has the account's token, from one volume.
  const mounts = spec.initContainers[1]?.['volumeMounts'] as readonly { readonly name: string }[];
  assert.deepEqual(
    mounts.map(({ name }) => name),
    spec.volumes.map(({ name }) => name),
  );
  assert.equal(spec.volumes.length, 1);
});

test('custom resources and scales are changed like everything else', async () => {
  const { ns, only } = await namespaced('others');
  const item = {
    type: 'object',
    required: ['name'],
    properties: { name: { type: 'string' }, size: { type: 'integer' } },
  };
  const list = { type: 'array', items: item, 'x-kubernetes-list-type': 'map', 'x-kubernetes-list-map-keys': ['name'] };
  await define(api, definitionOf(schemaOf({ parts: list }), { plural: 'machines', kind: 'Machine' }));
  const rule = { apiGroups: ['example.com'], apiVersions: ['v1'], operations: ['CREATE'], resources: ['machines'] };
  const mutations = [
    apply('Object{spec: Object.spec{parts: [Object.spec.parts{name: "a", size: 1}, Object.spec.parts{name: "b"}]}}'),
    json('[JSONPatch{op: "replace", path: "/spec/parts/1/size", value: size(object.spec.parts)}]'),
  ];
  await bindMutator(mutator('machines', only, mutations, {}, rule));
  const machine = { apiVersion: 'example.com/v1', kind: 'Machine', metadata: { name: 'm' } };
  const parts = [{ name: 'c' }, { name: 'b', size: 5 }];
  const machines = `/apis/example.com/v1/namespaces/${ns}/machines`;
  const made = await api.json<{ spec: Open }>('POST', machines, { ...machine, spec: { parts } });
  assert.deepEqual(made.spec, { parts: [{ name: 'c' }, { name: 'a', size: 3 }, { name: 'b', size: 5 }] });
  const scales = { apiGroups: ['apps'], apiVersions: ['v1'], operations: ['UPDATE'], resources: ['deployments/scale'] };
  const atMostTwo = [apply('Object{spec: Object.spec{replicas: [object.spec.replicas, 2].min()}}')];
  await bindMutator(mutator('scales', only, atMostTwo, {}, scales));
  const deployments = `/apis/apps/v1/namespaces/${ns}/deployments`;
  const template = { metadata: { labels: { a: 'b' } }, spec: { containers: [{ name: 'c', image: 'c' }] } };
  await api.json('POST', deployments, {
    apiVersion: 'apps/v1',
    kind: 'Deployment',
    metadata: { name: 'd' },
    spec: { selector: { matchLabels: { a: 'b' } }, template },
  });
  const scaled = await api.json<{ spec: Open }>('PATCH', `${deployments}/d/scale`, { spec: { replicas: 9 } }, merge);
  assert.deepEqual(scaled.spec, { replicas: 2 });
});

test('what a mutation may not do is refused by name, unless the policy ignores failures', async () => {
  const { ns, only } = await namespaced('failing');
  await bindMutator(mutator('failing', only, [apply('Object{data: {"a": object.data.missing}}')]));
  const said = async (mutation: Open) => {
    await api.json('PATCH', `${mutators}/failing`, { spec: { mutations: [mutation] } }, merge);
    const { code, reason, message } = refusalOf(await api.send('POST', configMaps(ns), configMap('f', { x: '1' })));
    return [code, reason, message];
  };
  const by = "policy 'failing' with binding 'failing-binding' denied request: ";
  const source = 'Object{data: {"a": object.data.missing}}';
  assert.deepEqual(await said(apply(source)), [
    403,
    'Invalid',
    `${by}expression '${source}' resulted in error: no such key: missing`,
  ]);
  assert.deepEqual(await said(apply('Object{wrong: 1}')), [
    403,
    'Invalid',
    `${by}error applying patch: failed to convert patch object to typed object: .wrong: field not declared in schema`,
  ]);
  assert.deepEqual(await said(apply('Object{metadata: Object.spec{labels: {}}}')), [
    403,
    'Invalid',
    `${by}type mismatch: unexpected type name "Object.spec", expected "Object.metadata", which matches field name path from root Object type`,
  ]);
  const atomic = 'Object{metadata: Object.metadata{ownerReferences: [], managedFields: []}}';
  assert.deepEqual(await said(apply(atomic)), [
    403,
    'Invalid',
    `${by}error applying patch: invalid ApplyConfiguration: may not mutate atomic arrays, maps or structs: .metadata.managedFields`,
  ]);
  assert.match(String((await said(json('[JSONPatch{op: "remove", path: "/data/none"}]')))[2]), /: JSON Patch: /);
  assert.match(String((await said(apply('Object{metadata: Object.metadata{name: "g"}}')))[2]), /field is immutable$/);
  await api.json('PATCH', `${mutators}/failing`, { spec: { failurePolicy: 'Ignore' } }, merge);
  await api.json('POST', configMaps(ns), configMap('f', { x: '1' }));
});

test('a policy that may run again sees what later ones have changed, once', async () => {
  const { ns, only } = await namespaced('again');
  const count = (key: string, reads: string) =>
    apply(
      `Object{data: {"${key}": string(int(object.data.?${key}.orValue("0")) + 1), "${key}-saw": object.data.?${reads}.orValue("nothing")}}`,
    );
  await bindMutator(mutator('again-a', only, [count('a', 'b')], { reinvocationPolicy: 'IfNeeded' }));
  await bindMutator(mutator('again-b', only, [count('b', 'a')]));
  const { data } = await api.json<Data>('POST', configMaps(ns), configMap('twice', { own: '' }));
  assert.deepEqual(data, { own: '', a: '2', 'a-saw': '1', b: '1', 'b-saw': '1' });
  await api.json('PATCH', `${mutators}/again-a`, { spec: { reinvocationPolicy: 'Never' } }, merge);
  const once = await api.json<Data>('POST', configMaps(ns), configMap('once', { own: '' }));
  assert.deepEqual(once.data, { own: '', a: '1', 'a-saw': 'nothing', b: '1', 'b-saw': '1' });
});

test('mutating policies have params too, and validating ones see what they have made', async () => {
  const { ns, only } = await namespaced('both');
  const rule = { ...onConfigMaps, resources: ['secrets'] };
  const spec = { paramKind: { apiVersion: 'v1', kind: 'ConfigMap' } };
  await api.json('POST', configMaps(ns), configMap('team', { name: 'blue' }));
  const label = apply('Object{metadata: Object.metadata{labels: {"team": params.data.name}}}');
  await bindMutator(mutator('both', only, [label], spec, rule), {
    paramRef: { name: 'team', parameterNotFoundAction: 'Deny' },
  });
  await bind(policy('both', only, { validations: [{ expression: 'object.metadata.labels.team == "blue"' }] }, rule));
  const secrets = `/api/v1/namespaces/${ns}/secrets`;
  const secret = (name: string) => ({ apiVersion: 'v1', kind: 'Secret', metadata: { name } });
  const made = await until('the param is known', async () => {
    const { code, body } = await api.send('POST', secrets, secret('s'));
    return code === 201 && (body as ApiObject);
  });
  assert.deepEqual(made.metadata?.labels, { team: 'blue' });
  await api.json('PATCH', `${configMaps(ns)}/team`, { data: { name: 'red' } }, merge);
  await until('the other team is refused', async () => (await api.send('POST', secrets, secret('t'))).code === 422);
  await api.json('DELETE', `${configMaps(ns)}/team`);
  await until('without its param, nothing passes', async () => {
    const { code, message } = refusalOf(await api.send('POST', secrets, secret('t')));
    return (
      code === 403 &&
      message?.startsWith(
        "policy 'both' with binding 'both-binding' denied request: failed to configure binding: no params found",
      ) === true
    );
  });
});
