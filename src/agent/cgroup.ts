import { mkdir, readFile, readdir, rmdir, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import type { Pod } from '#api/core/pod.ts';
import { toMilli } from '#machinery/quantity.ts';
import { bytesOf, cpuPeriod, cpuQuota, cpuShares, cpuWeight } from './container/linux-resources.ts';
import { containersOf, uidOf } from './pod/pod-containers.ts';
import { qosClassOf } from './pod/qos.ts';

/** Where the kernel's control groups are: one tree a controller (version 1), or one for all (version 2). */
export interface CgroupMounts {
  readonly version: 1 | 2;
  /** Controller → mount point; with version 2 all the same. */
  readonly controllers: ReadonlyMap<string, string>;
}

const managed = ['cpu', 'memory', 'pids'] as const;

/** Reads where the control groups are mounted. Version 2 counts only if it has the controllers that limits need. */
export async function findCgroups(): Promise<CgroupMounts> {
  const mounts = (await readFile('/proc/self/mounts', 'utf8')).split('\n').map((line) => line.split(' '));
  const unified = mounts.find(([, , type]) => type === 'cgroup2')?.[1];
  if (unified !== undefined) {
    const available = (await readFile(join(unified, 'cgroup.controllers'), 'utf8').catch(() => '')).trim().split(' ');
    if (available.includes('memory') && available.includes('cpu')) {
      return { version: 2, controllers: new Map(available.map((name) => [name, unified])) };
    }
  }
  const controllers = new Map<string, string>();
  for (const [, point, type, options] of mounts) {
    if (type !== 'cgroup' || point === undefined) continue;
    for (const option of options?.split(',') ?? []) {
      if (option !== 'rw' && !option.includes('=') && !controllers.has(option)) controllers.set(option, point);
      if (option.startsWith('name=')) controllers.set(option, point);
    }
  }
  // Beside version 1 the unified tree has no controllers, but runtimes make their groups in it as well.
  if (unified !== undefined) controllers.set('unified', unified);
  return { version: 1, controllers };
}

/** Limits of a pod as a whole. */
export interface PodLimits {
  readonly cpuMilliRequest: number;
  /** Absent where some container has no limit. */
  readonly cpuMilliLimit?: number;
  readonly memoryBytesLimit?: number;
  readonly pidsMax: number;
}

export const podPidsMax = 4096;

/** Sums a pod's requests and limits; an init container counts where it alone wants more than all the others. */
export function podLimitsOf(pod: Pod): PodLimits {
  const all = containersOf(pod).filter(({ role }) => role !== 'ephemeral');
  const total = (field: 'requests' | 'limits', name: 'cpu' | 'memory', amount: (text: string) => number) => {
    const podLevel = pod.spec.resources?.[field]?.[name];
    if (podLevel !== undefined) return amount(podLevel);
    let sum = 0;
    let peak = 0;
    for (const { role, spec } of all) {
      const { requests = {}, limits = {} } = spec.resources ?? {};
      const text = field === 'limits' ? limits[name] : (requests[name] ?? limits[name]);
      if (text === undefined && field === 'limits') return undefined;
      const value = text === undefined ? 0 : amount(text);
      if (role === 'init') peak = Math.max(peak, sum + value);
      else sum += value;
    }
    return Math.max(sum, peak);
  };
  const cpuMilliLimit = total('limits', 'cpu', toMilli);
  const memoryBytesLimit = total('limits', 'memory', bytesOf);
  return {
    cpuMilliRequest: total('requests', 'cpu', toMilli) ?? 0,
    ...(cpuMilliLimit === undefined || cpuMilliLimit === 0 ? {} : { cpuMilliLimit }),
    ...(memoryBytesLimit === undefined || memoryBytesLimit === 0 ? {} : { memoryBytesLimit }),
    pidsMax: podPidsMax,
  };
}

/** The control files that put `limits` into force; `controller` names the tree of version 1. */
export function controlFiles(
  version: 1 | 2,
  limits: PodLimits,
): readonly { readonly controller: string; readonly file: string; readonly value: string }[] {
  const { cpuMilliRequest, cpuMilliLimit, memoryBytesLimit, pidsMax } = limits;
  const shares = cpuShares(cpuMilliRequest);
  if (version === 2) {
    return [
      { controller: 'cpu', file: 'cpu.weight', value: String(cpuWeight(shares)) },
      ...(cpuMilliLimit === undefined
        ? []
        : [{ controller: 'cpu', file: 'cpu.max', value: `${cpuQuota(cpuMilliLimit)} ${cpuPeriod}` }]),
      ...(memoryBytesLimit === undefined
        ? []
        : [{ controller: 'memory', file: 'memory.max', value: String(memoryBytesLimit) }]),
      { controller: 'pids', file: 'pids.max', value: String(pidsMax) },
    ];
  }
  return [
    { controller: 'cpu', file: 'cpu.shares', value: String(shares) },
    ...(cpuMilliLimit === undefined
      ? []
      : [
          { controller: 'cpu', file: 'cpu.cfs_period_us', value: String(cpuPeriod) },
          { controller: 'cpu', file: 'cpu.cfs_quota_us', value: String(cpuQuota(cpuMilliLimit)) },
        ]),
    ...(memoryBytesLimit === undefined
      ? []
      : [{ controller: 'memory', file: 'memory.limit_in_bytes', value: String(memoryBytesLimit) }]),
    { controller: 'pids', file: 'pids.max', value: String(pidsMax) },
  ];
}

/**
 * The agent's branch of the control groups: `ROOT/podUID` for Guaranteed pods, `ROOT/burstable/podUID` and
 * `ROOT/besteffort/podUID` for the others, which share what is left.
 */
export class CgroupTree {
  readonly #mounts: CgroupMounts;
  readonly #root: string;

  constructor(mounts: CgroupMounts, root: string) {
    this.#mounts = mounts;
    this.#root = root;
  }

  get version(): 1 | 2 {
    return this.#mounts.version;
  }

  /** The group that a pod's containers get as parent, as CRI wants it. */
  pathOf(pod: Pod): string {
    const qos = qosClassOf(pod);
    const middle = qos === 'Guaranteed' ? '' : `/${qos.toLowerCase()}`;
    return `${this.#root}${middle}/pod${uidOf(pod)}`;
  }

  /** Makes the groups above the pods'. */
  async prepare(): Promise<void> {
    for (const group of [this.#root, `${this.#root}/burstable`, `${this.#root}/besteffort`]) await this.#make(group);
    const [file, value] = this.version === 2 ? ['cpu.weight', '1'] : ['cpu.shares', '2'];
    await this.#write('cpu', `${this.#root}/besteffort`, file, value);
  }

  /** Makes a pod's group with its limits, or brings it up to date. */
  async apply(pod: Pod): Promise<void> {
    const group = this.pathOf(pod);
    await this.#make(group);
    for (const { controller, file, value } of controlFiles(this.version, podLimitsOf(pod))) {
      await this.#write(controller, group, file, value);
    }
  }

  /** Removes a pod's group, whatever class it had; processes in it must be gone. */
  async remove(uid: string): Promise<void> {
    for (const middle of ['', '/burstable', '/besteffort']) await this.#removeTree(`${this.#root}${middle}/pod${uid}`);
  }

  /**
   * Kills every process in the branch and returns how many there were. A container that was being started when its
   * runtime ended leaves one: created, never run, and known to nobody any more.
   */
  async killAll(): Promise<number> {
    const pids = new Set<number>();
    const visit = async (dir: string): Promise<void> => {
      const entries = await readdir(dir, { withFileTypes: true }).catch(() => []);
      for (const entry of entries) if (entry.isDirectory()) await visit(join(dir, entry.name));
      const procs = await readFile(join(dir, 'cgroup.procs'), 'utf8').catch(() => '');
      for (const pid of procs.split('\n')) if (pid !== '') pids.add(Number(pid));
    };
    for (const point of this.#points()) await visit(join(point, this.#root));
    for (const pid of pids) {
      try {
        process.kill(pid, 'SIGKILL');
      } catch {
        // It ended by itself.
      }
    }
    return pids.size;
  }

  /** Removes the whole branch; false if there was none. */
  async removeAll(): Promise<boolean> {
    const roots = this.#points().map((point) => join(point, this.#root));
    const found = await Promise.all(
      roots.map((root) =>
        readdir(root).then(
          () => true,
          () => false,
        ),
      ),
    );
    await this.#removeTree(this.#root);
    return found.includes(true);
  }

  #points(): readonly string[] {
    return [...new Set(this.#mounts.controllers.values())];
  }

  async #make(group: string): Promise<void> {
    if (this.version === 1) {
      await Promise.all(
        managed.map(async (controller) => {
          const point = this.#mounts.controllers.get(controller);
          if (point !== undefined) await mkdir(join(point, group), { recursive: true });
        }),
      );
      return;
    }
    const point = this.#points()[0] ?? '/sys/fs/cgroup';
    let at = point;
    for (const part of group.split('/').filter((name) => name !== '')) {
      const enable = [...this.#mounts.controllers.keys()].filter((name) => name !== '').map((name) => `+${name}`);
      // A controller that cannot be handed down (rt processes, say) leaves the others.
      for (const name of enable) await writeFile(join(at, 'cgroup.subtree_control'), name).catch(() => {});
      at = join(at, part);
      await mkdir(at, { recursive: true });
    }
  }

  async #write(controller: string, group: string, file: string, value: string): Promise<void> {
    const point = this.#mounts.controllers.get(controller);
    if (point !== undefined) await writeFile(join(point, group, file), value);
  }

  async #removeTree(group: string): Promise<void> {
    const visit = async (dir: string): Promise<void> => {
      const entries = await readdir(dir, { withFileTypes: true }).catch(() => []);
      for (const entry of entries) if (entry.isDirectory()) await visit(join(dir, entry.name));
      await rmdir(dir).catch((error: NodeJS.ErrnoException) => {
        if (error.code !== 'ENOENT') throw error;
      });
    };
    for (const point of this.#points()) await visit(join(point, group));
  }
}
