import assert from 'node:assert/strict';
import type { TestContext } from 'node:test';
import { setImmediate } from 'node:timers/promises';
import { Node } from '#api/core/node.ts';
import { Pod } from '#api/core/pod.ts';
import type { Client } from '#client/client.ts';
import type { Events } from '#client/event-queue.ts';
import { SharedInformers } from '#client/informer.ts';
import { abortController, VirtualClock } from '#lib/clock.ts';
import { silentLog } from '#lib/log.ts';
import type { ObjectRef } from '#machinery/object.ts';
import { unavailable } from '#machinery/status-error.ts';
import { Scheduler, type SchedulerOptions } from '../scheduler.ts';
import { BindingClient } from './binding-client.ts';

type PodSpec = NonNullable<Pod['spec']>;

/** A scheduler that runs against a fake cluster until the test ends. */
export async function runningScheduler(context: TestContext, options: Pick<SchedulerOptions, 'profiles'> = {}) {
  const clock = new VirtualClock();
  const client = new BindingClient(clock);
  const log = silentLog;
  const told: string[] = [];
  const events: Events = {
    record: (object, { reason, message }) => void told.push(`${object.metadata?.name} ${reason}: ${message}`),
  };
  const start = () => {
    const stop = abortController();
    let dead = false;
    const mortal = mortalClient(client, () => dead);
    const informers = new SharedInformers({ client: mortal, clock, log });
    const scheduler = new Scheduler({ client: mortal, informers, clock, log, events, ...options });
    scheduler.follow(stop.signal);
    const done = Promise.all([informers.run(stop.signal), scheduler.run(stop.signal)]);
    return {
      scheduler,
      stop: async ({ crash = false } = {}) => {
        dead = crash;
        stop.abort();
        await done;
      },
    };
  };
  let running = start();
  const { signal } = abortController();
  context.after(() => running.stop());
  /** Another one takes the place of the scheduler, which has stopped in order or, in a crash, could do nothing more. */
  const restart = async (how: { readonly crash?: boolean; readonly meanwhile?: () => Promise<unknown> } = {}) => {
    await running.stop(how);
    await how.meanwhile?.();
    running = start();
  };
  const addNode = (name: string, cpu = '2', spec: Node['spec'] = {}) =>
    client.create(
      Node,
      {
        metadata: { name, labels: { 'kubernetes.io/hostname': name } },
        spec,
        status: { allocatable: { cpu, memory: '4Gi', pods: '10' } },
      },
      { signal },
    );
  const addPod = (name: string, cpu = '1', more: Partial<PodSpec> = {}, labels: Record<string, string> = {}) =>
    client.create(
      Pod,
      {
        metadata: { name, namespace: 'default', labels },
        spec: { containers: [{ name: 'main', image: 'web', resources: { requests: { cpu } } }], ...more },
      },
      { signal },
    );
  const pod = (name: string) => client.get(Pod, { name, namespace: 'default' }, { signal });
  const scheduler = { why: (ref: Required<ObjectRef>) => running.scheduler.why(ref) };
  return { clock, client, scheduler, told, signal, addNode, addPod, pod, restart };
}

/** Does nothing any more once `isDead`. */
function mortalClient(client: BindingClient, isDead: () => boolean): Client {
  return new Proxy<Client>(client, {
    get(target, property) {
      const member: unknown = Reflect.get(target, property);
      if (typeof member !== 'function') return member;
      return (...args: unknown[]) => {
        if (isDead()) throw unavailable('this scheduler is dead');
        return Reflect.apply(member, target, args) as unknown;
      };
    },
  });
}

/** Waits for `holds` in turns of the event loop, not in time. */
export async function until(holds: () => boolean | Promise<boolean>): Promise<void> {
  for (let turn = 0; turn < 10_000; turn++) {
    if (await holds()) return;
    await setImmediate();
  }
  assert.fail('it never came to hold');
}
