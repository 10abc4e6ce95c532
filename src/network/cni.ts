import { mkdir, readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { writeFileAtomically } from '#lib/atomic-file.ts';
import type { HostChanges } from './host-changes.ts';

export interface CniOptions {
  readonly bridge: string;
  readonly podCidr: string;
  /** Where host-local keeps which pod has which address. */
  readonly leaseDir: string;
  readonly mtu?: number;
}

/** The name under which runtimes know the network; it is part of the paths of leases. */
const networkName = 'tutti';

/**
 * The configuration that a container runtime hands to the CNI plugins, as of https://www.cni.dev/docs/spec/ 1.0.0
 * (what plugins 1.1.1 and containerd 1.6 both speak). One plugin: a bridge with the node's block of addresses.
 * Masquerading and host ports are in Tutti's own nftables table instead of the plugins' hands: the portmap plugin
 * up to 1.6 needs the iptables program, and its nftables backend forwarded traffic that was not for this host
 * (CVE-2025-67499). The loopback interface of a pod is brought up by the runtime itself.
 */
export function cniConfig({ bridge, podCidr, leaseDir, mtu }: CniOptions): object {
  return {
    cniVersion: '1.0.0',
    name: networkName,
    plugins: [
      {
        type: 'bridge',
        bridge,
        isGateway: true,
        ipMasq: false,
        // A pod that reaches itself through its service leaves and enters by the same port of the bridge.
        hairpinMode: true,
        ...(mtu === undefined ? {} : { mtu }),
        ipam: {
          type: 'host-local',
          dataDir: leaseDir,
          ranges: [[{ subnet: podCidr }]],
          routes: [{ dst: '0.0.0.0/0' }],
        },
      },
    ],
  };
}

/** Puts the configuration where the runtime looks for it, as a whole; leaves it alone if it is already so. */
export async function writeCniConfig(confDir: string, options: CniOptions, changes: HostChanges): Promise<string> {
  const path = join(confDir, '10-tutti.conflist');
  const text = `${JSON.stringify(cniConfig(options), undefined, 2)}\n`;
  await changes.note({ kind: 'folder', path: options.leaseDir });
  await changes.note({ kind: 'file', path });
  await mkdir(confDir, { recursive: true, mode: 0o755 });
  const present = await readFile(path, 'utf8').catch(() => undefined);
  if (present !== text) await writeFileAtomically(path, text, 0o644);
  return path;
}
