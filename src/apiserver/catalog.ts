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

/** The kinds that a server serves, by their place in the API. */
export class Catalog {
  readonly kinds: readonly Kind[];
  readonly groups: readonly CatalogGroup[];
  readonly #byPlural = new Map<string, Kind>();
  readonly #byKind = new Map<string, Kind>();

  constructor(kinds: readonly Kind[]) {
    this.kinds = kinds;
    const groups = new Map<string, Map<string, Kind[]>>();
    for (const kind of kinds) {
      this.#byPlural.set(`${apiVersionOf(kind)}/${kind.plural}`, kind);
      this.#byKind.set(`${apiVersionOf(kind)}/${kind.kind}`, kind);
      const versions = groups.get(kind.group) ?? new Map<string, Kind[]>();
      groups.set(kind.group, versions);
      versions.set(kind.version, [...(versions.get(kind.version) ?? []), kind]);
    }
    this.groups = [...groups].map(([name, versions]) => ({
      name,
      versions: [...versions]
        .toSorted(([a], [b]) => newerVersionFirst(a, b))
        .map(([version, served]) => ({ version, groupVersion: apiVersionOf({ group: name, version }), kinds: served })),
    }));
  }

  /** `groupVersion` is `v1` or `apps/v1`. */
  byPlural(groupVersion: string, plural: string): Kind | undefined {
    return this.#byPlural.get(`${groupVersion}/${plural}`);
  }

  byKind(apiVersion: string, kind: string): Kind | undefined {
    return this.#byKind.get(`${apiVersion}/${kind}`);
  }

  /** `groupVersion` is `v1` or `apps/v1`. */
  version(groupVersion: string): CatalogVersion | undefined {
    for (const { versions } of this.groups) {
      const found = versions.find((version) => version.groupVersion === groupVersion);
      if (found !== undefined) return found;
    }
    return undefined;
  }

  group(name: string): CatalogGroup | undefined {
    return this.groups.find((group) => group.name === name);
  }
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
