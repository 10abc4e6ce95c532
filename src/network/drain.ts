import type { Clock } from '#lib/clock.ts';
import type { ServiceIndex } from './service-index.ts';
import type { ServiceProxy } from './service-proxy/proxy.ts';

/**
 * The promise that a pod may be told to stop: no proxy sends it new connections any more. An agent takes it as a
 * plain hook before it signals a pod that is being deleted, and never for one that will be started again.
 *
 * With one host this is its own proxy, which drops the pod at once, without waiting for the endpoint controller.
 * With several, each proxy publishes the resourceVersion of the slices that it has applied (as an annotation of a
 * Lease of its own), and the pod's node waits until all live nodes have passed the version of the slice that calls
 * the pod terminating; a node that is not heard of within the bound is not waited for.
 */
export interface DrainGate {
  /**
   * Resolves to true once nobody new is sent to the pod, to false if that could not be had within the bound
   * (`drainWaitMsMax`): the pod is then stopped all the same. Rejects only if `signal` aborts.
   */
  drained(podUid: string, signal: AbortSignal): Promise<boolean>;
}

const drainWaitMsMax = 2_000;
/** A connection that was let through in the last moment must have reached the pod's process before the signal does. */
const settleMs = 100;

export function drainGate(
  index: Pick<ServiceIndex, 'stop'>,
  proxy: Pick<ServiceProxy, 'flushed'>,
  clock: Clock,
): DrainGate {
  return {
    async drained(podUid, signal) {
      if (!index.stop(podUid)) return true; // no service knows it
      const tooLong = new AbortController();
      using _timer = clock.after(drainWaitMsMax, () => tooLong.abort(new Error('the service table was not written')));
      try {
        await proxy.flushed(AbortSignal.any([signal, tooLong.signal]));
      } catch {
        signal.throwIfAborted();
        return false;
      }
      await clock.sleep(settleMs, signal);
      return true;
    },
  };
}
