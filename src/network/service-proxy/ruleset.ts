/**
 * The part of the table that changes with services, as plain data: chains that are made on demand, and elements of
 * the maps and sets that `skeleton.ts` declares. Several owners (services, pods) may ask for the same element; the
 * first by name gets its value in, so that the outcome depends on the state alone and not on the order of events.
 */
export const mapNames = [
  'services',
  'node-ports',
  'host-ports',
  'host-ports-any',
  'endpoints',
  'local-endpoints',
  'port-endpoints',
  'port-local-endpoints',
  'remember',
  'remember-ports',
] as const;
export const setNames = ['affine-targets', 'hairpin', 'remote-targets'] as const;

/** `chain`: the key is the chain's name and the value its rules, one a line. */
export type ObjectName = (typeof mapNames)[number] | (typeof setNames)[number] | 'chain';

export interface Element {
  readonly object: ObjectName;
  /** As nft writes it: `10.96.0.1 . tcp . 80`. */
  readonly key: string;
  /** What a map's element leads to, a chain's rules, or nothing for a set. */
  readonly value: string;
}

export interface Delta {
  readonly remove: readonly Element[];
  readonly add: readonly Element[];
}

/** What should be in the kernel, and how that differs from what was handed out last. */
export class Ruleset {
  /** Per object and key, the value that each owner wishes. */
  readonly #claims = new Map<ObjectName, Map<string, Map<string, string>>>();
  readonly #byOwner = new Map<string, readonly Element[]>();
  /** What was in place, for every element touched since the last `takeDelta()`. */
  readonly #touched = new Map<ObjectName, Map<string, string | undefined>>();

  /** Replaces everything `owner` asked for before. */
  set(owner: string, elements: readonly Element[]): void {
    const before = this.#byOwner.get(owner) ?? [];
    if (elements.length === 0) this.#byOwner.delete(owner);
    else this.#byOwner.set(owner, elements);
    for (const { object, key } of before) this.#claim(object, key, owner, undefined);
    for (const { object, key, value } of elements) this.#claim(object, key, owner, value);
  }

  /** True if `owner` asked for anything. */
  has(owner: string): boolean {
    return this.#byOwner.has(owner);
  }

  /** The changes since the last call, or since `takeAll()`. */
  takeDelta(): Delta {
    const remove: Element[] = [];
    const add: Element[] = [];
    for (const [object, keys] of this.#touched) {
      for (const [key, before] of keys) {
        const now = winner(this.#claims.get(object)?.get(key));
        if (now === before) continue;
        if (before !== undefined) remove.push({ object, key, value: before });
        if (now !== undefined) add.push({ object, key, value: now });
      }
    }
    this.#touched.clear();
    return { remove, add };
  }

  /** Everything that should be there; a delta taken later builds on it. */
  takeAll(): readonly Element[] {
    this.#touched.clear();
    return this.elements();
  }

  /** Everything that should be there. */
  elements(): readonly Element[] {
    const all: Element[] = [];
    for (const [object, keys] of this.#claims) {
      for (const [key, claims] of keys) {
        const value = winner(claims);
        if (value !== undefined) all.push({ object, key, value });
      }
    }
    return all;
  }

  #claim(object: ObjectName, key: string, owner: string, value: string | undefined): void {
    let keys = this.#claims.get(object);
    if (keys === undefined) this.#claims.set(object, (keys = new Map()));
    let touched = this.#touched.get(object);
    if (touched === undefined) this.#touched.set(object, (touched = new Map()));
    let claims = keys.get(key);
    if (!touched.has(key)) touched.set(key, winner(claims));
    if (value === undefined) {
      claims?.delete(owner);
      if (claims?.size === 0) keys.delete(key);
    } else {
      if (claims === undefined) keys.set(key, (claims = new Map()));
      claims.set(owner, value);
    }
  }
}

function winner(claims: ReadonlyMap<string, string> | undefined): string | undefined {
  let first: string | undefined;
  for (const owner of claims?.keys() ?? []) if (first === undefined || owner < first) first = owner;
  return first === undefined ? undefined : claims?.get(first);
}
