import type { Pod } from '#api/core/pod.ts';
import type { ObservedPod } from './observed.ts';
import type { RestartBackoff } from './restart-backoff.ts';

/** Why something of a pod could not be done yet, in the words of a waiting container, and when it is tried again. */
export interface Setback {
  readonly reason: string;
  readonly message: string;
  readonly retryAt: number;
}

/** The end a pod comes to by decision rather than by its containers: deadline, eviction, refusal. */
export interface Verdict {
  readonly reason: string;
  readonly message: string;
}

/**
 * Everything that decides what happens to one pod next, and what its status says: what is wanted, what the runtime
 * shows, and what the agent remembers. All of it survives an agent's restart or is found out anew.
 */
export interface PodFacts {
  readonly pod: Pod;
  /** Gone from the API: whatever still runs is an orphan. */
  readonly isGone: boolean;
  readonly now: number;
  readonly observed: ObservedPod;
  /** Keys of the steps under way. */
  readonly busy: ReadonlySet<string>;
  /** `unknown` after a restart of the agent, until they have been gone through again. */
  readonly volumes: 'none' | 'unknown' | 'mounted';
  /** By step key. */
  readonly setbacks: ReadonlyMap<string, Setback>;
  /** By container name. */
  readonly backoffs: ReadonlyMap<string, RestartBackoff>;
  /** Ids of containers past their startup probe (at once, where they have none). */
  readonly started: ReadonlySet<string>;
  /** Ids of containers that their readiness probe calls ready (once started, where they have none). */
  readonly ready: ReadonlySet<string>;
  /** Containers whose liveness or startup probe has failed for good, by id. */
  readonly unhealthy: ReadonlyMap<string, { readonly message: string; readonly graceSeconds?: number }>;
  /** When running stops under way will use force, by container id. */
  readonly stopDeadlines: ReadonlyMap<string, number>;
  /** When the agent first saw that the pod must end. */
  readonly endingSince: number | undefined;
  readonly verdict: Verdict | undefined;
  readonly hash: (containerName: string) => string;
  readonly hostIps: readonly string[];
  /** Its deletion has been confirmed to the API; finalizers may still keep the object. */
  readonly isReleased: boolean;
}
