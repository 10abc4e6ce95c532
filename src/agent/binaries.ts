import { constants } from 'node:fs';
import { access, readdir } from 'node:fs/promises';
import { join } from 'node:path';
import { unavailable } from '#machinery/status-error.ts';

/** Programs and plugins of the host that the agent runs. Only what the distribution or its administrator installed. */
const programDirs = ['/usr/local/sbin', '/usr/local/bin', '/usr/sbin', '/usr/bin', '/sbin', '/bin', '/opt/bin'];
const cniDirs = ['/usr/lib/cni', '/opt/cni/bin', '/usr/libexec/cni'];

/** Search path for programs that the agent starts. */
export const programPath = programDirs.join(':');

/** The file of a program; undefined if it is not installed. */
export async function findProgram(name: string): Promise<string | undefined> {
  for (const dir of programDirs) {
    const path = join(dir, name);
    const found = await access(path, constants.X_OK).then(
      () => true,
      () => false,
    );
    if (found) return path;
  }
  return undefined;
}

/** Like `findProgram()`, but throws ServiceUnavailable with the way out. */
export async function needProgram(name: string, debianPackage: string): Promise<string> {
  const path = await findProgram(name);
  if (path === undefined) {
    throw unavailable(`${name} is not installed: install it, for example with "apt-get install ${debianPackage}"`);
  }
  return path;
}

/** The first directory that holds the CNI plugins the pod network needs; undefined if none does. */
export async function findCniDir(): Promise<string | undefined> {
  for (const dir of cniDirs) {
    const names: readonly string[] = await readdir(dir).catch(() => []);
    if (['bridge', 'host-local', 'loopback', 'portmap'].every((name) => names.includes(name))) return dir;
  }
  return undefined;
}

/** What a node cannot be without, and the package that Debian and Ubuntu have it in. */
const needed = [
  { name: 'containerd', debianPackage: 'containerd' },
  { name: 'ctr', debianPackage: 'containerd' },
  { name: 'runc', debianPackage: 'runc' },
  { name: 'nft', debianPackage: 'nftables' },
  { name: 'ip', debianPackage: 'iproute2' },
] as const;

/** The programs that keep this host from running containers, and the packages to install; both empty if none does. */
export async function missingPrograms(): Promise<{ names: readonly string[]; packages: readonly string[] }> {
  const missing: { name: string; debianPackage: string }[] = [];
  for (const each of needed) if ((await findProgram(each.name)) === undefined) missing.push(each);
  if ((await findCniDir()) === undefined)
    missing.push({ name: 'the CNI plugins', debianPackage: 'containernetworking-plugins' });
  return {
    names: missing.map(({ name }) => name),
    packages: [...new Set(missing.map(({ debianPackage }) => debianPackage))],
  };
}
