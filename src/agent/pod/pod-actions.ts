import { mkdir, readFile, rm } from 'node:fs/promises';
import { join } from 'node:path';
import { ConfigMap } from '#api/core/config-map.ts';
import type { Pod } from '#api/core/pod.ts';
import { Secret } from '#api/core/secret.ts';
import { badRequest, hasReason } from '#machinery/status-error.ts';
import type { AgentContext } from '../agent-context.ts';
import { parseResolver, resolverOf, type Resolver } from '../container/dns-config.ts';
import { environmentObjects, environmentOf } from '../container/environment.ts';
import { serviceVariables } from '../container/service-env.ts';
import { pullCredentials } from '../credentials.ts';
import type { Init } from '#lib/proto3.ts';
import type { PodSandboxConfig } from '../cri/messages.generated.ts';
import { logDirName } from '../cri-names.ts';
import { ImageError } from '../images.ts';
import type { PodVolumes } from '../volumes/pod-volumes.ts';
import { removeTree } from '../volumes/mounts.ts';
import { containerConfig } from './container-config.ts';
import { containerMounts, prepareTerminationFile } from './container-mounts.ts';
import { runHandler } from './lifecycle-hook.ts';
import { containersOf, uidOf, type PodContainer } from './pod-containers.ts';
import { latestOf, type ObservedContainer, type ObservedPod } from './observed.ts';
import { profileDir, sandboxConfig } from './sandbox-config.ts';

/** A step that failed in a way that the pod's status names. */
export class StepError extends Error {
  readonly reason: string;
  constructor(reason: string, cause: unknown) {
    super((cause as Error).message, { cause });
    this.name = 'StepError';
    this.reason = reason;
  }
}

/** The network bounds its wait itself; this is for one that does not answer at all. */
const drainMsMax = 5_000;
const hookMsMax = 24 * 60 * 60_000;
const hookAgent = 'kube-lifecycle/1.35';

export interface StopOptions {
  readonly graceSeconds: number;
  /** For the event. */
  readonly message: string;
  /** The container does not come back in this pod. */
  readonly endsPod: boolean;
  /** The pod's address, for hooks. */
  readonly ip: string;
}

/** The effects behind a pod's steps. Each may be repeated; what is already done is left as it is. */
export class PodActions {
  readonly #context: AgentContext;
  readonly #volumes: PodVolumes;

  constructor(context: AgentContext, volumes: PodVolumes) {
    this.#context = context;
    this.#volumes = volumes;
  }

  async createSandbox(pod: Pod, attempt: number, signal: AbortSignal): Promise<void> {
    const { cri, cgroups, network } = this.#context;
    refuseUnknownRuntime(pod);
    if (pod.spec.hostNetwork !== true) await network.ready(signal);
    await cgroups.apply(pod);
    const config = await this.#sandboxConfig(pod, attempt);
    await mkdir(config.logDirectory ?? '', { recursive: true, mode: 0o755 });
    await cri.call('RunPodSandbox', { config, runtimeHandler: pod.spec.runtimeClassName ?? '' }, { signal });
  }

