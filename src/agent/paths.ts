import { createHash } from 'node:crypto';
import { join, resolve } from 'node:path';

/** Where one agent keeps things on its host. Everything is below `dataDir`, or carries `id` in its name. */
export interface AgentPaths {
  /** Short name of the data directory, for things that live outside it (sockets, control groups). */
  readonly id: string;
  readonly dataDir: string;
  readonly containerd: {
    readonly dir: string;
    readonly root: string;
    /** On a tmpfs and short: a unix socket's path has room for 107 bytes, and shims put theirs below it. */
    readonly state: string;
    readonly socket: string;
    readonly config: string;
    readonly log: string;
    readonly pidFile: string;
    readonly registries: string;
  };
  readonly cniConf: string;
  readonly pods: string;
  readonly podLogs: string;
  /** Parent of all pods' control groups, from the root of each hierarchy. */
  readonly cgroup: string;
}

export function agentPaths(dataDir: string): AgentPaths {
  const dir = resolve(dataDir);
  const id = createHash('sha256').update(dir).digest('hex').slice(0, 8);
  const containerd = join(dir, 'containerd');
  const state = `/run/tutti/${id}`;
  return {
    id,
    dataDir: dir,
    containerd: {
      dir: containerd,
      root: join(containerd, 'root'),
      state,
      socket: join(state, 'containerd.sock'),
      config: join(containerd, 'config.toml'),
      log: join(containerd, 'containerd.log'),
      pidFile: join(containerd, 'containerd.pid'),
      registries: join(containerd, 'registries'),
    },
    cniConf: join(dir, 'cni', 'net.d'),
    pods: join(dir, 'pods'),
    podLogs: join(dir, 'pod-logs'),
    cgroup: `/tutti-${id}`,
  };
}
