/** Rules of the templates that other kinds make pods from. */
import { forbidden, invalid, notSupported, required } from '#machinery/field-error.ts';
import type { FieldError } from '#machinery/field-error.ts';
import { labelsErrors, selectorOf } from '#machinery/labels.ts';
import type { LabelSelectorSource } from '#machinery/labels.ts';
import { annotationsErrors, finalizersErrors } from '#machinery/metadata-rules.ts';
import { isEmptySelector, labelSelectorErrors } from '../rules/label-selector-rules.ts';
import { podSpecErrors } from './pod-spec-rules.ts';
import type * as types from './types.generated.ts';

/** Source: kubernetes pkg/apis/core/validation (ValidatePodTemplateSpec). */
export function podTemplateErrors(field: string, template: types.PodTemplateSpec | undefined): FieldError[] {
  if (template === undefined) return [required(field)];
  const errors = [
    ...labelsErrors(`${field}.labels`, template.metadata?.labels),
    ...annotationsErrors(`${field}.annotations`, template.metadata?.annotations),
    ...finalizersErrors(`${field}.finalizers`, template.metadata?.finalizers ?? []),
    ...podSpecErrors(`${field}.spec`, template.spec, false),
  ];
  if ((template.spec?.ephemeralContainers ?? []).length > 0) {
    errors.push(forbidden(`${field}.spec.ephemeralContainers`, 'ephemeral containers not allowed in pod template'));
  }
  return errors;
}

/** The template of a controller that keeps its pods running: they always restart and have no deadline. */
export function runningTemplateErrors(field: string, template: types.PodTemplateSpec | undefined): FieldError[] {
  const errors = podTemplateErrors(field, template);
  if (template?.spec === undefined) return errors;
  const { restartPolicy, activeDeadlineSeconds } = template.spec;
  if (restartPolicy !== undefined && restartPolicy !== 'Always') {
    errors.push(notSupported(`${field}.spec.restartPolicy`, restartPolicy, ['Always']));
  }
  if (activeDeadlineSeconds !== undefined) {
    errors.push(
      forbidden(`${field}.spec.activeDeadlineSeconds`, 'activeDeadlineSeconds in ReplicaSet is not Supported'),
    );
  }
  return errors;
}

/** A controller's selector: given, not empty, and true of the pods it makes. */
export function ownSelectorErrors(
  field: string,
  selector: LabelSelectorSource | undefined,
  template: types.PodTemplateSpec | undefined,
  kind: string,
): FieldError[] {
  if (selector === undefined) return [required(`${field}.selector`)];
  const errors = labelSelectorErrors(`${field}.selector`, selector);
  if (isEmptySelector(selector)) {
    errors.push(invalid(`${field}.selector`, selector, `empty selector is invalid for ${kind}`));
  } else if (errors.length === 0 && !selectorOf(selector).matches(template?.metadata?.labels)) {
    errors.push(
      invalid(
        `${field}.template.metadata.labels`,
        template?.metadata?.labels ?? null,
        '`selector` does not match template `labels`',
      ),
    );
  }
  return errors;
}
