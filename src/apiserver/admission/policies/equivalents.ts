import type { Kind } from '#machinery/kind.ts';
import type { Catalog } from '../../catalog.ts';

/** Other served kinds whose objects are the same ones: versions of a custom kind, views of a built-in one. */
export function equivalentsOf(catalog: Catalog, kind: Kind): readonly Kind[] {
  if (kind.custom !== undefined) {
    return catalog.kinds.filter(
      (each) => each !== kind && each.custom !== undefined && each.group === kind.group && each.plural === kind.plural,
    );
  }
  const stored = kind.view?.of ?? kind;
  return catalog.kinds.filter((each) => each !== kind && (each === stored || each.view?.of === stored));
}
