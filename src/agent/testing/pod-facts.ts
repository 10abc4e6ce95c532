import type { Pod } from '#api/core/pod.ts';
import type * as core from '#api/core/types.generated.ts';
import type { ObservedContainer, ObservedSandbox } from '../pod/observed.ts';
import type { PodFacts } from '../pod/pod-facts.ts';

/** Builders of plain facts for tests of the deciders. The clock stands at `now`. */
export const now = Date.UTC(2026, 0, 1);

export const spec = (name: string, more: Partial<core.Container> = {}): core.Container => ({
  name,
  image: 'i',
  ...more,
});

export function podOf(podSpec: Partial<core.PodSpec>, more: Partial<Pod> = {}): Pod {
  return {
    ...more,
    metadata: { name: 'p', namespace: 'ns', uid: 'u', ...more.metadata },
    spec: { containers: [spec('a')], restartPolicy: 'Always', ...podSpec },
  };
}

export const sandbox = (more: Partial<ObservedSandbox> = {}): ObservedSandbox => ({
  id: 's0',
  attempt: 0,
  ready: true,
  createdAt: now - 60_000,
  ips: ['10.0.0.5'],
  ...more,
});

export const instance = (name: string, more: Partial<ObservedContainer> = {}): ObservedContainer => ({
  id: `${name}${more.attempt ?? 0}`,
  sandboxId: 's0',
  name,
  attempt: 0,
  state: 'running',
  hash: 'h',
  createdAt: now - 50_000,
  startedAt: now - 50_000,
  finishedAt: 0,
  exitCode: 0,
  reason: '',
  message: '',
  image: 'i',
  imageId: 'sha256:1',
  logPath: '',
  ...more,
});

export const ended = (name: string, exitCode: number, more: Partial<ObservedContainer> = {}): ObservedContainer =>
  instance(name, { state: 'exited', exitCode, finishedAt: now - 1000, ...more });

/** Volumes mounted and a ready sandbox, unless said otherwise; running containers are started and ready. */
export function factsOf(
  pod: Pod,
  containers: readonly ObservedContainer[] = [],
  more: Partial<PodFacts> & { readonly sandboxes?: readonly ObservedSandbox[] } = {},
): PodFacts {
  const { sandboxes = [sandbox()], ...facts } = more;
  const running = new Set(containers.filter(({ state }) => state === 'running').map(({ id }) => id));
  return {
    pod,
    isGone: false,
    now,
    observed: { sandboxes, containers },
    busy: new Set(),
    volumes: 'mounted',
    setbacks: new Map(),
    backoffs: new Map(),
    started: running,
    ready: running,
    unhealthy: new Map(),
    stopDeadlines: new Map(),
    endingSince: undefined,
    verdict: undefined,
    hash: () => 'h',
    hostIps: ['192.0.2.1'],
    isReleased: false,
    ...facts,
  };
}
