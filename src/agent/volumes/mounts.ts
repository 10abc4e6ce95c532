import { spawn } from 'node:child_process';
import { readFile, rm, statfs } from 'node:fs/promises';
import { internalError } from '#machinery/status-error.ts';
import { programPath } from '../binaries.ts';

/** From linux/magic.h. */
const tmpfsMagic = 0x01021994;

export async function isTmpfs(path: string): Promise<boolean> {
  return (await statfs(path)).type === tmpfsMagic;
}

/** Mounts a tmpfs; `bytes` bounds it, half of the memory if absent. */
export async function mountTmpfs(path: string, mode: number, bytes?: number): Promise<void> {
  const size = bytes === undefined ? '' : `,size=${bytes}`;
  await run('mount', ['-t', 'tmpfs', '-o', `nosuid,nodev,mode=${mode.toString(8)}${size}`, 'tmpfs', path]);
}

/** Binds what the open file `fd` names, wherever its path may lead by now, to `target`. */
export async function bindDescriptor(fd: number, target: string): Promise<void> {
  // Without -c mount(8) would resolve the link to a path and open that path again.
  await run('mount', ['-c', '--bind', '/proc/self/fd/3', target], fd);
}

/** Mount points at or below `dir`, deepest last mounted first. */
export async function mountsBelow(dir: string): Promise<readonly string[]> {
  const text = await readFile('/proc/self/mountinfo', 'utf8');
  const points = text.split('\n').flatMap((line) => {
    const point = line
      .split(' ')[4]
      ?.replace(/\\(\d{3})/g, (_, octal: string) => String.fromCharCode(parseInt(octal, 8)));
    return point === dir || point?.startsWith(`${dir}/`) === true ? [point] : [];
  });
  return points.toReversed();
}

/** Unmounts everything below `dir`; busy mounts are detached and vanish when their last user does. */
export async function unmountBelow(dir: string): Promise<void> {
  for (const point of await mountsBelow(dir)) {
    await run('umount', ['-c', point]).catch(() => run('umount', ['-c', '-l', point]));
  }
}

/** Removes a directory and all mounts in it. Throws rather than reach through a mount that would not go. */
export async function removeTree(dir: string): Promise<void> {
  await unmountBelow(dir);
  const left = await mountsBelow(dir);
  if (left.length > 0) throw internalError(`Cannot remove "${dir}": ${left.join(', ')} cannot be unmounted`);
  await rm(dir, { recursive: true, force: true });
}

function run(program: 'mount' | 'umount', args: readonly string[], fd?: number): Promise<void> {
  const { promise, resolve, reject } = Promise.withResolvers<void>();
  const child = spawn(program, args, {
    stdio: ['ignore', 'ignore', 'pipe', ...(fd === undefined ? [] : [fd])],
    env: { PATH: programPath, LC_ALL: 'C' },
  });
  let words = '';
  child.stderr?.on('data', (chunk: Buffer) => (words += chunk.toString()));
  child.once('error', reject);
  child.once('close', (code) => {
    if (code === 0) resolve();
    else reject(internalError(`${program} ${args.join(' ')}: ${words.trim() || `exit code ${code}`}`));
  });
  return promise;
}
