/** Source: kubernetes pkg/apis/rbac/v1/defaults.go and pkg/apis/rbac/validation. */
import { invalid, notSupported, required } from '#machinery/field-error.ts';
import type { FieldError } from '#machinery/field-error.ts';
import { dns1123SubdomainComplaints, pathSegmentComplaints } from '#machinery/names.ts';
import { mapField, mapItems, withDefaults } from '../rules/defaulting.ts';
import { complain, each, sameValue, text } from '../rules/fields.ts';
import type * as types from './types.generated.ts';

const rbacGroup = 'rbac.authorization.k8s.io';

/** What both kinds of bindings are made of. */
interface Binding {
  readonly roleRef: types.RoleRef;
  readonly subjects?: readonly types.Subject[];
}

export function defaultBinding<B extends Binding>(binding: B): B {
  const { roleRef } = binding;
  const grouped =
    roleRef !== undefined && (roleRef.apiGroup ?? '') === ''
      ? { ...binding, roleRef: { ...roleRef, apiGroup: rbacGroup } }
      : binding;
  return mapField<Binding, 'subjects'>(grouped, 'subjects', (subjects) =>
    mapItems(subjects, (subject) =>
      subject.kind === 'User' || subject.kind === 'Group' ? withDefaults(subject, { apiGroup: rbacGroup }) : subject,
    ),
  ) as B; // B with other subjects
}

export function bindingErrors({ roleRef, subjects }: Binding, roleKinds: readonly string[]): FieldError[] {
  const errors: FieldError[] = [];
  if (roleRef?.apiGroup !== rbacGroup)
    errors.push(notSupported('roleRef.apiGroup', roleRef?.apiGroup ?? '', [rbacGroup]));
  if (!roleKinds.includes(roleRef?.kind ?? ''))
    errors.push(notSupported('roleRef.kind', roleRef?.kind ?? '', roleKinds));
  return [
    ...errors,
    ...text('roleRef.name', roleRef?.name, pathSegmentComplaints),
    ...each('subjects', subjects, (path, subject) => subjectErrors(path, subject, roleKinds.includes('Role'))),
  ];
}

function subjectErrors(field: string, subject: types.Subject, namespaced: boolean): FieldError[] {
  const { kind, name, namespace = '', apiGroup = '' } = subject;
  const errors = text(`${field}.name`, name);
  switch (kind) {
    case 'ServiceAccount':
      if ((name ?? '') !== '') errors.push(...complain(`${field}.name`, name, dns1123SubdomainComplaints(name)));
      if (apiGroup !== '') errors.push(notSupported(`${field}.apiGroup`, apiGroup, ['']));
      if (!namespaced && namespace === '') {
        errors.push(required(`${field}.namespace`));
      }
      return errors;
    case 'User':
    case 'Group':
      if (apiGroup !== rbacGroup) errors.push(notSupported(`${field}.apiGroup`, apiGroup, [rbacGroup]));
      return errors;
    default:
      return [...errors, notSupported(`${field}.kind`, kind ?? '', ['ServiceAccount', 'User', 'Group'])];
  }
}

/** Whoever may change a binding's subjects must not gain the right to bind another role. */
export function bindingUpdateErrors({ roleRef }: Binding, stored: Binding): FieldError[] {
  return sameValue(roleRef, stored.roleRef) ? [] : [invalid('roleRef', roleRef, 'cannot change roleRef')];
}
