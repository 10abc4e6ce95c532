import { constants } from 'node:fs';
import { mkdir, open, realpath, rm, type FileHandle } from 'node:fs/promises';
import { dirname, join, relative } from 'node:path';
import { badRequest, hasReason } from '#machinery/status-error.ts';
import { bindDescriptor, mountsBelow, unmountBelow } from './mounts.ts';

/** From fcntl.h; Node has no name for it. The same on x86-64 and arm64. */
const openPath = 0o10000000;

/**
 * Binds `subPath` of the volume at `base` to `target`, so that a container that can write to the volume cannot lead
 * the mount out of it: links are resolved once and must end inside, and then every part of the resolved path is
 * opened below the one before without following links, and the bind is made from what is then held open. Missing
 * directories are made. Throws BadRequest for a path that leads out.
 */
export async function bindSubPath(base: string, subPath: string, target: string): Promise<void> {
  const parts = subPath.split('/').filter((part) => part !== '' && part !== '.');
  if (subPath.startsWith('/') || parts.includes('..')) throw outside(subPath);
  const root = await realpath(base);
  const inside = await resolveInside(root, parts, subPath);
  await using held = await openBelow(root, inside, subPath);
  const isDirectory = (await held.stat()).isDirectory();
  await mkdir(dirname(target), { recursive: true, mode: 0o750 });
  if ((await mountsBelow(target)).length > 0) await unmountBelow(target);
  await rm(target, { recursive: true, force: true });
  if (isDirectory) await mkdir(target, { mode: 0o750 });
  else await (await open(target, 'wx', 0o640)).close();
  await bindDescriptor(held.fd, target);
}

/** The parts of `subPath` below `root` with links in its existing head resolved. */
async function resolveInside(root: string, parts: readonly string[], subPath: string): Promise<readonly string[]> {
  for (let length = parts.length; length >= 0; length--) {
    try {
      const real = await realpath(join(root, ...parts.slice(0, length)));
      const below = relative(root, real);
      if (below.split('/')[0] === '..') throw outside(subPath);
      return [...below.split('/').filter((part) => part !== ''), ...parts.slice(length)];
    } catch (error) {
      if (hasReason(error, 'BadRequest') || (error as NodeJS.ErrnoException).code !== 'ENOENT') throw error;
    }
  }
  throw outside(subPath);
}

async function openBelow(root: string, parts: readonly string[], subPath: string): Promise<FileHandle> {
  let held = await open(root, openPath | constants.O_NOFOLLOW);
  for (const part of parts) {
    const next = `/proc/self/fd/${held.fd}/${part}`;
    try {
      await mkdir(next, { mode: 0o750 }).catch((error: NodeJS.ErrnoException) => {
        if (error.code !== 'EEXIST') throw error;
      });
      const opened = await open(next, openPath | constants.O_NOFOLLOW);
      await held.close();
      held = opened;
      if ((await held.stat()).isSymbolicLink()) throw outside(subPath);
    } catch (error) {
      await held.close();
      throw error;
    }
  }
  return held;
}

const outside = (subPath: string) => badRequest(`subPath ${JSON.stringify(subPath)} leads out of its volume`);
