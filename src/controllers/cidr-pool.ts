/** An IPv4 range cut into equal blocks, each free or taken. */
export class CidrPool {
  readonly #base: number;
  readonly #blockBits: number;
  readonly #blocks: number;
  readonly #taken = new Set<number>();
  #next = 0;

  /** `cidr` like `10.244.0.0/16`, cut into blocks of prefix length `blockPrefix`. Throws for what is no such range. */
  constructor(cidr: string, blockPrefix: number) {
    const { address, prefix } = parseCidr(cidr);
    if (blockPrefix < prefix || blockPrefix > 30) {
      throw new Error(`Cannot cut ${cidr} into blocks of /${blockPrefix}: it must be between /${prefix} and /30`);
    }
    this.#base = address;
    this.#blockBits = 32 - blockPrefix;
    this.#blocks = 2 ** (blockPrefix - prefix);
  }

  /** Marks what `cidr` covers as taken; ranges outside are none of this pool's business. */
  take(cidr: string): void {
    let parsed: ReturnType<typeof parseCidr>;
    try {
      parsed = parseCidr(cidr);
    } catch {
      return; // IPv6, say
    }
    const first = Math.floor((parsed.address - this.#base) / 2 ** this.#blockBits);
    const count = Math.max(1, 2 ** (32 - parsed.prefix - this.#blockBits));
    for (let block = Math.max(0, first); block < Math.min(this.#blocks, first + count); block++) this.#taken.add(block);
  }

  /** The lowest free block, taken from now on; undefined if none is left. */
  allocate(): string | undefined {
    while (this.#next < this.#blocks && this.#taken.has(this.#next)) this.#next++;
    if (this.#next >= this.#blocks) return undefined;
    const address = this.#base + this.#next * 2 ** this.#blockBits;
    this.#taken.add(this.#next);
    return `${formatAddress(address)}/${32 - this.#blockBits}`;
  }
}

function parseCidr(cidr: string): { address: number; prefix: number } {
  const match = /^(\d{1,3})\.(\d{1,3})\.(\d{1,3})\.(\d{1,3})\/(\d{1,2})$/.exec(cidr);
  const [a = 256, b = 256, c = 256, d = 256, prefix = 33] = match?.slice(1).map(Number) ?? [];
  if (Math.max(a, b, c, d) > 255 || prefix > 32) throw new Error(`"${cidr}" is no IPv4 range`);
  const address = ((a * 256 + b) * 256 + c) * 256 + d;
  return { address: address - (address % 2 ** (32 - prefix)), prefix };
}

const formatAddress = (address: number) =>
  [24, 16, 8, 0].map((shift) => Math.floor(address / 2 ** shift) % 256).join('.');
