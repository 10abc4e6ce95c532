import { get } from 'node:https';
import type { Clock } from '#lib/clock.ts';
import { parseKeys, type IssuerKey } from './jwt.ts';

export interface IssuerKeysOptions {
  /** As in the `iss` claim. */
  readonly issuer: string;
  /** Where its description is, if not below the issuer itself. */
  readonly discoveryUrl?: string | undefined;
  /** PEM; the system's authorities unless given. */
  readonly authority?: string | undefined;
  readonly clock: Clock;
}

/** Keys that an issuer has withdrawn are forgotten after this. */
const keysMsMax = 3_600_000;
/** A token that names an unknown key makes us ask again, but not more often than this. */
const askEveryMs = 10_000;
const answerMsMax = 10_000;
const bytesMax = 1024 * 1024;

/** The keys of one OpenID issuer, fetched when they are first needed. */
export class IssuerKeys {
  readonly #options: IssuerKeysOptions;
  #keys: readonly IssuerKey[] = [];
  #fetchedAt = -Infinity;
  #askedAt = -Infinity;
  #asking: Promise<void> | undefined;

  constructor(options: IssuerKeysOptions) {
    this.#options = options;
  }

  /** Keys that may have signed a token that names `keyId`. Throws an Error if the issuer cannot be asked. */
  async for(keyId: string): Promise<readonly IssuerKey[]> {
    const { clock } = this.#options;
    if (clock.now() - this.#fetchedAt > keysMsMax) this.#keys = [];
    let found = this.#named(keyId);
    if (found.length > 0) return found;
    if (this.#asking === undefined) {
      if (clock.now() - this.#askedAt < askEveryMs) return [];
      this.#askedAt = clock.now();
      this.#asking = this.#ask().finally(() => (this.#asking = undefined));
    }
    await this.#asking;
    found = this.#named(keyId);
    return found;
  }

  #named(keyId: string): readonly IssuerKey[] {
    return keyId === '' ? this.#keys : this.#keys.filter((each) => each.keyId === keyId);
  }

  async #ask(): Promise<void> {
    const { issuer, authority, clock } = this.#options;
    const url = this.#options.discoveryUrl ?? `${issuer.replace(/\/$/, '')}/.well-known/openid-configuration`;
    const description = (await fetchJson(url, authority)) as { readonly issuer?: unknown; readonly jwks_uri?: unknown };
    if (description.issuer !== issuer) {
      throw new Error(`the issuer at ${url} calls itself ${JSON.stringify(description.issuer)}, not ${issuer}`);
    }
    if (typeof description.jwks_uri !== 'string') throw new Error(`the issuer at ${url} names no jwks_uri`);
    this.#keys = parseKeys(await fetchJson(description.jwks_uri, authority));
    this.#fetchedAt = clock.now();
  }
}

/** GET of a JSON document over HTTPS: no redirects, a bound on time and size. */
function fetchJson(url: string, authority: string | undefined): Promise<unknown> {
  return new Promise((resolve, reject) => {
    if (!url.startsWith('https://')) throw new Error(`${url} is not an https URL`);
    const signal = AbortSignal.timeout(answerMsMax);
    const options = { signal, agent: false as const, ...(authority === undefined ? {} : { ca: authority }) };
    const request = get(url, options, (response) => {
      const chunks: Buffer[] = [];
      let size = 0;
      response.on('data', (chunk: Buffer) => {
        size += chunk.length;
        if (size > bytesMax) request.destroy(new Error(`${url} answers with more than ${bytesMax} bytes`));
        else chunks.push(chunk);
      });
      response.on('error', reject);
      response.on('end', () => {
        if (response.statusCode !== 200) return reject(new Error(`${url} answers ${response.statusCode}`));
        try {
          resolve(JSON.parse(Buffer.concat(chunks).toString('utf8')));
        } catch (error) {
          reject(new Error(`${url} does not answer with JSON`, { cause: error }));
        }
      });
    });
    request.on('error', reject);
  });
}
