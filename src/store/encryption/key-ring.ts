import { createHmac, randomBytes } from 'node:crypto';

/** A key-encryption key. `name` is stored with every value that is sealed under it. */
export interface KeyEncryptionKey {
  readonly name: string;
  /** 16, 24 or 32 bytes: AES-128, -192 or -256. */
  readonly secret: Uint8Array;
}

/** What a name may look like, so that it fits the one byte of length and a message. */
const namePattern = /^[A-Za-z0-9][A-Za-z0-9._-]{0,62}$/;
const keyBytes: readonly number[] = [16, 24, 32];

/** Why a key cannot be used; undefined if it can. */
export function keyComplaint({ name, secret }: KeyEncryptionKey): string | undefined {
  if (!namePattern.test(name))
    return `key name ${JSON.stringify(name)} must be 1 to 63 letters, digits, dots, dashes or underscores`;
  return keyBytes.includes(secret.byteLength)
    ? undefined
    : `key "${name}" has ${secret.byteLength} bytes; secrets have ${keyBytes.join(', ')}`;
}

/** A new AES-256 key under a name that no other has. */
export function newKey(): KeyEncryptionKey {
  return { name: `k-${randomBytes(6).toString('hex')}`, secret: randomBytes(32) };
}

/** Tells whether a key is the one that once went by its name, and tells nothing of the key. */
export function checkValueOf({ name, secret }: KeyEncryptionKey): string {
  return createHmac('sha256', secret).update(`tutti key check: ${name}`).digest('hex').slice(0, 32);
}
