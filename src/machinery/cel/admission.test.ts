import assert from 'node:assert/strict';
import { test } from 'node:test';
import { compileAdmission, typeProblem, variableTypes, type ExpressionUse } from './admission.ts';
import { costPerCallMax } from './environment.ts';
import { CelBudget } from './evaluate.ts';
import { AuthorizerValue, ResourceCheck, Unanswered, type Question, type Verdict } from './library/authorizer.ts';
import { types } from './types.ts';
import { CelError, fromJson, toJson } from './values.ts';

const object = {
  apiVersion: 'apps/v1',
  kind: 'Deployment',
  metadata: { name: 'web', labels: { team: 'a', exempt: 'false' }, annotations: { 'example.com/version': 'v1.4.0' } },
  spec: {
    replicas: 3,
    nodeName: 'n1',
    template: {
      spec: {
        securityContext: { runAsNonRoot: true },
        containers: [
          { name: 'c', image: 'prod.example.com/c:1', resources: { limits: { memory: '512Mi' } } },
          { name: 'd', image: 'other.example.org/d:2', securityContext: { privileged: true } },
        ],
      },
    },
  },
};
const request = {
  operation: 'UPDATE',
  kind: { group: 'apps', version: 'v1', kind: 'Deployment' },
  namespace: 'shop',
  userInfo: {
    username: 'system:serviceaccount:shop:till',
    groups: ['system:authenticated', 'tills'],
    extra: { 'authentication.kubernetes.io/node-name': ['n1'] },
  },
};
const namespaceObject = { metadata: { name: 'shop', labels: { environment: 'prod' } } };
const params = { spec: { maxReplicas: 5, allowed: ['tills'] } };
const declared = { hasParams: true, hasAuthorizer: true };

function run(source: string, use: ExpressionUse = 'condition', more: Readonly<Record<string, object>> = {}): unknown {
  const given = { object, oldObject: object, request, namespaceObject, params, ...more };
  const bindings = Object.fromEntries(Object.entries(given).map(([name, value]) => [name, fromJson(value)]));
  return toJson(compileAdmission(source, use, declared).evaluate(bindings, new CelBudget(costPerCallMax)));
}

test('expressions as they are found in policies of others compile, and say what they mean', () => {
  const cases: readonly (readonly [string, boolean])[] = [
    ['object.spec.replicas <= params.spec.maxReplicas', true],
    ['object.spec.template.spec.containers.all(c, !c.?securityContext.?privileged.orValue(false))', false],
    [
      'object.spec.template.spec.containers.all(c, !(has(c.securityContext) && has(c.securityContext.privileged) && c.securityContext.privileged))',
      false,
    ],
    ["object.spec.template.spec.containers.exists(c, c.image.startsWith('prod.'))", true],
    ['object.spec.template.spec.?securityContext.?runAsNonRoot.orValue(false) == true', true],
    [
      "has(object.metadata.labels) && 'team' in object.metadata.labels && object.metadata.labels.team in ['a', 'b']",
      true,
    ],
    [
      "object.metadata.annotations.exists(k, k == 'example.com/version' && !matches(object.metadata.annotations[k], 'v1.[0-3].\\\\d+|v0'))",
      true,
    ],
    ["object.metadata.annotations[?'example.com/none'].orValue('') != ''", false],
    [
      "request.userInfo.username.startsWith('system:serviceaccount:') && request.userInfo.groups.exists(g, g in params.spec.allowed)",
      true,
    ],
    ["request.userInfo.extra[?'authentication.kubernetes.io/node-name'][0].orValue('') == object.spec.nodeName", true],
    ['(request.operation == "DELETE" ? oldObject : object).spec.?nodeName.orValue("") == "n1"', true],
    [
      "object.spec.template.spec.containers.all(c, quantity(c.?resources.?limits.?memory.orValue('1Gi')).isLessThan(quantity('2Gi')))",
      true,
    ],
    ["['CREATE', 'UPDATE'].exists(o, o == request.operation) && request.kind.kind == 'Deployment'", true],
    ['oldObject != null && object.spec.replicas == oldObject.spec.replicas && namespaceObject != null', true],
    ['object.spec.template.spec.containers.map(c, c.name).isSorted() && size(object.metadata.labels) == 2', true],
    ['dyn(object.spec).replicas == 3 && type(object.spec.replicas) == int', true],
    ["object.spec.template.spec.containers.filter(c, c.image.contains(':latest')).size() == 0", true],
    ["namespaceObject.metadata.labels['environment'] == 'prod' && !has(namespaceObject.metadata.annotations)", true],
  ];
  for (const [source, result] of cases) assert.equal(run(source), result, source);
  assert.equal(
    run(
      "'not ' + object.spec.template.spec.containers.map(c, c.name).join(', ') + ' in ' + request.namespace",
      'message',
    ),
    'not c, d in shop',
  );
  assert.equal(run("'%s has %d'.format([object.metadata.name, object.spec.replicas])", 'message'), 'web has 3');
});

