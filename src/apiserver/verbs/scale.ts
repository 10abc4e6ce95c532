import { Scale } from '#api/autoscaling/scale.ts';
import { selectorFromLabels, selectorOf, type LabelSelectorSource } from '#machinery/labels.ts';
import type { Kind } from '#machinery/kind.ts';
import type { ApiObject } from '#machinery/object.ts';
import { invalid, type FieldError } from '#machinery/field-error.ts';
import { invalidObject } from '#machinery/status-error.ts';

type Open = Readonly<Record<string, unknown>>;
type ScalePaths = NonNullable<NonNullable<Kind['subresources']>['scale']>;

function at(object: unknown, path: string): unknown {
  let value = object;
  for (const key of path.split('.')) value = (value as Open | undefined)?.[key];
  return value;
}

function withValue(object: Open, path: readonly string[], value: unknown): Open {
  const [key, ...rest] = path;
  if (key === undefined) return object;
  if (rest.length === 0) return { ...object, [key]: value };
  return { ...object, [key]: withValue((object[key] as Open | undefined) ?? {}, rest, value) };
}

/** A LabelSelector, a map of labels or a text: whatever the kind has. */
function selectorText(value: unknown): string {
  if (typeof value === 'string') return value;
  if (typeof value !== 'object' || value === null) return '';
  const isSelector = 'matchLabels' in value || 'matchExpressions' in value || Object.keys(value).length === 0;
  return String(
    isSelector
      ? selectorOf(value as LabelSelectorSource)
      : selectorFromLabels(value as Readonly<Record<string, string>>),
  );
}

/** What `/scale` shows of an object. */
export function scaleOf(paths: ScalePaths, object: ApiObject): Scale {
  const { name, namespace, uid, resourceVersion, creationTimestamp } = object.metadata ?? {};
  const selector = selectorText(at(object, paths.labelSelector));
  const replicas = at(object, paths.specReplicas);
  return {
    kind: 'Scale',
    apiVersion: 'autoscaling/v1',
    metadata: {
      ...(name === undefined ? {} : { name }),
      ...(namespace === undefined ? {} : { namespace }),
      ...(uid === undefined ? {} : { uid }),
      ...(resourceVersion === undefined ? {} : { resourceVersion }),
      ...(creationTimestamp === undefined ? {} : { creationTimestamp }),
    },
    spec: typeof replicas === 'number' && replicas !== 0 ? { replicas } : {},
    status: { replicas: Number(at(object, paths.statusReplicas) ?? 0), ...(selector === '' ? {} : { selector }) },
  };
}

/** The object with what a Scale wants of it. Throws Invalid. */
export function scaled<T extends ApiObject>(paths: ScalePaths, object: T, scale: Scale): T {
  const replicas = scale.spec?.replicas ?? 0;
  const errors: FieldError[] =
    replicas < 0 ? [invalid('spec.replicas', replicas, 'must be greater than or equal to 0')] : [];
  const name = object.metadata?.name ?? '';
  if (errors.length > 0) throw invalidObject(Scale, name, errors);
  const { resourceVersion, uid } = scale.metadata ?? {};
  const changed = withValue(object as Open, paths.specReplicas.split('.'), replicas) as T;
  return {
    ...changed,
    metadata: {
      ...changed.metadata,
      ...(uid === undefined || uid === '' ? {} : { uid }),
      // Without a version the caller asks for nothing in particular.
      resourceVersion: resourceVersion ?? '',
    },
  };
}
