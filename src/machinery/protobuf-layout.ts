import type { Field, ObjectSchema } from './schema.ts';

/** One field of a message: a field of the object, or a struct that JSON inlines. */
export type Slot =
  | { readonly number: number; readonly name: string; readonly field: Field; readonly inline?: undefined }
  | { readonly number: number; readonly inline: Layout };

export interface Layout {
  /** Ascending by number, the order Go writes in. */
  readonly slots: readonly Slot[];
  readonly byNumber: ReadonlyMap<number, Slot>;
}

const layouts = new WeakMap<ObjectSchema, Layout>();

/** How an object's fields stand in its protobuf message; computed once a schema. */
export function layoutOf(schema: ObjectSchema): Layout {
  let layout = layouts.get(schema);
  if (layout === undefined) {
    layout = arrange(Object.entries(schema.fields), 0);
    layouts.set(schema, layout);
  }
  return layout;
}

function arrange(fields: readonly (readonly [string, Field])[], depth: number): Layout {
  const slots: Slot[] = [];
  const inlined = new Map<number, (readonly [string, Field])[]>();
  for (const [name, field] of fields) {
    if (field.number === undefined) continue;
    const outer = field.within?.[depth];
    if (outer === undefined) slots.push({ number: field.number, name, field });
    else inlined.set(outer, [...(inlined.get(outer) ?? []), [name, field]]);
  }
  for (const [number, inner] of inlined) slots.push({ number, inline: arrange(inner, depth + 1) });
  slots.sort((a, b) => a.number - b.number);
  return { slots, byNumber: new Map(slots.map((slot) => [slot.number, slot])) };
}
