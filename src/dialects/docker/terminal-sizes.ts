import { badRequest } from '#machinery/status-error.ts';

type Resize = (width: number, height: number) => void;

/** Terminal sizes by container or exec. A size may be told before there is a terminal. */
export class TerminalSizes {
  readonly #last = new Map<string, readonly [width: number, height: number]>();
  readonly #followers = new Map<string, Set<Resize>>();

  /** From `h` and `w` of a resize request. Throws BadRequest. */
  tell(id: string, query: URLSearchParams): void {
    const [height, width] = ['h', 'w'].map((name) => Number(query.get(name)));
    if (width === undefined || height === undefined || !isSize(width) || !isSize(height))
      throw badRequest(`invalid terminal size: h=${query.get('h')} w=${query.get('w')}`);
    this.set(id, width, height);
  }

  set(id: string, width: number, height: number): void {
    if (width === 0 || height === 0) return;
    this.#last.set(id, [width, height]);
    for (const resize of this.#followers.get(id) ?? []) resize(width, height);
  }

  /** Tells `resize` the last size and later ones, until disposed. The size is nudged, so that a shell draws its prompt anew. */
  follow(id: string, resize: Resize): Disposable {
    const all = this.#followers.get(id) ?? new Set();
    this.#followers.set(id, all);
    all.add(resize);
    const [width, height] = this.#last.get(id) ?? [];
    if (width !== undefined && height !== undefined) {
      resize(width + 1, height);
      resize(width, height);
    }
    return {
      [Symbol.dispose]: () => {
        all.delete(resize);
        if (all.size > 0) return;
        this.#followers.delete(id);
        this.#last.delete(id);
      },
    };
  }
}

const isSize = (value: number) => Number.isInteger(value) && value >= 0 && value <= 65_535;
