import type { Toleration } from '#api/core/types.generated.ts';

/** What a node keeps pods away with. Times are left out: they do not decide placement. */
export interface Taint {
  readonly key: string;
  readonly value: string;
  readonly effect: string;
}

/** Distinct lists of taints, numbered: most nodes of a cluster share a few. List 0 is empty. */
export class TaintLists {
  readonly #lists: (readonly Taint[])[] = [[]];
  readonly #ids = new Map<string, number>([['[]', 0]]);

  id(taints: readonly { readonly key: string; readonly value?: string; readonly effect: string }[]): number {
    if (taints.length === 0) return 0;
    const list = taints.map(({ key, value, effect }) => ({ key, value: value ?? '', effect }));
    const text = JSON.stringify(list);
    let id = this.#ids.get(text);
    if (id === undefined) {
      id = this.#lists.length;
      this.#lists.push(list);
      this.#ids.set(text, id);
    }
    return id;
  }

  list(id: number): readonly Taint[] {
    return this.#lists[id] ?? [];
  }
}

/** Whether one toleration covers one taint. Source: k8s.io/api/core/v1 Toleration.ToleratesTaint. */
export function tolerates(toleration: Toleration, taint: Taint): boolean {
  const { key = '', operator = 'Equal', value = '', effect = '' } = toleration;
  if (effect !== '' && effect !== taint.effect) return false;
  if (key !== '' && key !== taint.key) return false;
  if (operator === 'Exists') return true;
  return (operator === 'Equal' || operator === '') && value === taint.value;
}

/** The taints of `effects` that none of `tolerations` covers. */
export function untolerated(
  taints: readonly Taint[],
  tolerations: readonly Toleration[],
  ...effects: readonly string[]
): readonly Taint[] {
  return taints.filter(
    (taint) => effects.includes(taint.effect) && !tolerations.some((toleration) => tolerates(toleration, taint)),
  );
}

/** The taint that upstream's node controller puts on cordoned nodes, and that tolerating it overrides the cordon. */
export const unschedulableTaint: Taint = { key: 'node.kubernetes.io/unschedulable', value: '', effect: 'NoSchedule' };
