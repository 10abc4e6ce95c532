/**
 * Rules of what a pod asks of its node: tolerations, affinity, spreading, gates.
 * Source: kubernetes pkg/apis/core/validation (ValidateTolerations, validateAffinity, validateTopologySpreadConstraints).
 */
import { duplicate, forbidden, invalid, notSupported, required } from '#machinery/field-error.ts';
import type { FieldError } from '#machinery/field-error.ts';
import { labelKeyErrors } from '#machinery/labels.ts';
import {
  dns1123LabelComplaints,
  dns1123SubdomainComplaints,
  labelValueComplaints,
  qualifiedNameComplaints,
} from '#machinery/names.ts';
import { complain, each, optionalChoice, positive } from '../rules/fields.ts';
import { labelSelectorErrors } from '../rules/label-selector-rules.ts';
import type * as types from './types.generated.ts';

const effects = ['NoSchedule', 'PreferNoSchedule', 'NoExecute'];

export function tolerationsErrors(field: string, tolerations: readonly types.Toleration[] | undefined): FieldError[] {
  return each(field, tolerations, (path, toleration) => {
    const { key = '', operator = '', value = '', effect = '', tolerationSeconds } = toleration;
    const errors = key === '' ? [] : labelKeyErrors(`${path}.key`, key);
    if (key === '' && operator !== 'Exists') {
      errors.push(
        invalid(
          `${path}.operator`,
          operator,
          'operator must be Exists when `key` is empty, which means "match all values and all keys"',
        ),
      );
    }
    if (tolerationSeconds !== undefined && effect !== 'NoExecute') {
      errors.push(invalid(`${path}.effect`, effect, "effect must be 'NoExecute' when `tolerationSeconds` is set"));
    }
    switch (operator) {
      case '':
      case 'Equal':
        if (labelValueComplaints(value).length > 0) {
          errors.push(invalid(`${path}.operator`, value, labelValueComplaints(value).join(';')));
        }
        break;
      case 'Exists':
        if (value !== '') {
          errors.push(invalid(`${path}.operator`, value, "value must be empty when `operator` is 'Exists'"));
        }
        break;
      default:
        errors.push(notSupported(`${path}.operator`, operator, ['Equal', 'Exists']));
    }
    if (effect !== '') errors.push(...optionalChoice(`${path}.effect`, effect, effects));
    return errors;
  });
}

/** Taints of a node: at most one of a key and effect. */
export function taintsErrors(field: string, taints: readonly types.Taint[] | undefined): FieldError[] {
  const seen = new Set<string>();
  return each(field, taints, (path, taint) => {
    const errors = labelKeyErrors(`${path}.key`, taint.key);
    const complaints = labelValueComplaints(taint.value ?? '');
    if (complaints.length > 0) errors.push(invalid(`${path}.value`, taint.value, complaints.join(';')));
    if (taint.effect === '') errors.push(required(`${path}.effect`));
    else errors.push(...optionalChoice(`${path}.effect`, taint.effect, effects));
    const identity = `${taint.key}:${taint.effect}`;
    if (seen.has(identity)) {
      errors.push({
        ...duplicate(path, taint),
        message: `${duplicate(path, taint).message}: taints must be unique by key and effect pair`,
      });
    }
    seen.add(identity);
    return errors;
  });
}

export function nodeSelectorErrors(field: string, selector: types.NodeSelector): FieldError[] {
  const terms = selector.nodeSelectorTerms ?? [];
  if (terms.length === 0) {
    return [required(`${field}.nodeSelectorTerms`, 'must have at least one node selector term')];
  }
  return each(`${field}.nodeSelectorTerms`, terms, (path, term) => nodeSelectorTermErrors(path, term));
}

