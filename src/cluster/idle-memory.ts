import { performance, type EventLoopUtilization } from 'node:perf_hooks';
import { memoryUsage } from 'node:process';
import type { Clock } from '#lib/clock.ts';
import type { Log } from '#lib/log.ts';

/** How this thread's memory and load are seen and acted upon; V8's own unless a test gives another. */
export interface ThreadMemory {
  /** Since the thread began. */
  utilization(): EventLoopUtilization;
  /** Bytes of objects, live or not yet collected, and bytes the heap has reserved for them. */
  heap(): { readonly used: number; readonly total: number };
  /** Collects everything that can go and gives free pages back to the system; undefined if this process may not. */
  readonly collect: (() => void) | undefined;
}

const lookEveryMs = 5_000;
/** Share of the time between two looks that an idle thread may have been at work. */
const idleShareMax = 0.05;
/** A heap is collected again once it has grown by this since the last time. */
const growthBytesMin = 8 * 1024 * 1024;
/** A collection stops the thread for 1 to 3 ms a megabyte; larger heaps are left to V8. */
const heapBytesMax = 96 * 1024 * 1024;

const { gc } = globalThis;
const ofThisThread: ThreadMemory = {
  utilization: () => performance.eventLoopUtilization(),
  heap: () => {
    const { heapUsed: used, heapTotal: total } = memoryUsage();
    return { used, total };
  },
  // There with `node --expose-gc`, which the launcher asks for. V8's ordinary full collection keeps its free pages.
  collect: gc === undefined ? undefined : () => gc({ type: 'major', flavor: 'last-resort' }),
};

/**
 * Gives memory back that this thread no longer needs, whenever the thread is idle, until `signal` aborts. V8 collects
 * when objects are made, so what starting up (or a storm of requests) has left behind would otherwise stay for as long
 * as nothing happens: a third of an idle server.
 */
export async function releaseIdleMemory(
  options: { readonly clock: Clock; readonly log: Log; readonly memory?: ThreadMemory },
  signal: AbortSignal,
): Promise<void> {
  const { clock, log, memory = ofThisThread } = options;
  const { collect } = memory;
  if (collect === undefined) return;
  let before = memory.utilization();
  let settled = 0;
  while (!signal.aborted) {
    await clock.sleep(lookEveryMs, signal).catch(() => undefined);
    if (signal.aborted) return;
    const now = memory.utilization();
    const active = now.active - before.active;
    const idle = now.idle - before.idle;
    before = now;
    const { used, total } = memory.heap();
    if (active > idleShareMax * (active + idle) || used > heapBytesMax || total < settled + growthBytesMin) continue;
    collect();
    settled = memory.heap().total;
    log.debug('an idle heap was collected', { fromBytes: total, toBytes: settled });
    before = memory.utilization(); // collecting is no work
  }
}
