import type { Service } from '#api/core/service.ts';
import type { Client } from '#client/client.ts';
import type { Events } from '#client/event-queue.ts';
import type { Clock } from '#lib/clock.ts';
import type { Log } from '#lib/log.ts';
import type { CgroupTree } from './cgroup.ts';
import type { DnsSettings } from './container/dns-config.ts';
import type { Cri } from './cri/cri.ts';
import type { ExitEvents } from './exit-events.ts';
import type { Images } from './images.ts';
import type { AgentPaths } from './paths.ts';
import type { RuntimeView } from './runtime-view.ts';
import type { WatchedObjects } from './watched-objects.ts';

/** Gives pods their network; the agent asks before it makes a sandbox that is not on the host's network. */
export interface PodNetwork {
  /** Resolves once the CNI configuration is written; rejects with the reason if it cannot be. */
  ready(signal: AbortSignal): Promise<void>;
  /** Resolves once nobody new is sent to a pod that is about to end for good, or its own bound has passed. */
  drained?(podUid: string, signal: AbortSignal): Promise<boolean>;
}

/** What the parts of one agent share. */
export interface AgentContext {
  readonly client: Client;
  readonly cri: Cri;
  readonly clock: Clock;
  readonly log: Log;
  readonly events: Events;
  readonly paths: AgentPaths;
  readonly nodeName: string;
  readonly images: Images;
  readonly view: RuntimeView;
  readonly objects: WatchedObjects;
  readonly exits: ExitEvents;
  readonly cgroups: CgroupTree;
  readonly network: PodNetwork;
  readonly dns: DnsSettings;
  readonly hostIps: () => readonly string[];
  readonly allocatable: () => Readonly<Record<string, string>>;
  readonly memoryBytes: number;
  readonly services: () => readonly Service[];
  /** Waits until the services are known, so that no container starts without their variables. */
  readonly servicesKnown: (signal: AbortSignal) => Promise<void>;
}
