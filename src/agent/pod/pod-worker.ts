import { access } from 'node:fs/promises';
import { join } from 'node:path';
import { isDeepStrictEqual } from 'node:util';
import { Pod } from '#api/core/pod.ts';
import type * as core from '#api/core/types.generated.ts';
import { compareVersions } from '#client/resource-version.ts';
import { abortController } from '#lib/clock.ts';
import { hasReason } from '#machinery/status-error.ts';
import { unreachable } from '#lib/unreachable.ts';
import type { AgentContext } from '../agent-context.ts';
import { ImageError } from '../images.ts';
import { ContainerProbes, probeTimeoutMs } from '../probes/container-probes.ts';
import { PodVolumes } from '../volumes/pod-volumes.ts';
import { containerHash } from './container-hash.ts';
import { runHandler } from './lifecycle-hook.ts';
import { isRunning, latestOf, nothingObserved, type ObservedPod } from './observed.ts';
import { PodActions, StepError } from './pod-actions.ts';
import { containersOf, isDeleting, uidOf } from './pod-containers.ts';
import type { PodFacts, Setback, Verdict } from './pod-facts.ts';
import { podStatus } from './pod-status.ts';
import { planPod, statusOf, stepKey, type Step } from './plan-pod.ts';
import { afterRestart, type RestartBackoff } from './restart-backoff.ts';
import { hasStorageLimits, storageExcess } from './storage-limits.ts';
import { StatusWriter } from './status-writer.ts';

const retryMsMin = 500;
const retryMsMax = 10_000;
const probeAgent = 'kube-probe/1.35';

/**
 * Looks after one pod on this node, from its first sight until nothing of it is left. Each pass reads the runtime,
 * plans, and starts the steps that are not yet under way; steps run beside the passes, and each end of one, each
 * change of the pod or of its containers and each probe result leads to the next pass.
 */
export class PodWorker {
  readonly uid: string;
  readonly #context: AgentContext;
  readonly #volumes: PodVolumes;
  readonly #actions: PodActions;
  readonly #probes: ContainerProbes;
  readonly #writer: StatusWriter;
  readonly #busy = new Map<
    string,
    { readonly step: Step; readonly stop: AbortController; readonly done: Promise<void> }
  >();
  readonly #setbacks = new Map<string, Setback & { readonly failures: number }>();
  readonly #backoffs = new Map<string, RestartBackoff>();
  readonly #stopDeadlines = new Map<string, number>();
  readonly #toldBackOffs = new Map<string, number>();
  #pod: Pod;
  #isGone: boolean;
  #observed: ObservedPod = nothingObserved;
  #volumeState: PodFacts['volumes'] = 'none';
  #endingSince: number | undefined;
  #verdict: Verdict | undefined;
  #isForgotten = false;
  #isReleased = false;
  #signal: AbortSignal = AbortSignal.abort();
  #isAwake = true;
  #wake: () => void = () => {};
  #timer: Disposable | undefined;
  #storageTimer: Disposable | undefined;
  #refreshing = false;