test('variables have types, and a message has what the variables are', () => {
  const variables = [
    {
      name: 'environment',
      expression:
        "'environment' in namespaceObject.metadata.labels ? namespaceObject.metadata.labels['environment'] : 'prod'",
    },
    { name: 'containers', expression: 'object.spec.template.spec.containers' },
    { name: 'foreign', expression: "variables.containers.filter(c, !c.image.startsWith(variables.environment + '.'))" },
    { name: 'count', expression: 'size(variables.foreign)' },
  ];
  const typed = { ...declared, variables: variableTypes(variables, declared) };
  assert.equal(typeProblem("variables.environment + '!' == '' || variables.count > 1", typed), undefined);
  assert.match(typeProblem('variables.count == "1"', typed) ?? '', /'_==_' applied to '\(int, string\)'/);
  assert.match(typeProblem('variables.environment > 1', typed) ?? '', /'_>_' applied to '\(string, int\)'/);
  assert.equal(typeProblem('has(variables.count) && ["a"].all(variables, variables == "a")', typed), undefined);
  assert.deepEqual(compileAdmission("'foreign: ' + variables.environment", 'message', typed).type, types.string);
});

test('a question for the authorizer is put, answered, and asked by name or by address', () => {
  const asked: Question[] = [];
  const known = new Map<string, Verdict>();
  const authorizer = new AuthorizerValue((question) => known.get(JSON.stringify(question)));
  const resource = {
    group: 'apps',
    resource: 'deployments',
    subresource: '',
    namespace: 'shop',
    name: 'web',
    fieldSelector: '',
    labelSelector: '',
  };
  const bindings = { authorizer, 'authorizer.requestResource': new ResourceCheck(authorizer, resource) };
  const ask = (source: string, verdict: Verdict = { allowed: true, reason: 'because' }): unknown => {
    const program = compileAdmission(source, 'variable', declared);
    for (;;) {
      try {
        return toJson(program.evaluate(bindings, new CelBudget(costPerCallMax)));
      } catch (error) {
        if (!(error instanceof Unanswered)) throw error;
        asked.push(error.question);
        known.set(JSON.stringify(error.question), verdict);
      }
    }
  };
  assert.equal(ask("authorizer.requestResource.check('get').allowed()"), true);
  assert.equal(
    ask("authorizer.group('').resource('pods').subresource('log').namespace('n').name('p').check('get').reason()"),
    'because',
  );
  assert.equal(ask("authorizer.serviceAccount('n', 'sa').path('/healthz').check('get').errored()"), false);
  const failed = { allowed: false, reason: '', error: 'down' };
  assert.equal(
    ask("authorizer.path('/x').check('get').error() + string(authorizer.path('/x').check('get').allowed())", failed),
    'downfalse',
  );
  assert.equal(
    ask(
      "authorizer.group('').resource('pods').fieldSelector('a=b').labelSelector('c').check('list').allowed() || true",
    ),
    true,
  );
  assert.deepEqual(asked, [
    { asker: 'caller', verb: 'get', ...resource },
    {
      asker: 'caller',
      verb: 'get',
      ...resource,
      group: '',
      resource: 'pods',
      subresource: 'log',
      namespace: 'n',
      name: 'p',
    },
    { asker: { namespace: 'n', name: 'sa' }, verb: 'get', path: '/healthz' },
    { asker: 'caller', verb: 'get', path: '/x' },
    {
      asker: 'caller',
      verb: 'list',
      ...resource,
      group: '',
      resource: 'pods',
      namespace: '',
      name: '',
      fieldSelector: 'a=b',
      labelSelector: 'c',
    },
  ]);
  for (const [source, message] of [
    ["authorizer.path(' ')", 'path must not be empty'],
    ["authorizer.group('').resource('')", 'resource must not be empty'],
    ["authorizer.serviceAccount('N', 'a')", 'Invalid service account namespace'],
    ["authorizer.serviceAccount('n', 'A_')", 'Invalid service account name'],
  ] as const) {
    assert.throws(() => ask(source), new CelError(message), source);
  }
});
