import { readFile } from 'node:fs/promises';
import type { TokenAuthenticator } from '#apiserver/authentication/bearer-token.ts';
import type { Clock } from '#lib/clock.ts';
import type { Log } from '#lib/log.ts';
import { StartError } from './data-dir.ts';

/** Whom a server knows beside those of the cluster itself. */
export interface OtherCallers {
  readonly tokens: readonly TokenAuthenticator[];
  /** Paths that anybody may ask for, as far as roles allow; health if absent. */
  readonly mayBeAnonymous?: (path: string) => boolean;
}

/** Reads an AuthenticationConfiguration. Its code is loaded by those alone who have one. Throws `StartError`. */
export async function readAuthenticationConfig(
  file: string | undefined,
  { clock, log }: { readonly clock: Clock; readonly log: Log },
): Promise<OtherCallers> {
  if (file === undefined) return { tokens: [] };
  const { parseAuthenticationConfiguration } =
    await import('#apiserver/authentication/authentication-configuration.ts');
  const { oidcTokens } = await import('#apiserver/authentication/oidc/oidc-tokens.ts');
  try {
    const { jwt, anonymousPaths } = parseAuthenticationConfiguration(await readFile(file, 'utf8'));
    return {
      tokens: jwt.map((issuer) => oidcTokens(issuer, { clock, log: log.child({ area: 'oidc' }) })),
      ...(anonymousPaths === undefined
        ? {}
        : { mayBeAnonymous: (path: string) => anonymousPaths === 'all' || anonymousPaths.includes(path) }),
    };
  } catch (error) {
    throw new StartError(`The authentication configuration ${file} cannot be used: ${(error as Error).message}`, error);
  }
}
