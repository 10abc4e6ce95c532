/**
 * What may change in a pod that exists. Which rules hold depends on the subresource that is written: a pod is bound,
 * resized and given ephemeral containers through doors of their own.
 * Source: kubernetes pkg/apis/core/validation (ValidatePodUpdate, ValidatePodEphemeralContainersUpdate, ValidatePodResize).
 */
import { forbidden, invalid } from '#machinery/field-error.ts';
import type { FieldError } from '#machinery/field-error.ts';
import { each, inRange, sameValue } from '../rules/fields.ts';
import { qualityOfService } from './pod-quality.ts';
import type * as types from './types.generated.ts';

const updatable = [
  '`spec.containers[*].image`',
  '`spec.initContainers[*].image`',
  '`spec.activeDeadlineSeconds`',
  '`spec.tolerations` (only additions to existing tolerations)',
  '`spec.terminationGracePeriodSeconds` (allow it to be set to 1 if it was previously negative)',
];

export function podUpdateErrors(pod: types.Pod, stored: types.Pod, subresource: string | undefined): FieldError[] {
  switch (subresource) {
    case undefined:
      return specUpdateErrors(pod.spec, stored.spec);
    case 'binding':
      return changedBeyond(
        pod.spec,
        stored.spec,
        { nodeName: pod.spec.nodeName },
        'binding a pod may only set `spec.nodeName`',
      );
    case 'ephemeralcontainers':
      return ephemeralUpdateErrors(pod.spec, stored.spec);
    case 'resize':
      return resizeErrors(pod.spec, stored.spec);
    default:
      return [];
  }
}

function specUpdateErrors(spec: types.PodSpec, stored: types.PodSpec): FieldError[] {
  const errors: FieldError[] = [];
  for (const list of ['containers', 'initContainers'] as const) {
    if ((spec[list] ?? []).length !== (stored[list] ?? []).length) {
      return [forbidden(`spec.${list}`, 'pod updates may not add or remove containers')];
    }
  }
  errors.push(...deadlineErrors(spec.activeDeadlineSeconds, stored.activeDeadlineSeconds));
  if (spec.activeDeadlineSeconds !== undefined && errors.length > 0) return errors;
  errors.push(...tolerationErrors(spec.tolerations ?? [], stored.tolerations ?? []));
  const gates = new Set((stored.schedulingGates ?? []).map(({ name }) => name));
  for (const [index, { name }] of (spec.schedulingGates ?? []).entries()) {
    if (!gates.has(name)) {
      errors.push(
        forbidden(
          `spec.schedulingGates[${index}].name`,
          `only deletion is allowed, but found new scheduling gate '${name}'`,
        ),
      );
    }
  }
  if (gates.size > 0) errors.push(...gatedErrors(spec, stored));
  const graceFixed = spec.terminationGracePeriodSeconds === 1 && (stored.terminationGracePeriodSeconds ?? 0) < 0;
  const allowed: Partial<types.PodSpec> = {
    containers: withImages(stored.containers, spec.containers),
    initContainers: withImages(stored.initContainers, spec.initContainers),
    activeDeadlineSeconds: spec.activeDeadlineSeconds,
    tolerations: spec.tolerations,
    schedulingGates: spec.schedulingGates,
    ...(graceFixed ? { terminationGracePeriodSeconds: 1 } : {}),
    ...(gates.size > 0 ? whileGated(spec, stored) : {}),
  };
  const complaint = `pod updates may not change fields other than ${updatable.join(',')}`;
  return [...errors, ...changedBeyond(spec, stored, allowed, complaint)];
}

/** One `Forbidden` naming what changed, if `spec` is more than `stored` with `allowed`. */
function changedBeyond(
  spec: types.PodSpec,
  stored: types.PodSpec,
  allowed: Partial<types.PodSpec>,
  complaint: string,
): FieldError[] {
  const expected = { ...stored, ...allowed };
  const changed = [...new Set([...Object.keys(spec), ...Object.keys(expected)])]
    .filter((key) => !sameValue(spec[key as keyof types.PodSpec], expected[key as keyof types.PodSpec]))
    .toSorted();
  return changed.length === 0
    ? []
    : [forbidden('spec', `${complaint}\n  changed: ${changed.map((key) => `spec.${key}`).join(', ')}`)];
}

function withImages(
  stored: readonly types.Container[] | undefined,
  containers: readonly types.Container[] | undefined,
): readonly types.Container[] | undefined {
  return stored?.map((container, index) => {
    const { image: _, ...others } = container;
    const image = containers?.[index]?.image;
    return image === undefined ? others : { ...others, image };
  });
}

function deadlineErrors(deadline: number | undefined, stored: number | undefined): FieldError[] {
  const field = 'spec.activeDeadlineSeconds';
  if (deadline === undefined) {
    return stored === undefined ? [] : [invalid(field, null, 'must not update from a positive integer to nil value')];
  }
  const errors = inRange(field, deadline, 0, 2147483647);
  if (errors.length === 0 && stored !== undefined && stored < deadline) {
    errors.push(invalid(field, deadline, 'must be less than or equal to previous value'));
  }
  return errors;
}

