import type { Node } from '#api/core/node.ts';
import type { AdmissionPlugin } from './admission.ts';

const taint = { key: 'node.kubernetes.io/not-ready', effect: 'NoSchedule' } as const;

/**
 * A new node takes no pods until it has said that it is ready; the node controller takes the taint away then. Source:
 * kubernetes plugin/pkg/admission/nodetaint. A node that is ready as it comes is spared the detour.
 */
export const newNodeTaint: AdmissionPlugin = {
  name: 'TaintNodesByCondition',
  async mutate({ attributes, operation, object }) {
    const { kind, subresource } = attributes;
    const isNew = operation === 'CREATE' && subresource === undefined && kind?.group === '' && kind.plural === 'nodes';
    if (!isNew) return object!;
    const node = object as Node;
    const ready = node.status?.conditions?.some(({ type, status }) => type === 'Ready' && status === 'True') === true;
    const taints = node.spec?.taints ?? [];
    if (ready || taints.some(({ key, effect }) => key === taint.key && effect === taint.effect)) return node;
    return { ...node, spec: { ...node.spec, taints: [...taints, taint] } };
  },
};
