import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { Kind } from '#machinery/kind.ts';
import type { ApiObject } from '#machinery/object.ts';
import { applyMergePatch } from '#machinery/patch/merge-patch.ts';
import { created } from '../rules/samples.ts';
import { MutatingAdmissionPolicyBinding } from './mutating-admission-policy-binding.ts';
import { MutatingAdmissionPolicy } from './mutating-admission-policy.ts';
import { ValidatingAdmissionPolicyBinding } from './validating-admission-policy-binding.ts';
import { ValidatingAdmissionPolicy } from './validating-admission-policy.ts';

const rule = { apiGroups: ['apps'], apiVersions: ['v1'], operations: ['CREATE', 'UPDATE'], resources: ['deployments'] };
const validating = {
  metadata: { name: 'p' },
  spec: { matchConstraints: { resourceRules: [rule] }, validations: [{ expression: 'object.spec.replicas <= 5' }] },
};
const mutation = { patchType: 'ApplyConfiguration', applyConfiguration: { expression: 'Object{}' } };
const mutating = {
  metadata: { name: 'p' },
  spec: { matchConstraints: { resourceRules: [rule] }, reinvocationPolicy: 'Never', mutations: [mutation] },
};
const binding = { metadata: { name: 'b' }, spec: { policyName: 'p' } };

async function said<T extends ApiObject>(kind: Kind<T>, sample: object, change: object): Promise<readonly string[]> {
  const object = created(kind, applyMergePatch(sample, change));
  await kind.load?.(object);
  return (kind.validate?.(object) ?? []).map(({ field, message }) => `${field}: ${message}`);
}

test('what a validating policy lacks is named', async () => {
  const check = (spec: object) => said(ValidatingAdmissionPolicy, validating, { spec });
  assert.deepEqual(await check({}), []);
  assert.deepEqual(await check({ matchConstraints: null, validations: null, failurePolicy: 'Maybe' }), [
    'spec.failurePolicy: Unsupported value: "Maybe": supported values: "Fail", "Ignore"',
    'spec.matchConstraints: Required value',
    'spec.validations: Required value: validations or auditAnnotations must contain at least one item',
    'spec.auditAnnotations: Required value: validations or auditAnnotations must contain at least one item',
  ]);
  assert.deepEqual(await check({ matchConstraints: { resourceRules: [] } }), [
    'spec.matchConstraints.resourceRules: Required value',
  ]);
  const wrong = { apiGroups: ['*', 'a'], apiVersions: [''], operations: ['EAT'], resources: ['pods/*', 'pods/x', ''] };
  assert.deepEqual(await check({ matchConstraints: { resourceRules: [{ ...wrong, scope: 'All' }] } }), [
    'spec.matchConstraints.resourceRules[0].operations[0]: Unsupported value: "EAT": supported values: "*", "CONNECT", "CREATE", "DELETE", "UPDATE"',
    `spec.matchConstraints.resourceRules[0].apiGroups: Invalid value: ["*","a"]: if '*' is present, must not specify other API groups`,
    'spec.matchConstraints.resourceRules[0].apiVersions[0]: Required value',
    `spec.matchConstraints.resourceRules[0].resources[1]: Invalid value: "pods/x": if 'pods/*' is present, must not specify pods/x`,
    'spec.matchConstraints.resourceRules[0].resources[2]: Required value',
    'spec.matchConstraints.resourceRules[0].scope: Unsupported value: "All": supported values: "*", "Cluster", "Namespaced"',
  ]);
  assert.deepEqual(await check({ paramKind: { apiVersion: 'a/b/c', kind: 'Bad_Kind' } }), [
    'spec.paramKind.apiVersion: Invalid value: "a/b/c": unexpected GroupVersion string: a/b/c',
    `spec.paramKind.kind: Invalid value: "Bad_Kind": may have mixed case, but should otherwise match: a DNS-1035 label must consist of lower case alphanumeric characters or '-', start with an alphabetic character, and end with an alphanumeric character (e.g. 'my-name',  or 'abc-123', regex used for validation is '[a-z]([-a-z0-9]*[a-z0-9])?')`,
  ]);
});

