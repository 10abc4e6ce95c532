import type { Kind } from '#machinery/kind.ts';
import type { Catalog } from '../../catalog.ts';

const known = new WeakMap<readonly Kind[], Map<Kind, readonly Kind[]>>();

/** Other served kinds whose objects are the same ones: versions of a custom kind, views of a built-in one. */
export function equivalentsOf({ kinds }: Catalog, kind: Kind): readonly Kind[] {
  let found = known.get(kinds); // another list whenever anything has changed
  if (found === undefined) known.set(kinds, (found = new Map()));
  let alike = found.get(kind);
  if (alike === undefined) found.set(kind, (alike = lookFor(kinds, kind)));
  return alike;
}

function lookFor(kinds: readonly Kind[], kind: Kind): readonly Kind[] {
  if (kind.custom !== undefined) {
    return kinds.filter(
      (each) => each !== kind && each.custom !== undefined && each.group === kind.group && each.plural === kind.plural,
    );
  }
  const stored = kind.view?.of ?? kind;
  return kinds.filter((each) => each !== kind && (each === stored || each.view?.of === stored));
}
