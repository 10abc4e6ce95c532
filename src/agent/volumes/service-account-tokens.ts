import type { TokenRequest } from '#api/authentication/token-request.ts';
import { ServiceAccount } from '#api/core/service-account.ts';
import type { Pod } from '#api/core/pod.ts';
import type * as core from '#api/core/types.generated.ts';
import type { Client } from '#client/client.ts';
import type { Clock } from '#lib/clock.ts';
import type { Kind } from '#machinery/kind.ts';

export interface IssuedToken {
  readonly token: string;
  /** Time to ask for the next one, with 20 % of its life left, or after a day. */
  readonly renewAt: number;
}

const dayMs = 24 * 60 * 60_000;
const defaultLifeSeconds = 3600;

/** A token for the pod's service account that dies with the pod. */
export async function requestToken(
  client: Client,
  clock: Clock,
  pod: Pod,
  { audience, expirationSeconds = defaultLifeSeconds }: core.ServiceAccountTokenProjection,
  signal: AbortSignal,
): Promise<IssuedToken> {
  const { name = '', namespace = '', uid = '' } = pod.metadata ?? {};
  const request: TokenRequest = {
    apiVersion: 'authentication.k8s.io/v1',
    kind: 'TokenRequest',
    metadata: { name: pod.spec.serviceAccountName ?? 'default', namespace },
    spec: {
      audiences: audience === undefined || audience === '' ? [] : [audience],
      expirationSeconds,
      boundObjectRef: { apiVersion: 'v1', kind: 'Pod', name, uid },
    },
  };
  // The path is that of the ServiceAccount, the body a TokenRequest.
  const kind = ServiceAccount as unknown as Kind<TokenRequest>;
  const now = clock.now();
  const { status } = await client.create(kind, request, { subresource: 'token', signal });
  const expires = Date.parse(status?.expirationTimestamp ?? '');
  const life = Number.isNaN(expires) ? expirationSeconds * 1000 : expires - now;
  return { token: status?.token ?? '', renewAt: now + Math.min(life * 0.8, dayMs) };
}
