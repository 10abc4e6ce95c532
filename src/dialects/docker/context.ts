import type { CacheReader } from '#client/cache.ts';
import type { Client } from '#client/client.ts';
import type { Clock } from '#lib/clock.ts';
import type { Containers } from './containers.ts';
import type { EventLog } from './events.ts';
import type { Execs } from './execs.ts';
import type { Images } from './images.ts';
import type { Lifecycle } from './lifecycle.ts';
import type { Readers } from './readers.ts';
import type { TerminalSizes } from './terminal-sizes.ts';

/** What the routes of this dialect share. */
export interface DockerContext {
  readonly client: Client;
  /** Holds pods and nodes. */
  readonly cache: CacheReader;
  readonly clock: Clock;
  readonly random: () => number;
  /** Of the containers that Docker makes. */
  readonly namespace: string;
  readonly containers: Containers;
  readonly lifecycle: Lifecycle;
  readonly images: Images;
  readonly events: EventLog;
  readonly execs: Execs;
  readonly readers: Readers;
  readonly sizes: TerminalSizes;
}
