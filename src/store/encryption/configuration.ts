/**
 * Upstream's `EncryptionConfiguration` (apiserver.config.k8s.io/v1), as far as Tutti takes it: `aesgcm`, whose keys
 * become the key-encryption keys of envelopes, and `identity`. The rest is refused by name.
 * Source: k8s.io/apiserver/pkg/apis/apiserver/v1/types_encryption.go and its validation.
 */
import type { Key } from '../store.ts';
import type { EncryptionPlan, EncryptionRule } from './encrypted-store.ts';
import { keyComplaint, type KeyEncryptionKey } from './key-ring.ts';

/** Keys one configuration may hold. */
export const keysMax = 64;

/** What is wrong with a configuration, and where. */
export class ConfigurationError extends Error {
  constructor(field: string, detail: string) {
    super(`${field}: ${detail}`);
    this.name = 'ConfigurationError';
  }
}

/** Finds the keys of a resource (`secrets`, `deployments.apps`, `*.apps`, `*.*`); undefined if there is no such. */
export type PrefixOf = (resource: string) => Key | undefined;

const refused: Readonly<Record<string, string>> = {
  aescbc: 'AES-CBC does not notice values that were changed or swapped; use aesgcm',
  secretbox: 'XSalsa20-Poly1305 is not available on this server; use aesgcm',
  kms: 'this server calls no KMS plugin; use aesgcm with a key file that your KMS protects',
};

/** Throws ConfigurationError. */
export function planOf(configuration: unknown, prefixOf: PrefixOf): EncryptionPlan {
  const { apiVersion, kind, resources } = record(configuration, 'EncryptionConfiguration');
  if (apiVersion !== 'apiserver.config.k8s.io/v1')
    throw new ConfigurationError(
      'apiVersion',
      `must be "apiserver.config.k8s.io/v1", not ${JSON.stringify(apiVersion)}`,
    );
  if (kind !== 'EncryptionConfiguration')
    throw new ConfigurationError('kind', `must be "EncryptionConfiguration", not ${JSON.stringify(kind)}`);
  const keys = new Map<string, KeyEncryptionKey>();
  const rules = list(resources, 'resources').flatMap((each, index) =>
    rulesOf(each, `resources[${index}]`, prefixOf, keys),
  );
  if (keys.size > keysMax) throw new ConfigurationError('resources', `holds ${keys.size} keys; at most ${keysMax}`);
  return { rules, keys: [...keys.values()] };
}

function rulesOf(
  value: unknown,
  field: string,
  prefixOf: PrefixOf,
  keys: Map<string, KeyEncryptionKey>,
): readonly EncryptionRule[] {
  const { resources, providers } = record(value, field);
  const names = list(resources, `${field}.resources`);
  const parsed = list(providers, `${field}.providers`).map((each, index) =>
    providerOf(each, `${field}.providers[${index}]`),
  );
  for (const provider of parsed) {
    for (const key of provider) {
      const other = keys.get(key.name);
      if (other !== undefined && Buffer.compare(other.secret, key.secret) !== 0)
        throw new ConfigurationError(
          field,
          `key name "${key.name}" stands for two different keys; names must be unique`,
        );
      keys.set(key.name, key);
    }
  }
  const readsPlain = parsed.some((provider) => provider.length === 0);
  return names.map((name, index) => {
    const prefix = typeof name === 'string' ? prefixOf(name) : undefined;
    if (prefix === undefined)
      throw new ConfigurationError(
        `${field}.resources[${index}]`,
        `${JSON.stringify(name)} names no resource of this server`,
      );
    return { prefix, writeKey: parsed[0]?.[0], readsPlain };
  });
}

/** The keys of a provider, the first for writing; none for `identity`. */
function providerOf(value: unknown, field: string): readonly KeyEncryptionKey[] {
  const entries = Object.entries(record(value, field));
  const [name, body] = entries[0] ?? ['', undefined];
  if (entries.length !== 1) throw new ConfigurationError(field, 'must hold exactly one provider');
  if (name === 'identity') return [];
  if (name in refused) throw new ConfigurationError(`${field}.${name}`, refused[name]!);
  if (name !== 'aesgcm')
    throw new ConfigurationError(field, `unknown provider ${JSON.stringify(name)}; known: aesgcm, identity`);
  return list(record(body, `${field}.aesgcm`)['keys'], `${field}.aesgcm.keys`).map((each, index) =>
    keyOf(each, `${field}.aesgcm.keys[${index}]`),
  );
}

function keyOf(value: unknown, field: string): KeyEncryptionKey {
  const { name, secret } = record(value, field);
  // What is wrong is named, but no part of a secret is shown.
  if (typeof name !== 'string') throw new ConfigurationError(`${field}.name`, 'must be text');
  if (typeof secret !== 'string' || !/^[A-Za-z0-9+/]+={0,2}$/.test(secret))
    throw new ConfigurationError(`${field}.secret`, 'must be base64');
  const key = { name, secret: new Uint8Array(Buffer.from(secret, 'base64')) };
  const complaint = keyComplaint(key);
  if (complaint !== undefined) throw new ConfigurationError(field, complaint);
  return key;
}

/** The configuration that uses `keys` for `resources`, the first of them for writing; values in the clear stay readable. */
export function configurationOf(resources: readonly string[], keys: readonly KeyEncryptionKey[]): object {
  const written = keys.map(({ name, secret }) => ({ name, secret: Buffer.from(secret).toString('base64') }));
  return {
    apiVersion: 'apiserver.config.k8s.io/v1',
    kind: 'EncryptionConfiguration',
    resources: [{ resources, providers: [{ aesgcm: { keys: written } }, { identity: {} }] }],
  };
}

function record(value: unknown, field: string): Readonly<Record<string, unknown>> {
  if (typeof value === 'object' && value !== null && !Array.isArray(value)) return value as Record<string, unknown>;
  throw new ConfigurationError(field, 'must be an object');
}

function list(value: unknown, field: string): readonly unknown[] {
  if (Array.isArray(value) && value.length > 0) return value;
  throw new ConfigurationError(field, 'must be a list with at least one item');
}
