import { duplicate, invalid, notSupported, required } from '#machinery/field-error.ts';
import type { FieldError } from '#machinery/field-error.ts';
import type { Kind } from '#machinery/kind.ts';
import { dns1123SubdomainComplaints } from '#machinery/names.ts';
import { definition } from '../definitions.ts';
import { ageColumn, column, integer, nameColumn } from '../rules/columns.ts';
import { complain, each } from '../rules/fields.ts';
import { fixedSpecErrors, mandatoryFlowSchemas } from './mandatory.ts';
import { policyRulesErrors } from './policy-rules.ts';
import type * as types from './types.generated.ts';

const precedenceMax = 10_000;
/** Source: kubernetes pkg/apis/flowcontrol/v1/defaults.go. */
const precedenceDefault = 1_000;

/** Source of the rules: kubernetes pkg/apis/flowcontrol/validation. */
export type FlowSchema = types.FlowSchema;
export const FlowSchema: Kind<FlowSchema> = {
  group: 'flowcontrol.apiserver.k8s.io',
  version: 'v1',
  kind: 'FlowSchema',
  plural: 'flowschemas',
  singular: 'flowschema',
  namespaced: false,
  get schema() {
    return definition('io.k8s.api.flowcontrol.v1.FlowSchema');
  },
  hasGeneration: true,
  subresources: { status: true },
  defaults(object) {
    const { spec } = object;
    return (spec.matchingPrecedence ?? 0) === 0
      ? { ...object, spec: { ...spec, matchingPrecedence: precedenceDefault } }
      : object;
  },
  validate(object) {
    const { spec, status } = object;
    const name = object.metadata?.name ?? '';
    return [
      ...precedenceErrors(name, spec.matchingPrecedence ?? 0),
      ...distinguisherErrors(spec.distinguisherMethod),
      ...levelNameErrors(spec.priorityLevelConfiguration?.name ?? ''),
      ...each('spec.rules', spec.rules, policyRulesErrors),
      ...fixedSpecErrors(mandatoryFlowSchemas, object),
      ...conditionErrors(status?.conditions),
    ];
  },
  columns: [
    nameColumn,
    column('PriorityLevel', 'Where its requests go.', ({ spec }) => spec.priorityLevelConfiguration?.name ?? ''),
    integer('MatchingPrecedence', 'The lowest that fits counts.', ({ spec }) => spec.matchingPrecedence ?? 0),
    column(
      'DistinguisherMethod',
      'What tells its flows apart.',
      ({ spec }) => spec.distinguisherMethod?.type ?? '<none>',
    ),
    ageColumn,
    column(
      'MissingPL',
      'Whether its priority level is missing.',
      ({ status }) => status?.conditions?.find(({ type }) => type === 'Dangling')?.status ?? '?',
    ),
  ],
};

function precedenceErrors(name: string, precedence: number): readonly FieldError[] {
  const field = 'spec.matchingPrecedence';
  const errors: FieldError[] = [];
  if (precedence <= 0) errors.push(invalid(field, precedence, 'must be a positive value'));
  if (precedence > precedenceMax) errors.push(invalid(field, precedence, `must not be greater than ${precedenceMax}`));
  if (precedence === 1 && name !== 'exempt')
    errors.push(invalid(field, precedence, "only the schema named 'exempt' may have matchingPrecedence 1"));
  return errors;
}

function distinguisherErrors(method: FlowSchema['spec']['distinguisherMethod']): readonly FieldError[] {
  const supported = ['ByNamespace', 'ByUser'];
  return method === undefined || supported.includes(method.type)
    ? []
    : [notSupported('spec.distinguisherMethod.type', method.type, supported)];
}

function levelNameErrors(name: string): readonly FieldError[] {
  const field = 'spec.priorityLevelConfiguration.name';
  return name === ''
    ? [required(field, 'must reference a priority level')]
    : complain(field, name, dns1123SubdomainComplaints(name));
}

/** Shared with PriorityLevelConfiguration: their conditions are alike. */
export function conditionErrors(conditions: readonly types.FlowSchemaCondition[] | undefined): readonly FieldError[] {
  const seen = new Set<string>();
  return (conditions ?? []).flatMap(({ type = '' }, index): readonly FieldError[] => {
    const field = `status.conditions[${index}].type`;
    const repeated = seen.has(type);
    seen.add(type);
    return [
      ...(repeated ? [duplicate(field, type)] : []),
      ...(type === '' ? [required(field, 'must not be empty')] : []),
    ];
  });
}
