/** Rules of the templates that other kinds make pods from. */
import { forbidden, invalid, notSupported, required } from '#machinery/field-error.ts';
import type { FieldError } from '#machinery/field-error.ts';
import { labelsErrors, selectorOf } from '#machinery/labels.ts';
import type { LabelSelectorSource } from '#machinery/labels.ts';
import { annotationsErrors } from '#machinery/metadata-rules.ts';
import { isEmptySelector, labelSelectorErrors } from '../rules/label-selector-rules.ts';
import { podSpecErrors } from './pod-spec-rules.ts';
import type * as types from './types.generated.ts';

/** An absent template is an empty one, as it is in Go. Source: kubernetes pkg/apis/core/validation (ValidatePodTemplateSpec). */
export function podTemplateErrors(field: string, template: types.PodTemplateSpec | undefined): FieldError[] {
  const errors = [
    ...labelsErrors(`${field}.labels`, template?.metadata?.labels),
    ...annotationsErrors(`${field}.annotations`, template?.metadata?.annotations),
    ...podSpecErrors(`${field}.spec`, template?.spec, false),
  ];
  if ((template?.spec?.ephemeralContainers ?? []).length > 0) {
    errors.push(forbidden(`${field}.spec.ephemeralContainers`, 'ephemeral containers not allowed in pod template'));
  }
  return errors;
}

/** The template of a controller that keeps its pods running: they always restart and have no deadline. */
export function runningTemplateErrors(
  field: string,
  template: types.PodTemplateSpec | undefined,
  controller: string,
): FieldError[] {
  const errors = podTemplateErrors(field, template);
  const { restartPolicy, activeDeadlineSeconds } = template?.spec ?? {};
  if (restartPolicy !== undefined && restartPolicy !== 'Always') {
    errors.push(notSupported(`${field}.spec.restartPolicy`, restartPolicy, ['Always']));
  }
  if (activeDeadlineSeconds !== undefined) {
    errors.push(
      forbidden(`${field}.spec.activeDeadlineSeconds`, `activeDeadlineSeconds in ${controller} is not Supported`),
    );
  }
  return errors;
}

/** The template's labels must be what the selector selects; without a selector nothing is. */
export function ownLabelsErrors(
  field: string,
  selector: LabelSelectorSource | undefined,
  template: types.PodTemplateSpec | undefined,
): FieldError[] {
  const labels = template?.metadata?.labels;
  if (selector !== undefined && selectorOf(selector).matches(labels)) return [];
  return [invalid(`${field}.metadata.labels`, labels ?? null, '`selector` does not match template `labels`')];
}

export interface SelectorWords {
  /** What an empty selector is invalid for. */
  readonly emptyFor: string;
  /** What is said of a selector with a bad key, operator or value, beside what is wrong with that. */
  readonly bad: string;
}

/** A controller's selector: given, not empty, and true of the pods it makes. Then the template, if the selector is fine. */
export function ownedTemplateErrors(
  field: string,
  selector: LabelSelectorSource | undefined,
  template: types.PodTemplateSpec | undefined,
  words: SelectorWords,
  templateErrors: () => readonly FieldError[],
): FieldError[] {
  if (selector === undefined) {
    return [
      required(`${field}.selector`),
      ...ownLabelsErrors(`${field}.template`, selector, template),
      ...templateErrors(),
    ];
  }
  const errors = labelSelectorErrors(`${field}.selector`, selector);
  if (errors.length > 0) return [...errors, invalid(`${field}.selector`, selector, words.bad)];
  return [
    ...(isEmptySelector(selector)
      ? [invalid(`${field}.selector`, selector, `empty selector is invalid for ${words.emptyFor}`)]
      : ownLabelsErrors(`${field}.template`, selector, template)),
    ...templateErrors(),
  ];
}
