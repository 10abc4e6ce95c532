/**
 * How an encrypted value lies in the store:
 *
 *     "tutti:enc:v1:"  length of name (1)  name  |  nonce (12)  data key (32)  tag (16)  |  nonce (12)  content  tag (16)
 *
 * The content is sealed with AES-256-GCM under a random data key, and the data key with AES-GCM under the named
 * key-encryption key. The store's key is authenticated with the content, so a value that is moved to another object
 * cannot be opened. Nothing that is stored in the clear begins like this: objects are JSON.
 */
import { createCipheriv, createDecipheriv, randomBytes } from 'node:crypto';
import type { KeyEncryptionKey } from './key-ring.ts';

const magic = Buffer.from('tutti:enc:v1:');
const nonceBytes = 12;
const tagBytes = 16;
const dataKeyBytes = 32;
const wrappedBytes = nonceBytes + dataKeyBytes + tagBytes;

/** Values sealed under one data key; far below the 2^32 that NIST SP 800-38D allows random nonces. */
export const writesPerDataKeyMax = 65_536;
/** Unwrapped data keys kept for reading. */
const openedKeysMax = 4_096;

/** A value cannot be opened. The message says why and gives nothing of the value away. */
export class Unreadable extends Error {
  constructor(message: string, cause?: unknown) {
    super(message, cause === undefined ? undefined : { cause });
    this.name = 'Unreadable';
  }
}

export function isSealed(value: Uint8Array): boolean {
  return value.byteLength > magic.length && magic.compare(value, 0, magic.length) === 0;
}

/** The name of the key that a sealed value needs. Throws Unreadable. */
export function keyNameOf(value: Uint8Array): string {
  const length = value[magic.length] ?? 0;
  const start = magic.length + 1;
  if (length === 0 || value.byteLength < start + length) throw new Unreadable('the value is cut short');
  return Buffer.from(value.buffer, value.byteOffset + start, length).toString('latin1');
}

function gcmName({ secret }: KeyEncryptionKey): 'aes-128-gcm' | 'aes-192-gcm' | 'aes-256-gcm' {
  return secret.byteLength === 16 ? 'aes-128-gcm' : secret.byteLength === 24 ? 'aes-192-gcm' : 'aes-256-gcm';
}

function headerOf(name: string): Buffer {
  return Buffer.concat([magic, Buffer.from([name.length]), Buffer.from(name, 'latin1')]);
}

/** Seals values under one key-encryption key, with a data key that is replaced after so many. */
export class Sealer {
  readonly key: KeyEncryptionKey;
  readonly #header: Buffer;
  #dataKey = Buffer.alloc(0);
  #wrapped = Buffer.alloc(0);
  #writesLeft = 0;

  constructor(key: KeyEncryptionKey) {
    this.key = key;
    this.#header = headerOf(key.name);
  }

  seal(storeKey: string, value: Uint8Array): Uint8Array {
    if (this.#writesLeft-- <= 0) this.#renew();
    const nonce = randomBytes(nonceBytes);
    const cipher = createCipheriv('aes-256-gcm', this.#dataKey, nonce).setAAD(Buffer.from(storeKey));
    const content = cipher.update(value);
    cipher.final();
    // A buffer of its own: pooled ones would be copied whole, neighbours included, when handed to a worker.
    const sealed = new Uint8Array(this.#header.length + wrappedBytes + nonceBytes + content.length + tagBytes);
    let offset = 0;
    for (const part of [this.#header, this.#wrapped, nonce, content, cipher.getAuthTag()]) {
      sealed.set(part, offset);
      offset += part.length;
    }
    return sealed;
  }

  #renew(): void {
    this.#dataKey = randomBytes(dataKeyBytes);
    const nonce = randomBytes(nonceBytes);
    const cipher = createCipheriv(gcmName(this.key), this.key.secret, nonce).setAAD(this.#header);
    const sealed = cipher.update(this.#dataKey);
    cipher.final();
    this.#wrapped = Buffer.concat([nonce, sealed, cipher.getAuthTag()]);
    this.#writesLeft = writesPerDataKeyMax - 1;
  }
}

/** Opens values sealed under any of some key-encryption keys. */
export class Opener {
  readonly #keys: ReadonlyMap<string, KeyEncryptionKey>;
  /** By the wrapped data key itself, the oldest first. */
  readonly #opened = new Map<string, Buffer>();

  constructor(keys: readonly KeyEncryptionKey[]) {
    this.#keys = new Map(keys.map((key) => [key.name, key]));
  }

  /** Throws Unreadable. */
  open(storeKey: string, value: Uint8Array): Uint8Array {
    const name = keyNameOf(value);
    const key = this.#keys.get(name);
    if (key === undefined)
      throw new Unreadable(`it was encrypted with the key "${name}", which this server does not have`);
    const bytes = Buffer.from(value.buffer, value.byteOffset, value.byteLength);
    const start = magic.length + 1 + name.length;
    const end = bytes.length - tagBytes;
    if (end < start + wrappedBytes + nonceBytes) throw new Unreadable('the value is cut short');
    const dataKey = this.#dataKeyOf(key, bytes.subarray(start, start + wrappedBytes));
    const nonceStart = start + wrappedBytes;
    const contentStart = nonceStart + nonceBytes;
    const decipher = createDecipheriv('aes-256-gcm', dataKey, bytes.subarray(nonceStart, contentStart), {
      authTagLength: tagBytes,
    })
      .setAAD(Buffer.from(storeKey))
      .setAuthTag(bytes.subarray(end));
    const content = decipher.update(bytes.subarray(contentStart, end));
    try {
      decipher.final();
    } catch (cause) {
      throw new Unreadable('its encrypted value has been changed, or belongs to another object', cause);
    }
    return new Uint8Array(content.buffer, content.byteOffset, content.byteLength);
  }

  #dataKeyOf(key: KeyEncryptionKey, wrapped: Buffer): Buffer {
    const id = wrapped.toString('latin1');
    const known = this.#opened.get(id);
    if (known !== undefined) return known;
    const decipher = createDecipheriv(gcmName(key), key.secret, wrapped.subarray(0, nonceBytes), {
      authTagLength: tagBytes,
    })
      .setAAD(headerOf(key.name))
      .setAuthTag(wrapped.subarray(nonceBytes + dataKeyBytes));
    const dataKey = decipher.update(wrapped.subarray(nonceBytes, nonceBytes + dataKeyBytes));
    try {
      decipher.final();
    } catch (cause) {
      throw new Unreadable(
        `its data key has been changed, or "${key.name}" is another key than the one it was written with`,
        cause,
      );
    }
    if (this.#opened.size >= openedKeysMax) this.#opened.delete(this.#opened.keys().next().value!);
    this.#opened.set(id, dataKey);
    return dataKey;
  }
}
