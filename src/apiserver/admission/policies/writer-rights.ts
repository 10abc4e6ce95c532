import type { ParamKind, ParamRef } from '#api/admissionregistration/types.generated.ts';
import { MutatingAdmissionPolicy } from '#api/admissionregistration/mutating-admission-policy.ts';
import { ValidatingAdmissionPolicy } from '#api/admissionregistration/validating-admission-policy.ts';
import { sameValue } from '#api/rules/fields.ts';
import { forbidden } from '#machinery/field-error.ts';
import type { ApiObject } from '#machinery/object.ts';
import { invalidObject } from '#machinery/status-error.ts';
import { objectAttributes } from '../../authorization/reviews.ts';
import { privilegedGroup } from '../../authorization/union.ts';
import type { AdmissionPlugin, AdmissionRequest } from '../admission.ts';
import type { PolicyDependencies } from './occasion.ts';

interface Written extends ApiObject {
  readonly spec?: { readonly paramKind?: ParamKind; readonly paramRef?: ParamRef; readonly policyName?: string };
}

/** Of an object of one of the four kinds. */
const specOf = (object: Written | undefined) => object?.spec;

/**
 * Who lets a policy read objects must be allowed to read them: its messages would tell what they say.
 * Source: kubernetes pkg/registry/admissionregistration (authz.go of each kind).
 */
export function policyWriterRights({ registry, catalog, authorizer }: PolicyDependencies): AdmissionPlugin {
  async function mayGet(
    { attributes }: AdmissionRequest,
    paramKind: ParamKind | undefined,
    { name = '', namespace = '' }: { readonly name?: string; readonly namespace?: string },
  ): Promise<boolean> {
    const { apiVersion = '*/*', kind = '' } = paramKind ?? {};
    const slash = apiVersion.indexOf('/');
    const resource = catalog().byKind(apiVersion, kind)?.plural ?? '*';
    const group = apiVersion.slice(0, Math.max(slash, 0));
    const asked = { verb: 'get', group, version: apiVersion.slice(slash + 1), resource, name, namespace };
    return (await authorizer.authorize(objectAttributes(attributes.user, asked))).allowed;
  }

  return {
    name: 'PolicyWriterRights',
    async validate(request, { signal }) {
      const { attributes, object, stored } = request;
      const { kind, user, subresource, name = '' } = attributes;
      if (kind?.group !== ValidatingAdmissionPolicy.group || object === undefined || subresource !== undefined) return;
      if (user.groups.includes(privilegedGroup)) return;
      const { paramKind, paramRef, policyName = '' } = specOf(object) ?? {};
      const before = specOf(stored);
      const refuse = (field: string, detail: string) => invalidObject(kind, name, [forbidden(field, detail)]);
      if (paramKind !== undefined && !sameValue(paramKind, before?.paramKind)) {
        if (await mayGet(request, paramKind, { name: '*', namespace: '*' })) return;
        const which = `(kind=${paramKind.kind ?? ''}, apiVersion=${paramKind.apiVersion ?? ''})`;
        throw refuse(
          'spec.paramKind',
          `user ${user.username} must have "get" permission on all objects of the referenced paramKind ${which}`,
        );
      }
      const isKnown = sameValue(paramRef, before?.paramRef) && policyName === before?.policyName;
      if (paramRef === undefined || isKnown) return;
      const policies = kind.kind.startsWith('Validating') ? ValidatingAdmissionPolicy : MutatingAdmissionPolicy;
      const policy = await registry.of<Written>(policies).find({ name: policyName }, { want: 'newest' }, signal);
      if (await mayGet(request, policy?.object.spec?.paramKind, paramRef)) return;
      const detail = `user ${user.username} does not have "get" permission on the object referenced by paramRef`;
      throw refuse('spec.paramRef', detail);
    },
  };
}
