import type * as object from '#machinery/object.ts';
import type { Toleration } from '../core/types.generated.ts';

/** Kinds of `scheduling.tutti.dev/v1`. */
export interface Reservation {
  readonly apiVersion?: string;
  readonly kind?: string;
  readonly metadata?: object.ObjectMeta;
  readonly spec: ReservationSpec;
  readonly status?: ReservationStatus;
}

export interface ReservationSpec {
  readonly nodeName: string;
  /** Who has the room, for people: `mesos/framework-1`. */
  readonly holder: string;
  /** How much, `pods` for how many; everything that is free unless given. */
  readonly resources?: Readonly<Record<string, string>>;
  /** Ports of the host; of what is free, those that are. */
  readonly hostPorts?: readonly PortRange[];
  readonly tolerations?: readonly Toleration[];
  /** Pods of higher priority may have the room if they fit nowhere else. */
  readonly priority?: number;
  /** From `status.heldAt`. */
  readonly timeoutSeconds?: number;
  /** Set to accept: once each of these pods has a node or has ended, the reservation is over. */
  readonly pods?: readonly string[];
}

export interface PortRange {
  readonly protocol?: string;
  readonly port: number;
  /** The last one; `port` alone unless given. */
  readonly endPort?: number;
}

export interface ReservationStatus {
  /** Absent until the scheduler has decided. */
  readonly phase?: 'Held' | 'Refused' | 'Rescinded' | 'Expired' | 'Consumed';
  readonly reason?: string;
  readonly message?: string;
  /** What is, or was, held in all. */
  readonly resources?: Readonly<Record<string, string>>;
  readonly hostPorts?: readonly PortRange[];
  readonly heldAt?: string;
  readonly expiresAt?: string;
  readonly endedAt?: string;
}
