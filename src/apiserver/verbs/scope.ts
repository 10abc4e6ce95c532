import type { Kind } from '#machinery/kind.ts';
import type { ApiObject } from '#machinery/object.ts';
import { keepStatus, onlyStatus } from '../registry/object-meta.ts';

interface Open {
  readonly spec?: Readonly<Record<string, unknown>>;
}

/** The stored object with one field of its spec taken from `next`. */
function onlySpecField<T extends ApiObject>(next: T, stored: T, field: string): T {
  const value = (next as Open).spec?.[field];
  const { [field]: _old, ...spec } = (stored as Open).spec ?? {};
  return { ...stored, spec: value === undefined ? spec : { ...spec, [field]: value } };
}

interface Sized {
  readonly resources?: unknown;
  readonly resizePolicy?: unknown;
  readonly name?: string;
}

/** The stored pod with the resources of its containers taken from `next`; whatever else differs is refused by the pod's own rules. */
function onlyResources<T extends ApiObject>(next: T, stored: T): T {
  const wanted = (next as Open).spec ?? {};
  const spec = (stored as Open).spec ?? {};
  const resized = (list: 'containers' | 'initContainers') => {
    const sizes = new Map((wanted[list] as readonly Sized[] | undefined)?.map((each) => [each.name, each]));
    return (spec[list] as readonly Sized[] | undefined)?.map((container) => {
      const { resources, resizePolicy } = sizes.get(container.name) ?? container;
      return {
        ...container,
        ...(resources === undefined ? {} : { resources }),
        ...(resizePolicy === undefined ? {} : { resizePolicy }),
      };
    });
  };
  const initContainers = resized('initContainers');
  return {
    ...stored,
    spec: { ...spec, containers: resized('containers'), ...(initContainers === undefined ? {} : { initContainers }) },
  };
}

/** Which parts of an object a write through `subresource` may change: `next` cut down to that. */
export function scopedTo<T extends ApiObject>(kind: Kind<T>, subresource: string | undefined, next: T, stored: T): T {
  switch (subresource) {
    case undefined:
      return kind.subresources?.status === true ? keepStatus(next, stored) : next;
    case 'status':
    case 'approval':
      return onlyStatus(kind, next, stored);
    case 'finalize':
      return onlySpecField(next, stored, 'finalizers');
    case 'ephemeralcontainers':
      return onlySpecField(next, stored, 'ephemeralContainers');
    case 'resize':
      return onlyResources(next, stored);
    default:
      return next;
  }
}
