import { chmod, chown, lchown, lstat, readdir } from 'node:fs/promises';
import { join } from 'node:path';

/**
 * Gives a volume to the pod's fsGroup: its group everywhere, group access like the owner's, and directories that pass
 * their group on. Links are not followed. Source: k8s.io/kubernetes/pkg/volume/volume_linux.go.
 */
export async function giveToGroup(path: string, gid: number): Promise<void> {
  const stat = await lstat(path);
  if (stat.isSymbolicLink()) {
    await lchown(path, stat.uid, gid);
    return;
  }
  await chown(path, stat.uid, gid);
  await chmod(path, (stat.mode & 0o7777) | (stat.isDirectory() ? 0o2770 : 0o660));
  if (stat.isDirectory()) for (const name of await readdir(path)) await giveToGroup(join(path, name), gid);
}
