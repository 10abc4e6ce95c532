import type { Pod } from '#api/core/pod.ts';
import type * as core from '#api/core/types.generated.ts';
import { rfc3339 } from './container-status.ts';

/** The condition types that the agent owns; others are kept as they are. */
const owned = new Set(['PodScheduled', 'PodReadyToStartContainers', 'Initialized', 'ContainersReady', 'Ready']);

interface Inputs {
  readonly pod: Pod;
  readonly now: number;
  readonly phase: string;
  readonly hasNetwork: boolean;
  readonly inits: readonly core.ContainerStatus[];
  /** Main containers and sidecars: those that serve. */
  readonly serving: readonly core.ContainerStatus[];
  readonly initialized: boolean;
}

type Finding = Pick<core.PodCondition, 'status' | 'reason' | 'message'>;

/** The pod's conditions, with transition times kept where nothing changed. */
export function podConditions(inputs: Inputs): readonly core.PodCondition[] {
  const { pod, now } = inputs;
  const before = pod.status?.conditions ?? [];
  const findings: Record<string, Finding> = {
    PodReadyToStartContainers: { status: inputs.hasNetwork ? 'True' : 'False' },
    Initialized: initialized(inputs),
    Ready: ready(inputs),
    ContainersReady: containersReady(inputs),
    PodScheduled: { status: 'True' },
  };
  const mine = Object.entries(findings).map(([type, finding]): core.PodCondition => {
    const old = before.find((condition) => condition.type === type);
    const changed = old?.status !== finding.status;
    return {
      type,
      status: finding.status,
      lastTransitionTime: changed ? rfc3339(now) : (old.lastTransitionTime ?? rfc3339(now)),
      ...(finding.reason === undefined ? {} : { reason: finding.reason }),
      ...(finding.message === undefined ? {} : { message: finding.message }),
      ...(pod.metadata?.generation === undefined ? {} : { observedGeneration: pod.metadata.generation }),
    };
  });
  const others = before.filter(({ type }) => !owned.has(type));
  return [...mine, ...others];
}

function initialized({ inits, phase, initialized: done }: Inputs): Finding {
  if (phase === 'Succeeded') return { status: 'True', reason: 'PodCompleted' };
  if (done) return { status: 'True' };
  const names = inits.filter(({ ready: passed }) => !passed).map(({ name }) => name);
  return {
    status: 'False',
    reason: 'ContainersNotInitialized',
    message: `containers with incomplete status: [${names.join(' ')}]`,
  };
}

function containersReady({ serving, phase }: Inputs): Finding {
  if (phase === 'Succeeded') return { status: 'False', reason: 'PodCompleted' };
  if (phase === 'Failed') return { status: 'False', reason: 'PodFailed' };
  const names = serving.filter((status) => !status.ready).map(({ name }) => name);
  if (names.length === 0) return { status: 'True' };
  return {
    status: 'False',
    reason: 'ContainersNotReady',
    message: `containers with unready status: [${names.join(' ')}]`,
  };
}

function ready(inputs: Inputs): Finding {
  const containers = containersReady(inputs);
  if (containers.status !== 'True') return containers;
  const { conditions = [] } = inputs.pod.status ?? {};
  const closed = (inputs.pod.spec.readinessGates ?? []).flatMap(({ conditionType }) => {
    const gate = conditions.find(({ type }) => type === conditionType);
    if (gate?.status === 'True') return [];
    return gate === undefined
      ? `corresponding condition of pod readiness gate "${conditionType}" does not exist.`
      : `the status of pod readiness gate "${conditionType}" is not "True", but ${gate.status}`;
  });
  if (closed.length === 0) return { status: 'True' };
  return { status: 'False', reason: 'ReadinessGatesNotReady', message: closed.join(', ') };
}
