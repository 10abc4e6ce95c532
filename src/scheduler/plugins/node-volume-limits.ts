import type { FilterPlugin } from '../plugin.ts';
import type { NodeView } from '../node-view.ts';
import type { VolumeBook } from '../volumes/volume-book.ts';

interface State {
  /** Driver → volumes that are on no node. */
  readonly fresh: ReadonlyMap<string, number>;
  /** Volumes that take no slot where they are already. */
  readonly shared: readonly (readonly [driver: string, volume: string])[];
  readonly book: VolumeBook;
}

/**
 * A node attaches so many volumes of a CSI driver as its CSINode says; one that several pods use there counts once.
 * Source: k8s.io/kubernetes/pkg/scheduler/framework/plugins/nodevolumelimits (csi.go).
 */
export const nodeVolumeLimits = {
  name: 'NodeVolumeLimits',
  reads: 'use',
  preFilter({ volumes }, table) {
    if (volumes === undefined) return undefined;
    const fresh = new Map(Object.entries(volumes.attaches));
    // They are written as JSON so that they compare as texts.
    const shared = volumes.attachesShared.map((text) => JSON.parse(text) as [driver: string, volume: string]);
    return fresh.size + shared.length === 0 ? undefined : { fresh, shared, book: table.volumes };
  },
  filter: (state, node) => !exceeds(state, node),
  refusals: (state, node) =>
    exceeds(state, node)
      ? [{ plugin: 'NodeVolumeLimits', reason: 'node(s) exceed max volume count', curable: true }]
      : [],
} satisfies FilterPlugin<State>;

function exceeds({ fresh, shared, book }: State, node: NodeView): boolean {
  const limits = book.attachments.limitsOf(node.name);
  if (limits === undefined) return false;
  const wanted = new Map([...fresh].filter(([driver]) => limits.has(driver)));
  if (wanted.size === 0 && !shared.some(([driver]) => limits.has(driver))) return false;
  const attached = book.attachedOn(node.row);
  for (const [driver, volume] of shared) {
    if (!attached.has(volume)) wanted.set(driver, (wanted.get(driver) ?? 0) + 1);
  }
  for (const [driver, count] of wanted) {
    const limit = limits.get(driver);
    if (limit === undefined) continue;
    let have = 0;
    for (const each of attached.values()) if (each === driver) have++;
    if (have + count > limit) return true;
  }
  return false;
}
