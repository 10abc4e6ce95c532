import { podAddressesMax } from './node-shape.ts';

/** Hands out the pod addresses of one node, lowest first. */
export class AddressSlots {
  readonly #taken = new Uint32Array(Math.ceil((podAddressesMax + 1) / 32));

  /** -1 if none is left. */
  take(): number {
    for (let word = 0; word < this.#taken.length; word++) {
      const bits = this.#taken[word] ?? 0;
      if (bits === 0xffffffff) continue;
      const bit = Math.clz32(~bits & (bits + 1)) ^ 31; // the lowest zero
      const slot = word * 32 + bit;
      if (slot >= podAddressesMax) return -1;
      this.#taken[word] = (bits | (1 << bit)) >>> 0;
      return slot;
    }
    return -1;
  }

  /** Marks a slot that is in use already. */
  mark(slot: number): void {
    const word = slot >> 5;
    this.#taken[word] = ((this.#taken[word] ?? 0) | (1 << (slot & 31))) >>> 0;
  }

  release(slot: number): void {
    const word = slot >> 5;
    this.#taken[word] = ((this.#taken[word] ?? 0) & ~(1 << (slot & 31))) >>> 0;
  }
}
