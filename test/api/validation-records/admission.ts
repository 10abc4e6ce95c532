/** Webhooks and admission policies: kubernetes pkg/apis/admissionregistration/validation. */
import { MutatingWebhookConfiguration } from '#api/admissionregistration/mutating-webhook-configuration.ts';
import { ValidatingAdmissionPolicyBinding } from '#api/admissionregistration/validating-admission-policy-binding.ts';
import { ValidatingAdmissionPolicy } from '#api/admissionregistration/validating-admission-policy.ts';
import { ValidatingWebhookConfiguration } from '#api/admissionregistration/validating-webhook-configuration.ts';
import { bad, type RecordTable } from './record.ts';
import * as words from './words.ts';

const hook = {
  name: 'check.example.com',
  clientConfig: { url: 'https://example.com/check' },
  admissionReviewVersions: ['v1'],
  sideEffects: 'None',
};
const rule = { operations: ['CREATE'], apiGroups: [''], apiVersions: ['v1'], resources: ['pods'] };
const webhook = (change: object) => ({ webhooks: [{ ...hook, ...change }] });
const client = (clientConfig: object) => webhook({ clientConfig });
const service = (change: object) => client({ service: { name: 'check', namespace: 'default', ...change } });
const ruled = (change: object) => webhook({ rules: [{ ...rule, ...change }] });
const at = 'webhooks[0]';
const atRule = `${at}.rules[0]`;
const form = 'desired format: https://host[/path]';
const one = 'exactly one of url or service is required';

