import { link, mkdir, readdir, readFile, rename, rm, stat, writeFile } from 'node:fs/promises';
import path from 'node:path';
import { identityOf, isAlive } from '#agent/process-identity.ts';
import { writeFileAtomically } from '#lib/atomic-file.ts';

/** Raised when a newer Tutti lays the data directory out so that this one could not read it. */
const layoutVersion = 1;

/** A reason for which a cluster cannot start that its operator can mend; the message says how. */
export class StartError extends Error {
  constructor(message: string, cause?: unknown) {
    super(message, cause === undefined ? undefined : { cause });
    this.name = 'StartError';
  }
}

/** The server that holds a data directory. */
export interface Holder {
  readonly pid: number;
  /** Start of the process in clock ticks since boot: a pid alone may come again. */
  readonly startTicks: string;
  /** The API server's address once it serves. */
  readonly server?: string;
  /** The file that says how it schedules pods, if there is one: an absolute path. */
  readonly schedulerConfig?: string;
  /** Milliseconds since the epoch. */
  readonly startedAt: number;
}

export interface DataDir extends AsyncDisposable {
  readonly path: string;
  /** Tells others where the server answers, and how it was set up. */
  announce(server: string, setup?: Pick<Holder, 'schedulerConfig'>): Promise<void>;
}

const lockOf = (dir: string) => path.join(dir, 'server.json');

function parseHolder(text: string): Holder | undefined {
  try {
    const value: unknown = JSON.parse(text);
    if (typeof value !== 'object' || value === null) return undefined;
    return 'pid' in value && 'startTicks' in value && 'startedAt' in value ? (value as Holder) : undefined;
  } catch {
    return undefined;
  }
}

/** The live server of a data directory, or undefined. */
export async function holderOf(dir: string): Promise<Holder | undefined> {
  const holder = parseHolder(await readFile(lockOf(dir), 'utf8').catch(() => ''));
  return holder !== undefined && (await isAlive(holder)) ? holder : undefined;
}

const layoutOf = (dir: string) => path.join(dir, layoutName);
const layoutName = 'layout.json';
/** What may lie in a directory before its first server has said that it is Tutti's. */
const mayPrecede = (name: string) => name === 'logs' || name === 'lost+found' || name.startsWith(`${layoutName}.`);

/** True if removing `dir` removes nothing but a cluster: a Tutti has laid it out, or there is nothing in it. */
export async function isDataDir(dir: string): Promise<boolean> {
  const names: readonly string[] = await readdir(dir).catch((error: NodeJS.ErrnoException) => {
    if (error.code === 'ENOENT') return [];
    throw error;
  });
  return names.includes(layoutName) || names.every(mayPrecede);
}

async function assertLayoutIsKnown(dir: string, writtenBy: string): Promise<void> {
  const file = layoutOf(dir);
  const text = await readFile(file, 'utf8').catch((error: NodeJS.ErrnoException) => {
    if (error.code === 'ENOENT') return undefined;
    throw error;
  });
  if (text === undefined) {
    await writeFileAtomically(file, `${JSON.stringify({ version: layoutVersion, writtenBy })}\n`);
    return;
  }
  let found: { version?: unknown; writtenBy?: unknown };
  try {
    found = JSON.parse(text) as typeof found;
  } catch (error) {
    throw new StartError(`${file} is damaged: it should hold {"version":${layoutVersion}}`, error);
  }
  if (typeof found.version !== 'number' || found.version > layoutVersion) {
    throw new StartError(
      `The data directory ${dir} has layout version ${String(found.version)}, written by Tutti ${String(found.writtenBy)}; ` +
        `this Tutti knows versions up to ${layoutVersion}. Start it with that Tutti or a newer one, or choose another --data-dir.`,
    );
  }
}

/**
 * Removes the lock of a dead server. Another process may do the same at the same moment and have taken the lock
 * since, so the file is moved aside first, and put back if it turns out to be a live one's.
 */
