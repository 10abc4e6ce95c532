import { mkdir, open, stat } from 'node:fs/promises';
import type * as core from '#api/core/types.generated.ts';
import { badRequest } from '#machinery/status-error.ts';

/** Checks, and where the type says so makes, what a hostPath volume names. Throws BadRequest if it is something else. */
export async function prepareHostPath({ path, type = '' }: core.HostPathVolumeSource): Promise<string> {
  if (!path.startsWith('/') || path.split('/').includes('..')) {
    throw badRequest(`hostPath ${JSON.stringify(path)} must be absolute and must not contain '..'`);
  }
  let found = await stat(path).catch(() => undefined);
  if (found === undefined && type === 'DirectoryOrCreate') {
    await mkdir(path, { recursive: true, mode: 0o755 });
    found = await stat(path);
  } else if (found === undefined && type === 'FileOrCreate') {
    await (await open(path, 'a', 0o644)).close();
    found = await stat(path);
  }
  if (type === '') {
    // Without a type upstream lets the runtime make a directory where there is nothing.
    if (found === undefined) await mkdir(path, { recursive: true, mode: 0o755 });
    return path;
  }
  const fits =
    found !== undefined &&
    ((type.startsWith('Directory') && found.isDirectory()) ||
      (type.startsWith('File') && found.isFile()) ||
      (type === 'Socket' && found.isSocket()) ||
      (type === 'CharDevice' && found.isCharacterDevice()) ||
      (type === 'BlockDevice' && found.isBlockDevice()));
  if (!fits) throw badRequest(`hostPath type check failed: ${path} is not a ${words[type] ?? type}`);
  return path;
}

const words: Readonly<Record<string, string>> = {
  Directory: 'directory',
  DirectoryOrCreate: 'directory',
  File: 'file',
  FileOrCreate: 'file',
  Socket: 'socket file',
  CharDevice: 'character device',
  BlockDevice: 'block device',
};
