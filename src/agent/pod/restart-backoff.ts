/**
 * When a container that keeps ending may start again: at once the first time, then 10 s after its end, doubling up
 * to 5 min; forgotten once it has run for 10 min. Source: kubelet's `doBackOff()` and client-go's flowcontrol.Backoff.
 */
export interface RestartBackoff {
  readonly delayMs: number;
  /** When the container was last started again. */
  readonly since: number;
}

export const restartDelayMsMin = 10_000;
export const restartDelayMsMax = 300_000;
const forgottenAfterMs = 2 * restartDelayMsMax;

/** Earliest start of a container that ended at `finishedAt`, given what earlier restarts left behind. */
export function restartAt(backoff: RestartBackoff | undefined, finishedAt: number): number {
  return backoff === undefined || isForgotten(backoff, finishedAt) ? finishedAt : finishedAt + backoff.delayMs;
}

/** What a start at `now`, after an end at `finishedAt`, leaves behind. */
export function afterRestart(backoff: RestartBackoff | undefined, finishedAt: number, now: number): RestartBackoff {
  const delayMs =
    backoff === undefined || isForgotten(backoff, finishedAt)
      ? restartDelayMsMin
      : Math.min(backoff.delayMs * 2, restartDelayMsMax);
  return { delayMs, since: now };
}

const isForgotten = ({ since }: RestartBackoff, finishedAt: number) => finishedAt - since > forgottenAfterMs;
