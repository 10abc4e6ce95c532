import { apiVersionOf, type Kind } from '#machinery/kind.ts';

/** One API group, its versions with the preferred one first. */
export interface CatalogGroup {
  readonly name: string;
  readonly versions: readonly CatalogVersion[];
}

export interface CatalogVersion {
  readonly version: string;
  /** `apps/v1`. */
  readonly groupVersion: string;
  readonly kinds: readonly Kind[];
}

/** The kinds that a server serves, by their place in the API. Those of custom resources come and go. */
export class Catalog {
  readonly #fixed: readonly Kind[];
  #index: CatalogIndex;

  constructor(kinds: readonly Kind[]) {
    this.#fixed = kinds;
    this.#index = indexOf(kinds);
  }

  /** Everything that is served. Another list whenever anything has changed. */
  get kinds(): readonly Kind[] {
    return this.#index.kinds;
  }

  get groups(): readonly CatalogGroup[] {
    return this.#index.groups;
  }

  /** Serves these beside the kinds that are always there, in place of those from before. */
  serve(customs: readonly Kind[]): void {
    this.#index = indexOf([...this.#fixed, ...customs]);
  }

  /** `groupVersion` is `v1` or `apps/v1`. */
  byPlural(groupVersion: string, plural: string): Kind | undefined {
    return this.#index.byPlural.get(`${groupVersion}/${plural}`);
  }

  byKind(apiVersion: string, kind: string): Kind | undefined {
    return this.#index.byKind.get(`${apiVersion}/${kind}`);
  }

  /** `groupVersion` is `v1` or `apps/v1`. */
  version(groupVersion: string): CatalogVersion | undefined {
    const slash = groupVersion.indexOf('/');
    const group = this.group(slash < 0 ? '' : groupVersion.slice(0, slash));
    return group?.versions.find((version) => version.groupVersion === groupVersion);
  }

  group(name: string): CatalogGroup | undefined {
    return this.#index.byName.get(name);
  }
}

interface CatalogIndex {
  readonly kinds: readonly Kind[];
  readonly groups: readonly CatalogGroup[];
  readonly byName: ReadonlyMap<string, CatalogGroup>;
  readonly byPlural: ReadonlyMap<string, Kind>;
  readonly byKind: ReadonlyMap<string, Kind>;
}

function indexOf(kinds: readonly Kind[]): CatalogIndex {
  const byPlural = new Map<string, Kind>();
  const byKind = new Map<string, Kind>();
  const found = new Map<string, Map<string, Kind[]>>();
  for (const kind of kinds) {
    const apiVersion = apiVersionOf(kind);
    byPlural.set(`${apiVersion}/${kind.plural}`, kind);
    byKind.set(`${apiVersion}/${kind.kind}`, kind);
    let versions = found.get(kind.group);
    if (versions === undefined) found.set(kind.group, (versions = new Map()));
    const served = versions.get(kind.version);
    if (served === undefined) versions.set(kind.version, [kind]);
    else served.push(kind);
  }
  const groups = [...found].map(([name, versions]) => ({
    name,
    versions: [...versions]
      .toSorted(([a], [b]) => newerVersionFirst(a, b))
      .map(([version, served]) => ({ version, groupVersion: apiVersionOf({ group: name, version }), kinds: served })),
  }));
  return { kinds, groups, byName: new Map(groups.map((group) => [group.name, group])), byPlural, byKind };
}

/** `v2` before `v1` before `v1beta2` before `v1alpha1`. Source: k8s.io/apimachinery/pkg/version (helpers.go). */
export function newerVersionFirst(a: string, b: string): number {
  const [x, y] = [rank(a), rank(b)];
  for (const i of [0, 1, 2] as const) if (x[i] !== y[i]) return y[i] - x[i];
  return a < b ? -1 : a > b ? 1 : 0;
}

function rank(version: string): readonly [stability: number, major: number, minor: number] {
  const match = /^v(\d+)(?:(alpha|beta)(\d+))?$/.exec(version);
  if (match === null) return [-1, 0, 0];
  const stability = match[2] === 'alpha' ? 0 : match[2] === 'beta' ? 1 : 2;
  return [stability, Number(match[1]), Number(match[3] ?? 0)];
}
