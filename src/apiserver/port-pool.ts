/** Ports of a range, one set a protocol: the same number may serve TCP and UDP. */
export class PortPool {
  readonly first: number;
  readonly last: number;
  readonly #random: () => number;
  readonly #taken = new Set<string>();

  constructor({ first, last }: { readonly first: number; readonly last: number }, random: () => number) {
    this.first = first;
    this.last = last;
    this.#random = random;
  }

  contains(port: number): boolean {
    return port >= this.first && port <= this.last;
  }

  /** False if the port is taken or not of this range. */
  take(port: number, protocol: string): boolean {
    const id = `${protocol}/${port}`;
    if (!this.contains(port) || this.#taken.has(id)) return false;
    this.#taken.add(id);
    return true;
  }

  /** Takes a port that is free; undefined if there is none. */
  next(protocol: string): number | undefined {
    const size = this.last - this.first + 1;
    const start = Math.floor(this.#random() * size);
    for (let step = 0; step < size; step++) {
      const port = this.first + ((start + step) % size);
      if (this.take(port, protocol)) return port;
    }
    return undefined;
  }

  release(port: number, protocol: string): void {
    this.#taken.delete(`${protocol}/${port}`);
  }
}
