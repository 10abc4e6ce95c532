import type { ParamKind, ParamRef } from './types.generated.ts';

const unset = '<unset>';

/** Source: kubernetes pkg/printers/internalversion (printers.go, printValidatingAdmissionPolicy). */
export function paramKindText(kind: ParamKind | undefined): string {
  return kind === undefined ? unset : `${kind.apiVersion ?? ''}/${kind.kind ?? ''}`;
}

export function paramRefText(ref: ParamRef | undefined): string {
  if (ref === undefined) return unset;
  const { name = '', namespace = '', selector } = ref;
  if (name === '') return selector === undefined ? unset : JSON.stringify(selector);
  return namespace === '' ? name : `${namespace}/${name}`;
}
