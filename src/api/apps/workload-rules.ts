/** What the kinds that keep sets of pods have in common. Source: kubernetes pkg/apis/apps. */
import { invalid } from '#machinery/field-error.ts';
import type { FieldError } from '#machinery/field-error.ts';
import { defaultPodTemplate } from '../core/pod-defaults.ts';
import type { PodTemplateSpec } from '../core/types.generated.ts';
import { mapField } from '../rules/defaulting.ts';
import { immutable, nonNegative } from '../rules/fields.ts';

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

/** Counts in a status are never negative, and `parts` are no more than all the replicas. */
export function statusCountErrors(
  status: Readonly<Record<string, unknown>> | undefined,
  counts: readonly string[],
  parts: readonly string[] = [],
): FieldError[] {
  const countOf = (name: string) => {
    const value = status?.[name];
    return typeof value === 'number' ? value : 0;
  };
  const errors = counts.flatMap((name) => nonNegative(`status.${name}`, countOf(name)));
  for (const name of parts) {
    if (countOf(name) > countOf('replicas')) {
      errors.push(invalid(`status.${name}`, countOf(name), 'cannot be greater than status.replicas'));
    }
  }
  return errors;
}

/** What is available was ready before. `ready` is the field as the message calls it, which not all kinds do alike. */
export function availableErrors(
  status: { readonly availableReplicas?: number; readonly readyReplicas?: number } | undefined,
  ready: 'readyReplicas' | 'status.readyReplicas',
): FieldError[] {
  const { availableReplicas = 0, readyReplicas = 0 } = status ?? {};
  return availableReplicas > readyReplicas
    ? [invalid('status.availableReplicas', availableReplicas, `cannot be greater than ${ready}`)]
    : [];
}
