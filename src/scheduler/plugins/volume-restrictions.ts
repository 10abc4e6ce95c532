import type { DomainPlugin, DomainState, FilterPlugin } from '../plugin.ts';
import type { NodeView } from '../node-view.ts';
import { diskConflict, type Disk } from '../volumes/disks.ts';

const name = 'VolumeRestrictions';

/** Disks that two pods on one node may not both have. */
export const exclusiveDisks = {
  name,
  reads: 'use',
  preFilter: ({ volumes }) => (volumes === undefined || volumes.disks.length === 0 ? undefined : volumes.disks),
  filter: (disks, node) => !isTaken(disks, node),
  refusals: (disks, node) =>
    isTaken(disks, node) ? [{ plugin: name, reason: 'node(s) had no available disk', curable: true }] : [],
} satisfies FilterPlugin<readonly Disk[]>;

function isTaken(disks: readonly Disk[], node: NodeView): boolean {
  return node.occupants.some(
    ({ counts, signature }) =>
      counts && signature.demand.volumes?.disks.some((other) => disks.some((disk) => diskConflict(disk, other))),
  );
}

const conflict = 'node has pod using PersistentVolumeClaim with the same name and ReadWriteOncePod access mode';

/**
 * A claim with the access mode ReadWriteOncePod is one pod's at a time, wherever that runs: all nodes are one domain.
 * A pod that is nominated to a node holds it too.
 */
export const exclusiveClaims: DomainPlugin = {
  name,
  concerns: ({ demand: { volumes } }) => (volumes?.exclusiveClaims.length ?? 0) > 0,
  prepare({ demand: { volumes } }, { volumes: book }): DomainState {
    const claims = volumes?.exclusiveClaims ?? [];
    const admits = () => !claims.some((claim) => book.isInUse(claim));
    return {
      domainOf: () => 0,
      admits,
      refusals: () => (admits() ? [] : [{ plugin: name, reason: conflict, curable: true }]),
      [Symbol.dispose]: () => {},
    };
  },
};
