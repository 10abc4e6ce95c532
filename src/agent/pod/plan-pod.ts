import {
  containersOf,
  graceSecondsOf,
  isDeleting,
  isFinished,
  restartsAfter,
  type ContainerRole,
  type PodContainer,
} from './pod-containers.ts';
import { isOver, isRunning, latestOf, type ObservedContainer, type ObservedSandbox } from './observed.ts';
import type { PodFacts, Verdict } from './pod-facts.ts';
import { restartAt } from './restart-backoff.ts';

/** One thing the worker does next. Steps of one plan are independent of each other and run side by side. */
export type Step =
  | { readonly do: 'mount' }
  | { readonly do: 'create-sandbox'; readonly attempt: number }
  | { readonly do: 'stop-sandbox'; readonly id: string }
  | {
      readonly do: 'start';
      readonly name: string;
      readonly role: ContainerRole;
      readonly attempt: number;
      readonly sandboxId: string;
    }
  | {
      readonly do: 'stop';
      readonly id: string;
      readonly name: string;
      readonly graceSeconds: number;
      readonly message: string;
    }
  | { readonly do: 'remove-container'; readonly id: string }
  | { readonly do: 'remove-sandbox'; readonly id: string }
  | { readonly do: 'unmount' }
  /** Delete the object, which is kept only until we say that nothing runs any more. */
  | { readonly do: 'release' }
  /** Remove every trace from runtime and disk; the worker then ends. */
  | { readonly do: 'forget' };

export interface PodPlan {
  readonly steps: readonly Step[];
  /** Look again at this time, whatever happens until then. */
  readonly wakeAt?: number;
  /** The pod must end, and its phase becomes this once nothing of it runs. */
  readonly outcome?: 'Succeeded' | 'Failed';
  /** New on the pass that finds the reason; the worker keeps it. */
  readonly verdict?: Verdict;
}

/** Two steps of the same key never run at once. */
export function stepKey(step: Step): string {
  switch (step.do) {
    case 'start':
      return `start/${step.name}`;
    case 'stop':
      return `stop/${step.id}/${step.graceSeconds <= 1 ? 'now' : 'later'}`;
    case 'stop-sandbox':
    case 'remove-container':
    case 'remove-sandbox':
      return `${step.do}/${step.id}`;
    default:
      return step.do;
  }
}

/** Decides what brings a pod closer to what is wanted. Pure: equal facts give equal plans. */
export function planPod(facts: PodFacts): PodPlan {
  const verdict = facts.verdict ?? deadlineVerdict(facts);
  const outcome = verdict === undefined ? outcomeOf(facts) : 'Failed';
  const ends = facts.isGone || isDeleting(facts.pod) || isFinished(facts.pod) || outcome !== undefined;
  const plan = ends ? planEnd(facts) : planRun(facts);
  const steps = [...plan.steps, ...planTidying(facts)].filter((step) => mayTry(facts, step));
  const waits = plan.steps.flatMap((step) => facts.setbacks.get(stepKey(step))?.retryAt ?? []);
  const deadline = ends ? undefined : deadlineOf(facts);
  const times = [plan.wakeAt, deadline, ...waits].filter((at) => at !== undefined && at > facts.now) as number[];
  return {
    steps,
    ...(times.length === 0 ? {} : { wakeAt: Math.min(...times) }),
    ...(outcome === undefined ? {} : { outcome }),
    ...(verdict === undefined ? {} : { verdict }),
  };
}

function mayTry({ busy, setbacks, now }: PodFacts, step: Step): boolean {
  const key = stepKey(step);
  return !busy.has(key) && (setbacks.get(key)?.retryAt ?? 0) <= now;
}

function deadlineOf({ pod, now }: PodFacts): number | undefined {
  const { activeDeadlineSeconds } = pod.spec;
  if (activeDeadlineSeconds === undefined) return undefined;
  return (pod.status?.startTime === undefined ? now : Date.parse(pod.status.startTime)) + activeDeadlineSeconds * 1000;
}

function deadlineVerdict(facts: PodFacts): Verdict | undefined {
  const deadline = deadlineOf(facts);
  if (deadline === undefined || deadline > facts.now || isFinished(facts.pod)) return undefined;
  return {
    reason: 'DeadlineExceeded',
    message: 'Pod was active on the node longer than the specified deadline',
  };
}

