/** Source: kubernetes pkg/apis/batch/validation (ValidateJob, ValidateJobUpdate). */
import { duplicate, invalid, invalidUnquoted, notSupported, required, tooMany } from '#machinery/field-error.ts';
import type { FieldError } from '#machinery/field-error.ts';
import { selectorOf } from '#machinery/labels.ts';
import { dns1123LabelComplaints, domainPathComplaints, qualifiedNameComplaints } from '#machinery/names.ts';
import { ownLabelsErrors, podTemplateErrors } from '../core/pod-template-rules.ts';
import {
  atMostBytes,
  choice,
  complain,
  each,
  immutable,
  nonNegative,
  optionalChoice,
  sameValue,
  text,
} from '../rules/fields.ts';
import { labelSelectorErrors } from '../rules/label-selector-rules.ts';
import { generatedLabels } from './job-preparation.ts';
import type * as types from './types.generated.ts';

const indexesMax = 100_000;
/** For parallelism and failed indexes, where there are more indexes than that. */
const withManyIndexesMax = 10_000;
const managedByBytesMax = 63;
const exitCodesMax = 255;
const podConditionsMax = 20;
const actions = ['Count', 'FailIndex', 'FailJob', 'Ignore'];
const policyRulesMax = 20;

export function jobErrors(job: types.Job): FieldError[] {
  return [
    ...generatedErrors(job),
    ...jobSpecErrors('spec', job.spec),
    ...selectorErrors('spec', job.spec),
    ...hostErrors(job),
  ];
}

/** Also the rules of a CronJob's template, whose jobs get their selectors later. */
export function jobSpecErrors(field: string, spec: types.JobSpec): FieldError[] {
  const { maxFailedIndexes, backoffLimitPerIndex, managedBy } = spec;
  const errors = [
    ...nonNegative(`${field}.parallelism`, spec.parallelism),
    ...nonNegative(`${field}.completions`, spec.completions),
    ...nonNegative(`${field}.activeDeadlineSeconds`, spec.activeDeadlineSeconds),
    ...nonNegative(`${field}.backoffLimit`, spec.backoffLimit),
    ...nonNegative(`${field}.ttlSecondsAfterFinished`, spec.ttlSecondsAfterFinished),
    ...nonNegative(`${field}.backoffLimitPerIndex`, backoffLimitPerIndex),
    ...nonNegative(`${field}.maxFailedIndexes`, maxFailedIndexes),
  ];
  if (maxFailedIndexes !== undefined && backoffLimitPerIndex === undefined) {
    errors.push(required(`${field}.backoffLimitPerIndex`, 'when maxFailedIndexes is specified'));
  }
  if (managedBy !== undefined) {
    errors.push(
      ...text(`${field}.managedBy`, managedBy, domainPathComplaints),
      ...atMostBytes(`${field}.managedBy`, managedBy, managedByBytesMax),
    );
  }
  return [
    ...errors,
    ...completionModeErrors(field, spec),
    ...policyErrors(`${field}.podFailurePolicy`, spec),
    ...successErrors(`${field}.successPolicy`, spec),
    ...optionalChoice(
      `${field}.podReplacementPolicy`,
      spec.podReplacementPolicy,
      spec.podFailurePolicy === undefined ? ['Failed', 'TerminatingOrFailed'] : ['Failed'],
    ),
    ...podTemplateErrors(`${field}.template`, spec.template),
    ...restartErrors(`${field}.template.spec.restartPolicy`, spec),
  ];
}

/** Indexes are counted, and what they are is kept in the status: there may not be too many. */
function completionModeErrors(field: string, spec: types.JobSpec): FieldError[] {
  const { completionMode: mode = 'NonIndexed', completions, parallelism = 0, maxFailedIndexes } = spec;
  const errors = optionalChoice(`${field}.completionMode`, mode, ['NonIndexed', 'Indexed']);
  if (mode === 'NonIndexed') {
    for (const name of ['backoffLimitPerIndex', 'maxFailedIndexes'] as const) {
      const value = spec[name];
      if (value !== undefined) errors.push(invalid(`${field}.${name}`, value, 'requires indexed completion mode'));
    }
  }
  if (mode !== 'Indexed') return errors;
  const atMost = (name: string, value: number | undefined, max: number, when: string) => {
    if (value !== undefined && value > max) {
      errors.push(invalid(`${field}.${name}`, value, `must be less than or equal to ${max}${when}`));
    }
  };
  if (completions === undefined) errors.push(required(`${field}.completions`, 'when completion mode is Indexed'));
  atMost('parallelism', parallelism, indexesMax, ' when completion mode is Indexed');
  if (completions !== undefined && maxFailedIndexes !== undefined && maxFailedIndexes > completions) {
    errors.push(invalid(`${field}.maxFailedIndexes`, maxFailedIndexes, 'must be less than or equal to completions'));
  }
  atMost('maxFailedIndexes', maxFailedIndexes, indexesMax, '');
  if (completions === undefined || completions <= indexesMax || spec.backoffLimitPerIndex === undefined) return errors;
  if (maxFailedIndexes === undefined) {
    errors.push(required(`${field}.maxFailedIndexes`, `must be specified when completions is above ${indexesMax}`));
  }
  const many = ` when completions are above ${indexesMax} and used with backoff limit per index`;
  atMost('parallelism', parallelism, withManyIndexesMax, many);
  atMost('maxFailedIndexes', maxFailedIndexes, withManyIndexesMax, many);
  return errors;
}

