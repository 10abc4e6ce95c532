import type { Binding } from '#api/core/binding.ts';
import { Node } from '#api/core/node.ts';
import type { Pod } from '#api/core/pod.ts';
import type { ApiObject } from '#machinery/object.ts';
import type { Registry } from '../registry/registry.ts';
import type { AdmissionPlugin } from './admission.ts';

const copied = ['topology.kubernetes.io/region', 'topology.kubernetes.io/zone'] as const;

/**
 * A pod carries where its node is, for its own downward API and for selectors. Source: kubernetes
 * plugin/pkg/admission/podtopologylabels.
 */
export function podTopologyLabels(registry: Registry): AdmissionPlugin {
  const nodes = registry.of(Node);
  return {
    name: 'PodTopologyLabels',
    async mutate({ attributes, operation, object }, { signal }) {
      const { kind, subresource } = attributes;
      if (operation !== 'CREATE' || kind?.group !== '' || kind.plural !== 'pods') return object!;
      const name = subresource === 'binding' ? (object as Binding).target.name : (object as Pod).spec.nodeName;
      const isPlaced = (subresource === undefined || subresource === 'binding') && name !== undefined && name !== '';
      if (!isPlaced) return object!;
      const node = await nodes.find({ name }, { want: 'any' }, signal);
      const labels = node?.object.metadata?.labels ?? {};
      const found = copied.filter((label) => labels[label] !== undefined);
      return found.length === 0
        ? object!
        : labelled(object!, Object.fromEntries(found.map((label) => [label, labels[label]!])));
    },
  };
}

const labelled = (object: ApiObject, labels: Readonly<Record<string, string>>): ApiObject => ({
  ...object,
  metadata: { ...object.metadata, labels: { ...object.metadata?.labels, ...labels } },
});