const webhooks: readonly RecordTable[] = [
  {
    kind: ValidatingWebhookConfiguration,
    operation: 'create',
    object: { metadata: { name: 'checks' }, webhooks: [hook] },
    records: [
      bad('IsFullyQualifiedName', webhook({ name: '' }), `${at}.name: Required value`),
      bad(
        'IsFullyQualifiedName',
        webhook({ name: 'example.com' }),
        `${at}.name: Invalid value: "example.com": should be a domain with at least three segments separated by dots`,
      ),
      bad(
        'IsFullyQualifiedName',
        webhook({ name: 'Check.example.com' }),
        `${at}.name: Invalid value: "Check.example.com": ${words.dnsSubdomain}`,
      ),
      bad(
        'validateValidatingWebhookConfiguration',
        { webhooks: [hook, hook] },
        'webhooks[1].name: Duplicate value: "check.example.com"',
      ),
      bad(
        'validateAdmissionReviewVersions',
        webhook({ admissionReviewVersions: [] }),
        `${at}.admissionReviewVersions: Required value: must specify one of v1, v1beta1`,
      ),
      bad(
        'validateAdmissionReviewVersions',
        webhook({ admissionReviewVersions: ['v2'] }),
        `${at}.admissionReviewVersions: Invalid value: ["v2"]: must include at least one of v1, v1beta1`,
      ),
      bad(
        'validateAdmissionReviewVersions',
        webhook({ admissionReviewVersions: ['v1', 'v1'] }),
        `${at}.admissionReviewVersions[1]: Invalid value: "v1": duplicate version`,
      ),
      bad(
        'validateAdmissionReviewVersions',
        webhook({ admissionReviewVersions: ['v1', '1'] }),
        `${at}.admissionReviewVersions[1]: Invalid value: "1": ${words.dns1035}`,
      ),
      bad('validateRuleWithOperations', ruled({ operations: [] }), `${atRule}.operations: Required value`),
      bad(
        'validateRuleWithOperations',
        ruled({ operations: ['*', 'CREATE'] }),
        `${atRule}.operations: Invalid value: ["*","CREATE"]: if '*' is present, must not specify other operations`,
      ),
      bad(
        'validateRuleWithOperations',
        ruled({ operations: ['PATCH'] }),
        `${atRule}.operations[0]: Unsupported value: "PATCH": supported values: "*", "CONNECT", "CREATE", "DELETE", "UPDATE"`,
      ),
      bad('validateRule', ruled({ apiGroups: [] }), `${atRule}.apiGroups: Required value`),
      bad(
        'validateRule',
        ruled({ apiGroups: ['*', 'apps'] }),
        `${atRule}.apiGroups: Invalid value: ["*","apps"]: if '*' is present, must not specify other API groups`,
      ),
      bad('validateRule', ruled({ apiVersions: [] }), `${atRule}.apiVersions: Required value`),
      bad(
        'validateRule',
        ruled({ apiVersions: ['*', 'v1'] }),
        `${atRule}.apiVersions: Invalid value: ["*","v1"]: if '*' is present, must not specify other API versions`,
      ),
      bad('validateRule', ruled({ apiVersions: [''] }), `${atRule}.apiVersions[0]: Required value`),
      bad(
        'validateRule',
        ruled({ scope: 'All' }),
        `${atRule}.scope: Unsupported value: "All": supported values: "*", "Cluster", "Namespaced"`,
      ),
      bad('validateResources', ruled({ resources: [] }), `${atRule}.resources: Required value`),
      bad('validateResources', ruled({ resources: [''] }), `${atRule}.resources[0]: Required value`),
      bad(
        'validateResources',
        ruled({ resources: ['pods/*', 'pods/log'] }),
        `${atRule}.resources[1]: Invalid value: "pods/log": if 'pods/*' is present, must not specify pods/log`,
      ),
      bad(
        'validateResources',
        ruled({ resources: ['*/scale', 'apps/scale'] }),
        `${atRule}.resources[1]: Invalid value: "apps/scale": if '*/scale' is present, must not specify apps/scale`,
      ),
      bad(
        'validateResources',
        ruled({ resources: ['pods', '*/*'] }),
        `${atRule}.resources: Invalid value: ["pods","*/*"]: if '*/*' is present, must not specify other resources`,
      ),
      bad(
        'validateResources',
        ruled({ resources: ['*', 'pods'] }),
        `${atRule}.resources: Invalid value: ["*","pods"]: if '*' is present, must not specify other resources without subresources`,
      ),
      bad(
        'validateValidatingWebhook',
        webhook({ failurePolicy: 'Warn' }),
        `${at}.failurePolicy: Unsupported value: "Warn": supported values: "Fail", "Ignore"`,
      ),
      bad(
        'validateValidatingWebhook',
        webhook({ matchPolicy: 'Any' }),
        `${at}.matchPolicy: Unsupported value: "Any": supported values: "Equivalent", "Exact"`,
      ),
      bad(
        'validateValidatingWebhook',
        webhook({ sideEffects: null }),
        `${at}.sideEffects: Required value: must specify one of None, NoneOnDryRun`,
      ),
      bad(
        'validateValidatingWebhook',
        webhook({ sideEffects: 'Some' }),
        `${at}.sideEffects: Unsupported value: "Some": supported values: "None", "NoneOnDryRun"`,
      ),
      ...[0, 31].map((timeoutSeconds) =>
        bad(
          'validateValidatingWebhook',
          webhook({ timeoutSeconds }),
          `${at}.timeoutSeconds: Invalid value: ${timeoutSeconds}: the timeout value must be between 1 and 30 seconds`,
        ),
      ),
      bad(
        'ValidateLabelSelector',
        webhook({ namespaceSelector: { matchExpressions: [{ key: 'a', operator: 'Is' }] } }),
        `${at}.namespaceSelector.matchExpressions[0].operator: Invalid value: "Is": ${words.notAnOperator}`,
      ),
      bad(
        'ValidateLabelSelector',
        webhook({ objectSelector: { matchLabels: { a: 'b c' } } }),
        `${at}.objectSelector.matchLabels: Invalid value: "b c": ${words.labelValue}`,
      ),
      bad('validateValidatingWebhook', client({}), `${at}.clientConfig: Required value: ${one}`),
      bad(
        'validateValidatingWebhook',
        client({ url: 'https://example.com', service: { name: 'check', namespace: 'default' } }),
        `${at}.clientConfig: Required value: ${one}`,
      ),
      bad(
        'ValidateWebhookURL',
        client({ url: 'http://example.com' }),
        `${at}.clientConfig.url: Invalid value: "http": 'https' is the only allowed URL scheme; ${form}`,
      ),
      bad(
        'ValidateWebhookURL',
        client({ url: 'https://' }),
        `${at}.clientConfig.url: Invalid value: "": host must be specified; ${form}`,
      ),
      bad(
        'ValidateWebhookURL',
        client({ url: 'example.com' }),
        `${at}.clientConfig.url: Invalid value: "": 'https' is the only allowed URL scheme; ${form}`,
        `${at}.clientConfig.url: Invalid value: "": host must be specified; ${form}`,
      ),
      bad(
        'ValidateWebhookURL',
        client({ url: 'https://ann@example.com' }),
        `${at}.clientConfig.url: Invalid value: "ann": user information is not permitted in the URL`,
      ),
      bad(
        'ValidateWebhookURL',
        client({ url: 'https://example.com/#part' }),
        `${at}.clientConfig.url: Invalid value: "part": fragments are not permitted in the URL`,
      ),
      bad(
        'ValidateWebhookURL',
        client({ url: 'https://example.com/?a=b' }),
        `${at}.clientConfig.url: Invalid value: "a=b": query parameters are not permitted in the URL`,
      ),
      bad(
        'ValidateWebhookURL',
        client({ url: 'https://example.com:web' }),
        `${at}.clientConfig.url: Required value: url must be a valid URL: parse "https://example.com:web": invalid port ":web" after host; ${form}`,
      ),
      // Upstream takes the name for the namespace, and the other way round.
      bad('ValidateWebhookService', service({ name: '' }), `${at}.clientConfig.service.namespace: Required value`),
      bad('ValidateWebhookService', service({ namespace: '' }), `${at}.clientConfig.service.name: Required value`),
      bad(
        'ValidateWebhookService',
        service({ port: 65_536 }),
        `${at}.clientConfig.service.port: Invalid value: 65536: port is not valid: ${words.port}`,
      ),
      bad(
        'ValidateWebhookService',
        service({ path: '//' }),
        `${at}.clientConfig.service.path: Invalid value: "//": segment[0] may not be empty`,
      ),
      bad(
        'ValidateWebhookService',
        service({ path: '/a//b' }),
        `${at}.clientConfig.service.path: Invalid value: "/a//b": segment[1] may not be empty`,
      ),
      bad(
        'ValidateWebhookService',
        service({ path: '/A' }),
        `${at}.clientConfig.service.path: Invalid value: "/A": segment[0]: ${words.dnsSubdomain}`,
      ),
      bad(
        'validateMatchCondition',
        webhook({ matchConditions: [{ name: '', expression: '' }] }),
        `${at}.matchConditions[0].expression: Required value`,
        `${at}.matchConditions[0].name: Required value`,
      ),
      bad(
        'validateMatchCondition',
        webhook({ matchConditions: [{ name: 'a b', expression: 'true' }] }),
        `${at}.matchConditions[0].name: Invalid value: "a b": ${words.namePart}`,
      ),
      bad(
        'validateMatchConditions',
        webhook({ matchConditions: ['a', 'a'].map((name) => ({ name, expression: 'true' })) }),
        `${at}.matchConditions[1].name: Duplicate value: "a"`,
      ),
    ],
  },
  {
    kind: MutatingWebhookConfiguration,
    operation: 'create',
    object: { metadata: { name: 'changes' }, webhooks: [hook] },
    records: [
      bad(
        'validateMutatingWebhook',
        webhook({ reinvocationPolicy: 'Always' }),
        `${at}.reinvocationPolicy: Unsupported value: "Always": supported values: "IfNeeded", "Never"`,
      ),
      bad('validateMutatingWebhook', client({}), `${at}.clientConfig: Required value: ${one}`),
      bad(
        'validateMutatingWebhookConfiguration',
        { webhooks: [hook, hook] },
        'webhooks[1].name: Duplicate value: "check.example.com"',
      ),
    ],
  },
];

