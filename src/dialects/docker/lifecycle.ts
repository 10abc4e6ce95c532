import { randomBytes } from 'node:crypto';
import { Pod } from '#api/core/pod.ts';
import type { Client } from '#client/client.ts';
import { stopGraceAnnotation } from '#client/pod-annotations.ts';
import type { Clock } from '#lib/clock.ts';
import { deadline } from '#lib/deadline.ts';
import { badRequest, conflict, hasReason, internalError, StatusError, timeout } from '#machinery/status-error.ts';
import { podOf, signalName } from './container-pod.ts';
import { refOf, type ContainerRecord } from './container-record.ts';
import { isGated, stateOf } from './container-state.ts';
import { createdAt } from './container-view.ts';
import type { Containers } from './containers.ts';
import type { CreateBody } from './create-body.ts';
import { nameTaken, noSuchContainer, noSuchImage, notOffered, notRunning } from './errors.ts';
import { containerEvent, type EventLog } from './events.ts';
import { withTag } from './image-names.ts';
import type { Images } from './images.ts';
import { marks } from './marks.ts';
import { inventName, parseContainerName } from './names.ts';
import { pullImage } from './pull.ts';
import { startFailure } from './start-failure.ts';

export interface LifecycleOptions {
  readonly client: Client;
  readonly clock: Clock;
  readonly containers: Containers;
  readonly images: Images;
  readonly events: EventLog;
  readonly namespace: string;
  readonly random: () => number;
}

const startMsMax = 120_000;
const renewMsMax = 30_000;
/** How much longer than its grace a container may take to be gone. */
const stopExtraMs = 30_000;
const unboundedGraceSeconds = 999_999_999;
const killMsMax = 10_000;
const defaultStopSeconds = 10;

/** What Docker's verbs do to the pods behind its containers. */
export class Lifecycle {
  readonly #options: LifecycleOptions;

  constructor(options: LifecycleOptions) {
    this.#options = options;
  }