  async #sandboxConfig(pod: Pod, attempt: number): Promise<Init<PodSandboxConfig>> {
    const { paths, cgroups, dns } = this.#context;
    return sandboxConfig(pod, attempt, {
      paths,
      resolver: resolverOf(pod, await hostResolver(), dns),
      cgroupParent: cgroups.pathOf(pod),
      clusterDomain: dns.domain,
    });
  }

  /** From image to postStart hook. Throws `StepError` or `ImageError`. */
  async start(
    pod: Pod,
    container: PodContainer,
    attempt: number,
    observed: ObservedPod,
    signal: AbortSignal,
  ): Promise<void> {
    const { cri, images, objects, memoryBytes, paths } = this.#context;
    const { spec } = container;
    const [sandbox] = observed.sandboxes;
    if (sandbox === undefined) throw badRequest('the pod has no sandbox');
    const sandboxes = await this.#sandboxConfig(pod, sandbox.attempt);
    const pullStarted = this.#context.clock.now();
    const image = await images.ensure(
      {
        image: spec.image ?? '',
        policy: spec.imagePullPolicy,
        credentials: (reference) => pullCredentials(pod, reference, objects, signal),
        sandbox: sandboxes,
        onPull: () => this.#tell(pod, container, 'Normal', 'Pulling', `Pulling image "${spec.image ?? ''}"`),
      },
      signal,
    );
    const took = `${this.#context.clock.now() - pullStarted}ms`;
    this.#tell(
      pod,
      container,
      'Normal',
      'Pulled',
      image.pulled
        ? `Successfully pulled image "${spec.image ?? ''}" in ${took}`
        : `Container image "${spec.image ?? ''}" already present on machine`,
    );
    const podIps = pod.spec.hostNetwork === true ? this.#context.hostIps() : sandbox.ips;
    const config = await this.#as('CreateContainerConfigError', signal, async () => {
      const environment = await this.#environment(pod, container, podIps, signal);
      const terminationFile = await prepareTerminationFile(this.#context, pod, container, attempt);
      const target = spec.targetContainerName === undefined ? undefined : latestOf(observed, spec.targetContainerName);
      return containerConfig(pod, container, attempt, {
        imageId: image.id,
        imageUser: image.user,
        environment,
        mounts: await containerMounts(this.#context, this.#volumes, pod, container, {
          podIps,
          environment,
          terminationFile,
        }),
        ...(terminationFile === undefined ? {} : { terminationFile }),
        seccompProfiles: profileDir(paths),
        nodeMemoryBytes: memoryBytes,
        ...(target === undefined ? {} : { targetContainerId: target.id }),
      });
    });
    await mkdir(join(sandboxes.logDirectory ?? '', spec.name), { recursive: true, mode: 0o755 });
    const { containerId } = await this.#as('CreateContainerError', signal, () =>
      cri.call('CreateContainer', { podSandboxId: sandbox.id, config, sandboxConfig: sandboxes }, { signal }),
    );
    this.#tell(pod, container, 'Normal', 'Created', `Container created`);
    await this.#as('RunContainerError', signal, () => cri.call('StartContainer', { containerId }, { signal }));
    this.#tell(pod, container, 'Normal', 'Started', `Container started`);
    await this.#postStart(pod, container, containerId, podIps[0] ?? '', signal);
  }

  async #postStart(pod: Pod, container: PodContainer, id: string, ip: string, signal: AbortSignal): Promise<void> {
    const hook = container.spec.lifecycle?.postStart;
    if (hook === undefined) return;
    const target = { containerId: id, spec: container.spec, ip };
    const result = await runHandler(this.#context, hook, target, hookAgent, hookMsMax, signal);
    if (result.ok) return;
    this.#tell(pod, container, 'Warning', 'FailedPostStartHook', `PostStartHook failed: ${result.message}`);
    const { terminationGracePeriodSeconds: grace = 30 } = pod.spec;
    const options = { graceSeconds: grace, message: 'FailedPostStartHook', endsPod: false, ip };
    await this.stop(pod, { id, name: container.spec.name }, options, signal);
    throw new StepError('PostStartHookError', new Error(result.message));
  }

  /**
   * preStop hook and stop signal share the grace period; then the container is killed. One whose pod ends for good is
   * signalled only once the service proxies have let go of it, so that a rolling update loses no request.
   */
  async stop(
    pod: Pod,
    { id, name }: Pick<ObservedContainer, 'id' | 'name'>,
    { graceSeconds, message, endsPod, ip }: StopOptions,
    signal: AbortSignal,
  ): Promise<void> {
    const { cri, clock } = this.#context;
    const container = containersOf(pod).find(({ spec }) => spec.name === name);
    const startedAt = clock.now();
    const hook = container?.spec.lifecycle?.preStop;
    if (container !== undefined) this.#tell(pod, container, 'Normal', 'Killing', message);
    const drained = endsPod && graceSeconds > 0 ? this.#drained(pod, signal) : undefined;
    let left = graceSeconds;
    if (hook !== undefined && container !== undefined && graceSeconds > 0) {
      const limit = AbortSignal.any([signal, AbortSignal.timeout(graceSeconds * 1000)]);
      const target = { containerId: id, spec: container.spec, ip };
      const result = await runHandler(this.#context, hook, target, hookAgent, graceSeconds * 1000, limit).catch(
        (error: unknown) => {
          if (signal.aborted) throw error;
          return { ok: false, message: 'did not end within the grace period' };
        },
      );
      if (!result.ok)
        this.#tell(pod, container, 'Warning', 'FailedPreStopHook', `PreStopHook failed: ${result.message}`);
      // A hook that used up the grace leaves the container this long to react to its signal.
      left = Math.max(2, graceSeconds - Math.floor((clock.now() - startedAt) / 1000));
    }
    await drained;
    await ignoreMissing(
      cri.call('StopContainer', { containerId: id, timeout: left }, { signal, extraMs: left * 1000 }),
    );
  }

  async #drained(pod: Pod, signal: AbortSignal): Promise<void> {
    const limit = AbortSignal.any([signal, AbortSignal.timeout(drainMsMax)]);
    await this.#context.network.drained?.(uidOf(pod), limit).catch((error: unknown) => {
      signal.throwIfAborted();
      this.#context.log.warn('pod is stopped although it may still be sent requests', { error });
    });
  }

  async stopSandbox(id: string, signal: AbortSignal): Promise<void> {
    await ignoreMissing(this.#context.cri.call('StopPodSandbox', { podSandboxId: id }, { signal }));
  }

  async removeContainer(id: string, signal: AbortSignal): Promise<void> {
    await ignoreMissing(this.#context.cri.call('RemoveContainer', { containerId: id }, { signal }));
  }

  async removeSandbox(id: string, signal: AbortSignal): Promise<void> {
    await ignoreMissing(this.#context.cri.call('RemovePodSandbox', { podSandboxId: id }, { signal }));
  }

  /** Removes everything of the pod from runtime and disk. */
  async forget(pod: Pod, observed: ObservedPod, signal: AbortSignal): Promise<void> {
    const { paths, cgroups } = this.#context;
    for (const { id } of observed.sandboxes) {
      await this.stopSandbox(id, signal);
      await this.removeSandbox(id, signal);
    }
    for (const { id } of observed.containers) await this.removeContainer(id, signal);
    await this.#volumes.unmount();
    await removeTree(join(paths.pods, uidOf(pod)));
    await rm(join(paths.podLogs, logDirName(pod)), { recursive: true, force: true });
    await cgroups.remove(uidOf(pod));
  }

  async #environment(
    pod: Pod,
    { spec }: PodContainer,
    podIps: readonly string[],
    signal: AbortSignal,
  ): Promise<ReadonlyMap<string, string>> {
    const { objects, servicesKnown, services, hostIps, allocatable } = this.#context;
    const namespace = pod.metadata?.namespace ?? '';
    const wanted = environmentObjects(spec);
    const configMaps = new Map<string, ConfigMap | undefined>();
    const secrets = new Map<string, Secret | undefined>();
    for (const name of wanted.configMaps) {
      using held = objects.hold(ConfigMap, namespace, name);
      configMaps.set(name, await held.current(signal));
    }
    for (const name of wanted.secrets) {
      using held = objects.hold(Secret, namespace, name);
      secrets.set(name, await held.current(signal));
    }
    await servicesKnown(signal);
    return environmentOf(pod, spec, {
      services: serviceVariables(services(), namespace, pod.spec.enableServiceLinks !== false),
      configMap: (name) => configMaps.get(name),
      secret: (name) => secrets.get(name),
      podIps,
      hostIps: hostIps(),
      allocatable: allocatable(),
    });
  }

  async #as<T>(reason: string, signal: AbortSignal, act: () => Promise<T>): Promise<T> {
    try {
      return await act();
    } catch (error) {
      signal.throwIfAborted();
      throw error instanceof StepError || error instanceof ImageError ? error : new StepError(reason, error);
    }
  }

  #tell(pod: Pod, { role, spec }: PodContainer, type: 'Normal' | 'Warning', reason: string, message: string): void {
    const list = role === 'main' ? 'containers' : role === 'ephemeral' ? 'ephemeralContainers' : 'initContainers';
    this.#context.events.record(pod, { type, reason, message, fieldPath: `spec.${list}{${spec.name}}` });
  }
}

/** The private containerd has one runtime; a class is the name of a runtime. */
function refuseUnknownRuntime({ spec }: Pod): void {
  const { runtimeClassName = '', hostUsers } = spec;
  if (runtimeClassName !== '' && runtimeClassName !== 'runc') {
    throw badRequest(`RuntimeClass "${runtimeClassName}" is not available on this node: it has only runc`);
  }
  if (hostUsers === false) throw badRequest('hostUsers: false is not supported by this node');
}

/** systemd-resolved's stub does not answer from a pod; its upstream list stands beside it. */
async function hostResolver(): Promise<Resolver> {
  const main = parseResolver(await readFile('/etc/resolv.conf', 'utf8').catch(() => ''));
  const isStub = main.servers.length > 0 && main.servers.every((server) => server.startsWith('127.'));
  if (!isStub) return main;
  const upstream = await readFile('/run/systemd/resolve/resolv.conf', 'utf8').catch(() => undefined);
  return upstream === undefined ? main : parseResolver(upstream);
}

async function ignoreMissing(call: Promise<unknown>): Promise<void> {
  try {
    await call;
  } catch (error) {
    if (!hasReason(error, 'NotFound')) throw error;
  }
}
