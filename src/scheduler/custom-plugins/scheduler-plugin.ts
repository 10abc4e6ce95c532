import type { Pod } from '#api/core/pod.ts';

/** One node as a plugin of one's own sees it. Plain data: changing it changes nothing. */
export interface PluginNode {
  readonly name: string;
  readonly labels: Readonly<Record<string, string>>;
  readonly taints: readonly { readonly key: string; readonly value: string; readonly effect: string }[];
  readonly unschedulable: boolean;
  /** What pods may use, by resource: cpu in cores, everything else in bytes or units. */
  readonly allocatable: Readonly<Record<string, number>>;
  /** What pods there request; only for plugins that read `use`. */
  readonly used?: Readonly<Record<string, number>>;
  /** Who runs there or is on the way; only for plugins that read `use`. */
  readonly pods?: readonly {
    readonly namespace: string;
    readonly name: string;
    readonly labels: Readonly<Record<string, string>>;
    readonly priority: number;
  }[];
}

/** What a call that takes time gets. */
export interface PluginCall {
  /** Aborts when the call has taken too long, or the server stops: whatever it does then is too late. */
  readonly signal: AbortSignal;
}

export interface PluginBindCall extends PluginCall {
  /** Binds the pod as Tutti would have done, with annotations to add to it. Rejects if it cannot be bound. */
  bind(annotations?: Readonly<Record<string, string>>): Promise<void>;
}

/**
 * A scheduler plugin of one's own, as a module's default export or what its default export, a function of `args`,
 * returns. It runs in a thread of its own. Leave out what it has no say in.
 *
 * Whatever throws, or answers something else than what stands here, makes the pod wait, with the plugin's name and the
 * error among its reasons; so does what takes too long (`callTimeoutMilliseconds`, `waitTimeoutSeconds`).
 */
export interface SchedulerPlugin {
  /**
   * `node` (the default): answers depend on the pod and the Node alone; `use`: also on what runs there. A node is asked
   * about again only when that changes, so an answer must depend on nothing else.
   */
  readonly reads?: 'node' | 'use';
  /**
   * True if the node can take the pod, else a short text that says why not. Equal pods are asked about once: `pod` has
   * its spec, namespace, labels, annotations and owners, but nothing that tells pods of one workload apart (name, uid,
   * status, index, host name, the node that a DaemonSet pins it to).
   */
  filter?(pod: Pod, node: PluginNode): true | string;
  /** 0…100: how good the node is, of those that can take the pod. Fractions are cut off. */
  score?(pod: Pod, node: PluginNode): number;
  /** Told which node was chosen; throwing sends the pod back to wait. */
  reserve?(pod: Pod, nodeName: string, call: PluginCall): void | Promise<void>;
  /** Told that a pod that was reserved for, or was to be, does not get there. Throwing changes nothing. */
  unreserve?(pod: Pod, nodeName: string, call: PluginCall): void | Promise<void>;
  /** Settles when the pod may be bound; throwing sends it back to wait. */
  permit?(pod: Pod, nodeName: string, call: PluginCall): void | Promise<void>;
  /** Binds the pod, by `call.bind()` or otherwise, instead of Tutti. */
  bind?(pod: Pod, nodeName: string, call: PluginBindCall): void | Promise<void>;
}

/** What the module of a plugin exports as `default`. */
export type SchedulerPluginExport =
  | SchedulerPlugin
  // `any` is what the configuration holds: the module says what it wants.
  | ((args: never) => SchedulerPlugin | Promise<SchedulerPlugin>);
