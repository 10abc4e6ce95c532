import type { UserInfo } from '#client/client.ts';
import type { Kind } from '#machinery/kind.ts';
import { listStored } from '../registry/list-all.ts';
import type { StoredObject } from '../registry/stored-object.ts';
import { deleteListed } from '../verbs/delete.ts';
import type { Pipeline } from '../verbs/pipeline.ts';

/** As whom a server empties what its definitions leave behind. */
const self: UserInfo = { username: 'system:apiserver', groups: ['system:masters', 'system:authenticated'] };

/** Deletes every object of a kind, past authorization but not past admission; resolves to how many are left. */
export async function deleteAll(pipeline: Pipeline, kind: Kind, signal: AbortSignal): Promise<number> {
  const resource = pipeline.registry.of(kind);
  const byNamespace = new Map<string | undefined, StoredObject[]>();
  for (const item of await listStored(resource, undefined, signal)) {
    const items = byNamespace.get(item.namespace) ?? [];
    byNamespace.set(item.namespace, items);
    items.push(item);
  }
  const context = { user: self, signal, userAgent: 'tutti (in process)', warn: () => undefined };
  for (const [namespace, items] of byNamespace) {
    const path = `/apis/${kind.group}/${kind.version}/${kind.plural}`;
    const attributes = {
      user: self,
      verb: 'deletecollection',
      kind,
      namespace,
      name: undefined,
      subresource: undefined,
      path,
    };
    await deleteListed(pipeline, { kind, attributes, context, dryRun: false }, items, {});
  }
  return (await listStored(resource, undefined, signal)).length;
}
