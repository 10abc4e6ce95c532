/** Source: kubernetes pkg/apis/batch/validation (ValidateJob, ValidateJobUpdate). */
import { invalid, notSupported, required, tooMany } from '#machinery/field-error.ts';
import type { FieldError } from '#machinery/field-error.ts';
import { selectorOf } from '#machinery/labels.ts';
import { dns1123SubdomainComplaints } from '#machinery/names.ts';
import { podTemplateErrors } from '../core/pod-template-rules.ts';
import { choice, complain, each, immutable, inRange, nonNegative, optionalChoice, sameValue } from '../rules/fields.ts';
import { labelSelectorErrors } from '../rules/label-selector-rules.ts';
import { controllerUidLabel } from './job-preparation.ts';
import type * as types from './types.generated.ts';

const indexedParallelismMax = 100_000;
const policyRulesMax = 20;

export function jobErrors(job: types.Job): FieldError[] {
  return [...jobSpecErrors('spec', job.spec), ...selectorErrors(job)];
}

/** Also the rules of a CronJob's template, whose jobs get their selectors later. */
export function jobSpecErrors(field: string, spec: types.JobSpec): FieldError[] {
  const errors = [
    ...nonNegative(`${field}.parallelism`, spec.parallelism),
    ...nonNegative(`${field}.completions`, spec.completions),
    ...nonNegative(`${field}.activeDeadlineSeconds`, spec.activeDeadlineSeconds),
    ...nonNegative(`${field}.backoffLimit`, spec.backoffLimit),
    ...nonNegative(`${field}.ttlSecondsAfterFinished`, spec.ttlSecondsAfterFinished),
    ...nonNegative(`${field}.backoffLimitPerIndex`, spec.backoffLimitPerIndex),
    ...nonNegative(`${field}.maxFailedIndexes`, spec.maxFailedIndexes),
    ...optionalChoice(`${field}.completionMode`, spec.completionMode, ['Indexed', 'NonIndexed']),
    ...optionalChoice(`${field}.podReplacementPolicy`, spec.podReplacementPolicy, ['Failed', 'TerminatingOrFailed']),
    ...labelSelectorErrors(`${field}.selector`, spec.selector),
    ...podTemplateErrors(`${field}.template`, spec.template),
    ...restartErrors(`${field}.template.spec.restartPolicy`, spec),
    ...policyErrors(`${field}.podFailurePolicy`, spec),
    ...successErrors(`${field}.successPolicy`, spec),
  ];
  if (spec.managedBy !== undefined && !spec.managedBy.includes('/')) {
    errors.push(
      invalid(`${field}.managedBy`, spec.managedBy, 'must be a domain-prefixed path (such as "acme.io/foo")'),
    );
  }
  if (spec.completionMode === 'Indexed') {
    if (spec.completions === undefined) {
      errors.push(required(`${field}.completions`, 'when completion mode is Indexed'));
    } else if (spec.completions > indexedParallelismMax) {
      errors.push(...inRange(`${field}.parallelism`, spec.parallelism, 0, indexedParallelismMax));
    }
  } else {
    for (const name of ['backoffLimitPerIndex', 'maxFailedIndexes'] as const) {
      if (spec[name] !== undefined)
        errors.push(invalid(`${field}.${name}`, spec[name], 'requires indexed completion mode'));
    }
  }
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
    ...each(`${field}.rules`, rules, (path, { action, onExitCodes, onPodConditions = [] }) => {
      const found = choice(`${path}.action`, action, ['Count', 'FailIndex', 'FailJob', 'Ignore']);
      if (action === 'FailIndex' && backoffLimitPerIndex === undefined) {
        found.push(invalid(`${path}.action`, action, 'requires the backoffLimitPerIndex to be set'));
      }
      if (onExitCodes !== undefined && onPodConditions.length > 0) {
        found.push(invalid(path, '', 'specifying both OnExitCodes and OnPodConditions is not supported'));
      }
      if (onExitCodes === undefined && onPodConditions.length === 0) {
        found.push(invalid(path, '', 'specifying one of OnExitCodes and OnPodConditions is required'));
      }
      if (onExitCodes !== undefined) {
        const { containerName, operator, values } = onExitCodes;
        const at = `${path}.onExitCodes`;
        found.push(...choice(`${at}.operator`, operator, ['In', 'NotIn']));
        if (containerName !== undefined && !names.has(containerName)) {
          found.push(
            invalid(
              `${at}.containerName`,
              containerName,
              'must be one of the container or initContainer names in the pod template',
            ),
          );
        }
        if (values.length === 0) found.push(invalid(`${at}.values`, values, 'at least one value is required'));
        if (operator === 'In' && values.includes(0)) {
          found.push(invalid(`${at}.values[${values.indexOf(0)}]`, 0, 'must not be 0 for the In operator'));
        }
        if (values.some((value, index) => index > 0 && value <= (values[index - 1] ?? 0))) {
          found.push(invalid(`${at}.values`, values, 'must be ordered'));
        }
      }
      return [
        ...found,
        ...each(`${path}.onPodConditions`, onPodConditions, (at, { status }) =>
          choice(`${at}.status`, status, ['False', 'True', 'Unknown']),
        ),
      ];
    }),
  );
  return errors;
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

/** The selector is made of the uid, unless the client manages it. */
function selectorErrors({ spec, metadata }: types.Job): FieldError[] {
  const labels = spec.template?.metadata?.labels;
  if (spec.selector === undefined) return [required('spec.selector')];
  const errors: FieldError[] = [];
  if (spec.manualSelector !== true) {
    const uid = metadata?.uid ?? '';
    const expected = selectorOf({ matchLabels: { [controllerUidLabel]: uid } }).toString();
    if (labels?.[controllerUidLabel] !== uid) {
      errors.push(invalid(`spec.template.metadata.labels`, labels ?? null, `must be '${uid}'`));
    }
    if (!selectorOf(spec.selector).toString().includes(expected)) {
      errors.push(invalid('spec.selector', spec.selector, '`selector` not auto-generated'));
    }
  }
  if (errors.length === 0 && !selectorOf(spec.selector).matches(labels)) {
    errors.push(
      invalid('spec.template.metadata.labels', labels ?? null, '`selector` does not match template `labels`'),
    );
  }
  // The hosts of an indexed job's pods are named after it and the index.
  if (spec.completionMode === 'Indexed' && (spec.completions ?? 0) > 0) {
    const host = `${metadata?.name ?? ''}-${(spec.completions ?? 1) - 1}`;
    if (host.length > 63) {
      errors.push(
        invalid(
          'metadata.name',
          metadata?.name ?? '',
          `will not able to create pod with invalid DNS label "${host}": must be no more than 63 characters`,
        ),
      );
    }
  }
  return [
    ...errors,
    ...complain(
      'metadata.name',
      metadata?.name ?? '',
      (metadata?.name ?? '') === '' ? [] : dns1123SubdomainComplaints(metadata?.name ?? ''),
    ),
  ];
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
