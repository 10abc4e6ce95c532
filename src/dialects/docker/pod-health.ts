import type * as core from '#api/core/types.generated.ts';
import { badRequest } from '#machinery/status-error.ts';
import type { Healthcheck } from './create-body.ts';

const secondsOf = (nanoseconds: number | undefined, otherwise: number) =>
  nanoseconds === undefined || nanoseconds === 0 ? otherwise : Math.max(1, Math.ceil(nanoseconds / 1e9));

/**
 * A Docker health check marks a container and does nothing else, as a readiness probe does. The defaults are
 * Docker's: every 30 s, 30 s to answer, unhealthy after 3 failures.
 */
export function probeOf(check: Healthcheck | null | undefined, warn: (text: string) => void): core.Probe | undefined {
  const [kind, ...words] = check?.Test ?? [];
  if (check === null || check === undefined || kind === undefined || kind === '' || kind === 'NONE') return undefined;
  if ((kind !== 'CMD' && kind !== 'CMD-SHELL') || words.length === 0)
    throw badRequest(`Unknown healthcheck type ${JSON.stringify(kind)}: Test begins with NONE, CMD or CMD-SHELL`);
  if ((check.StartPeriod ?? 0) > 0 || (check.StartInterval ?? 0) > 0)
    warn(
      'The start period of the health check has no effect: a container is "starting" until its check first succeeds.',
    );
  return {
    exec: { command: kind === 'CMD' ? words : ['/bin/sh', '-c', words.join(' ')] },
    periodSeconds: secondsOf(check.Interval, 30),
    timeoutSeconds: secondsOf(check.Timeout, 30),
    failureThreshold: (check.Retries ?? 0) > 0 ? (check.Retries ?? 3) : 3,
  };
}
