import { forbidden, invalid, notSupported, required, type FieldError } from '#machinery/field-error.ts';
import { dns1035LabelComplaints, dns1123SubdomainComplaints, pathSegmentComplaints } from '#machinery/names.ts';
import { complain } from '../rules/fields.ts';
import { labelSelectorErrors } from '../rules/label-selector-rules.ts';
import type { ParamKind, ParamRef } from './types.generated.ts';

/** Source: kubernetes pkg/apis/admissionregistration/validation (validateParamKind). */
export function paramKindErrors(field: string, { apiVersion = '', kind = '' }: ParamKind): readonly FieldError[] {
  return [...apiVersionErrors(`${field}.apiVersion`, apiVersion), ...kindErrors(`${field}.kind`, kind)];
}

function apiVersionErrors(field: string, apiVersion: string): readonly FieldError[] {
  if (apiVersion === '') return [required(field)];
  const parts = apiVersion.split('/');
  if (parts.length > 2) return [invalid(field, apiVersion, `unexpected GroupVersion string: ${apiVersion}`)];
  const [group, version] = parts.length === 2 ? parts : ['', apiVersion];
  const groupComplaints = group === '' ? [] : dns1123SubdomainComplaints(group!);
  const versionComplaints = version === '' ? [] : dns1035LabelComplaints(version!);
  return [
    ...(groupComplaints.length === 0 ? [] : [invalid(field, group, groupComplaints.join(','))]),
    ...(version === '' ? [invalid(field, apiVersion, 'version must be specified')] : []),
    ...(versionComplaints.length === 0 ? [] : [invalid(field, version, versionComplaints.join(','))]),
  ];
}

function kindErrors(field: string, kind: string): readonly FieldError[] {
  if (kind === '') return [required(field)];
  const complaints = dns1035LabelComplaints(kind.toLowerCase());
  const lead = 'may have mixed case, but should otherwise match: ';
  return complaints.length === 0 ? [] : [invalid(field, kind, lead + complaints.join(','))];
}

const notFoundActions = ['Deny', 'Allow'];

/** Source: validateParamRef. */
export function paramRefErrors(field: string, ref: ParamRef | undefined): readonly FieldError[] {
  if (ref === undefined) return [];
  const { name = '', selector, parameterNotFoundAction: action = '' } = ref;
  const both = name !== '' && selector !== undefined;
  const exclusive = 'name and selector are mutually exclusive';
  return [
    ...(name === '' ? [] : complain(`${field}.name`, name, pathSegmentComplaints(name))),
    ...(both ? [forbidden(`${field}.name`, exclusive)] : []),
    ...labelSelectorErrors(`${field}.selector`, selector),
    ...(both ? [forbidden(`${field}.selector`, exclusive)] : []),
    ...(name === '' && selector === undefined ? [required(field, 'one of name or selector must be specified')] : []),
    ...(action === ''
      ? [required(`${field}.parameterNotFoundAction`)]
      : notFoundActions.includes(action)
        ? []
        : [notSupported(`${field}.parameterNotFoundAction`, action, notFoundActions)]),
  ];
}
