import { mkdir, readFile, rm, writeFile } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { writeFileAtomically } from '#lib/atomic-file.ts';
import { unreachable } from '#lib/unreachable.ts';
import { runChecked, type RunCommand } from './command.ts';

/** One thing that Tutti's network put on the host, or changed there; enough to undo it. */
export type HostChange =
  | { readonly kind: 'table'; readonly name: string }
  | { readonly kind: 'bridge'; readonly name: string }
  | { readonly kind: 'address'; readonly device: string; readonly address: string }
  | { readonly kind: 'route'; readonly to: string; readonly device: string }
  | { readonly kind: 'sysctl'; readonly name: string; readonly before: string }
  | { readonly kind: 'forward-rule'; readonly bridge: string; readonly direction: '-i' | '-o' }
  | { readonly kind: 'file'; readonly path: string }
  | { readonly kind: 'folder'; readonly path: string };

/**
 * The list of changes on the host, on disk: each is noted before it is made, so that `undo()` misses nothing
 * whatever happened in between. What is noted and was never made is no error to undo.
 */
export class HostChanges {
  readonly #path: string;
  readonly #run: RunCommand;
  #changes: readonly HostChange[] = [];

  private constructor(path: string, run: RunCommand) {
    this.#path = path;
    this.#run = run;
  }

  static async open(dataDir: string, run: RunCommand): Promise<HostChanges> {
    const ledger = new HostChanges(join(dataDir, 'network', 'host-changes.json'), run);
    try {
      ledger.#changes = JSON.parse(await readFile(ledger.#path, 'utf8')) as readonly HostChange[];
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code !== 'ENOENT') throw error;
    }
    return ledger;
  }

  /** Notes a change that is about to be made; the first note of a thing is kept, as it knows how things were. */
  async note(change: HostChange): Promise<void> {
    const id = idOf(change);
    if (this.#changes.some((one) => idOf(one) === id)) return;
    this.#changes = [...this.#changes, change];
    await mkdir(dirname(this.#path), { recursive: true, mode: 0o700 });
    await writeFileAtomically(this.#path, JSON.stringify(this.#changes, undefined, 1));
  }

  /** Undoes everything, last things first, and says in words what was removed. Goes on past what fails. */
  async undo(signal: AbortSignal): Promise<readonly string[]> {
    const removed: string[] = [];
    for (const change of this.#changes.toReversed()) {
      const text = await undo(change, this.#run, signal);
      if (text !== undefined) removed.push(text);
    }
    this.#changes = [];
    await rm(this.#path, { force: true });
    return removed;
  }
}

const idOf = (change: HostChange) => JSON.stringify({ ...change, before: undefined });
const sysctlPath = (name: string) => `/proc/sys/${name.replaceAll('.', '/')}`;

/** A kernel setting's value; undefined if this kernel does not have it. Names as sysctl(8) writes them. */
export async function readSysctl(name: string): Promise<string | undefined> {
  return readFile(sysctlPath(name), 'utf8').then(
    (text) => text.trim(),
    () => undefined,
  );
}

/** Throws the file system's error if the setting cannot be changed. */
export async function writeSysctl(name: string, value: string): Promise<void> {
  await writeFile(sysctlPath(name), value);
}

/** What was removed, in words; undefined if it was not there (any more). */
async function undo(change: HostChange, run: RunCommand, signal: AbortSignal): Promise<string | undefined> {
  const done = async (program: string, ...args: readonly string[]) => {
    const result = await run(program, args, { signal }).catch(() => undefined);
    return result?.code === 0;
  };
  switch (change.kind) {
    case 'table':
      return (await done('nft', 'delete', 'table', 'ip', change.name))
        ? `nftables table "ip ${change.name}"`
        : undefined;
    case 'bridge':
      return (await done('ip', 'link', 'delete', change.name, 'type', 'bridge'))
        ? `interface ${change.name}`
        : undefined;
    case 'address': {
      const { address, device } = change;
      return (await done('ip', 'address', 'delete', address, 'dev', device))
        ? `address ${address} on ${device}`
        : undefined;
    }
    case 'route': {
      const { to, device } = change;
      return (await done('ip', 'route', 'delete', to, 'dev', device)) ? `route to ${to} over ${device}` : undefined;
    }
    case 'sysctl': {
      const { name, before } = change;
      if ((await readSysctl(name)) === before) return undefined;
      const written = await writeSysctl(name, before).then(
        () => true,
        () => false,
      );
      return written ? `kernel setting ${name}, back to ${before}` : undefined;
    }
    case 'forward-rule': {
      const rule = forwardRule(change.bridge, change.direction);
      return (await done('iptables', '-w', '5', '-D', 'FORWARD', ...rule))
        ? `iptables rule FORWARD ${rule.join(' ')}`
        : undefined;
    }
    case 'file':
    case 'folder':
      return rm(change.path, { recursive: change.kind === 'folder' }).then(
        () => `${change.kind} ${change.path}`,
        () => undefined,
      );
    default:
      return unreachable(change);
  }
}

/** The arguments of an iptables rule that lets the bridge's traffic pass. */
export const forwardRule = (bridge: string, direction: '-i' | '-o'): readonly string[] => [
  direction,
  bridge,
  '-m',
  'comment',
  '--comment',
  'tutti: pods',
  '-j',
  'ACCEPT',
];

/** Runs `ip` and throws its complaint, but for "already there". */
export async function ensureWithIp(run: RunCommand, args: readonly string[], signal: AbortSignal): Promise<void> {
  const result = await run('ip', args, { signal });
  if (result.code === 0 || result.stderr.includes('File exists')) return;
  await runChecked(run, 'ip', args, { signal });
}
