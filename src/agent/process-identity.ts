import { readFile } from 'node:fs/promises';

/**
 * A process that cannot be mistaken for a later one with the same id: its id with its start time in clock ticks
 * since boot (field 22 of /proc/PID/stat).
 */
export interface ProcessIdentity {
  readonly pid: number;
  readonly startTicks: string;
}

/** Undefined if no such process lives; a zombie does not. */
export async function identityOf(pid: number): Promise<ProcessIdentity | undefined> {
  const stat = await readFile(`/proc/${pid}/stat`, 'latin1').catch(() => undefined);
  if (stat === undefined) return undefined;
  // The program's name stands in brackets and may itself hold brackets and spaces.
  const fields = stat.slice(stat.lastIndexOf(')') + 2).split(' ');
  const [state] = fields;
  const startTicks = fields[19];
  return startTicks === undefined || state === 'Z' || state === 'X' ? undefined : { pid, startTicks };
}

export async function isAlive(identity: ProcessIdentity): Promise<boolean> {
  return (await identityOf(identity.pid))?.startTicks === identity.startTicks;
}

/** `PID START-TICKS`, as a pid file holds it; undefined for anything else. */
export function parseIdentity(text: string): ProcessIdentity | undefined {
  const match = /^(\d+) (\d+)\s*$/.exec(text);
  return match?.[1] === undefined || match[2] === undefined
    ? undefined
    : { pid: Number(match[1]), startTicks: match[2] };
}

export function formatIdentity({ pid, startTicks }: ProcessIdentity): string {
  return `${pid} ${startTicks}\n`;
}