test('expressions are compiled, and what is wrong with them is told with its place', async () => {
  const check = (spec: object) => said(ValidatingAdmissionPolicy, validating, { spec });
  const one = async (expression: string) => (await check({ validations: [{ expression }] }))[0];
  assert.equal(
    await one('object.x in [1, 2'),
    `spec.validations[0].expression: Invalid value: "object.x in [1, 2": compilation failed: ERROR: <input>:1:18: Syntax error: mismatched input '<EOF>' expecting ']'\n | object.x in [1, 2\n | .................^`,
  );
  assert.match((await one('params.x > 1')) ?? '', /undeclared reference to 'params' \(in container ''\)/);
  assert.match((await one('request.nope == ""')) ?? '', /undefined field 'nope'/);
  assert.match((await one('Object{} == object')) ?? '', /undeclared reference to 'Object'/);
  assert.equal(
    await one('object.spec.replicas'),
    'spec.validations[0].expression: Invalid value: "object.spec.replicas": must evaluate to bool but got dyn',
  );
  assert.equal(await one('authorizer.requestResource.check("delete").allowed()'), undefined);
  assert.equal(await one('authorizer.group("apps").resource("x").namespace("n").check("get").allowed()'), undefined);
  const variables = [
    { name: 'limit', expression: '5' },
    { name: 'twice', expression: 'variables.limit * 2' },
  ];
  const with_ = (expression: string) => check({ variables, validations: [{ expression }] });
  assert.deepEqual(await with_('object.spec.replicas < variables.twice'), []);
  assert.match(
    (await with_('variables.twice == "a"'))[0] ?? '',
    /no matching overload for '_==_' applied to '\(int, string\)'/,
  );
  assert.match((await with_('variables.other == 1'))[0] ?? '', /undefined field 'other'/);
  assert.match(
    (await check({ variables: variables.toReversed() }))[0] ?? '',
    /^spec\.variables\[0\]\.expression: .*undefined field 'limit'/,
  );
  assert.deepEqual(await check({ variables: [{ name: 'in', expression: '1' }] }), [
    'spec.variables[0].name: Invalid value: "in": name is not a valid CEL identifier',
  ]);
  const messages = [{ expression: 'true', messageExpression: 'authorizer.x', message: 'a\nb', reason: 'Gone' }];
  const [messageExpression, ...others] = await check({ validations: messages });
  assert.match(
    messageExpression ?? '',
    /^spec\.validations\[0\]\.messageExpression: .*undeclared reference to 'authorizer'/,
  );
  assert.deepEqual(others, [
    String.raw`spec.validations[0].message: Invalid value: "a\nb": message must not contain line breaks`,
    'spec.validations[0].reason: Unsupported value: "Gone": supported values: "Forbidden", "Invalid", "RequestEntityTooLarge", "Unauthorized"',
  ]);
  const conditions = [
    { name: 'a', expression: 'variables.limit == 5' },
    { name: 'a', expression: 'true' },
  ];
  const [unknown, repeated] = await check({ variables, matchConditions: conditions });
  assert.match(unknown ?? '', /^spec\.matchConditions\[0\]\.expression: .*undeclared reference to 'variables'/);
  assert.equal(repeated, 'spec.matchConditions[1].name: Duplicate value: "a"');
  const annotations = [
    { key: 'k', valueExpression: '1' },
    { key: 'k', valueExpression: 'null' },
  ];
  assert.deepEqual(await check({ auditAnnotations: annotations }), [
    'spec.auditAnnotations[0].valueExpression: Invalid value: "1": must evaluate to one of [string null_type] but got int',
    'spec.auditAnnotations[1].key: Duplicate value: "k"',
  ]);
});

