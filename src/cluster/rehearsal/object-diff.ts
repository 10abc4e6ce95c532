import type { ApiObject } from '#machinery/object.ts';

/** One field that differs; `before` or `after` is absent where the field is. */
export interface FieldChange {
  /** `spec.template.spec.containers[name=web].image` */
  readonly field: string;
  readonly before?: unknown;
  readonly after?: unknown;
}

/** What the server keeps for itself and changes with every write. */
const bookkeeping = new Set(['managedFields', 'resourceVersion', 'generation', 'uid', 'creationTimestamp', 'selfLink']);

/** The fields in which two states of an object differ, in the order of the new one; `status` is not looked at. */
export function objectDiff(before: ApiObject | undefined, after: ApiObject): readonly FieldChange[] {
  const changes: FieldChange[] = [];
  compare('', strip(before), strip(after), changes);
  return changes;
}

type Value = Readonly<Record<string, unknown>>;
const isMap = (value: unknown): value is Value => typeof value === 'object' && value !== null && !Array.isArray(value);

function strip(object: ApiObject | undefined): Value | undefined {
  if (object === undefined) return undefined;
  const { status: _status, metadata, ...rest } = object as ApiObject & { readonly status?: unknown };
  const kept = Object.entries(metadata ?? {}).filter(([name]) => !bookkeeping.has(name));
  return { ...rest, metadata: Object.fromEntries(kept) };
}

function compare(field: string, before: unknown, after: unknown, changes: FieldChange[]): void {
  if (isMap(before) && isMap(after)) {
    for (const key of new Set([...Object.keys(after), ...Object.keys(before)])) {
      compare(childOf(field, key), before[key], after[key], changes);
    }
    return;
  }
  if (isNamed(before) && isNamed(after)) {
    const [old, now] = [byName(before), byName(after)];
    for (const name of new Set([...now.keys(), ...old.keys()])) {
      compare(`${field}[name=${name}]`, old.get(name), now.get(name), changes);
    }
    return;
  }
  if (JSON.stringify(before) === JSON.stringify(after)) return;
  changes.push({
    field,
    ...(before === undefined ? {} : { before }),
    ...(after === undefined ? {} : { after }),
  });
}

/** Dots inside a key (labels, annotations) would read as a path. */
const childOf = (field: string, key: string) =>
  key.includes('.') || key.includes('/') ? `${field}[${key}]` : field === '' ? key : `${field}.${key}`;

/** A list whose elements are told apart by `name`: containers, volumes, ports. */
function isNamed(value: unknown): value is readonly (Value & { readonly name: string })[] {
  if (!Array.isArray(value) || value.length === 0) return false;
  const names = value.map((item: unknown) => (isMap(item) ? item['name'] : undefined));
  return names.every((name) => typeof name === 'string') && new Set(names).size === names.length;
}

const byName = (list: readonly (Value & { readonly name: string })[]) => new Map(list.map((item) => [item.name, item]));