  /** Throws NotFound without the image, Conflict if the name is taken, and what `podOf()` throws. */
  async create(
    body: CreateBody,
    wantedName: string | null,
    platform: string,
    signal: AbortSignal,
  ): Promise<{ readonly id: string; readonly warnings: readonly string[] }> {
    const { client, clock, containers, namespace, random } = this.#options;
    const isTaken = (name: string) => containers.byName(name) !== undefined;
    const name =
      wantedName === null || wantedName === '' ? inventName(isTaken, random) : parseContainerName(wantedName);
    const holder = containers.byName(name);
    if (holder !== undefined) throw nameTaken(name, holder.id);
    const id = randomBytes(32).toString('hex');
    const created = new Date(clock.now()).toISOString();
    const isPortTaken = (port: number) => this.#holdsPort(port);
    const { pod, warnings } = podOf({ body, id, name, namespace, created, platform, gated: true, isPortTaken });
    if (!(await this.#isPresent(body.Image ?? '', platform, signal))) throw noSuchImage(withTag(body.Image ?? ''));
    try {
      containers.apply(await client.create(Pod, pod, { signal }));
    } catch (error) {
      if (!hasReason(error, 'AlreadyExists')) throw error;
      throw nameTaken(name, containers.byName(name)?.id ?? `of pod "${pod.metadata?.name ?? ''}"`);
    }
    return { id, warnings };
  }

  /** Nodes report their images now and then: before one is called missing, a node is asked. */
  async #isPresent(image: string, platform: string, signal: AbortSignal): Promise<boolean> {
    const { images } = this.#options;
    if (images.has(image)) return true;
    const { ok } = await pullImage(this.#options, image, 'Never', platform, signal);
    if (ok) images.remember(image);
    return ok;
  }

  #holdsPort(port: number): boolean {
    for (const { container } of this.#options.containers.all())
      if (container.ports?.some(({ hostPort }) => hostPort === port) === true) return true;
    return false;
  }

  /** Resolves once the container has started; false if it was running. Throws why it cannot, and it stays created. */
  async start(record: ContainerRecord, signal: AbortSignal): Promise<boolean> {
    const { client, clock, containers } = this.#options;
    const { status } = stateOf(record, clock.now());
    if (status === 'running' || status === 'restarting') return false;
    if (record.body === undefined) throw notStartable(record);
    if (isGated(record)) {
      const patch = [
        { op: 'test', path: '/metadata/uid', value: record.pod.metadata?.uid ?? '' },
        { op: 'remove', path: '/spec/schedulingGates' },
      ];
      containers.apply(await client.patch(Pod, refOf(record), { type: 'json', patch }, { signal }));
    } else if (status === 'exited') {
      await this.#renew(record, { gated: false }, signal);
    }
    await this.#untilStarted(record.id, signal);
    return true;
  }

  async #untilStarted(id: string, signal: AbortSignal): Promise<void> {
    const { clock, containers } = this.#options;
    using limit = deadline(clock, startMsMax, signal, () =>
      timeout(`the container did not start within ${startMsMax / 1000} s`),
    );
    type Outcome = { readonly failure?: ReturnType<typeof startFailure>; readonly record: ContainerRecord };
    const { failure, record } = await containers.until<Outcome>(
      id,
      (now) => {
        if (now === undefined) throw noSuchContainer(id);
        const { startedAt } = stateOf(now, clock.now());
        if (!startedAt.startsWith('0001')) return { record: now };
        const why = startFailure(now);
        return why === undefined ? undefined : { failure: why, record: now };
      },
      limit.signal,
    );
    if (failure === undefined) return;
    // As Docker does: the container is there again, created, with the reason.
    const { exitCode, message } = failure;
    await this.#renew(record, { gated: true, failure: { exitCode, error: message } }, signal);
    throw failure.isRequests ? badRequest(message) : internalError(message);
  }

  /** Puts a fresh pod in the place of the old one: the same container, with id, name and request as they were. */
  async #renew(
    record: ContainerRecord,
    { gated, failure }: { gated: boolean; failure?: { exitCode: number; error: string } },
    signal: AbortSignal,
  ): Promise<void> {
    const { client, containers, namespace } = this.#options;
    const { id, name, body, pod: old } = record;
    if (body === undefined) throw notStartable(record);
    const platform = old.spec.nodeSelector?.['kubernetes.io/arch'];
    const { pod } = podOf({
      body,
      id,
      name,
      namespace,
      created: createdAt(record),
      gated,
      ...(platform === undefined ? {} : { platform: `linux/${platform}` }),
      isPortTaken: () => false,
    });
    const [container] = pod.spec.containers;
    const fresh: Pod = {
      ...pod,
      metadata: {
        ...pod.metadata,
        annotations: {
          ...pod.metadata?.annotations,
          ...(failure === undefined ? {} : { [marks.failure]: JSON.stringify(failure) }),
        },
      },
      // Ports that were chosen for the container stay its own.
      spec: { ...pod.spec, containers: container === undefined ? [] : [withPorts(container, record)] },
    };
    signal.throwIfAborted();
    await containers.moving(id, async () => {
      // From here on the client's leave-taking must not keep the container from coming back.
      const limit = { signal: AbortSignal.timeout(renewMsMax) };
      const trial = `${fresh.metadata?.name ?? ''}-again`;
      // Tried first, so that a container is not lost to a request that the cluster would refuse.
      await client.create(Pod, { ...fresh, metadata: { ...fresh.metadata, name: trial } }, { ...limit, dryRun: true });
      await this.#delete(record, 0, limit.signal);
      containers.apply(await client.create(Pod, fresh, limit));
    });
  }

  /** Ends the container and keeps it listed; false if it was not running. `seconds` is its grace; below 0 is without end. */
  async stop(record: ContainerRecord, seconds: number | undefined, signal: AbortSignal): Promise<boolean> {
    const { clock, events } = this.#options;
    const { status } = stateOf(record, clock.now());
    if (isGated(record) || status === 'exited') return false;
    const grace = seconds ?? record.pod.spec.terminationGracePeriodSeconds ?? defaultStopSeconds;
    await this.#end(record, grace < 0 ? unboundedGraceSeconds : grace, signal);
    events.add(containerEvent(record, 'stop', clock.now()));
    return true;
  }

