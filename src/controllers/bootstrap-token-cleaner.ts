import { Secret } from '#api/core/secret.ts';
import { hasReason } from '#machinery/status-error.ts';
import { type Controller, wakesOn } from './controller.ts';

const namespace = 'kube-system';
/** Timers hold no more. */
const sleepMsMax = 24 * 3_600_000;

const isJoinToken = ({ type, metadata }: Secret) =>
  type === 'bootstrap.kubernetes.io/token' && metadata?.namespace === namespace;
const keyOf = ({ metadata }: Secret) => `${namespace}/${metadata?.name ?? ''}`;

/** Removes join tokens that have expired. Source: kubernetes pkg/controller/bootstrap (tokencleaner.go). */
export const bootstrapTokenCleaner: Controller = {
  name: 'token-cleaner',
  wakesOn: [wakesOn(Secret, ({ object }) => (isJoinToken(object) ? [keyOf(object)] : []))],
  keys: (cache) => cache.list(Secret, { namespace }).filter(isJoinToken).map(keyOf),
  async reconcile(key, { cache, client, clock, signal }) {
    const secret = cache.get(Secret, key);
    const expiration = secret?.data?.['expiration'];
    if (secret === undefined || expiration === undefined || !isJoinToken(secret)) return undefined;
    const at = Date.parse(Buffer.from(expiration, 'base64').toString('utf8'));
    const leftMs = at - clock.now();
    if (leftMs > 0) return { againMs: Math.min(leftMs, sleepMsMax) };
    const { uid, name = '' } = secret.metadata ?? {};
    const preconditions = uid === undefined ? {} : { uid };
    await client.delete(Secret, { name, namespace }, { signal, preconditions }).catch((error: unknown) => {
      if (!hasReason(error, 'NotFound', 'Conflict')) throw error;
    });
    return undefined;
  },
};
