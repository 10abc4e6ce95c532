/** An IPv4 network. */
export interface Cidr {
  readonly text: string;
  /** The network's address as a number. */
  readonly base: number;
  /** How many addresses it has. */
  readonly size: number;
}

/** Throws for what is no IPv4 network, or is too small or too large to hand addresses out of. */
export function parseCidr(text: string): Cidr {
  const match = /^(\d+\.\d+\.\d+\.\d+)\/(\d{1,2})$/.exec(text);
  const address = match?.[1] === undefined ? undefined : numberOf(match[1]);
  const bits = Number(match?.[2]);
  if (address === undefined || !(bits >= 8 && bits <= 30)) {
    throw new Error(`"${text}" is no IPv4 network to take cluster IPs from; give one like 10.96.0.0/12`);
  }
  const size = 2 ** (32 - bits);
  return { text, base: address - (address % size), size };
}

function numberOf(address: string): number | undefined {
  const bytes = address.split('.').map(Number);
  if (bytes.length !== 4 || bytes.some((byte) => !Number.isInteger(byte) || byte < 0 || byte > 255)) return undefined;
  return bytes.reduce((sum, byte) => sum * 256 + byte, 0);
}

const textOf = (address: number) => [24, 16, 8, 0].map((shift) => Math.floor(address / 2 ** shift) % 256).join('.');

/**
 * Addresses of a network, except its first and last. Free ones are picked at random from the upper part; the lower
 * part is left to those who name their address (the API, DNS). Source: KEP-3070.
 */
export class AddressPool {
  readonly cidr: Cidr;
  readonly #random: () => number;
  readonly #taken = new Set<number>();
  readonly #reserved: number;

  constructor(cidr: string, random: () => number) {
    this.cidr = parseCidr(cidr);
    this.#random = random;
    this.#reserved = Math.min(Math.max(16, Math.floor(this.cidr.size / 16)), 256, Math.floor(this.cidr.size / 2));
  }

  contains(address: string): boolean {
    const offset = this.#offsetOf(address);
    return offset !== undefined;
  }

  /** False if the address is taken or none of this network. */
  take(address: string): boolean {
    const offset = this.#offsetOf(address);
    if (offset === undefined || this.#taken.has(offset)) return false;
    this.#taken.add(offset);
    return true;
  }

  /** Takes a free address; undefined if there is none. */
  next(): string | undefined {
    const offset = this.#freeIn(this.#reserved, this.cidr.size - 1) ?? this.#freeIn(1, this.#reserved);
    if (offset === undefined) return undefined;
    this.#taken.add(offset);
    return textOf(this.cidr.base + offset);
  }

  release(address: string): void {
    const offset = this.#offsetOf(address);
    if (offset !== undefined) this.#taken.delete(offset);
  }

  #offsetOf(address: string): number | undefined {
    const number = numberOf(address);
    if (number === undefined) return undefined;
    const offset = number - this.cidr.base;
    return offset > 0 && offset < this.cidr.size - 1 ? offset : undefined;
  }

  #freeIn(from: number, to: number): number | undefined {
    const start = Math.floor(this.#random() * (to - from));
    for (let step = 0; step < to - from; step++) {
      const offset = from + ((start + step) % (to - from));
      if (!this.#taken.has(offset)) return offset;
    }
    return undefined;
  }
}
