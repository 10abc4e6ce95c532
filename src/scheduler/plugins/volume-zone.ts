import type { FilterPlugin } from '../plugin.ts';
import type { NodeView } from '../node-view.ts';
import { zoneKeys } from '../volumes/read-demand.ts';
import type { VolumeZone } from '../volumes/volume-demand.ts';

const stableKeys: Readonly<Record<string, string>> = {
  'failure-domain.beta.kubernetes.io/zone': 'topology.kubernetes.io/zone',
  'failure-domain.beta.kubernetes.io/region': 'topology.kubernetes.io/region',
};

/**
 * A node with zone or region labels must be in the zones of the volumes that the pod's claims are bound to.
 * Source: k8s.io/kubernetes/pkg/scheduler/framework/plugins/volumezone.
 */
export const volumeZone = {
  name: 'VolumeZone',
  reads: 'node',
  preFilter: ({ volumes }) => (volumes === undefined || volumes.zones.length === 0 ? undefined : volumes.zones),
  filter: (zones, node) => isWithin(zones, node),
  refusals: (zones, node) =>
    isWithin(zones, node)
      ? []
      : [{ plugin: 'VolumeZone', reason: 'node(s) had no available volume zone', curable: false }],
} satisfies FilterPlugin<readonly VolumeZone[]>;

function isWithin(zones: readonly VolumeZone[], node: NodeView): boolean {
  if (zoneKeys.every((key) => node.label(key) === undefined)) return true;
  return zones.every(({ key, values }) => {
    const value = node.label(key) ?? node.label(stableKeys[key] ?? key);
    return value !== undefined && values.includes(value);
  });
}