/** Pods of a job end: they may not always restart. */
function restartErrors(field: string, spec: types.JobSpec): FieldError[] {
  const policy = spec.template?.spec?.restartPolicy;
  if (policy === undefined || policy === 'OnFailure' || policy === 'Never') {
    return spec.podFailurePolicy !== undefined && policy === 'OnFailure'
      ? [invalid(field, policy, 'only "Never" is supported when podFailurePolicy is specified')]
      : [];
  }
  return policy === 'Always'
    ? [required(field, 'valid values: "OnFailure", "Never"')]
    : [notSupported(field, policy, ['OnFailure', 'Never'])];
}

function policyErrors(
  field: string,
  { podFailurePolicy, backoffLimitPerIndex, template }: types.JobSpec,
): FieldError[] {
  if (podFailurePolicy === undefined) return [];
  const rules = podFailurePolicy.rules ?? [];
  const names = new Set(
    [...(template?.spec?.containers ?? []), ...(template?.spec?.initContainers ?? [])].map(({ name }) => name),
  );
  const errors: FieldError[] = [];
  if (rules.length > policyRulesMax) {
    errors.push(tooMany(`${field}.rules`, rules.length, policyRulesMax));
  }
  errors.push(
    ...each(`${field}.rules`, rules, (path, { action, onExitCodes, onPodConditions = [] }) => [
      ...actionErrors(`${path}.action`, action, backoffLimitPerIndex),
      ...(onExitCodes === undefined ? [] : exitCodesErrors(`${path}.onExitCodes`, onExitCodes, names)),
      ...podConditionsErrors(`${path}.onPodConditions`, onPodConditions),
      ...(onExitCodes !== undefined && onPodConditions.length > 0
        ? [invalidUnquoted(path, 'specifying both OnExitCodes and OnPodConditions is not supported')]
        : []),
      ...(onExitCodes === undefined && onPodConditions.length === 0
        ? [invalidUnquoted(path, 'specifying one of OnExitCodes and OnPodConditions is required')]
        : []),
    ]),
  );
  return errors;
}

/** A required choice that names its values, as Go prints a list of texts. */
function listedChoice(field: string, value: string | undefined, values: readonly string[]): FieldError[] {
  if (value !== undefined && value !== '') return choice(field, value, values);
  return [required(field, `valid values: [${values.map((item) => JSON.stringify(item)).join(' ')}]`)];
}

function actionErrors(field: string, action: string, backoffLimitPerIndex: number | undefined): FieldError[] {
  if (action !== 'FailIndex') return listedChoice(field, action, actions);
  return backoffLimitPerIndex === undefined
    ? [invalid(field, action, 'requires the backoffLimitPerIndex to be set')]
    : [];
}

function exitCodesErrors(
  field: string,
  { containerName, operator, values }: types.PodFailurePolicyOnExitCodesRequirement,
  names: ReadonlySet<string>,
): FieldError[] {
  const errors = listedChoice(`${field}.operator`, operator, ['In', 'NotIn']);
  if (containerName !== undefined && !names.has(containerName)) {
    const why = 'must be one of the container or initContainer names in the pod template';
    errors.push(invalid(`${field}.containerName`, containerName, why));
  }
  const at = `${field}.values`;
  if (values.length === 0) errors.push(invalid(at, values, 'at least one value is required'));
  else if (values.length > exitCodesMax) errors.push(tooMany(at, values.length, exitCodesMax));
  const seen = new Set<number>();
  for (const [index, value] of values.entries()) {
    if (operator === 'In' && value === 0) {
      errors.push(invalid(`${at}[${index}]`, value, 'must not be 0 for the In operator'));
    }
    if (seen.has(value)) errors.push(duplicate(`${at}[${index}]`, value));
    seen.add(value);
  }
  if (values.some((value, index) => index > 0 && value < (values[index - 1] ?? 0))) {
    errors.push(invalid(at, values, 'must be ordered'));
  }
  return errors;
}

function podConditionsErrors(
  field: string,
  patterns: readonly types.PodFailurePolicyOnPodConditionsPattern[],
): FieldError[] {
  return [
    ...(patterns.length > podConditionsMax ? [tooMany(field, patterns.length, podConditionsMax)] : []),
    ...each(field, patterns, (path, { type, status }) => [
      ...complain(`${path}.type`, type, qualifiedNameComplaints(type)),
      ...listedChoice(`${path}.status`, status, ['False', 'True', 'Unknown']),
    ]),
  ];
}

