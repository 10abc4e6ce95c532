import { Lease } from '#api/coordination/lease.ts';
import type { Client } from '#client/client.ts';
import type { Clock } from '#lib/clock.ts';
import type { Log } from '#lib/log.ts';
import { hasReason } from '#machinery/status-error.ts';

export interface NodeLeaseOptions {
  readonly client: Client;
  readonly clock: Clock;
  readonly log: Log;
  readonly nodeName: string;
  /** The Node's uid, which owns the lease; undefined while it is not registered. */
  readonly nodeUid: () => string | undefined;
}

export const leaseNamespace = 'kube-node-lease';
const renewEveryMs = 10_000;
const leaseSeconds = 40;
const retryMsMin = 200;
const retryMsMax = 5_000;

/** Renews the node's lease, the heartbeat by which the cluster tells that the node lives. Settles on abort. */
export async function runNodeLease(options: NodeLeaseOptions, signal: AbortSignal): Promise<void> {
  const { clock, log } = options;
  let lease: Lease | undefined;
  let failures = 0;
  let next = clock.now();
  while (!signal.aborted) {
    try {
      lease = await renew(options, lease, signal);
      failures = 0;
      next = Math.max(clock.now() + renewEveryMs / 2, next + renewEveryMs);
    } catch (error) {
      if (signal.aborted) return;
      lease = undefined;
      next = clock.now() + Math.min(retryMsMax, retryMsMin * 2 ** failures++);
      log.warn('node lease cannot be renewed', { error });
    }
    await clock.sleep(next - clock.now(), signal).catch(() => {});
  }
}

async function renew(
  { client, clock, nodeName, nodeUid }: NodeLeaseOptions,
  known: Lease | undefined,
  signal: AbortSignal,
): Promise<Lease> {
  const renewTime = new Date(clock.now()).toISOString().replace('Z', '000Z');
  const uid = nodeUid();
  const ref = { name: nodeName, namespace: leaseNamespace };
  const ownerReferences = uid === undefined ? [] : [{ apiVersion: 'v1', kind: 'Node', name: nodeName, uid }];
  const spec = { holderIdentity: nodeName, leaseDurationSeconds: leaseSeconds, renewTime };
  const current = known ?? (await client.get(Lease, ref, { signal }).catch(absent));
  if (current === undefined) return client.create(Lease, { metadata: { ...ref, ownerReferences }, spec }, { signal });
  const metadata = { ...current.metadata, ownerReferences };
  return client.update(Lease, { ...current, metadata, spec: { ...current.spec, ...spec } }, { signal });
}

function absent(error: unknown): undefined {
  if (!hasReason(error, 'NotFound')) throw error;
  return undefined;
}
