import { sameValue } from '#api/rules/fields.ts';
import type { Kind } from '#machinery/kind.ts';
import type { OwnerReference } from '#machinery/object.ts';
import { forbiddenRequest } from '#machinery/status-error.ts';
import type { Authorizer } from '../authorization/authorizer.ts';
import type { AdmissionPlugin } from './admission.ts';

export interface OwnerPermissionsOptions {
  readonly authorizer: Authorizer;
  /** The kind that a reference speaks of, if it is served. */
  kindOf(this: void, reference: OwnerReference): Kind | undefined;
}

/**
 * Who sets an owner must be allowed to delete the object, as the owner's deletion will; who blocks an owner's deletion
 * must be allowed to write the owner's finalizers. Off by default, as upstream's. Source: kubernetes
 * plugin/pkg/admission/gc (OwnerReferencesPermissionEnforcement).
 */
export function ownerPermissions({ authorizer, kindOf }: OwnerPermissionsOptions): AdmissionPlugin {
  return {
    name: 'OwnerReferencesPermissionEnforcement',
    async validate({ attributes, operation, object, stored }) {
      const { kind, subresource, user, namespace } = attributes;
      if ((operation !== 'CREATE' && operation !== 'UPDATE') || kind === undefined || object === undefined) return;
      if (kind.group === '' && kind.plural === 'pods' && subresource === 'status') return;
      const owners = object.metadata?.ownerReferences ?? [];
      const before = stored?.metadata?.ownerReferences ?? [];
      if (sameValue(owners, before)) return;
      const refuse = (detail: string) => forbiddenRequest(kind, attributes.name ?? '', detail);
      const { allowed, reason } = await authorizer.authorize({ ...attributes, verb: 'delete' });
      // Upstream prints an error that there is not behind the reason.
      if (!allowed) throw refuse(`cannot set an ownerRef on a resource you can't delete: ${reason}, <nil>`);
      const blocked = new Set(before.filter((each) => each.blockOwnerDeletion === true).map(({ uid }) => uid));
      for (const reference of owners) {
        if (reference.blockOwnerDeletion !== true || blocked.has(reference.uid)) continue;
        const owner = kindOf(reference);
        if (owner === undefined) {
          throw refuse(
            `cannot set blockOwnerDeletion in this case because cannot find RESTMapping for APIVersion ${reference.apiVersion} Kind ${reference.kind}: no matches for kind "${reference.kind}" in version "${reference.apiVersion}"`,
          );
        }
        const decision = await authorizer.authorize({
          user,
          verb: 'update',
          kind: owner,
          namespace: owner.namespaced ? namespace : undefined,
          name: reference.name,
          subresource: 'finalizers',
          path: '',
        });
        if (!decision.allowed) {
          throw refuse(
            `cannot set blockOwnerDeletion if an ownerReference refers to a resource you can't set finalizers on: ${decision.reason}, <nil>`,
          );
        }
      }
    },
  };
}
