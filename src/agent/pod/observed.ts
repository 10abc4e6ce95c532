import type { ContainerUser } from '../cri/messages.generated.ts';

/** What the runtime says about one pod, newest first. Times are milliseconds since the epoch, 0 where none is known. */
export interface ObservedPod {
  readonly sandboxes: readonly ObservedSandbox[];
  readonly containers: readonly ObservedContainer[];
}

export interface ObservedSandbox {
  readonly id: string;
  readonly attempt: number;
  readonly ready: boolean;
  readonly createdAt: number;
  /** Empty for pods on the host's network, and while not ready. */
  readonly ips: readonly string[];
}

export interface ObservedContainer {
  readonly id: string;
  readonly sandboxId: string;
  readonly name: string;
  /** How many instances of this container came before. */
  readonly attempt: number;
  readonly state: 'created' | 'running' | 'exited' | 'unknown';
  /** Of the part of the container's spec whose change makes a new instance necessary. */
  readonly hash: string;
  readonly createdAt: number;
  readonly startedAt: number;
  readonly finishedAt: number;
  readonly exitCode: number;
  readonly reason: string;
  /** The termination message, or the runtime's complaint. */
  readonly message: string;
  readonly image: string;
  readonly imageId: string;
  readonly logPath: string;
  readonly user?: ContainerUser;
}

export const nothingObserved: ObservedPod = { sandboxes: [], containers: [] };

export function latestOf(observed: ObservedPod, name: string): ObservedContainer | undefined {
  return observed.containers.find((container) => container.name === name);
}

export const isRunning = ({ state }: ObservedContainer): boolean => state === 'running';
/** It will not run again: ended, or the runtime lost it (after a reboot, say). */
export const isOver = ({ state }: ObservedContainer): boolean => state === 'exited' || state === 'unknown';
