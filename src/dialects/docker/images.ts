import { Node } from '#api/core/node.ts';
import type { CacheReader } from '#client/cache.ts';
import { canonicalName, familiarName } from './image-names.ts';
import { sha256 } from './names.ts';

export interface ClusterImage {
  /** A digest of the registry's if one is known, else made of the name. */
  readonly id: string;
  readonly tags: readonly string[];
  readonly digests: readonly string[];
  readonly bytes: number;
  readonly nodes: readonly string[];
}

const pulledMax = 1000;

/**
 * The images that nodes report, in their status, and those pulled through this dialect that a node has yet to report.
 * A status tells of the largest fifty only, so a small image on a full node may be missing: pulling it again helps.
 */
export class Images {
  readonly #cache: CacheReader;
  readonly #pulled = new Set<string>();

  /** `cache` holds nodes. */
  constructor(cache: CacheReader) {
    this.#cache = cache;
  }

  /** Whether some node has it. Throws BadRequest for what is no image name. */
  has(name: string): boolean {
    const canonical = canonicalName(name);
    return this.#pulled.has(canonical) || this.find(name) !== undefined;
  }

  /** By name, or by a beginning of its id. */
  find(text: string): ClusterImage | undefined {
    const all = this.all();
    const id = text.startsWith('sha256:') ? text : `sha256:${text}`;
    const named = all.find(({ tags, digests }) => {
      const wanted = nameOrNothing(text);
      return wanted !== undefined && [...tags, ...digests].some((name) => nameOrNothing(name) === wanted);
    });
    return named ?? (/^[0-9a-f]{4,64}$/.test(id.slice(7)) ? all.find((image) => image.id.startsWith(id)) : undefined);
  }

  /** The pull has ended well. */
  remember(name: string): void {
    this.#pulled.add(canonicalName(name));
    const [oldest] = this.#pulled;
    if (this.#pulled.size > pulledMax && oldest !== undefined) this.#pulled.delete(oldest);
  }

  all(): readonly ClusterImage[] {
    return imagesOf(this.#cache.list(Node), this.#pulled);
  }
}

function nameOrNothing(text: string): string | undefined {
  try {
    return canonicalName(text);
  } catch {
    return undefined;
  }
}

/** One image however many nodes have it. Pure. */
export function imagesOf(nodes: readonly Node[], pulled: ReadonlySet<string>): readonly ClusterImage[] {
  const found = new Map<string, { tags: Set<string>; digests: Set<string>; bytes: number; nodes: Set<string> }>();
  for (const { metadata, status } of nodes) {
    for (const { names = [], sizeBytes = 0 } of status?.images ?? []) {
      const digests = names.filter((name) => name.includes('@'));
      const tags = names.filter((name) => !name.includes('@')).map(familiarName);
      const key = tags[0] ?? digests[0];
      if (key === undefined) continue;
      const image = found.get(key) ?? { tags: new Set(), digests: new Set(), bytes: sizeBytes, nodes: new Set() };
      for (const tag of tags) image.tags.add(tag);
      for (const digest of digests) image.digests.add(familiarName(digest));
      image.nodes.add(metadata?.name ?? '');
      found.set(key, image);
    }
  }
  for (const name of pulled) {
    const key = familiarName(name);
    if (![...found.values()].some(({ tags }) => tags.has(key)))
      found.set(key, { tags: new Set([key]), digests: new Set(), bytes: 0, nodes: new Set() });
  }
  return [...found].map(([key, { tags, digests, bytes, nodes: on }]) => {
    const digest = /sha256:[0-9a-f]{64}/.exec([...digests].join(' '))?.[0];
    return { id: digest ?? `sha256:${sha256(key)}`, tags: [...tags], digests: [...digests], bytes, nodes: [...on] };
  });
}

/** One element of GET /images/json. */
export function imageRow({ id, tags, digests, bytes }: ClusterImage, containers: number): Record<string, unknown> {
  return {
    Id: id,
    ParentId: '',
    RepoTags: tags,
    RepoDigests: digests,
    Created: 0,
    Size: bytes,
    SharedSize: -1,
    Containers: containers,
    Labels: null,
  };
}

/** GET /images/X/json: what the cluster knows of it, which is little. */
export function imageInspection({ id, tags, digests, bytes, nodes }: ClusterImage): Record<string, unknown> {
  return {
    Id: id,
    RepoTags: tags,
    RepoDigests: digests,
    Parent: '',
    Comment: nodes.length === 0 ? '' : `on ${nodes.join(', ')}`,
    Created: '0001-01-01T00:00:00Z',
    Size: bytes,
    Os: 'linux',
    Metadata: { LastTagTime: '0001-01-01T00:00:00Z' },
  };
}
