import { readFile, statfs } from 'node:fs/promises';
import { cpus, networkInterfaces, release, totalmem } from 'node:os';
import { quantityOfUnits } from '#machinery/quantity.ts';
import { machineArchitecture } from './image-archive.ts';

/** What this host is and has, read once at the agent's start. */
export interface NodeFacts {
  readonly cpuCount: number;
  readonly memoryBytes: number;
  readonly diskBytes: number;
  readonly architecture: string;
  readonly kernel: string;
  readonly osImage: string;
  readonly machineId: string;
  readonly systemUuid: string;
  readonly bootId: string;
}

export const podsMax = 110;

export async function readNodeFacts(dataDir: string): Promise<NodeFacts> {
  const text = (path: string) =>
    readFile(path, 'utf8').then(
      (content) => content.trim(),
      () => '',
    );
  const [osRelease, machineId, productUuid, bootId, disk] = await Promise.all([
    text('/etc/os-release'),
    text('/etc/machine-id'),
    text('/sys/class/dmi/id/product_uuid'),
    text('/proc/sys/kernel/random/boot_id'),
    statfs(dataDir),
  ]);
  return {
    cpuCount: cpus().length,
    memoryBytes: totalmem(),
    diskBytes: disk.blocks * disk.bsize,
    architecture: machineArchitecture(),
    kernel: release(),
    osImage: /^PRETTY_NAME="?([^"\n]*)"?$/m.exec(osRelease)?.[1] ?? 'Linux',
    machineId,
    systemUuid: productUuid === '' ? machineId : productUuid.toLowerCase(),
    bootId,
  };
}

/** The address by which others reach this host: the first of a real interface, IPv4 before IPv6. */
export function findHostIps(): readonly string[] {
  const found = Object.entries(networkInterfaces())
    .filter(([name]) => !/^(lo|docker|cni|veth|tutti|br-|virbr|flannel|vxlan)/.test(name))
    .flatMap(([, addresses]) => addresses ?? [])
    .filter(({ internal, address }) => !internal && !address.startsWith('fe80:'));
  const v4 = found.find(({ family }) => family === 'IPv4')?.address;
  const v6 = found.find(({ family }) => family === 'IPv6')?.address;
  const ips = [v4, v6].filter((ip) => ip !== undefined);
  return ips.length === 0 ? ['127.0.0.1'] : ips.slice(0, 1);
}

/** Kept back for the host itself and for Tutti. */
const reservedMemoryBytes = 256 * 1024 * 1024;
const reservedCpuMilli = 100;

export function capacityOf(facts: NodeFacts): Record<string, string> {
  return {
    cpu: String(facts.cpuCount),
    memory: `${Math.floor(facts.memoryBytes / 1024)}Ki`,
    'ephemeral-storage': `${Math.floor(facts.diskBytes / 1024)}Ki`,
    pods: String(podsMax),
  };
}

/** What pods may have of it. */
export function allocatableOf(facts: NodeFacts): Record<string, string> {
  const memory = Math.max(facts.memoryBytes / 2, facts.memoryBytes - reservedMemoryBytes);
  return {
    cpu: `${facts.cpuCount * 1000 - reservedCpuMilli}m`,
    memory: `${Math.floor(memory / 1024)}Ki`,
    'ephemeral-storage': quantityOfUnits(Math.floor(facts.diskBytes * 0.9)),
    pods: String(podsMax),
  };
}
