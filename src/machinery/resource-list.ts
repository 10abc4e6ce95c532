import { addQuantities, compareQuantities } from './quantity.ts';

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