  constructor(context: AgentContext, pod: Pod, isGone: boolean) {
    this.uid = uidOf(pod);
    const { name, namespace } = pod.metadata ?? {};
    this.#context = { ...context, log: context.log.child({ pod: `${namespace ?? ''}/${name ?? ''}`, uid: this.uid }) };
    this.#pod = pod;
    this.#isGone = isGone;
    this.#volumes = new PodVolumes({
      client: context.client,
      clock: context.clock,
      log: this.#context.log,
      objects: context.objects,
      dir: join(context.paths.pods, this.uid),
      memory: join(context.paths.containerd.state, 'volatile', this.uid),
      surroundings: () => ({
        podIps: this.#podIps(),
        hostIps: context.hostIps(),
        allocatable: context.allocatable(),
      }),
      onStale: () => this.#refresh(),
    });
    this.#actions = new PodActions(this.#context, this.#volumes);
    this.#probes = new ContainerProbes({
      clock: context.clock,
      attempt: ({ id, spec }, probe, signal) => {
        const target = { containerId: id, spec, ip: this.#podIps()[0] ?? '' };
        return runHandler(this.#context, probe, target, probeAgent, probeTimeoutMs(probe), signal);
      },
      onChange: () => this.wake(),
      onFailure: ({ spec }, kind, message) => {
        const word = kind === 'startup' ? 'Startup' : kind === 'liveness' ? 'Liveness' : 'Readiness';
        const fieldPath = `spec.containers{${spec.name}}`;
        const fact = {
          type: 'Warning',
          reason: 'Unhealthy',
          message: `${word} probe failed: ${message}`,
          fieldPath,
        } as const;
        this.#context.events.record(this.#pod, fact);
      },
    });
    this.#writer = new StatusWriter({
      client: context.client,
      clock: context.clock,
      log: this.#context.log,
      pod: () => this.#pod,
      onWritten: (written) => this.update(written),
    });
  }

  get pod(): Pod {
    return this.#pod;
  }

  /** What the runtime showed last. */
  get observed(): ObservedPod {
    return this.#observed;
  }

  /** Takes the pod as the API has it now; older versions than the one at hand are passed over. */
  update(pod: Pod): void {
    const { labels, annotations, resourceVersion } = this.#pod.metadata ?? {};
    if (compareVersions(pod.metadata?.resourceVersion, resourceVersion) < 0) return;
    this.#pod = pod;
    const shown = { labels: pod.metadata?.labels, annotations: pod.metadata?.annotations };
    if (!isDeepStrictEqual(shown, { labels, annotations })) this.#refresh();
    this.wake();
  }

  /** The pod is no longer in the API; what runs of it ends. */
  abandon(last: Pod): void {
    if (compareVersions(last.metadata?.resourceVersion, this.#pod.metadata?.resourceVersion) >= 0) this.#pod = last;
    this.#isGone = true;
    this.wake();
  }

  /** Something may have changed: look. */
  wake(): void {
    this.#isAwake = true;
    this.#wake();
  }

  /** Settles once nothing of the pod is left, or when `signal` aborts; containers then run on. */
  async run(signal: AbortSignal): Promise<void> {
    const { clock, log } = this.#context;
    const aborted = () => this.#wake();
    this.#signal = signal;
    signal.addEventListener('abort', aborted, { once: true });
    if (await exists(join(this.#context.paths.pods, this.uid))) this.#volumeState = 'unknown';
    this.#watchStorage();
    let failures = 0;
    while (!signal.aborted && !this.#isForgotten) {
      if (!this.#isAwake) {
        const { promise, resolve } = Promise.withResolvers<void>();
        this.#wake = resolve;
        await promise;
        continue;
      }
      this.#isAwake = false;
      try {
        await this.#pass(signal);
        failures = 0;
      } catch (error) {
        if (signal.aborted) break;
        const delayMs = Math.min(retryMsMax, retryMsMin * 2 ** failures++);
        log.warn('pod cannot be looked after', { error, delayMs });
        this.#arm(clock.now() + delayMs);
      }
    }
    signal.removeEventListener('abort', aborted);
    this.#timer?.[Symbol.dispose]();
    this.#storageTimer?.[Symbol.dispose]();
    this.#probes[Symbol.dispose]();
    this.#volumes[Symbol.dispose]();
    await Promise.all([...this.#busy.values()].map(({ done }) => done));
    await this.#writer.idle();
  }

  async #pass(signal: AbortSignal): Promise<void> {
    const { view, clock } = this.#context;
    this.#observed = await view.read(this.uid, signal);
    this.#followProbes();
    const plan = planPod(this.facts());
    this.#verdict ??= plan.verdict;
    const ends = plan.outcome !== undefined || isDeleting(this.#pod) || this.#isGone;
    if (ends && this.#endingSince === undefined) {
      this.#endingSince = clock.now();
      // What is being brought up is no longer wanted.
      for (const { step, stop } of this.#busy.values()) if (bringsUp(step)) stop.abort(new Error('the pod ends'));
    }
    const isLast = (step: Step) => step.do === 'release';
    for (const step of plan.steps) if (!isLast(step)) this.#launch(step, signal);
    if (!this.#isGone) {
      const status = podStatus(this.facts(), plan);
      this.#tellOfBackOffs(status);
      this.#writer.publish(status, signal);
    }
    for (const step of plan.steps) if (isLast(step)) this.#launch(step, signal);
    this.#arm(plan.wakeAt);
  }

  /** Once for each time a container begins to wait. */
  #tellOfBackOffs({ initContainerStatuses = [], containerStatuses = [] }: core.PodStatus): void {
    for (const { name, state, restartCount } of [...initContainerStatuses, ...containerStatuses]) {
      if (state?.waiting?.reason !== 'CrashLoopBackOff' || this.#toldBackOffs.get(name) === restartCount) continue;
      this.#toldBackOffs.set(name, restartCount);
      const { metadata = {} } = this.#pod;
      const where = `${metadata.name ?? ''}_${metadata.namespace ?? ''}(${this.uid})`;
      const message = `Back-off restarting failed container ${name} in pod ${where}`;
      const fieldPath = `spec.containers{${name}}`;
      this.#context.events.record(this.#pod, { type: 'Warning', reason: 'BackOff', message, fieldPath });
    }
  }

  /** What the next plan would be made from. */
  facts(): PodFacts {
    const { clock, hostIps } = this.#context;
    const pod = this.#pod;
    return {
      pod,
      isGone: this.#isGone,
      now: clock.now(),
      observed: this.#observed,
      busy: new Set(this.#busy.keys()),
      volumes: this.#volumeState,
      setbacks: this.#setbacks,
      backoffs: this.#backoffs,
      started: this.#probes.started,
      ready: this.#probes.ready,
      unhealthy: this.#probes.unhealthy,
      stopDeadlines: this.#stopDeadlines,
      endingSince: this.#endingSince,
      verdict: this.#verdict,
      hash: (name) => {
        const spec = containersOf(pod).find((container) => container.spec.name === name)?.spec;
        return spec === undefined ? '' : containerHash(spec);
      },
      hostIps: hostIps(),
      isReleased: this.#isReleased,
    };
  }

  #arm(at: number | undefined): void {
    this.#timer?.[Symbol.dispose]();
    if (at === undefined) return;
    const { clock } = this.#context;
    this.#timer = clock.after(Math.max(0, at - clock.now()), () => this.wake());
  }

  #followProbes(): void {
    const probed = containersOf(this.#pod).flatMap(({ role, spec }) => {
      if (role === 'init' || role === 'ephemeral' || this.#busy.has(`start/${spec.name}`)) return [];
      const latest = latestOf(this.#observed, spec.name);
      if (latest === undefined || !isRunning(latest)) return [];
      const known = statusOf(this.#pod, spec.name);
      const isKnown = known?.containerID?.endsWith(`/${latest.id}`) === true;
      const before = isKnown ? { before: { started: known.started === true, ready: known.ready } } : {};
      return [{ id: latest.id, spec, startedAt: latest.startedAt, ...before }];
    });
    this.#probes.follow(probed);
    for (const { id, state } of this.#observed.containers) if (state !== 'running') this.#stopDeadlines.delete(id);
  }

  #launch(step: Step, signal: AbortSignal): void {
    const key = stepKey(step);
    const stop = abortController();
    const limit = AbortSignal.any([signal, stop.signal]);
    const done = this.#perform(step, limit)
      .then(
        () => void this.#setbacks.delete(key),
        (error: unknown) => {
          if (!limit.aborted) this.#setBack(step, key, error);
        },
      )
      .finally(() => {
        this.#busy.delete(key);
        this.wake();
      });
    this.#busy.set(key, { step, stop, done });
  }

  async #perform(step: Step, signal: AbortSignal): Promise<void> {
    const { clock, client } = this.#context;
    const pod = this.#pod;
    switch (step.do) {
      case 'mount':
        await this.#volumes.mount(pod, signal);
        this.#volumeState = 'mounted';
        return;
      case 'create-sandbox':
        if (step.attempt > 0) {
          const message = 'Pod sandbox changed, it will be killed and re-created.';
          this.#context.events.record(pod, { type: 'Normal', reason: 'SandboxChanged', message });
        }
        return this.#actions.createSandbox(pod, step.attempt, signal);
      case 'start': {
        const container = containersOf(pod).find(({ spec }) => spec.name === step.name);
        if (container === undefined) return;
        const last = latestOf(this.#observed, step.name);
        if (last !== undefined) {
          const now = clock.now();
          this.#backoffs.set(step.name, afterRestart(this.#backoffs.get(step.name), last.finishedAt, now));
        }
        return this.#actions.start(pod, container, step.attempt, this.#observed, signal);
      }
      case 'stop': {
        this.#stopDeadlines.set(step.id, clock.now() + step.graceSeconds * 1000);
        const { graceSeconds, message } = step;
        const endsPod = this.#endingSince !== undefined;
        const ip = this.#podIps()[0] ?? '';
        return this.#actions.stop(pod, step, { graceSeconds, message, endsPod, ip }, signal);
      }
      case 'stop-sandbox':
        return this.#actions.stopSandbox(step.id, signal);
      case 'remove-container':
        return this.#actions.removeContainer(step.id, signal);
      case 'remove-sandbox':
        return this.#actions.removeSandbox(step.id, signal);
      case 'unmount':
        await this.#volumes.unmount();
        this.#volumeState = 'none';
        return;
      case 'release':
        await this.#release(client, signal);
        return;
      case 'forget':
        await this.#actions.forget(pod, this.#observed, signal);
        this.#isForgotten = true;
        return;
      default:
        unreachable(step);
    }
  }

  async #release(client: AgentContext['client'], signal: AbortSignal): Promise<void> {
    await this.#writer.idle();
    const { name = '', namespace } = this.#pod.metadata ?? {};
    const ref = namespace === undefined ? { name } : { name, namespace };
    try {
      await client.delete(Pod, ref, { gracePeriodSeconds: 0, preconditions: { uid: this.uid }, signal });
    } catch (error) {
      if (!hasReason(error, 'NotFound', 'Conflict')) throw error;
      // Another pod of this name conflicts for good; this one, only for now.
      const other = hasReason(error, 'Conflict') ? await client.get(Pod, ref, { signal }) : undefined;
      if (other !== undefined && uidOf(other) === this.uid) throw error;
    }
    this.#isReleased = true;
  }

  #setBack(step: Step, key: string, error: unknown): void {
    const { clock, log, events } = this.#context;
    const failures = (this.#setbacks.get(key)?.failures ?? 0) + 1;
    const retryAt =
      error instanceof ImageError ? error.retryAt : clock.now() + Math.min(retryMsMax, retryMsMin * 2 ** failures);
    const reason =
      error instanceof ImageError || error instanceof StepError ? error.reason : (stepReasons[step.do] ?? 'Error');
    const message = (error as Error).message;
    this.#setbacks.set(key, { reason, message, retryAt, failures });
    log.warn('step failed', { step: key, reason, error });
    const name = eventReasons[step.do];
    if (name === undefined) return;
    const fact = {
      type: 'Warning',
      reason: reason === 'ImagePullBackOff' ? 'BackOff' : name,
      message: step.do === 'start' ? `Error: ${reason}: ${message}` : message,
    } as const;
    events.record(this.#pod, step.do === 'start' ? { ...fact, fieldPath: `spec.containers{${step.name}}` } : fact);
  }

  /** Looks from time to time whether the pod takes more disk than it may, if it has such limits at all. */
  #watchStorage(): void {
    const { clock, log, events } = this.#context;
    if (!hasStorageLimits(this.#pod)) return;
    const look = async () => {
      const message = await storageExcess(this.#context, this.#pod, this.#observed, this.#signal);
      if (message === undefined || this.#endingSince !== undefined) return;
      events.record(this.#pod, { type: 'Warning', reason: 'Evicted', message });
      this.#verdict ??= { reason: 'Evicted', message };
      this.wake();
    };
    this.#storageTimer = clock.after(storageEveryMs, () => {
      void look()
        .catch((error: unknown) => log.warn('disk usage cannot be read', { error }))
        .finally(() => {
          if (!this.#signal.aborted && !this.#isForgotten) this.#watchStorage();
        });
    });
  }

  #podIps(): readonly string[] {
    if (this.#pod.spec.hostNetwork === true) return this.#context.hostIps();
    return this.#observed.sandboxes[0]?.ips ?? [];
  }

  #refresh(): void {
    if (this.#volumeState !== 'mounted' || this.#refreshing || this.#endingSince !== undefined) return;
    this.#refreshing = true;
    // Changes often come in groups; one pass takes them all.
    this.#context.clock.after(refreshDelayMs, () => {
      this.#refreshing = false;
      if (this.#volumeState === 'mounted') void this.#volumes.refresh(this.#pod, this.#signal).catch(() => {});
    });
  }
}

const refreshDelayMs = 100;
const storageEveryMs = 10_000;
const stepReasons: Partial<Record<Step['do'], string>> = {
  mount: 'ContainerCreating',
  'create-sandbox': 'ContainerCreating',
};
const eventReasons: Partial<Record<Step['do'], string>> = {
  mount: 'FailedMount',
  'create-sandbox': 'FailedCreatePodSandBox',
  start: 'Failed',
  stop: 'FailedKillPod',
  'stop-sandbox': 'FailedKillPod',
};

const bringsUp = (step: Step) => step.do === 'mount' || step.do === 'create-sandbox' || step.do === 'start';

async function exists(path: string): Promise<boolean> {
  return access(path).then(
    () => true,
    () => false,
  );
}
