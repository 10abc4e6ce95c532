import { Secret } from '#api/core/secret.ts';
import type { Pod } from '#api/core/pod.ts';
import type { ImageReference } from '#machinery/image-reference.ts';
import type { Init } from '#lib/proto3.ts';
import type { AuthConfig } from './cri/messages.generated.ts';
import type { WatchedObjects } from './watched-objects.ts';

/** The credentials in a pod's pull secrets that fit an image. Secrets that are missing or unreadable are passed over. */
export async function pullCredentials(
  pod: Pod,
  reference: ImageReference,
  objects: WatchedObjects,
  signal: AbortSignal,
): Promise<readonly Init<AuthConfig>[]> {
  const found: Init<AuthConfig>[] = [];
  for (const { name } of pod.spec.imagePullSecrets ?? []) {
    if (name === undefined) continue;
    using held = objects.hold(Secret, pod.metadata?.namespace ?? '', name);
    const secret = await held.current(signal);
    if (secret !== undefined) found.push(...credentialsIn(secret, reference));
  }
  return found;
}

interface DockerAuth {
  readonly username?: string;
  readonly password?: string;
  readonly auth?: string;
  readonly identitytoken?: string;
  readonly registrytoken?: string;
}

/** Reads `.dockerconfigjson` and the older `.dockercfg`; the longest registry path that fits comes first. */
export function credentialsIn({ data = {} }: Secret, reference: ImageReference): readonly Init<AuthConfig>[] {
  const auths = authsOf(data);
  return Object.entries(auths)
    .map(([registry, auth]) => ({ place: placeOf(registry), auth }))
    .filter(({ place }) => fits(place, reference))
    .toSorted((a, b) => b.place.length - a.place.length)
    .map(({ auth }) => toConfig(auth, serverOf(reference)));
}

function authsOf(data: Readonly<Record<string, string>>): Readonly<Record<string, DockerAuth>> {
  try {
    const config = data['.dockerconfigjson'];
    if (config !== undefined) {
      return (
        (JSON.parse(Buffer.from(config, 'base64').toString()) as { auths?: Record<string, DockerAuth> }).auths ?? {}
      );
    }
    const old = data['.dockercfg'];
    return old === undefined ? {} : (JSON.parse(Buffer.from(old, 'base64').toString()) as Record<string, DockerAuth>);
  } catch {
    return {};
  }
}

/** Keys may be URLs (`https://index.docker.io/v1/`) or bare `host/path`. */
function placeOf(registry: string): string {
  const place = registry
    .replace(/^https?:\/\//, '')
    .replace(/\/$/, '')
    .replace(/\/v[12]$/, '');
  return place === 'index.docker.io' || place === 'registry-1.docker.io' ? 'docker.io' : place;
}

function fits(place: string, { domain, repository }: ImageReference): boolean {
  if (place.startsWith('*.'))
    return domain.endsWith(place.slice(1)) && !domain.slice(0, -place.length + 1).includes('.');
  return repository === place || repository.startsWith(`${place}/`);
}

/**
 * The server that the credentials are for, as containerd compares it: it reads a URL, fails on a bare `host:port`, and
 * sends the credentials to no other host than that URL's.
 */
function serverOf({ domain }: ImageReference): string {
  return `https://${domain === 'docker.io' ? 'registry-1.docker.io' : domain}`;
}

function toConfig(
  { username, password, auth, identitytoken, registrytoken }: DockerAuth,
  serverAddress: string,
): Init<AuthConfig> {
  const decoded = auth === undefined ? '' : Buffer.from(auth, 'base64').toString();
  const colon = decoded.indexOf(':');
  return {
    username: username ?? (colon < 0 ? '' : decoded.slice(0, colon)),
    password: password ?? (colon < 0 ? '' : decoded.slice(colon + 1)),
    identityToken: identitytoken ?? '',
    registryToken: registrytoken ?? '',
    serverAddress,
  };
}
