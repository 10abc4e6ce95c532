import { CustomResourceDefinition } from '#api/apiextensions/custom-resource-definition.ts';
import { customFamily } from '#api/apiextensions/custom-kind.ts';
import { builtinByKind } from '#api/kinds.ts';
import type { Client } from '#client/client.ts';
import { apiVersionOf, type Kind } from '#machinery/kind.ts';
import type { ApiObject } from '#machinery/object.ts';
import { badRequest } from '#machinery/status-error.ts';

export type KindOf = (object: ApiObject) => Kind;

/** The built-in kind of a manifest; undefined if it is none. */
export function builtinKindOf({
  apiVersion = '',
  kind = '',
}: Pick<ApiObject, 'apiVersion' | 'kind'>): Kind | undefined {
  const slash = apiVersion.indexOf('/');
  return builtinByKind(apiVersion.slice(0, Math.max(0, slash)), apiVersion.slice(slash + 1), kind);
}

/** Finds the kinds of `objects`, asking the server for its definitions if some are custom. Throws BadRequest. */
export async function kindsOf(client: Client, objects: readonly ApiObject[], signal: AbortSignal): Promise<KindOf> {
  const custom = new Map<string, Kind>();
  if (objects.some((object) => builtinKindOf(object) === undefined)) {
    const { items } = await client.list(CustomResourceDefinition, { signal });
    for (const crd of items) {
      for (const kind of customFamily(crd, 0).versions.values()) {
        custom.set(`${apiVersionOf(kind)} ${kind.kind}`, kind);
      }
    }
  }
  return (object) => {
    const kind = builtinKindOf(object) ?? custom.get(`${object.apiVersion} ${object.kind}`);
    if (kind !== undefined) return kind;
    throw badRequest(
      `no ${object.kind} of ${object.apiVersion} can be planned (${object.metadata?.name}): name it in the version that the cluster stores, or apply its CustomResourceDefinition first`,
    );
  };
}
