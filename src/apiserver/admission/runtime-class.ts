import { Pod } from '#api/core/pod.ts';
import type { Toleration } from '#api/core/types.generated.ts';
import { RuntimeClass } from '#api/node/runtime-class.ts';
import { sameResources } from '#machinery/resource-list.ts';
import { forbiddenRequest } from '#machinery/status-error.ts';
import type { Registry } from '../registry/registry.ts';
import type { AdmissionPlugin } from './admission.ts';
import { podOf } from './pod-of.ts';

/**
 * Gives a pod what its runtime class costs and where it can run; refuses classes that are not there.
 * Source: kubernetes plugin/pkg/admission/runtimeclass.
 */
export function runtimeClass(registry: Registry): AdmissionPlugin {
  const classes = registry.of(RuntimeClass);

  async function classOf(pod: Pod, signal: AbortSignal): Promise<RuntimeClass | undefined> {
    const { runtimeClassName: name } = pod.spec;
    if (name === undefined) return undefined;
    const found = await classes.find({ name }, { want: 'newest' }, signal);
    if (found === undefined) throw refused(pod, `pod rejected: RuntimeClass "${name}" not found`);
    return found.object;
  }

  return {
    name: 'RuntimeClass',

    async mutate(request, { signal }) {
      const pod = podOf(request);
      if (pod === undefined || request.operation !== 'CREATE') return request.object!;
      const found = await classOf(pod, signal);
      return found === undefined ? pod : withRuntime(pod, found);
    },

    async validate(request, { signal }) {
      const pod = podOf(request);
      if (pod === undefined || request.operation !== 'CREATE') return;
      const { overhead } = (await classOf(pod, signal)) ?? {};
      const own = pod.spec.overhead ?? {};
      if (Object.keys(own).length === 0) return;
      if (overhead === undefined) {
        throw refused(pod, 'pod rejected: Pod Overhead set without corresponding RuntimeClass defined Overhead');
      }
      if (!sameResources(own, overhead.podFixed ?? {})) throw refused(pod, otherOverhead);
    },
  };
}

const otherOverhead = "pod rejected: Pod's Overhead doesn't match RuntimeClass's defined Overhead";
const refused = (pod: Pod, detail: string) => forbiddenRequest(Pod, pod.metadata?.name ?? '', detail);

/** The pod as it runs under the class. Throws Forbidden if it wants something else. */
function withRuntime(pod: Pod, { overhead, scheduling }: RuntimeClass): Pod {
  let { spec } = pod;
  if (overhead !== undefined) {
    const podFixed = overhead.podFixed ?? {};
    const own = spec.overhead ?? {};
    if (Object.keys(own).length > 0 && !sameResources(own, podFixed)) throw refused(pod, otherOverhead);
    spec = { ...spec, overhead: podFixed };
  }
  if (scheduling !== undefined) {
    const { nodeSelector = {}, tolerations = [] } = scheduling;
    for (const [key, value] of Object.entries(nodeSelector)) {
      const own = spec.nodeSelector?.[key];
      if (own === undefined || own === value) continue;
      throw refused(
        pod,
        `conflict: runtimeClass.scheduling.nodeSelector[${key}] = ${value}; pod.spec.nodeSelector[${key}] = ${own}`,
      );
    }
    const present = spec.tolerations ?? [];
    const missing = tolerations.filter((toleration) => !present.some((each) => covers(each, toleration)));
    spec = {
      ...spec,
      ...(Object.keys(nodeSelector).length === 0 ? {} : { nodeSelector: { ...spec.nodeSelector, ...nodeSelector } }),
      ...(missing.length === 0 ? {} : { tolerations: [...present, ...missing] }),
    };
  }
  return spec === pod.spec ? pod : { ...pod, spec };
}

/** Whether a pod that has `a` tolerates all that `b` does. Source: kubernetes pkg/util/tolerations. */
function covers(a: Toleration, b: Toleration): boolean {
  const { key = '', operator = 'Equal', effect = '' } = a;
  if (key !== '' && key !== (b.key ?? '')) return false;
  if (effect !== '' && effect !== (b.effect ?? '')) return false;
  const lasts = ({ tolerationSeconds }: Toleration) => tolerationSeconds ?? Number.POSITIVE_INFINITY;
  if (effect === 'NoExecute' && lasts(a) < lasts(b)) return false;
  if (operator === 'Exists') return true;
  return (b.operator ?? 'Equal') === 'Equal' && key !== '' && (a.value ?? '') === (b.value ?? '');
}
