import type { Pod } from '#api/core/pod.ts';
import { PriorityClass } from '#api/scheduling/priority-class.ts';
import { forbiddenRequest } from '#machinery/status-error.ts';
import { Pod as PodKind } from '#api/core/pod.ts';
import type { Registry } from '../registry/registry.ts';
import type { AdmissionPlugin } from './admission.ts';
import { podOf } from './pod-of.ts';

/** There even where nobody has made the objects. Source: kubernetes pkg/apis/scheduling (helpers.go). */
const builtin: Readonly<Record<string, number>> = {
  'system-cluster-critical': 2_000_000_000,
  'system-node-critical': 2_000_001_000,
};

interface Resolved {
  readonly name: string;
  readonly value: number;
  readonly preemptionPolicy: string | undefined;
}

/** Turns a pod's priority class into its priority, and sees to it that only one class is the default. */
export function priority(registry: Registry): AdmissionPlugin {
  const classes = registry.of(PriorityClass);

  async function resolve(pod: Pod, signal: AbortSignal): Promise<Resolved> {
    const name = pod.spec.priorityClassName ?? '';
    await classes.cache.load(signal);
    if (name === '') return globalDefault();
    const found = await classes.find({ name }, { want: 'newest' }, signal);
    if (found !== undefined) return resolved(found.object);
    const value = builtin[name];
    if (value !== undefined) return { name, value, preemptionPolicy: undefined };
    throw forbiddenRequest(PodKind, pod.metadata?.name ?? '', `no PriorityClass with name ${name} was found`);
  }

  function globalDefault(): Resolved {
    let chosen: PriorityClass | undefined;
    classes.cache.scan(undefined, undefined, ({ object }) => {
      if (object.globalDefault === true && (chosen === undefined || object.value < chosen.value)) chosen = object;
      return true;
    });
    return chosen === undefined ? { name: '', value: 0, preemptionPolicy: undefined } : resolved(chosen);
  }

  return {
    name: 'Priority',

    async mutate(request, { signal }) {
      const pod = podOf(request);
      if (pod === undefined) return request.object!;
      const { priority: before, preemptionPolicy: policyBefore } = pod.spec;
      if (request.operation === 'UPDATE') return keptPriority(pod, request.stored as Pod);
      const { name, value, preemptionPolicy = 'PreemptLowerPriority' } = await resolve(pod, signal);
      if (before !== undefined && before !== value) {
        throw forbiddenRequest(
          PodKind,
          pod.metadata?.name ?? '',
          `the integer value of priority (${before}) must not be provided in pod spec; priority admission controller computed ${value} from the given PriorityClass name`,
        );
      }
      if (policyBefore !== undefined && policyBefore !== preemptionPolicy) {
        throw forbiddenRequest(
          PodKind,
          pod.metadata?.name ?? '',
          `the string value of PreemptionPolicy (${policyBefore}) must not be provided in pod spec; priority admission controller computed ${preemptionPolicy} from the given PriorityClass name`,
        );
      }
      const spec = {
        ...pod.spec,
        ...(name === '' ? {} : { priorityClassName: name }),
        priority: value,
        preemptionPolicy,
      };
      return { ...pod, spec };
    },

    async validate({ attributes, operation, object }, { signal }) {
      const { kind } = attributes;
      if (kind?.plural !== 'priorityclasses' || operation === 'DELETE' || object === undefined) return;
      const mine = object as PriorityClass;
      if (mine.globalDefault !== true) return;
      await classes.cache.load(signal);
      const name = mine.metadata?.name ?? '';
      classes.cache.scan(undefined, undefined, ({ object: other }) => {
        if (other.globalDefault === true && other.metadata?.name !== name) {
          throw forbiddenRequest(
            PriorityClass,
            name,
            `PriorityClass ${other.metadata?.name ?? ''} has already been marked as default. Only one default can exist`,
          );
        }
        return true;
      });
    },
  };
}

const resolved = ({ metadata, value, preemptionPolicy }: PriorityClass): Resolved => ({
  name: metadata?.name ?? '',
  value,
  preemptionPolicy,
});

/** A PUT that leaves the computed fields out means the same pod. */
function keptPriority(pod: Pod, stored: Pod): Pod {
  const { priority: value, preemptionPolicy } = stored.spec;
  const spec = {
    ...pod.spec,
    ...(pod.spec.priority === undefined && value !== undefined ? { priority: value } : {}),
    ...(pod.spec.preemptionPolicy === undefined && preemptionPolicy !== undefined ? { preemptionPolicy } : {}),
  };
  return { ...pod, spec };
}
