/** What the private containerd is told. All paths absolute. */
export interface ContainerdConfig {
  readonly root: string;
  readonly state: string;
  readonly socket: string;
  readonly sandboxImage: string;
  readonly snapshotter: 'overlayfs' | 'native';
  readonly cniBin: string;
  readonly cniConf: string;
  readonly registries: string;
  readonly runc: string;
  /** Whether processes may be shielded from the kernel's out-of-memory killer; containers otherwise keep our own score. */
  readonly mayLowerOomScore: boolean;
}

/**
 * containerd's configuration, version 2: the newest that 1.6 and 1.7 read, and one that 2.x converts by itself.
 * The streaming server listens on loopback only, on a port of its own choice.
 * Source: https://github.com/containerd/containerd/blob/main/docs/cri/config.md
 */
export function containerdConfig(config: ContainerdConfig): string {
  const text = (value: string) => JSON.stringify(value);
  return `version = 2
root = ${text(config.root)}
state = ${text(config.state)}
oom_score = ${config.mayLowerOomScore ? -900 : 0}
disabled_plugins = [
  "io.containerd.internal.v1.opt",
  "io.containerd.internal.v1.tracing",
  "io.containerd.snapshotter.v1.aufs",
  "io.containerd.snapshotter.v1.btrfs",
  "io.containerd.snapshotter.v1.devmapper",
  "io.containerd.snapshotter.v1.zfs",
  "io.containerd.tracing.processor.v1.otlp",
  "io.containerd.nri.v1.nri",
]

[grpc]
  address = ${text(config.socket)}

[ttrpc]
  address = ${text(`${config.socket}.ttrpc`)}

[metrics]
  address = ""

[plugins."io.containerd.grpc.v1.cri"]
  sandbox_image = ${text(config.sandboxImage)}
  stream_server_address = "127.0.0.1"
  stream_server_port = "0"
  disable_tcp_service = true
  enable_selinux = false
  restrict_oom_score_adj = ${!config.mayLowerOomScore}
  disable_apparmor = false
  max_container_log_line_size = 16384

  [plugins."io.containerd.grpc.v1.cri".cni]
    bin_dir = ${text(config.cniBin)}
    conf_dir = ${text(config.cniConf)}
    max_conf_num = 1

  [plugins."io.containerd.grpc.v1.cri".registry]
    config_path = ${text(config.registries)}

  [plugins."io.containerd.grpc.v1.cri".containerd]
    snapshotter = ${text(config.snapshotter)}
    default_runtime_name = "runc"

    [plugins."io.containerd.grpc.v1.cri".containerd.runtimes.runc]
      runtime_type = "io.containerd.runc.v2"

      [plugins."io.containerd.grpc.v1.cri".containerd.runtimes.runc.options]
        BinaryName = ${text(config.runc)}
        SystemdCgroup = false
`;
}
