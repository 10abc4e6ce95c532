import { existsSync } from 'node:fs';
import path from 'node:path';

/** What a whole-system test may need that a newcomer's machine can lack. */
export type Need = 'root' | 'containerd' | 'cni' | 'nft' | 'etcd' | 'kubectl' | 'docker' | 'openssl';

const directories = [...(process.env['PATH'] ?? '').split(':'), '/usr/sbin', '/sbin'];
const onPath = (command: string) => directories.some((dir) => dir !== '' && existsSync(path.join(dir, command)));

const isMet: Readonly<Record<Need, () => boolean>> = {
  root: () => process.getuid?.() === 0,
  containerd: () => onPath('containerd') && onPath('runc'),
  cni: () => ['/usr/lib/cni', '/opt/cni/bin'].some((dir) => existsSync(path.join(dir, 'bridge'))),
  nft: () => onPath('nft') && onPath('ip'),
  etcd: () => onPath('etcd'),
  kubectl: () => onPath('kubectl'),
  docker: () => onPath('docker'),
  openssl: () => onPath('openssl'),
};

/**
 * For a test's `skip` option: false if all of `needs` are there, otherwise the reason to print. In CI nothing is
 * skipped: a test whose needs are missing there runs, and fails.
 */
export function unless(...needs: readonly Need[]): string | false {
  const missing = needs.filter((need) => !isMet[need]());
  return missing.length === 0 || process.env['CI'] === 'true' ? false : `needs ${missing.join(', ')}`;
}
