/**
 * What expressions would trip over, by the schemas of the kinds that a policy names: warnings, which change nothing of
 * what the policy does. Source: k8s.io/apiserver/pkg/admission/plugin/policy/validating (typechecking.go).
 */
import type { ExpressionWarning, MatchResources } from '#api/admissionregistration/types.generated.ts';
import type { ValidatingAdmissionPolicy } from '#api/admissionregistration/validating-admission-policy.ts';
import { typeProblem, variableTypes } from '#machinery/cel/admission.ts';
import { dyn, typeOfSchema } from '#machinery/cel/types.ts';
import type { Kind } from '#machinery/kind.ts';
import type { Catalog } from '../../catalog.ts';

const kindsMax = 10;

export function expressionWarnings(
  { spec }: ValidatingAdmissionPolicy,
  catalog: Catalog,
): readonly ExpressionWarning[] {
  const kinds = kindsToCheck(spec.matchConstraints, catalog);
  const { apiVersion = '', kind: paramKind = '' } = spec.paramKind ?? {};
  const params = catalog.byKind(apiVersion, paramKind);
  const declarations = kinds.map((kind) => {
    const declared = {
      hasParams: spec.paramKind !== undefined,
      hasAuthorizer: true,
      object: typeOfSchema(kind.schema),
      params: params === undefined ? dyn : typeOfSchema(params.schema),
    };
    const { variables = [] } = spec;
    return { kind, declared: { ...declared, variables: variableTypes(variables, declared) } };
  });
  const check = (fieldRef: string, expression: string | undefined): readonly ExpressionWarning[] => {
    if (expression === undefined || expression === '') return [];
    const texts = declarations.flatMap(({ kind: { group, version, kind }, declared }) => {
      const problem = typeProblem(expression, declared);
      return problem === undefined ? [] : [`${group}/${version}, Kind=${kind}: ${problem}\n`];
    });
    return texts.length === 0 ? [] : [{ fieldRef, warning: texts.join('\n') }];
  };
  return (spec.validations ?? []).flatMap(({ expression, messageExpression }, index) => [
    ...check(`spec.validations[${index}].expression`, expression),
    ...check(`spec.validations[${index}].messageExpression`, messageExpression),
  ]);
}

/** Kinds named outright, of rules that say neither `*` nor a subresource; ten at most. */
function kindsToCheck(match: MatchResources | undefined, catalog: Catalog): readonly Kind[] {
  const found = new Set<Kind>();
  for (const { apiGroups = [], apiVersions = [], resources = [] } of match?.resourceRules ?? []) {
    if ([...apiGroups, ...apiVersions].some((text) => text.includes('*'))) continue;
    for (const group of apiGroups.toSorted()) {
      for (const version of apiVersions.toSorted()) {
        for (const resource of resources.toSorted()) {
          const kind = catalog.byPlural(group === '' ? version : `${group}/${version}`, resource);
          if (kind !== undefined && found.size < kindsMax) found.add(kind);
        }
      }
    }
  }
  const rank = ({ group, version, kind }: Kind) => `${group}\0${version}\0${kind}`;
  return [...found].toSorted((a, b) => (rank(a) < rank(b) ? -1 : 1));
}
