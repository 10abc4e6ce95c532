/** `object` with `defaults` for the fields it does not set; the very same object if it sets them all. */
export function withDefaults<T extends object>(object: T, defaults: Partial<T>): T {
  let result: T | undefined;
  for (const key of Object.keys(defaults) as (keyof T)[]) {
    if (object[key] !== undefined || defaults[key] === undefined) continue;
    result ??= { ...object };
    result[key] = defaults[key];
  }
  return result ?? object;
}

/** `object` with one field changed, if it is there; shared if the change changes nothing. */
export function mapField<T extends object, K extends keyof T>(
  object: T,
  key: K,
  change: (value: NonNullable<T[K]>) => T[K],
): T {
  const value = object[key];
  if (value === undefined || value === null) return object;
  const changed = change(value);
  return changed === value ? object : { ...object, [key]: changed };
}

/** Every element changed; the very same list if no element changes. */
export function mapItems<T>(list: readonly T[], change: (item: T) => T): readonly T[] {
  let changed = false;
  const result = list.map((item) => {
    const next = change(item);
    changed ||= next !== item;
    return next;
  });
  return changed ? result : list;
}