  /**
   * A deadline that is already past: the agent stops the containers with the grace the annotation says and publishes
   * how they ended, and the pod stays, failed, whatever its restart policy.
   */
  async #end(record: ContainerRecord, graceSeconds: number, signal: AbortSignal): Promise<void> {
    const { client, clock, containers } = this.#options;
    refuseShared(record, 'stopped');
    const patch = {
      metadata: { uid: record.pod.metadata?.uid ?? '', annotations: { [stopGraceAnnotation]: `${graceSeconds}` } },
      spec: { activeDeadlineSeconds: 1 },
    };
    containers.apply(await client.patch(Pod, refOf(record), { type: 'merge', patch }, { signal }));
    const ms = graceSeconds * 1000 + stopExtraMs;
    using limit = deadline(clock, ms, signal, () =>
      timeout(`container ${record.id} did not end within ${graceSeconds} s and ${stopExtraMs / 1000} s more`),
    );
    await containers.until(
      record.id,
      (now) => now === undefined || isGated(now) || stateOf(now, clock.now()).status === 'exited' || undefined,
      limit.signal,
    );
  }

  /** SIGKILL by the runtime, any other signal by the `kill` of the container's own image. */
  async kill(record: ContainerRecord, signalText: string, signal: AbortSignal): Promise<void> {
    const { clock, events } = this.#options;
    const name = signalName(signalText === '' ? 'KILL' : signalText);
    if (stateOf(record, clock.now()).status !== 'running') throw notRunning(record.id);
    if (name === 'SIGKILL') await this.#end(record, 0, signal);
    else await this.#signal(record, name, signal);
    events.add(containerEvent(record, 'kill', clock.now(), { signal: name.slice(3) }));
  }

  async #signal(record: ContainerRecord, name: string, signal: AbortSignal): Promise<void> {
    const { client, clock } = this.#options;
    using limit = deadline(clock, killMsMax, signal, () => timeout(`kill did not end within ${killMsMax / 1000} s`));
    const session = await client.exec(refOf(record), {
      container: record.container.name,
      command: ['kill', '-s', name.slice(3), '1'],
      stdin: false,
      stdout: true,
      stderr: true,
      tty: false,
      signal: limit.signal,
    });
    session.stdout?.resume();
    session.stderr?.resume();
    const outcome = await session.done;
    if (outcome.status !== 'Success')
      throw internalError(
        `Cannot kill container: ${record.id}: ${name} is sent by the "kill" of the container's image, which failed: ${outcome.message ?? ''}; SIGKILL needs none`,
      );
  }

  /** Throws Conflict for one that runs, unless forced. */
  async remove(record: ContainerRecord, force: boolean, signal: AbortSignal): Promise<void> {
    const { clock, containers } = this.#options;
    const { status } = stateOf(record, clock.now());
    const isLive = !isGated(record) && (status === 'running' || status === 'restarting');
    if (isLive && !force)
      throw new StatusError(
        'Conflict',
        `cannot remove container "${record.name}": container is ${status}: stop the container before removing or force remove`,
      );
    refuseShared(record, 'removed');
    // A forced removal tells how the container died, which a pod that is deleted at once would not.
    if (isLive && record.body !== undefined) await this.#end(record, 0, signal);
    await this.#delete(containers.get(record.id) ?? record, 0, signal);
  }

  async #delete(record: ContainerRecord, gracePeriodSeconds: number, signal: AbortSignal): Promise<void> {
    const { client, containers } = this.#options;
    const { uid } = record.pod.metadata ?? {};
    try {
      await client.delete(Pod, refOf(record), {
        gracePeriodSeconds,
        ...(uid === undefined ? {} : { preconditions: { uid } }),
        signal,
      });
    } catch (error) {
      if (!hasReason(error, 'NotFound', 'Conflict')) throw error;
    }
    if (gracePeriodSeconds === 0) containers.forget(record.pod);
  }
}

function withPorts(container: Pod['spec']['containers'][number], { container: { ports } }: ContainerRecord) {
  return ports === undefined ? container : { ...container, ports };
}

function notStartable({ pod, name }: ContainerRecord): StatusError {
  const ref = `pod "${pod.metadata?.namespace ?? ''}/${pod.metadata?.name ?? ''}"`;
  return conflict(
    { group: '', plural: 'containers' },
    name,
    `it was not created through Docker: ${ref} is started by the cluster itself`,
  );
}

/** Kubernetes ends and removes pods, never one container of several. */
function refuseShared({ pod, name }: ContainerRecord, what: string): void {
  const { containers, initContainers = [] } = pod.spec;
  if (containers.length + initContainers.filter(({ restartPolicy }) => restartPolicy === 'Always').length <= 1) return;
  throw notOffered(
    `single containers of a pod to be ${what}`,
    `"${name}" shares pod "${pod.metadata?.namespace ?? ''}/${pod.metadata?.name ?? ''}" with others; kubectl delete pod ends them all`,
  );
}