/** Values that no label can have are let through where `anyValue`: upstream holds only what is required to that. */
function nodeSelectorTermErrors(field: string, term: types.NodeSelectorTerm, anyValue = false): FieldError[] {
  return [
    ...each(`${field}.matchExpressions`, term.matchExpressions, (path, requirement) =>
      nodeRequirementErrors(path, requirement, anyValue),
    ),
    ...each(`${field}.matchFields`, term.matchFields, (path, { key, operator, values = [] }) => {
      const errors: FieldError[] = [];
      if (operator !== 'In' && operator !== 'NotIn') {
        errors.push(invalid(`${path}.operator`, operator, 'not a valid selector operator'));
      } else if (values.length !== 1) {
        errors.push(
          required(
            `${path}.values`,
            "must be only one value when `operator` is 'In' or 'NotIn' for node field selector",
          ),
        );
      }
      if (key !== 'metadata.name') errors.push(invalid(`${path}.key`, key, 'not a valid field selector key'));
      else {
        errors.push(
          ...each(`${path}.values`, values, (at, value) => complain(at, value, dns1123SubdomainComplaints(value))),
        );
      }
      return errors;
    }),
  ];
}

function nodeRequirementErrors(
  field: string,
  { key, operator, values = [] }: types.NodeSelectorRequirement,
  anyValue: boolean,
): FieldError[] {
  const errors: FieldError[] = [];
  switch (operator) {
    case 'In':
    case 'NotIn':
      if (values.length === 0) {
        errors.push(required(`${field}.values`, "must be specified when `operator` is 'In' or 'NotIn'"));
      }
      break;
    case 'Exists':
    case 'DoesNotExist':
      if (values.length > 0) {
        errors.push(forbidden(`${field}.values`, "may not be specified when `operator` is 'Exists' or 'DoesNotExist'"));
      }
      break;
    case 'Gt':
    case 'Lt':
      if (values.length !== 1) {
        errors.push(required(`${field}.values`, "must be specified single value when `operator` is 'Lt' or 'Gt'"));
      }
      break;
    default:
      errors.push(invalid(`${field}.operator`, operator, 'not a valid selector operator'));
  }
  errors.push(...labelKeyErrors(`${field}.key`, key));
  if (anyValue) return errors;
  errors.push(...each(`${field}.values`, values, (path, value) => complain(path, value, labelValueComplaints(value))));
  return errors;
}

export function affinityErrors(field: string, affinity: types.Affinity | undefined): FieldError[] {
  if (affinity === undefined) return [];
  const { nodeAffinity, podAffinity, podAntiAffinity } = affinity;
  const errors: FieldError[] = [];
  const [hard, soft] = [
    'requiredDuringSchedulingIgnoredDuringExecution',
    'preferredDuringSchedulingIgnoredDuringExecution',
  ] as const;
  if (nodeAffinity !== undefined) errors.push(...nodeAffinityErrors(`${field}.nodeAffinity`, nodeAffinity));
  for (const [name, terms] of [
    ['podAffinity', podAffinity],
    ['podAntiAffinity', podAntiAffinity],
  ] as const) {
    errors.push(
      ...each(`${field}.${name}.${hard}`, terms?.[hard], podTermErrors),
      ...each(`${field}.${name}.${soft}`, terms?.[soft], (path, { weight, podAffinityTerm }) => [
        ...weightErrors(`${path}.weight`, weight),
        ...podTermErrors(`${path}.podAffinityTerm`, podAffinityTerm ?? { topologyKey: '' }),
      ]),
    );
  }
  return errors;
}

/** Of a pod, or of a scheduler's configuration. */
export function nodeAffinityErrors(field: string, affinity: types.NodeAffinity): FieldError[] {
  const [hard, soft] = [
    'requiredDuringSchedulingIgnoredDuringExecution',
    'preferredDuringSchedulingIgnoredDuringExecution',
  ] as const;
  const selector = affinity[hard];
  return [
    ...(selector === undefined ? [] : nodeSelectorErrors(`${field}.${hard}`, selector)),
    ...each(`${field}.${soft}`, affinity[soft], (path, { weight, preference }) => [
      ...weightErrors(`${path}.weight`, weight),
      ...nodeSelectorTermErrors(`${path}.preference`, preference ?? {}, true),
    ]),
  ];
}

const weightErrors = (field: string, weight: number | undefined) =>
  weight === undefined || weight < 1 || weight > 100 ? [invalid(field, weight ?? 0, 'must be in the range 1-100')] : [];

