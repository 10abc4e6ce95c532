import { runChecked, type RunCommand } from '../command.ts';
import { affinitySecondsDefault, fixedChains, renderTable, type Remembered, type TableFacts } from './table.ts';
import type { Element } from './ruleset.ts';

/** The kernel's side of the service proxy: one nftables table. Everything rejects when `signal` aborts. */
export interface KernelTable {
  /** One transaction: all of it or nothing. Throws InternalError with nft's complaint. */
  apply(commands: Iterable<string>, signal: AbortSignal): Promise<void>;
  /** Replaces the table in one transaction; which client goes where is kept for clients that are remembered. */
  rebuild(elements: readonly Element[], signal: AbortSignal): Promise<void>;
  /** The table's chains; none if there is no such table. Cheap, however many services there are. */
  chains(signal: AbortSignal): Promise<ReadonlySet<string>>;
  /** How many rules each chain of the table has; undefined if there is no such table. Its cost grows with services. */
  shape(signal: AbortSignal): Promise<ReadonlyMap<string, number> | undefined>;
  /** The clients that sessions affinity remembers now. */
  remembered(signal: AbortSignal): Promise<readonly Remembered[]>;
  /** Forgets clients; those already gone are no error. */
  forget(clients: readonly Remembered[], signal: AbortSignal): Promise<void>;
}

/** Drives the kernel through the `nft` program. Its input is text: `-j` cannot read what Node gives as stdin. */
export class NftTable implements KernelTable {
  readonly #facts: TableFacts;
  readonly #run: RunCommand;

  constructor(facts: TableFacts, run: RunCommand) {
    this.#facts = facts;
    this.#run = run;
  }

  async apply(commands: Iterable<string>, signal: AbortSignal): Promise<void> {
    await runChecked(this.#run, 'nft', ['-f', '-'], { signal, stdin: commands });
  }

  async rebuild(elements: readonly Element[], signal: AbortSignal): Promise<void> {
    const affine = new Set<string>();
    for (const { object, key } of elements) if (object === 'affine-targets') affine.add(key);
    const clients = affine.size === 0 ? [] : await this.remembered(signal);
    const kept = clients.filter(({ target, protocol }) => affine.has(`${target.ip} . ${protocol} . ${target.port}`));
    await this.apply(renderTable(this.#facts, elements, kept), signal);
  }

  async chains(signal: AbortSignal): Promise<ReadonlySet<string>> {
    // Not of one table alone: for that, nft reads all its elements first.
    const { code, stdout } = await this.#run('nft', ['-j', 'list', 'chains', 'ip'], { signal });
    if (code !== 0) return new Set();
    const { nftables } = JSON.parse(stdout) as { nftables: readonly ListedObject[] };
    return new Set(nftables.flatMap(({ chain }) => (chain?.table === this.#facts.table ? [chain.name] : [])));
  }

  async shape(signal: AbortSignal): Promise<ReadonlyMap<string, number> | undefined> {
    const args = ['-t', '-j', 'list', 'table', 'ip', this.#facts.table];
    const { code, stdout } = await this.#run('nft', args, { signal });
    if (code !== 0) return undefined;
    const { nftables } = JSON.parse(stdout) as { nftables: readonly ListedObject[] };
    const rules = new Map<string, number>();
    for (const { chain } of nftables) if (chain !== undefined) rules.set(chain.name, 0);
    for (const { rule } of nftables) if (rule !== undefined) rules.set(rule.chain, (rules.get(rule.chain) ?? 0) + 1);
    return rules;
  }

  async remembered(signal: AbortSignal): Promise<readonly Remembered[]> {
    const args = ['-j', 'list', 'map', 'ip', this.#facts.table, 'affinity'];
    const { code, stdout } = await this.#run('nft', args, { signal });
    if (code !== 0) return [];
    const { nftables } = JSON.parse(stdout) as { nftables: readonly ListedObject[] };
    return nftables.flatMap(({ map }) => (map?.elem ?? []).map(parseRemembered));
  }

  async forget(clients: readonly Remembered[], signal: AbortSignal): Promise<void> {
    for (const { client, address, protocol, port } of clients) {
      const key = `${client} . ${address} . ${protocol} . ${port}`;
      // One at a time: in a transaction, one that has expired meanwhile would keep all the others.
      await this.#run('nft', ['delete', 'element', 'ip', this.#facts.table, 'affinity', `{ ${key} }`], { signal });
    }
  }
}

/** The number of rules that each chain has when nobody interfered. */
export function expectedShape(facts: TableFacts, elements: readonly Element[]): ReadonlyMap<string, number> {
  const shape = new Map<string, number>();
  for (const [name, rules] of fixedChains(facts)) {
    shape.set(name, rules.filter((rule) => !rule.startsWith('type ')).length);
  }
  for (const { object, key, value } of elements) if (object === 'chain') shape.set(key, value.split('\n').length);
  return shape;
}

/** The parts of `nft -j` that we read. Source: libnftables-json(5). */
interface ListedObject {
  readonly chain?: { readonly name: string; readonly table: string };
  readonly rule?: { readonly chain: string };
  readonly map?: { readonly elem?: readonly ListedElement[] };
}
type ListedElement = readonly [
  {
    readonly elem: {
      readonly val: { readonly concat: readonly [string, string, string, number] };
      /** Absent where it is the map's own. */
      readonly timeout?: number;
      readonly expires: number;
    };
  },
  { readonly concat: readonly [string, number] },
];

function parseRemembered([key, value]: ListedElement): Remembered {
  const [client, address, protocol, port] = key.elem.val.concat;
  const [ip, targetPort] = value.concat;
  const { timeout: timeoutSeconds = affinitySecondsDefault, expires } = key.elem;
  const target = { ip, port: targetPort };
  return { client, address, protocol, port, target, timeoutSeconds, expiresSeconds: Math.max(1, expires) };
}