const spec = (change: object) => ({ spec: change });
const validation = (change: object) => spec({ validations: [{ expression: 'true', ...change }] });
const constraint = (change: object) => spec({ matchConstraints: { resourceRules: [{ ...rule, ...change }] } });
const annotation = (key: string, valueExpression = "'x'") => ({ key, valueExpression });
const inRule = 'spec.matchConstraints.resourceRules[0]';
const empty = 'validations or auditAnnotations must contain at least one item';
const both = 'name and selector are mutually exclusive';

const policies: readonly RecordTable[] = [
  {
    kind: ValidatingAdmissionPolicy,
    operation: 'create',
    object: {
      metadata: { name: 'policy' },
      spec: { matchConstraints: { resourceRules: [rule] }, validations: [{ expression: 'true' }] },
    },
    records: [
      bad(
        'validateValidatingAdmissionPolicySpec',
        spec({ failurePolicy: 'Warn' }),
        'spec.failurePolicy: Unsupported value: "Warn": supported values: "Fail", "Ignore"',
      ),
      bad(
        'validateValidatingAdmissionPolicySpec',
        spec({ matchConstraints: null }),
        'spec.matchConstraints: Required value',
      ),
      bad(
        'validateValidatingAdmissionPolicySpec',
        spec({ matchConstraints: { resourceRules: [] } }),
        'spec.matchConstraints.resourceRules: Required value',
      ),
      bad(
        'validateValidatingAdmissionPolicySpec',
        spec({ validations: [] }),
        `spec.validations: Required value: ${empty}`,
        `spec.auditAnnotations: Required value: ${empty}`,
      ),
      bad(
        'validateParamKind',
        spec({ paramKind: { apiVersion: '', kind: '' } }),
        'spec.paramKind.apiVersion: Required value',
        'spec.paramKind.kind: Required value',
      ),
      bad(
        'validateParamKind',
        spec({ paramKind: { apiVersion: 'a/b/c', kind: 'Limit' } }),
        'spec.paramKind.apiVersion: Invalid value: "a/b/c": unexpected GroupVersion string: a/b/c',
      ),
      bad(
        'validateParamKind',
        spec({ paramKind: { apiVersion: 'Example.com/v1', kind: 'Limit' } }),
        `spec.paramKind.apiVersion: Invalid value: "Example.com": ${words.dnsSubdomain}`,
      ),
      bad(
        'validateParamKind',
        spec({ paramKind: { apiVersion: 'example.com/1', kind: 'Limit' } }),
        `spec.paramKind.apiVersion: Invalid value: "1": ${words.dns1035}`,
      ),
      bad(
        'validateParamKind',
        spec({ paramKind: { apiVersion: 'example.com/', kind: 'Limit' } }),
        'spec.paramKind.apiVersion: Invalid value: "example.com/": version must be specified',
      ),
      bad(
        'validateParamKind',
        spec({ paramKind: { apiVersion: 'v1', kind: 'a b' } }),
        `spec.paramKind.kind: Invalid value: "a b": may have mixed case, but should otherwise match: ${words.dns1035}`,
      ),
      bad('validateMatchResources', constraint({ operations: [] }), `${inRule}.operations: Required value`),
      bad(
        'validateMatchResources',
        spec({ matchConstraints: { matchPolicy: 'Any' } }),
        'spec.matchConstraints.matchPolicy: Unsupported value: "Any": supported values: "Equivalent", "Exact"',
      ),
      bad(
        'validateMatchResources',
        spec({ matchConstraints: { namespaceSelector: { matchExpressions: [{ key: 'a', operator: 'In' }] } } }),
        `spec.matchConstraints.namespaceSelector.matchExpressions[0].values: Required value: ${words.valuesNeeded}`,
      ),
      bad(
        'validateNamedRuleWithOperations',
        constraint({ resourceNames: ['a/b'] }),
        `${inRule}.resourceNames[0]: Invalid value: "a/b": may not contain '/'`,
      ),
      bad(
        'validateNamedRuleWithOperations',
        constraint({ resourceNames: ['a', 'a'] }),
        `${inRule}.resourceNames[1]: Duplicate value: "a"`,
      ),
      bad(
        'validateMatchConditions',
        spec({
          matchConditions: Array.from({ length: 65 }, (_, index) => ({ name: `c${index}`, expression: 'true' })),
        }),
        'spec.matchConditions: Too many: 65: must have at most 64 items',
      ),
      bad(
        'validateMatchResources',
        spec({ matchConstraints: { objectSelector: { matchExpressions: [{ key: 'a', operator: 'Is' }] } } }),
        `spec.matchConstraints.objectSelector.matchExpressions[0].operator: Invalid value: "Is": ${words.notAnOperator}`,
      ),
      bad(
        'validateMatchResources',
        spec({ matchConstraints: { excludeResourceRules: [{ ...rule, resources: [] }] } }),
        'spec.matchConstraints.excludeResourceRules[0].resources: Required value',
      ),
      bad(
        'validateVariable',
        spec({ variables: [{ name: ' ', expression: ' ' }] }),
        'spec.variables[0].name: Required value: name is not specified',
        'spec.variables[0].expression: Required value: expression is not specified',
      ),
      bad(
        'validateVariable',
        spec({ variables: [{ name: 'a-b', expression: 'true' }] }),
        'spec.variables[0].name: Invalid value: "a-b": name is not a valid CEL identifier',
      ),
      bad(
        'validateValidation',
        validation({ expression: ' ' }),
        'spec.validations[0].expression: Required value: expression is not specified',
      ),
      bad(
        'validateValidation',
        validation({ messageExpression: ' ' }),
        'spec.validations[0].messageExpression: Invalid value: " ": must be non-empty if specified',
      ),
      bad(
        'validateValidation',
        validation({ message: ' ' }),
        'spec.validations[0].message: Invalid value: " ": message must be non-empty if specified',
      ),
      bad(
        'validateValidation',
        validation({ message: 'a\nb' }),
        String.raw`spec.validations[0].message: Invalid value: "a\nb": message must not contain line breaks`,
      ),
      bad(
        'validateAuditAnnotation',
        spec({ auditAnnotations: [annotation('a b')] }),
        `spec.auditAnnotations[0].key: Invalid value: "policy/a b": ${words.namePart}`,
      ),
      bad(
        'validateAuditAnnotation',
        spec({ auditAnnotations: [annotation('a', ' ')] }),
        'spec.auditAnnotations[0].valueExpression: Required value: valueExpression is not specified',
      ),
      bad(
        'validateAuditAnnotation',
        spec({ auditAnnotations: [annotation('a', `'${'x'.repeat(5119)}'`)] }),
        'spec.auditAnnotations[0].valueExpression: Required value: must not exceed 5120 bytes in length',
      ),
      bad(
        'validateValidatingAdmissionPolicySpec',
        spec({ auditAnnotations: [annotation('a'), annotation('a')] }),
        'spec.auditAnnotations[1].key: Duplicate value: "a"',
      ),
    ],
  },
  {
    kind: ValidatingAdmissionPolicyBinding,
    operation: 'create',
    object: { metadata: { name: 'binding' }, spec: { policyName: 'policy', validationActions: ['Deny'] } },
    records: [
      bad('validateValidatingAdmissionPolicyBindingSpec', spec({ policyName: '' }), 'spec.policyName: Required value'),
      bad(
        'validateValidatingAdmissionPolicyBindingSpec',
        spec({ policyName: 'Policy' }),
        `spec.policyName: Invalid value: "Policy": ${words.dnsSubdomain}`,
      ),
      bad(
        'validateValidationActions',
        spec({ validationActions: [] }),
        'spec.validationActions: Required value: at least one validation action is required',
      ),
      bad(
        'validateValidationActions',
        spec({ validationActions: ['Stop'] }),
        'spec.validationActions[0]: Unsupported value: "Stop": supported values: "Audit", "Deny", "Warn"',
      ),
      bad(
        'validateValidationActions',
        spec({ validationActions: ['Audit', 'Audit'] }),
        'spec.validationActions[1]: Duplicate value: "Audit"',
      ),
      bad(
        'validateValidationActions',
        spec({ validationActions: ['Deny', 'Warn'] }),
        'spec.validationActions: Invalid value: ["Deny","Warn"]: must not contain both Deny and Warn (repeating the same validation failure information in the API response and headers serves no purpose)',
      ),
      bad(
        'validateParamRef',
        spec({ paramRef: { name: 'a', selector: {}, parameterNotFoundAction: 'Deny' } }),
        `spec.paramRef.name: Forbidden: ${both}`,
        `spec.paramRef.selector: Forbidden: ${both}`,
      ),
    ],
  },
];

export const admissionRecords: readonly RecordTable[] = [...webhooks, ...policies];
