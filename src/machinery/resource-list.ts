import { addQuantities, compareQuantities, formatQuantity, parseQuantity } from './quantity.ts';

/** Amounts by the name of the resource, as in `requests`, `limits`, `hard` and `used`. Sums are canonical quantities. */
export type ResourceList = Readonly<Record<string, string>>;

/** Every resource of either, summed. */
export function addResources(a: ResourceList, b: ResourceList): ResourceList {
  const sum: Record<string, string> = { ...a };
  for (const [name, amount] of Object.entries(b)) {
    const known = sum[name];
    sum[name] = known === undefined ? amount : addQuantities(known, amount);
  }
  return sum;
}

/** The larger amount of every resource of either. */
export function largerResources(a: ResourceList, b: ResourceList): ResourceList {
  const larger: Record<string, string> = { ...a };
  for (const [name, amount] of Object.entries(b)) {
    const known = larger[name];
    if (known === undefined || compareQuantities(amount, known) > 0) larger[name] = amount;
  }
  return larger;
}

/** What each resource of `a` has more than `b`; nothing is ever negative. */
export function excessResources(a: ResourceList, b: ResourceList): ResourceList {
  const excess: Record<string, string> = {};
  for (const [name, amount] of Object.entries(a)) {
    const { nanos, format } = parseQuantity(amount);
    const left = nanos - parseQuantity(b[name] ?? '0').nanos;
    excess[name] = formatQuantity({ nanos: left < 0n ? 0n : left, format });
  }
  return excess;
}

/** The resources that `wanted` says yes to. */
export function pickResources(list: ResourceList, wanted: (name: string, amount: string) => boolean): ResourceList {
  return Object.fromEntries(Object.entries(list).filter(([name, amount]) => wanted(name, amount)));
}

/** The same resources in equal amounts, however they are written. */
export function sameResources(a: ResourceList, b: ResourceList): boolean {
  const names = Object.keys(a);
  return (
    names.length === Object.keys(b).length &&
    names.every((name) => b[name] !== undefined && compareQuantities(a[name]!, b[name]) === 0)
  );
}
