import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';
import { unless } from '../support/needs.ts';
import { Tutti } from '../support/tutti.ts';
import { until } from '../support/until.ts';
import { Kubectl } from './kubectl.ts';

const skip = unless('kubectl');
let cluster: Tutti;

before(async () => {
  if (skip === false) cluster = await Tutti.up(['--sim', '--nodes', '1']);
});
after(async () => {
  if (skip === false) await cluster[Symbol.asyncDispose]();
});

const plainPod = (name: string, more = '') =>
  `{"apiVersion":"v1","kind":"Pod","metadata":{"name":"${name}"},"spec":{"containers":[{"name":"c","image":"i"${more}}]}}`;

test('kubectl create quota limits a namespace, and describe tells what is used', { skip }, async () => {
  const kubectl = await Kubectl.in(cluster, 'quota');
  await kubectl.ok('create quota few --hard=pods=2,count/configmaps=2,requests.cpu=1');
  await until(
    'usage is summed up',
    async () => (await kubectl.ok('get quota few -o jsonpath={.status.used.pods}')) === '0',
  );
  await kubectl.fed(plainPod('a', ',"resources":{"requests":{"cpu":"600m"}}'), 'create -f -');
  const refused = await kubectl.outcome('create -f -', [], {
    input: plainPod('b', ',"resources":{"requests":{"cpu":"600m"}}'),
  });
  assert.match(
    refused.stderr,
    /pods "b" is forbidden: exceeded quota: few, requested: requests\.cpu=600m, used: requests\.cpu=600m, limited: requests\.cpu=1/,
  );
  const vague = await kubectl.outcome('create -f -', [], { input: plainPod('c') });
  assert.match(vague.stderr, /failed quota: few: must specify requests\.cpu for: c/);
  assert.match(await kubectl.ok('describe quota few'), /^requests\.cpu +600m +1$/m);
  assert.match(await kubectl.ok('get quota'), /^few .*pods: 1\/2/m);
  await kubectl.ok('delete pod a --now');
  await until('the pod is given back', async () => /^pods +0 +2$/m.test(await kubectl.ok('describe quota few')));
});

test('kubectl describe shows a limit range, and pods get its defaults', { skip }, async () => {
  const kubectl = await Kubectl.in(cluster, 'limits');
  const range = {
    apiVersion: 'v1',
    kind: 'LimitRange',
    metadata: { name: 'r' },
    spec: {
      limits: [{ type: 'Container', default: { cpu: '200m' }, defaultRequest: { cpu: '100m' }, max: { cpu: '1' } }],
    },
  };
  await kubectl.fed(JSON.stringify(range), 'create -f -');
  assert.match(await kubectl.ok('describe limitrange r'), /Container +cpu +- +1 +100m +200m/);
  await kubectl.fed(plainPod('a'), 'create -f -');
  assert.equal(await kubectl.ok('get pod a -o jsonpath={.spec.containers[0].resources.requests.cpu}'), '100m');
});

test('kubectl label makes a namespace safe, and is told of the pods that are not', { skip }, async () => {
  const kubectl = await Kubectl.in(cluster, 'safe');
  const privileged = ',"securityContext":{"privileged":true}';
  await kubectl.fed(plainPod('bad', privileged), 'create -f -');
  const told = await kubectl.outcome('label namespace safe pod-security.kubernetes.io/enforce=baseline');
  assert.match(
    told.stderr,
    /Warning: existing pods in namespace "safe" violate the new PodSecurity enforce level "baseline:latest"\nWarning: bad: privileged/,
  );
  const refused = await kubectl.outcome('create -f -', [], { input: plainPod('worse', privileged) });
  assert.match(
    refused.stderr,
    /pods "worse" is forbidden: violates PodSecurity "baseline:latest": privileged \(container "c" must not set securityContext\.privileged=true\)/,
  );
  await kubectl.ok('label namespace safe pod-security.kubernetes.io/warn=restricted');
  const warned = await kubectl.outcome('create deployment d --image=i');
  assert.match(
    warned.stderr,
    /Warning: would violate PodSecurity "restricted:latest": allowPrivilegeEscalation != false/,
  );
});

test('kubectl applies admission policies, shows them and is told what they say', { skip }, async () => {
  const kubectl = await Kubectl.in(cluster, 'admission');
  const on = `
  matchConstraints:
    namespaceSelector: {matchLabels: {kubernetes.io/metadata.name: admission}}
    resourceRules: [{apiGroups: [apps], apiVersions: [v1], operations: [CREATE, UPDATE], resources: [deployments]}]`;
  await kubectl.fed(
    `apiVersion: admissionregistration.k8s.io/v1
kind: ValidatingAdmissionPolicy
metadata: {name: few-replicas}
spec:${on}
  validations:
  - {expression: object.spec.replicas <= 2, messageExpression: "'at most 2, not ' + string(object.spec.replicas)"}
---
apiVersion: admissionregistration.k8s.io/v1
kind: ValidatingAdmissionPolicyBinding
metadata: {name: few-replicas}
spec: {policyName: few-replicas, validationActions: [Deny]}
---
apiVersion: admissionregistration.k8s.io/v1beta1
kind: MutatingAdmissionPolicy
metadata: {name: team-label}
spec:${on}
  reinvocationPolicy: Never
  mutations:
  - patchType: ApplyConfiguration
    applyConfiguration: {expression: 'Object{metadata: Object.metadata{labels: {"team": "blue"}}}'}
---
apiVersion: admissionregistration.k8s.io/v1beta1
kind: MutatingAdmissionPolicyBinding
metadata: {name: team-label}
spec: {policyName: team-label}
`,
    'apply --server-side -f -',
  );
  assert.match(await kubectl.ok('get validatingadmissionpolicies'), /^few-replicas +1 +<unset> +\d+s$/m);
  assert.match(
    await kubectl.ok('get validatingadmissionpolicybindings'),
    /^few-replicas +few-replicas +<unset> +\d+s$/m,
  );
  assert.match(await kubectl.ok('get mutatingadmissionpolicies'), /^team-label +1 +<unset> +\d+s$/m);
  assert.match(
    await kubectl.ok('describe validatingadmissionpolicy few-replicas'),
    /Expression: +object\.spec\.replicas <= 2/,
  );
  assert.match(await kubectl.ok('explain mutatingadmissionpolicy.spec.mutations'), /jsonPatch/);
  const refused = await kubectl.outcome('create deployment web --image=i --replicas=3');
  assert.equal(refused.code, 1);
  assert.match(
    refused.stderr,
    /deployments\.apps "web" is forbidden: ValidatingAdmissionPolicy 'few-replicas' with binding 'few-replicas' denied request: at most 2, not 3/,
  );
  await kubectl.ok('create deployment web --image=i --replicas=2');
  assert.equal(await kubectl.value('{.metadata.labels.team}', 'deployment web'), 'blue');
  const { stderr } = await kubectl.outcome('create -f -', [], {
    input: `{"apiVersion":"admissionregistration.k8s.io/v1","kind":"ValidatingAdmissionPolicy","metadata":{"name":"x"},"spec":{"matchConstraints":{"resourceRules":[{"apiGroups":["apps"],"apiVersions":["v1"],"operations":["*"],"resources":["deployments"]}]},"validations":[{"expression":"object.x in [1"}]}}`,
  });
  assert.match(
    stderr,
    /spec\.validations\[0\]\.expression: Invalid value: "object\.x in \[1": compilation failed: ERROR: <input>:1:15: Syntax error/,
  );
});