/** How the pod's own containers have ended it, if they have. */
export function outcomeOf(facts: PodFacts): 'Succeeded' | 'Failed' | undefined {
  const { pod, observed, busy } = facts;
  const containers = containersOf(pod);
  const ended = (container: PodContainer): ObservedContainer | undefined => {
    const latest = latestOf(observed, container.spec.name);
    if (latest === undefined || !isOver(latest) || busy.has(`start/${container.spec.name}`)) return undefined;
    return restartsAfter(pod, container, exitCodeOf(latest)) ? undefined : latest;
  };
  const failedInit = containers.some((container) => {
    const end = container.role === 'init' ? ended(container) : undefined;
    return end !== undefined && exitCodeOf(end) !== 0 && !hasStartedMains(facts);
  });
  if (failedInit) return 'Failed';
  const ends = containers.filter(({ role }) => role === 'main').map(ended);
  if (ends.length === 0 || ends.includes(undefined)) return undefined;
  return ends.every((end) => end !== undefined && exitCodeOf(end) === 0) ? 'Succeeded' : 'Failed';
}

/** A container whose end nobody saw counts as killed. */
const exitCodeOf = ({ state, exitCode }: ObservedContainer) => (state === 'unknown' ? 137 : exitCode);

function hasStartedMains({ pod, observed }: PodFacts): boolean {
  const sandbox = observed.sandboxes[0]?.id;
  return pod.spec.containers.some(
    ({ name }) => latestOf(observed, name)?.sandboxId === sandbox && sandbox !== undefined,
  );
}

interface Partial {
  readonly steps: readonly Step[];
  readonly wakeAt?: number;
}

function planRun(facts: PodFacts): Partial {
  const { pod, observed, volumes } = facts;
  const steps: Step[] = volumes !== 'mounted' ? [{ do: 'mount' }] : [];
  const [sandbox] = observed.sandboxes;
  if (sandbox === undefined) return { steps: [...steps, { do: 'create-sandbox', attempt: 0 }] };
  if (!sandbox.ready) {
    const alive = observed.containers.filter((container) => container.sandboxId === sandbox.id && isRunning(container));
    if (alive.length > 0) return { steps: [{ do: 'stop-sandbox', id: sandbox.id }] };
    return { steps: [...steps, { do: 'create-sandbox', attempt: sandbox.attempt + 1 }] };
  }
  if (volumes !== 'mounted') return { steps };
  const all = containersOf(pod);
  const wakes: number[] = [];
  const visit = (container: PodContainer) => planContainer(facts, container, sandbox, steps, wakes);
  for (const container of all) if (container.role === 'ephemeral') visit(container);
  const mainsStarted = hasStartedMains(facts);
  let initialized = true;
  for (const container of all) {
    if (container.role !== 'init' && container.role !== 'sidecar') continue;
    // Init containers do not run again beside main ones; sidecars are kept up at all times.
    if (container.role === 'init' && mainsStarted) continue;
    visit(container);
    if (!mainsStarted && !isPassed(facts, container, sandbox)) {
      initialized = false;
      break;
    }
  }
  if (initialized) for (const container of all) if (container.role === 'main') visit(container);
  return { steps, ...(wakes.length === 0 ? {} : { wakeAt: Math.min(...wakes) }) };
}

/** Whether the next init container, or the main ones, may start. */
function isPassed(facts: PodFacts, { role, spec }: PodContainer, sandbox: ObservedSandbox): boolean {
  const latest = latestOf(facts.observed, spec.name);
  if (latest === undefined || latest.sandboxId !== sandbox.id || facts.busy.has(`start/${spec.name}`)) return false;
  return role === 'init' ? latest.state === 'exited' && latest.exitCode === 0 : facts.started.has(latest.id);
}

function planContainer(
  facts: PodFacts,
  container: PodContainer,
  sandbox: ObservedSandbox,
  steps: Step[],
  wakes: number[],
): void {
  const { pod, observed, backoffs, now } = facts;
  const { name } = container.spec;
  const { role } = container;
  const latest = latestOf(observed, name);
  const start = (attempt: number) => steps.push({ do: 'start', name, role, attempt, sandboxId: sandbox.id });
  const isHere = latest?.sandboxId === sandbox.id;
  if (latest === undefined) {
    const known = statusOf(pod, name);
    start(known?.containerID === undefined ? 0 : known.restartCount + 1);
  } else if (latest.state === 'created') {
    // Left over from an agent that died between creating and starting it.
    if (!facts.busy.has(`start/${name}`)) steps.push({ do: 'remove-container', id: latest.id });
  } else if (isOver(latest)) {
    const reruns = role === 'init' && !isHere;
    if (!reruns && role === 'init' && exitCodeOf(latest) === 0) return;
    if (!reruns && !restartsAfter(pod, container, exitCodeOf(latest))) return;
    const at = reruns && exitCodeOf(latest) === 0 ? now : restartAt(backoffs.get(name), latest.finishedAt);
    if (at <= now) start(latest.attempt + 1);
    else wakes.push(at);
  } else {
    const reason = stopReason(facts, latest);
    if (reason !== undefined) stop(facts, latest, reason.graceSeconds ?? graceSecondsOf(pod), reason.message, steps);
  }
}