test('mutations give objects or patches', async () => {
  const check = (spec: object) => said(MutatingAdmissionPolicy, mutating, { spec });
  const json = (expression: string) => check({ mutations: [{ patchType: 'JSONPatch', jsonPatch: { expression } }] });
  const apply = (expression: string) =>
    check({ mutations: [{ patchType: 'ApplyConfiguration', applyConfiguration: { expression } }] });
  assert.deepEqual(await apply('Object{spec: Object.spec{replicas: object.spec.replicas + 1}}'), []);
  assert.deepEqual(await json('[JSONPatch{op: "add", path: "/a", value: Object.a{b: 1}}]'), []);
  assert.deepEqual(
    await json('has(object.a) ? [] : [JSONPatch{op: "remove", path: "/" + jsonpatch.escapeKey("a/b")}]'),
    [],
  );
  assert.match(
    (await json('[JSONPatch{op: 1}]'))[0] ?? '',
    /expected type of field 'op' is 'string' but provided type is 'int'/,
  );
  assert.equal(
    (await json('[1]'))[0],
    'spec.mutations[0].jsonPatch.expression: Invalid value: "[1]": must evaluate to list(JSONPatch) but got list(int)',
  );
  assert.equal(
    (await apply('Object.spec{}'))[0],
    'spec.mutations[0].applyConfiguration.expression: Invalid value: "Object.spec{}": must evaluate to Object but got Object.spec',
  );
  const jsonPatch = { expression: '[]' };
  assert.deepEqual(
    await check({ reinvocationPolicy: null, mutations: [{ ...mutation, jsonPatch }, { patchType: 'X' }] }),
    [
      'spec.mutations[0].jsonPatch: Invalid value: "{jsonPatch}": must not be specified when patchType is ApplyConfiguration',
      'spec.mutations[1].patchType: Unsupported value: "X": supported values: "ApplyConfiguration", "JSONPatch"',
      'spec.reinvocationPolicy: Required value',
    ],
  );
  const deleting = { resourceRules: [{ ...rule, operations: ['DELETE'] }] };
  assert.deepEqual(await check({ matchConstraints: deleting, mutations: [] }), [
    'spec.matchConstraints.resourceRules.operations: Unsupported value: "DELETE": supported values: "*", "CONNECT", "CREATE", "UPDATE"',
    'spec.mutations: Required value: mutations must contain at least one item',
  ]);
});

test('bindings name a policy, params and what is done', async () => {
  const check = (spec: object) => said(ValidatingAdmissionPolicyBinding, binding, { spec });
  assert.deepEqual(await check({ validationActions: ['Deny', 'Audit'] }), []);
  assert.deepEqual(await check({ policyName: 'P_', validationActions: ['Deny', 'Warn', 'Eat', 'Deny'] }), [
    `spec.policyName: Invalid value: "P_": a lowercase RFC 1123 subdomain must consist of lower case alphanumeric characters, '-' or '.', and must start and end with an alphanumeric character (e.g. 'example.com', regex used for validation is '[a-z0-9]([-a-z0-9]*[a-z0-9])?(\\.[a-z0-9]([-a-z0-9]*[a-z0-9])?)*')`,
    'spec.validationActions[2]: Unsupported value: "Eat": supported values: "Audit", "Deny", "Warn"',
    'spec.validationActions[3]: Duplicate value: "Deny"',
    'spec.validationActions: Invalid value: ["Deny","Warn","Eat","Deny"]: must not contain both Deny and Warn (repeating the same validation failure information in the API response and headers serves no purpose)',
  ]);
  assert.deepEqual(await check({ paramRef: { name: 'n', selector: {}, parameterNotFoundAction: 'X' } }), [
    'spec.paramRef.name: Forbidden: name and selector are mutually exclusive',
    'spec.paramRef.selector: Forbidden: name and selector are mutually exclusive',
    'spec.paramRef.parameterNotFoundAction: Unsupported value: "X": supported values: "Deny", "Allow"',
    'spec.validationActions: Required value: at least one validation action is required',
  ]);
  assert.deepEqual(await said(MutatingAdmissionPolicyBinding, binding, { spec: { paramRef: {}, policyName: null } }), [
    'spec.policyName: Required value',
    'spec.paramRef: Required value: one of name or selector must be specified',
    'spec.paramRef.parameterNotFoundAction: Required value',
  ]);
});
