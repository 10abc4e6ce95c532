import type { Pod } from '#api/core/pod.ts';

/** How a pretend pod behaves, by its annotations. All durations in milliseconds. */
export interface Behaviour {
  /** From the pod's arrival on the node until its containers run: `sim.tutti.dev/start-seconds`. */
  readonly startMs: number;
  /** How long containers run before they exit; never unless given: `sim.tutti.dev/run-seconds`. */
  readonly runMs: number | undefined;
  /** What they exit with: `sim.tutti.dev/exit-code`. */
  readonly exitCode: number;
  /** How long they take to stop when asked to, up to the pod's grace: `sim.tutti.dev/stop-seconds`. */
  readonly stopMs: number;
  /** `sim.tutti.dev/ready: "false"` makes readiness probes fail, as long as it stands. */
  readonly ready: boolean;
  /** `sim.tutti.dev/alive: "false"` makes liveness probes fail: containers are killed and restarted. */
  readonly alive: boolean;
  /** Containers never start and wait with this reason (`ImagePullBackOff`): `sim.tutti.dev/waiting`. */
  readonly waiting: string | undefined;
}

export const annotationPrefix = 'sim.tutti.dev/';
const secondsMax = 10 * 365 * 86_400;

/** Reads the annotations of `pod`; what is not a sensible value counts as not given. */
export function behaviourOf(pod: Pod, startMs: number): Behaviour {
  const read = (name: string) => pod.metadata?.annotations?.[`${annotationPrefix}${name}`];
  const seconds = (name: string) => {
    const value = Number(read(name) ?? NaN);
    return value >= 0 && value <= secondsMax ? value * 1000 : undefined;
  };
  const exitCode = Number(read('exit-code') ?? 0);
  return {
    startMs: seconds('start-seconds') ?? startMs,
    runMs: seconds('run-seconds'),
    exitCode: Number.isInteger(exitCode) && exitCode >= 0 && exitCode <= 255 ? exitCode : 0,
    stopMs: seconds('stop-seconds') ?? 0,
    ready: read('ready') !== 'false',
    alive: read('alive') !== 'false',
    waiting: read('waiting'),
  };
}
