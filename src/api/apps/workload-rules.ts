/** What the kinds that keep sets of pods have in common. Source: kubernetes pkg/apis/apps. */
import { invalid } from '#machinery/field-error.ts';
import type { FieldError } from '#machinery/field-error.ts';
import { dns1123SubdomainComplaints, labelLengthMax } from '#machinery/names.ts';
import { defaultPodTemplate } from '../core/pod-defaults.ts';
import type { PodTemplateSpec } from '../core/types.generated.ts';
import { mapField } from '../rules/defaulting.ts';
import { immutable } from '../rules/fields.ts';

/** A spec with its pod template defaulted. */
export function withTemplateDefaults<S extends { readonly template?: PodTemplateSpec }>(spec: S): S {
  return mapField<{ readonly template?: PodTemplateSpec }, 'template'>(spec, 'template', defaultPodTemplate) as S; // S with another template
}

/** The selector says which pods are one's own: changing it would orphan them. */
export function selectorUnchanged(
  spec: { readonly selector?: unknown } | undefined,
  stored: { readonly selector?: unknown } | undefined,
): FieldError[] {
  return immutable('spec.selector', spec?.selector, stored?.selector);
}

/** Counts in a status are never negative, and parts are no more than the whole. */
export function statusCountErrors(
  status: Readonly<Record<string, unknown>> | undefined,
  counts: readonly string[],
  whole?: string,
): FieldError[] {
  const errors: FieldError[] = [];
  for (const name of counts) {
    const value = status?.[name];
    if (typeof value !== 'number') continue;
    if (value < 0) errors.push(invalid(`status.${name}`, value, 'must be greater than or equal to 0'));
    const total = whole === undefined ? undefined : (status?.[whole] ?? 0);
    if (typeof total === 'number' && name !== whole && value > total) {
      errors.push(invalid(`status.${name}`, value, `cannot be greater than status.${whole}`));
    }
  }
  return errors;
}

/** Names that become a label's value or part of a host name. */
export function labelSizedName(name: string): readonly string[] {
  const complaints = dns1123SubdomainComplaints(name);
  return name.length > labelLengthMax
    ? [...complaints, `must be no more than ${labelLengthMax} characters`]
    : complaints;
}
