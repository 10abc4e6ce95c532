import { randomBytes } from 'node:crypto';
import {
  chmod,
  chown,
  lstat,
  mkdir,
  readdir,
  readlink,
  rename,
  rm,
  symlink,
  unlink,
  writeFile,
} from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { badRequest } from '#machinery/status-error.ts';

export interface ProjectedFile {
  readonly bytes: Uint8Array;
  readonly mode: number;
}

/** Relative path → file. */
export type Projection = ReadonlyMap<string, ProjectedFile>;

export interface Owner {
  /** Owner of the files; root if absent. */
  readonly uid?: number;
  /** The pod's fsGroup: group of everything, and may read it. */
  readonly gid?: number;
}

/**
 * Makes `dir` show exactly `files`, all at one instant: they are written to a new hidden directory, to which the link
 * `..data` is switched over; each visible name is a link through `..data`. Readers see all of the old or all of the
 * new state. Source: k8s.io/kubernetes/pkg/volume/util/atomic_writer.go.
 */
export async function writeAtomically(dir: string, files: Projection, owner: Owner): Promise<void> {
  for (const path of files.keys()) refuseEscape(path);
  await mkdir(dir, { recursive: true });
  const old = await readlink(join(dir, '..data')).catch(() => undefined);
  const fresh = `..${new Date().toISOString().replace(/[-:T.Z]/g, '_')}${randomBytes(4).toString('hex')}`;
  const root = join(dir, fresh);
  await mkdir(root);
  await settleDir(root, owner);
  await settleDir(dir, owner);
  const made = new Set<string>(['.']);
  for (const [path, { bytes, mode }] of files) {
    for (const parent of parentsOf(path)) {
      if (made.has(parent)) continue;
      made.add(parent);
      await mkdir(join(root, parent));
      await settleDir(join(root, parent), owner);
    }
    const file = join(root, path);
    await writeFile(file, bytes, { mode: 0o600, flag: 'wx' });
    if (owner.uid !== undefined || owner.gid !== undefined) await chown(file, owner.uid ?? 0, owner.gid ?? 0);
    await chmod(file, owner.gid === undefined ? mode : mode | 0o440);
  }
  await symlink(fresh, join(dir, '..data_tmp'));
  await rename(join(dir, '..data_tmp'), join(dir, '..data'));
  await linkNames(dir, new Set([...files.keys()].map((path) => path.split('/')[0] ?? path)));
  if (old !== undefined) await rm(join(dir, old), { recursive: true, force: true });
}

async function linkNames(dir: string, names: ReadonlySet<string>): Promise<void> {
  for (const name of names) {
    const at = join(dir, name);
    const exists = await lstat(at).then(
      () => true,
      () => false,
    );
    if (!exists) await symlink(join('..data', name), at);
  }
  for (const name of await readdir(dir)) {
    if (!name.startsWith('..') && !names.has(name)) await unlink(join(dir, name));
  }
}

async function settleDir(path: string, { gid }: Owner): Promise<void> {
  if (gid === undefined) return chmod(path, 0o755);
  await chown(path, 0, gid);
  await chmod(path, 0o2775);
}

function parentsOf(path: string): readonly string[] {
  const parents: string[] = [];
  for (let at = dirname(path); at !== '.'; at = dirname(at)) parents.unshift(at);
  return parents;
}

function refuseEscape(path: string): void {
  const parts = path.split('/');
  if (path === '' || path.startsWith('/') || parts.includes('..') || (parts[0]?.startsWith('..') ?? true)) {
    throw badRequest(`invalid path ${JSON.stringify(path)} in volume: it must stay inside`);
  }
}