function podTermErrors(field: string, term: types.PodAffinityTerm): FieldError[] {
  const errors = [
    ...labelSelectorErrors(`${field}.labelSelector`, term.labelSelector),
    ...labelSelectorErrors(`${field}.namespaceSelector`, term.namespaceSelector),
    ...each(`${field}.namespaces`, term.namespaces, (_, name) =>
      complain(`${field}.namespace`, name, dns1123LabelComplaints(name)),
    ),
  ];
  errors.push(...matchKeysErrors(`${field}.matchLabelKeys`, term.matchLabelKeys, term.labelSelector !== undefined));
  errors.push(
    ...matchKeysErrors(`${field}.mismatchLabelKeys`, term.mismatchLabelKeys, term.labelSelector !== undefined),
  );
  const mismatched = new Set(term.mismatchLabelKeys);
  errors.push(
    ...each(`${field}.matchLabelKeys`, term.matchLabelKeys, (path, key) =>
      mismatched.has(key) ? [invalid(path, key, 'exists in both matchLabelKeys and mismatchLabelKeys')] : [],
    ),
  );
  if ((term.topologyKey ?? '') === '') errors.push(required(`${field}.topologyKey`, 'can not be empty'));
  return [...errors, ...labelKeyErrors(`${field}.topologyKey`, term.topologyKey ?? '')];
}

function matchKeysErrors(field: string, keys: readonly string[] | undefined, hasSelector: boolean): FieldError[] {
  if (keys !== undefined && keys.length > 0 && !hasSelector) {
    return [forbidden(field, 'must not be specified when labelSelector is not set')];
  }
  return each(field, keys, (path, key) => labelKeyErrors(path, key));
}

export function topologySpreadErrors(
  field: string,
  constraints: readonly types.TopologySpreadConstraint[] | undefined,
): FieldError[] {
  return each(field, constraints, (path, constraint, index) => {
    const { minDomains } = constraint;
    const [topologyKey, whenUnsatisfiable] = [constraint.topologyKey ?? '', constraint.whenUnsatisfiable ?? ''];
    const errors = positive(`${path}.maxSkew`, constraint.maxSkew ?? 0);
    if (topologyKey === '') errors.push(required(`${path}.topologyKey`, 'can not be empty'));
    errors.push(...optionalChoice(`${path}.whenUnsatisfiable`, whenUnsatisfiable, ['DoNotSchedule', 'ScheduleAnyway']));
    const repeated = constraints
      ?.slice(index + 1)
      .some((other) => other.topologyKey === topologyKey && other.whenUnsatisfiable === whenUnsatisfiable);
    if (repeated === true) {
      const pair = '{topologyKey, whenUnsatisfiable}';
      errors.push(duplicate(`${path}.${pair}`, `{${topologyKey}, ${whenUnsatisfiable}}`));
    }
    errors.push(...positive(`${path}.minDomains`, minDomains));
    if (minDomains !== undefined && whenUnsatisfiable !== 'DoNotSchedule') {
      const why = `can only use minDomains if whenUnsatisfiable=DoNotSchedule, not ${whenUnsatisfiable}`;
      errors.push(invalid(`${path}.minDomains`, minDomains, why));
    }
    errors.push(
      ...optionalChoice(`${path}.nodeAffinityPolicy`, constraint.nodeAffinityPolicy, ['Honor', 'Ignore']),
      ...optionalChoice(`${path}.nodeTaintsPolicy`, constraint.nodeTaintsPolicy, ['Honor', 'Ignore']),
      ...matchKeysErrors(`${path}.matchLabelKeys`, constraint.matchLabelKeys, constraint.labelSelector !== undefined),
      ...labelSelectorErrors(`${path}.labelSelector`, constraint.labelSelector),
    );
    return errors;
  });
}

export function gatesErrors(field: string, gates: readonly types.PodSchedulingGate[] | undefined): FieldError[] {
  const seen = new Set<string>();
  return each(field, gates, (path, { name }) => {
    const errors = complain(path, name, qualifiedNameComplaints(name));
    if (seen.has(name)) errors.push(duplicate(path, name));
    seen.add(name);
    return errors;
  });
}
