import type { Node } from '#api/core/node.ts';

type Images = NonNullable<NonNullable<Node['status']>['images']>;

/** Which nodes hold which images, by every name that their status gives them. */
export class NodeImages {
  /** Name → row → bytes. */
  readonly #rows = new Map<string, Map<number, number>>();
  /** Names that somebody has asked for while no node had them. */
  readonly #missed = new Set<string>();
  readonly #appeared: () => void;

  /** `appeared` is called when the first node gets an image that somebody has asked for in vain. */
  constructor(appeared: () => void) {
    this.#appeared = appeared;
  }

  /** Replaces the images of `row`; true if they differ from what was there. */
  set(row: number, previous: Images = [], images: Images = []): boolean {
    if (previous === images || (previous.length === 0 && images.length === 0)) return false;
    if (JSON.stringify(previous) === JSON.stringify(images)) return false;
    for (const { names = [] } of previous) {
      for (const name of names) {
        const rows = this.#rows.get(name);
        rows?.delete(row);
        if (rows?.size === 0) this.#rows.delete(name);
      }
    }
    let awaited = false;
    for (const { names = [], sizeBytes } of images) {
      for (const name of names) {
        let rows = this.#rows.get(name);
        if (rows === undefined) this.#rows.set(name, (rows = new Map()));
        rows.set(row, sizeBytes ?? 0);
        awaited ||= this.#missed.has(name);
      }
    }
    if (awaited) {
      this.#missed.clear();
      this.#appeared();
    }
    return true;
  }

  /** Whether any node has the image. */
  has(name: string): boolean {
    if (this.#rows.has(name)) return true;
    this.#missed.add(name);
    return false;
  }

  /** Row → bytes of the image there. */
  holders(name: string): ReadonlyMap<number, number> {
    return this.#rows.get(name) ?? nowhere;
  }
}

const nowhere: ReadonlyMap<number, number> = new Map();

/** As container runtimes name it: with the tag that an image without one has. */
export function imageName(image: string): string {
  return image.lastIndexOf(':') <= image.lastIndexOf('/') ? `${image}:latest` : image;
}
