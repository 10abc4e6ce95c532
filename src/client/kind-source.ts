import type { Kind } from '#machinery/kind.ts';

/** The kinds that the API serves just now. Those of custom resources come and go with their definitions. */
export interface KindSource {
  readonly kinds: readonly Kind[];
  /** A kind that is served, also if it is not among `kinds` because it has no objects. */
  find?(group: string, kind: string): Kind | undefined;
  /** Why the kinds of some groups are not known just now, a text for each of those groups. */
  readonly failures?: readonly string[];
  /** Calls `handler` after each change of them. A kind whose definition has changed is another one by identity. */
  onChange(handler: () => void): Disposable;
}

/** Kinds that stay as they are. */
export function fixedKinds(kinds: readonly Kind[]): KindSource {
  return { kinds, onChange: () => ({ [Symbol.dispose]() {} }) };
}

/** One kind of each resource that is stored: its first version; the others, and views, show the same objects. */
export function storedKinds({ kinds }: KindSource): readonly Kind[] {
  const first = new Map<string, Kind>();
  for (const kind of kinds) {
    const name = `${kind.group}/${kind.plural}`;
    if (kind.view === undefined && !first.has(name)) first.set(name, kind);
  }
  return [...first.values()];
}
