import { Pod } from '#api/core/pod.ts';
import { FakeClient } from '#client/testing/fake-client.ts';
import { SharedInformers } from '#client/informer.ts';
import { abortController, VirtualClock } from '#lib/clock.ts';
import { silentLog } from '#lib/log.ts';
import type { Kind } from '#machinery/kind.ts';
import type { ApiObject } from '#machinery/object.ts';
import { refOfObject } from '../claims.ts';
import type { Controller } from '../controller.ts';
import { timestamp } from '../pod-state.ts';
import { runControllers } from '../run-controllers.ts';

/** Controllers on a cluster in memory and in virtual time, for tests. Dispose it to stop them. */
export class TestCluster implements AsyncDisposable {
  readonly clock: VirtualClock;
  readonly client: FakeClient;
  readonly signal: AbortSignal;
  readonly #stop = abortController();
  #running: Promise<unknown> = Promise.resolve();
  #life = abortController();

  constructor(clock = new VirtualClock()) {
    this.clock = clock;
    this.client = new FakeClient(clock);
    this.signal = this.#stop.signal;
  }

  /** Starts `controllers` with caches of their own and lets them do what there is to do. */
  async run(controllers: readonly Controller[], random: () => number = () => 0.5): Promise<void> {
    const life = abortController();
    this.#life = life;
    const { client, clock } = this;
    const informers = new SharedInformers({ client, clock, log: silentLog, random });
    this.#running = Promise.all([
      this.#running,
      informers.run(life.signal),
      runControllers({ controllers, client, informers, clock, log: silentLog, random }, life.signal),
    ]);
    await this.settle();
  }

  /** Stops the controllers at once, whatever they were doing. */
  async kill(): Promise<void> {
    this.#life.abort(new Error('killed'));
    await this.settle();
  }

  /** Lets time pass until nothing more happens by itself for a moment. */
  async settle(ms = 2000): Promise<void> {
    await this.clock.advance(ms);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#life.abort(new Error('the test is over'));
    this.#stop.abort(new Error('the test is over'));
    await this.clock.advance(60_000);
    await this.#running;
  }

  create<T extends ApiObject>(kind: Kind<T>, object: T): Promise<T> {
    return this.client.create(kind, object, { signal: this.signal });
  }

  get<T extends ApiObject>(kind: Kind<T>, name: string, namespace = 'ns'): T | undefined {
    return this.client
      .all(kind)
      .find(({ metadata }) => metadata?.name === name && (!kind.namespaced || metadata?.namespace === namespace));
  }

  /** Changes what is stored, as a user would with `kubectl edit`. */
  async change<T extends ApiObject>(kind: Kind<T>, name: string, edit: (object: T) => T): Promise<T> {
    const current = this.get(kind, name);
    if (current === undefined) throw new Error(`There is no ${kind.kind} "${name}"`);
    return await this.client.update(kind, edit(current), { signal: this.signal });
  }

  async setStatus<T extends ApiObject & { readonly status?: unknown }>(
    kind: Kind<T>,
    object: T,
    status: T['status'],
  ): Promise<T> {
    return await this.client.update(kind, { ...object, status }, { signal: this.signal, subresource: 'status' });
  }

  pods(): readonly Pod[] {
    return this.client.all(Pod);
  }

  /** What a node's agent would report of a running pod. */
  async setReady(pod: Pod, ready: boolean): Promise<Pod> {
    const now = timestamp(this.clock.now());
    const placed =
      pod.spec.nodeName === undefined
        ? await this.client.update(Pod, { ...pod, spec: { ...pod.spec, nodeName: 'n1' } }, { signal: this.signal })
        : pod;
    return await this.setStatus(Pod, placed, {
      ...pod.status,
      phase: 'Running',
      conditions: [{ type: 'Ready', status: ready ? 'True' : 'False', lastTransitionTime: now }],
    });
  }

  /** The agent's last word on pods that are being deleted. */
  finishDeletions(): void {
    for (const pod of this.pods()) {
      if (pod.metadata?.deletionTimestamp !== undefined) this.client.remove(Pod, refOfObject(pod));
    }
  }

  /** Makes every pod run and be ready, and deletes those that shall go. */
  async runPods(): Promise<void> {
    this.finishDeletions();
    for (const pod of this.pods()) {
      const isReady = pod.status?.conditions?.some(({ type, status }) => type === 'Ready' && status === 'True');
      if (isReady !== true) await this.setReady(pod, true);
    }
  }
}