function successErrors(field: string, { successPolicy, completionMode, completions = 0 }: types.JobSpec): FieldError[] {
  if (successPolicy === undefined) return [];
  if (completionMode !== 'Indexed') return [invalid(field, successPolicy, 'requires indexed completion mode')];
  const rules = successPolicy.rules ?? [];
  if (rules.length === 0)
    return [required(`${field}.rules`, 'at least one rules must be specified when the successPolicy is specified')];
  return each(`${field}.rules`, rules, (path, { succeededCount, succeededIndexes }) => {
    if (succeededCount === undefined && succeededIndexes === undefined) {
      return [required(path, 'at least one of succeededCount or succeededIndexes must be specified')];
    }
    const errors: FieldError[] = [];
    if (succeededIndexes !== undefined && !/^\d+(-\d+)?(,\d+(-\d+)?)*$/.test(succeededIndexes)) {
      errors.push(invalid(`${path}.succeededIndexes`, succeededIndexes, 'error parsing succeededIndexes'));
    }
    if (succeededCount !== undefined) {
      errors.push(...nonNegative(`${path}.succeededCount`, succeededCount));
      if (succeededCount > completions) {
        errors.push(
          invalid(
            `${path}.succeededCount`,
            succeededCount,
            `must be less than or equal to ${completions} (the number of specified completions)`,
          ),
        );
      }
    }
    return errors;
  });
}

/** The selector is made of the uid, unless the client manages it. Source: validateGeneratedSelector. */
function generatedErrors({ spec, metadata }: types.Job): FieldError[] {
  if (spec.manualSelector === true || spec.selector === undefined) return [];
  const labels = spec.template?.metadata?.labels ?? {};
  const uid = metadata?.uid ?? '';
  const expected = generatedLabels(uid, metadata?.name ?? '');
  const errors: FieldError[] = [];
  for (const [name, value] of Object.entries(expected)) {
    const field = `spec.template.metadata.labels[${name}]`;
    if (!Object.hasOwn(labels, name)) errors.push(required(field, `must be '${value}'`));
    else if (labels[name] !== value) errors.push(invalid(field, labels, `must be '${value}'`));
  }
  if (labelSelectorErrors('', spec.selector).length === 0 && !selectorOf(spec.selector).matches(expected)) {
    errors.push(invalid('spec.selector', spec.selector, '`selector` not auto-generated'));
  }
  return errors;
}

function selectorErrors(field: string, { selector, template }: types.JobSpec): FieldError[] {
  const errors =
    selector === undefined ? [required(`${field}.selector`)] : labelSelectorErrors(`${field}.selector`, selector);
  return selector !== undefined && errors.length > 0
    ? errors
    : [...errors, ...ownLabelsErrors(`${field}.template`, selector, template)];
}

/** The hosts of an indexed job's pods are named after it and the index. */
function hostErrors({ spec, metadata }: types.Job): FieldError[] {
  const { completionMode, completions = 0 } = spec;
  if (completionMode !== 'Indexed' || completions <= 0) return [];
  const name = metadata?.name ?? '';
  const host = `${name}-${completions - 1}`;
  return dns1123LabelComplaints(host).length === 0
    ? []
    : [invalid('metadata.name', name, `will not able to create pod with invalid DNS label: ${host}`)];
}

export function jobUpdateErrors({ spec }: types.Job, { spec: stored, status }: types.Job): FieldError[] {
  return [
    ...completionsErrors(spec, stored),
    ...immutable('spec.selector', spec.selector, stored.selector),
    ...templateErrors(spec, stored, status),
    ...immutable('spec.completionMode', spec.completionMode, stored.completionMode),
    ...immutable('spec.podFailurePolicy', spec.podFailurePolicy, stored.podFailurePolicy),
    ...immutable('spec.backoffLimitPerIndex', spec.backoffLimitPerIndex, stored.backoffLimitPerIndex),
    ...immutable('spec.managedBy', spec.managedBy, stored.managedBy),
    ...immutable('spec.successPolicy', spec.successPolicy, stored.successPolicy),
  ];
}

/** An indexed job may grow and shrink if it runs all its indexes at once. */
function completionsErrors(spec: types.JobSpec, stored: types.JobSpec): FieldError[] {
  if (spec.completions === stored.completions) return [];
  if (stored.completions === undefined || spec.completions === undefined || spec.completionMode !== 'Indexed') {
    return immutable('spec.completions', spec.completions, stored.completions);
  }
  return spec.completions === spec.parallelism
    ? []
    : [invalid('spec.completions', spec.completions, 'can only be modified in tandem with spec.parallelism')];
}

/** While a job is suspended and has not started, its scheduling directives may change. */
function templateErrors(spec: types.JobSpec, stored: types.JobSpec, status: types.JobStatus | undefined): FieldError[] {
  if (sameValue(spec.template, stored.template)) return [];
  const free = stored.suspend === true && status?.startTime === undefined;
  if (free) {
    const strip = (template: types.JobSpec['template']) => {
      const {
        nodeSelector: _n,
        affinity: _a,
        tolerations: _t,
        schedulingGates: _g,
        ...rest
      } = template?.spec ?? { containers: [] };
      const { labels: _l, annotations: _an, ...metadata } = template?.metadata ?? {};
      return { metadata, spec: rest };
    };
    if (sameValue(strip(spec.template), strip(stored.template))) return [];
  }
  return immutable('spec.template', spec.template, stored.template);
}
