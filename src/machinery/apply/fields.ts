/**
 * Sets of field paths, in the form of `FieldsV1`: a tree whose keys are path elements (`f:name`, `k:{"name":"x"}`,
 * `v:"x"`, `i:0`). A path is in the set if its node is empty, or holds `.` beside what is below it. Trees are immutable
 * and share what they have in common; the empty set is `undefined`.
 * Source: sigs.k8s.io/structured-merge-diff/fieldpath (serialize.go).
 */
export interface Fields {
  readonly [element: string]: Fields;
}

/** The node of a path that is in the set, with nothing below it. */
export const leaf: Fields = Object.freeze({});
const self = '.';

/** True if the path of this node is itself in the set, and not only something below it. */
export function isMember(node: Fields | undefined): boolean {
  if (node === undefined) return false;
  if (node[self] !== undefined) return true;
  for (const _ in node) return false;
  return true;
}

/** A node out of its parts; undefined if it says nothing. */
export function nodeOf(member: boolean, children: Readonly<Record<string, Fields>> | undefined): Fields | undefined {
  if (children === undefined) return member ? leaf : undefined;
  return member ? { [self]: leaf, ...children } : children;
}

/** Everything that is in either. Very `a` if `b` adds nothing. */
export function union(a: Fields | undefined, b: Fields | undefined): Fields | undefined {
  if (a === undefined || a === b) return b;
  if (b === undefined) return a;
  return merged(a, b);
}

function merged(a: Fields, b: Fields): Fields {
  let result: Record<string, Fields> | undefined;
  const write = () => (result ??= { ...(isLeaf(a) ? { [self]: leaf } : {}), ...a });
  if (isMember(b) && !isMember(a)) write()[self] = leaf;
  for (const key in b) {
    if (key === self) continue;
    const [mine, other] = [a[key], b[key]!];
    const both = mine === undefined ? other : mine === other ? mine : merged(mine, other);
    if (both !== mine) write()[key] = both;
  }
  return result ?? a;
}

const isLeaf = (node: Fields) => {
  for (const _ in node) return false;
  return true;
};

/** What is in `a` and not in `b`. Very `a` if nothing goes. */
export function difference(a: Fields | undefined, b: Fields | undefined): Fields | undefined {
  if (a === undefined || b === undefined) return a;
  return reduced(a, b, false, true);
}

/** `a` without the paths of `b` and all that lies below them. */
export function withoutSubtrees(a: Fields | undefined, b: Fields | undefined): Fields | undefined {
  if (a === undefined || b === undefined) return a;
  return reduced(a, b, true, true);
}

function reduced(a: Fields, b: Fields, deep: boolean, isRoot: boolean): Fields | undefined {
  if (!isRoot && deep && isMember(b)) return undefined;
  const member = isMember(a) && !isRoot;
  const keeps = member && !isMember(b);
  let children: Record<string, Fields> | undefined;
  let changed = member !== keeps;
  for (const key in a) {
    if (key === self) continue;
    const mine = a[key]!;
    const other = b[key];
    const left = other === undefined ? mine : reduced(mine, other, deep, false);
    if (left !== mine) changed = true;
    if (left !== undefined) (children ??= {})[key] = left;
  }
  return changed ? nodeOf(keeps, children) : a;
}

/** What is in both. */
export function intersection(a: Fields | undefined, b: Fields | undefined): Fields | undefined {
  if (a === undefined || b === undefined) return undefined;
  let children: Record<string, Fields> | undefined;
  for (const key in a) {
    if (key === self) continue;
    const common = b[key] === undefined ? undefined : intersection(a[key], b[key]);
    if (common !== undefined) (children ??= {})[key] = common;
  }
  return nodeOf(isMember(a) && isMember(b), children);
}

/** True if both hold the same paths, in whatever order. */
export function sameFields(a: Fields | undefined, b: Fields | undefined): boolean {
  if (a === b) return true;
  if (a === undefined || b === undefined || isMember(a) !== isMember(b)) return false;
  let count = 0;
  for (const key in a) {
    if (key === self) continue;
    count++;
    if (!sameFields(a[key], b[key])) return false;
  }
  for (const key in b) if (key !== self) count--;
  return count === 0;
}

/** The set's paths as clients read them: `.spec.template.spec.containers[name="web"].image`. */
export function pathsOf(fields: Fields | undefined): readonly string[] {
  const paths: string[] = [];
  const walk = (node: Fields, path: string) => {
    for (const key of Object.keys(node).toSorted()) {
      if (key === self) continue;
      const child = node[key]!;
      const at = path + elementText(key);
      if (isMember(child)) paths.push(at);
      walk(child, at);
    }
  };
  if (fields !== undefined) walk(fields, '');
  return paths;
}

function elementText(element: string): string {
  const text = element.slice(2);
  switch (element.slice(0, 2)) {
    case 'f:':
      return `.${text}`;
    case 'k:': {
      const key = JSON.parse(text) as Readonly<Record<string, unknown>>;
      const parts = Object.keys(key)
        .toSorted()
        .map((name) => `${name}=${JSON.stringify(key[name])}`);
      return `[${parts.join(',')}]`;
    }
    case 'v:':
      return `[=${text}]`;
    default:
      return `[${text}]`;
  }
}

/** Nesting of the deepest set that is accepted from a client. */
const depthMax = 100;

/** Whether a client's `fieldsV1` is such a tree. Never throws, whatever it is given. */
export function isFields(value: unknown, depth = 0): value is Fields {
  if (typeof value !== 'object' || value === null || Array.isArray(value) || depth > depthMax) return false;
  return Object.entries(value).every(([key, child]) => {
    if (key !== self && !isElement(key)) return false;
    return isFields(child, depth + 1);
  });
}

function isElement(key: string): boolean {
  const text = key.slice(2);
  switch (key.slice(0, 2)) {
    case 'f:':
      return true;
    case 'i:':
      return /^\d{1,9}$/.test(text);
    case 'k:':
    case 'v:':
      try {
        const value: unknown = JSON.parse(text);
        return key.startsWith('v:') || (typeof value === 'object' && value !== null && !Array.isArray(value));
      } catch {
        return false;
      }
    default:
      return false;
  }
}
