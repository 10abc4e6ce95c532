import assert from 'node:assert/strict';
import type { TestContext } from 'node:test';
import { setImmediate } from 'node:timers/promises';
import { Node } from '#api/core/node.ts';
import { Pod } from '#api/core/pod.ts';
import type { Events } from '#client/event-queue.ts';
import { SharedInformers } from '#client/informer.ts';
import { abortController, VirtualClock } from '#lib/clock.ts';
import { silentLog } from '#lib/log.ts';
import type { ObjectRef } from '#machinery/object.ts';
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
    const informers = new SharedInformers({ client, clock, log });
    const scheduler = new Scheduler({ client, informers, clock, log, events, ...options });
    scheduler.follow(stop.signal);
    const done = Promise.all([informers.run(stop.signal), scheduler.run(stop.signal)]);
    return {
      scheduler,
      stop: async () => {
        stop.abort();
        await done;
      },
    };
  };
  let running = start();
  const { signal } = abortController();
  context.after(() => running.stop());
  /** Another one takes the place of the scheduler, which has stopped in order. */
  const restart = async () => {
    await running.stop();
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

/** Waits for `holds` in turns of the event loop, not in time. */
export async function until(holds: () => boolean | Promise<boolean>): Promise<void> {
  for (let turn = 0; turn < 10_000; turn++) {
    if (await holds()) return;
    await setImmediate();
  }
  assert.fail('it never came to hold');
}