async function removeStale(dir: string, own: string): Promise<void> {
  const aside = `${own}.stale`;
  try {
    await rename(lockOf(dir), aside);
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return;
    throw error;
  }
  const moved = parseHolder(await readFile(aside, 'utf8'));
  if (moved !== undefined && (await isAlive(moved))) await link(aside, lockOf(dir)).catch(() => undefined);
  await rm(aside, { force: true });
}

/** Takes the lock by a hard link, which either makes a whole file or fails. */
async function lock(dir: string, holder: Holder): Promise<void> {
  const own = path.join(dir, `server.${holder.pid}.tmp`);
  await writeFile(own, `${JSON.stringify(holder)}\n`, { mode: 0o600 });
  try {
    for (;;) {
      try {
        await link(own, lockOf(dir));
        return;
      } catch (error) {
        if ((error as NodeJS.ErrnoException).code !== 'EEXIST') throw error;
      }
      const other = await holderOf(dir);
      if (other !== undefined) {
        throw new StartError(
          `The data directory ${dir} is in use by the Tutti server with pid ${other.pid}. ` +
            `Stop it with "tutti down --data-dir ${dir}", or choose another --data-dir.`,
        );
      }
      await removeStale(dir, own);
    }
  } finally {
    await rm(own, { force: true });
  }
}

/** Not Node's own recursive mkdir, which turns EROFS into ENOENT and never ends below /proc. */
async function makeDirectory(dir: string): Promise<void> {
  try {
    await mkdir(dir, { mode: 0o700 });
  } catch (error) {
    const { code } = error as NodeJS.ErrnoException;
    const isThere = code !== 'ENOENT' && (await stat(dir).catch(() => undefined))?.isDirectory() === true;
    if (isThere) return;
    if (code !== 'ENOENT' || path.dirname(dir) === dir) throw error;
    await makeDirectory(path.dirname(dir));
    await mkdir(dir, { mode: 0o700 }).catch((again: NodeJS.ErrnoException) => {
      if (again.code !== 'EEXIST') throw again;
    });
  }
}

const unwritable = new Set(['EACCES', 'EROFS', 'EPERM', 'ENOENT']);

function startErrorOf(error: unknown, dir: string): unknown {
  const { code = '' } = error as NodeJS.ErrnoException;
  if (code === 'ENOSPC') return new StartError(`The disk that holds the data directory ${dir} is full.`, error);
  if (unwritable.has(code))
    return new StartError(`The data directory ${dir} cannot be written (${code}): choose another --data-dir.`, error);
  if (code === 'ENOTDIR' || code === 'EEXIST')
    return new StartError(`${dir} is no directory: choose another --data-dir.`, error);
  return error;
}

/**
 * Makes `dir` if it is not there. Throws `StartError` if that fails, or if it holds other things than a cluster:
 * "tutti reset" would remove all of it one day.
 */
export async function makeDataDir(dir: string): Promise<void> {
  try {
    await makeDirectory(dir);
  } catch (error) {
    throw startErrorOf(error, dir);
  }
  if (!(await isDataDir(dir)))
    throw new StartError(`The directory ${dir} has other things in it: choose an empty --data-dir, or a new one.`);
}

/**
 * Makes `dir` this process's own until it is disposed. Throws `StartError` if a live server has it (naming its
 * pid), if a newer Tutti has written it, or if it cannot be written.
 */
export async function openDataDir(dir: string, options: { writtenBy: string; now: number }): Promise<DataDir> {
  const absolute = path.resolve(dir);
  const self = await identityOf(process.pid);
  if (self === undefined) throw new Error('This process does not find itself in /proc');
  let holder: Holder = { ...self, startedAt: options.now };
  await makeDataDir(absolute);
  try {
    await assertLayoutIsKnown(absolute, options.writtenBy);
    await lock(absolute, holder);
  } catch (error) {
    throw startErrorOf(error, absolute);
  }
  return {
    path: absolute,
    async announce(server, setup = {}) {
      holder = { ...holder, server, ...setup };
      await writeFileAtomically(lockOf(absolute), `${JSON.stringify(holder)}\n`);
    },
    async [Symbol.asyncDispose]() {
      await rm(lockOf(absolute), { force: true });
    },
  };
}