function stopReason(
  facts: PodFacts,
  container: ObservedContainer,
): { readonly message: string; readonly graceSeconds?: number } | undefined {
  if (facts.busy.has(`start/${container.name}`)) return undefined;
  const unhealthy = facts.unhealthy.get(container.id);
  if (unhealthy !== undefined) return unhealthy;
  if (container.hash === facts.hash(container.name)) return undefined;
  return { message: `Container ${container.name} definition changed, will be restarted` };
}

export function statusOf(pod: PodFacts['pod'], name: string) {
  const { containerStatuses = [], initContainerStatuses = [], ephemeralContainerStatuses = [] } = pod.status ?? {};
  return [...containerStatuses, ...initContainerStatuses, ...ephemeralContainerStatuses].find(
    (status) => status.name === name,
  );
}

function planEnd(facts: PodFacts): Partial {
  const { pod, observed, busy, endingSince = facts.now, now } = facts;
  const running = observed.containers.filter(isRunning);
  const starting = [...busy].some((key) => key.startsWith('start/') || key === 'create-sandbox' || key === 'mount');
  if (running.length > 0) {
    const grace = Math.max(facts.isGone ? 1 : 0, graceSecondsOf(pod) - Math.floor((now - endingSince) / 1000));
    const steps: Step[] = [];
    for (const container of nextToStop(facts, running))
      stop(facts, container, grace, `Stopping container ${container.name}`, steps);
    return { steps };
  }
  // A start under way is told to give up by the worker; its remains are seen on the next pass.
  if (starting) return { steps: [] };
  const ready = observed.sandboxes.filter((sandbox) => sandbox.ready);
  if (ready.length > 0) return { steps: ready.map(({ id }) => ({ do: 'stop-sandbox', id })) };
  if (facts.volumes !== 'none') return { steps: [{ do: 'unmount' }] };
  if (facts.isGone) return { steps: [{ do: 'forget' }] };
  return { steps: isDeleting(pod) && !facts.isReleased ? [{ do: 'release' }] : [] };
}

/** Main containers end together; then the sidecars one by one, the last to start first. */
function nextToStop({ pod }: PodFacts, running: readonly ObservedContainer[]): readonly ObservedContainer[] {
  const sidecars = containersOf(pod).filter(({ role }) => role === 'sidecar');
  const isSidecar = ({ name }: ObservedContainer) => sidecars.some(({ spec }) => spec.name === name);
  const first = running.filter((container) => !isSidecar(container));
  if (first.length > 0) return first;
  const last = sidecars.findLast(({ spec }) => running.some(({ name }) => name === spec.name));
  return running.filter(({ name }) => name === last?.spec.name);
}

/** Adds the stop unless one is under way that ends at least as soon. */
function stop(facts: PodFacts, container: ObservedContainer, grace: number, message: string, steps: Step[]): void {
  const graceSeconds = Math.max(0, grace);
  const deadline = facts.stopDeadlines.get(container.id);
  if (deadline !== undefined && deadline <= facts.now + graceSeconds * 1000 + slackMs) return;
  steps.push({ do: 'stop', id: container.id, name: container.name, graceSeconds, message });
}

/** Grace is counted in whole seconds, so a running stop may seem up to one later than it is. */
const slackMs = 1000;

/** One ended instance of each container is kept, for its log and for `lastState`; older ones and old sandboxes go. */
function planTidying({ pod, observed, isGone }: PodFacts): readonly Step[] {
  if (isGone || isDeleting(pod)) return [];
  const old = containersOf(pod).flatMap(({ spec: { name } }) =>
    observed.containers.filter((container) => container.name === name).slice(2),
  );
  const containers = old.filter(isOver).map(({ id }): Step => ({ do: 'remove-container', id }));
  const empty = observed.sandboxes
    .slice(1)
    .filter(({ id, ready }) => !ready && !observed.containers.some(({ sandboxId }) => sandboxId === id));
  return [...containers, ...empty.map(({ id }): Step => ({ do: 'remove-sandbox', id }))];
}
