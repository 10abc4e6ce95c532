import { constants } from 'node:fs';
import { open, readdir, type FileHandle } from 'node:fs/promises';
import { join } from 'node:path';

/** `0.log` is being written; `0.log.20261120-171500` was, and is older the smaller its name. */
const rotated = /^\d{8}-\d{6}(-\d+)?$/;

/** Files of one container instance's log, oldest first; the last one is the one being written. */
export async function logFiles(dir: string, attempt: number): Promise<readonly string[]> {
  const current = `${attempt}.log`;
  const names: readonly string[] = await readdir(dir).catch((error: NodeJS.ErrnoException) => {
    if (error.code === 'ENOENT') return [];
    throw error;
  });
  const older = names
    .filter((name) => name.startsWith(`${current}.`) && rotated.test(name.slice(current.length + 1)))
    .sort();
  return [...older, ...(names.includes(current) ? [current] : [])].map((name) => join(dir, name));
}

/** Opens a log for reading. A link or a pipe in its place is refused: containers must not choose what we read. */
export async function openLog(path: string): Promise<FileHandle | undefined> {
  const file = await open(path, constants.O_RDONLY | constants.O_NOFOLLOW | constants.O_NONBLOCK).catch(
    (error: NodeJS.ErrnoException) => {
      if (error.code === 'ENOENT') return undefined;
      throw error;
    },
  );
  if (file === undefined || (await file.stat()).isFile()) return file;
  await file.close();
  return undefined;
}
