import { required, type FieldError } from '#machinery/field-error.ts';
import { dns1123SubdomainComplaints } from '#machinery/names.ts';
import { complain } from '../rules/fields.ts';
import { matchErrors, withMatchDefaults } from './match-resources.ts';
import { paramRefErrors } from './param-rules.ts';
import type { MatchResources, ParamRef } from './types.generated.ts';

export interface BindingSpec {
  readonly policyName?: string;
  readonly paramRef?: ParamRef;
  readonly matchResources?: MatchResources;
}

/** What bindings of both kinds of policies have in common. */
export function bindingErrors({ policyName = '', paramRef, matchResources }: BindingSpec): readonly FieldError[] {
  const field = 'spec.policyName';
  return [
    ...(policyName === '' ? [required(field)] : complain(field, policyName, dns1123SubdomainComplaints(policyName))),
    ...paramRefErrors('spec.paramRef', paramRef),
    ...matchErrors('spec.matchResources', matchResources),
  ];
}

export function withBindingDefaults<T extends { readonly spec: BindingSpec }>(object: T): T {
  const { matchResources } = object.spec;
  return matchResources === undefined
    ? object
    : { ...object, spec: { ...object.spec, matchResources: withMatchDefaults(matchResources) } };
}