/** Every stored toleration must still be there, but for its seconds. */
function tolerationErrors(tolerations: readonly types.Toleration[], stored: readonly types.Toleration[]): FieldError[] {
  const same = (a: types.Toleration, b: types.Toleration) =>
    sameValue({ ...a, tolerationSeconds: 0 }, { ...b, tolerationSeconds: 0 });
  return stored.every((old) => tolerations.some((toleration) => same(toleration, old)))
    ? []
    : [forbidden('spec.tolerations', 'existing toleration can not be modified except its tolerationSeconds')];
}

const required = 'requiredDuringSchedulingIgnoredDuringExecution';

/** While gates hold a pod, where it may run may still be narrowed. Source: validateNodeSelectorMutation and its like. */
function gatedErrors(spec: types.PodSpec, stored: types.PodSpec): FieldError[] {
  const errors: FieldError[] = [];
  const kept = Object.entries(stored.nodeSelector ?? {}).every(([key, value]) => spec.nodeSelector?.[key] === value);
  if (!kept) {
    errors.push(
      invalid(
        'spec.nodeSelector',
        spec.nodeSelector ?? null,
        'only additions to spec.nodeSelector are allowed (no mutations or deletions)',
      ),
    );
  }
  const old = stored.affinity?.nodeAffinity?.[required]?.nodeSelectorTerms ?? [];
  const terms = spec.affinity?.nodeAffinity?.[required]?.nodeSelectorTerms ?? [];
  const field = `spec.affinity.nodeAffinity.${required}.nodeSelectorTerms`;
  if (old.length === 0) return errors;
  if (old.length !== terms.length) {
    const complaint = 'no additions/deletions to non-empty NodeSelectorTerms list are allowed';
    return [...errors, invalid(field, terms, complaint)];
  }
  return [
    ...errors,
    ...each(field, old, (path, term, index) =>
      isNarrowed(terms[index] ?? {}, term)
        ? []
        : [invalid(path, terms[index], 'only additions are allowed (no mutations or deletions)')],
    ),
  ];
}

/** Terms are alternatives, but the requirements of one must all hold: more of them select fewer nodes. */
function isNarrowed(term: types.NodeSelectorTerm, old: types.NodeSelectorTerm): boolean {
  const lists = ['matchExpressions', 'matchFields'] as const;
  if (lists.every((list) => (old[list] ?? []).length === 0)) {
    return lists.every((list) => (term[list] ?? []).length === 0); // an empty term selects nothing
  }
  return lists.every((list) => sameValue((term[list] ?? []).slice(0, old[list]?.length ?? 0), old[list] ?? []));
}

/** What `gatedErrors()` has judged already. */
function whileGated(spec: types.PodSpec, stored: types.PodSpec): Partial<types.PodSpec> {
  const { nodeAffinity: _, ...others } = spec.affinity ?? {};
  const { nodeAffinity: __, ...storedOthers } = stored.affinity ?? {};
  const narrowed = sameValue(others, storedOthers) && spec.affinity !== undefined ? { affinity: spec.affinity } : {};
  return { ...(spec.nodeSelector === undefined ? {} : { nodeSelector: spec.nodeSelector }), ...narrowed };
}

function ephemeralUpdateErrors(spec: types.PodSpec, stored: types.PodSpec): FieldError[] {
  const containers = new Map((spec.ephemeralContainers ?? []).map((container) => [container.name, container]));
  const errors = each('spec.ephemeralContainers', stored.ephemeralContainers, (_, old) => {
    const container = containers.get(old.name);
    if (container === undefined) {
      return [
        forbidden(
          'spec.ephemeralContainers',
          `existing ephemeral containers ${JSON.stringify(old.name)} may not be removed\n`,
        ),
      ];
    }
    return sameValue(container, old)
      ? []
      : [
          forbidden(
            'spec.ephemeralContainers',
            `existing ephemeral containers ${JSON.stringify(old.name)} may not be changed\n`,
          ),
        ];
  });
  return [
    ...errors,
    ...changedBeyond(
      spec,
      stored,
      { ephemeralContainers: spec.ephemeralContainers },
      'only `spec.ephemeralContainers` may change here',
    ),
  ];
}

function resizeErrors(spec: types.PodSpec, stored: types.PodSpec): FieldError[] {
  const [quality, storedQuality] = [qualityOfService(spec), qualityOfService(stored)];
  if (quality !== storedQuality) {
    return [invalid('spec', quality, `Pod QOS Class may not change as a result of resizing`)];
  }
  const resized = (list: 'containers' | 'initContainers') =>
    stored[list]?.map((container, index) => {
      const { resources, resizePolicy } = spec[list]?.[index] ?? container;
      return {
        ...container,
        ...(resources === undefined ? {} : { resources }),
        ...(resizePolicy === undefined ? {} : { resizePolicy }),
      };
    });
  const initContainers = resized('initContainers');
  return changedBeyond(
    spec,
    stored,
    { containers: resized('containers') ?? [], ...(initContainers === undefined ? {} : { initContainers }) },
    'only cpu and memory resources are mutable',
  );
}
