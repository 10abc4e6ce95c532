import type { Pod } from '#api/core/pod.ts';
import type { AdmissionPlugin } from './admission.ts';
import { podOf } from './pod-of.ts';

/** How long a pod stays on a node that is not ready or cannot be reached, unless it says otherwise. Source: kube-apiserver. */
export const tolerationSecondsDefault = 300;

type Toleration = NonNullable<Pod['spec']['tolerations']>[number];

const taints = ['node.kubernetes.io/not-ready', 'node.kubernetes.io/unreachable'];

/** The pod with a limited toleration for each taint of a lost node that it says nothing about. */
export function withDefaultTolerations(pod: Pod): Pod {
  const present = pod.spec.tolerations ?? [];
  const says = (taint: string) =>
    present.some(
      ({ key = '', effect = '' }) => (key === taint || key === '') && (effect === 'NoExecute' || effect === ''),
    );
  const missing = taints
    .filter((taint) => !says(taint))
    .map((key): Toleration => ({
      key,
      operator: 'Exists',
      effect: 'NoExecute',
      tolerationSeconds: tolerationSecondsDefault,
    }));
  return missing.length === 0 ? pod : { ...pod, spec: { ...pod.spec, tolerations: [...present, ...missing] } };
}

export const defaultTolerationSeconds: AdmissionPlugin = {
  name: 'DefaultTolerationSeconds',
  async mutate(request) {
    const pod = podOf(request);
    return pod === undefined ? request.object! : withDefaultTolerations(pod);
  },
};
