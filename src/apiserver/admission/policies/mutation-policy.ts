import type { MutatingAdmissionPolicy } from '#api/admissionregistration/mutating-admission-policy.ts';
import { compiled, compiledBase, type Expression, type PolicyBase } from './compiled-policy.ts';

export interface CompiledMutation {
  readonly type: 'jsonPatch' | 'applyConfiguration';
  readonly expression: Expression;
}

export interface CompiledMutatingPolicy extends PolicyBase {
  readonly mutations: readonly CompiledMutation[];
}

export function compileMutating({ spec }: MutatingAdmissionPolicy): CompiledMutatingPolicy {
  const base = compiledBase(spec);
  return {
    ...base,
    mutations: (spec.mutations ?? []).map(({ patchType, jsonPatch, applyConfiguration }) => {
      const type = patchType === 'JSONPatch' ? 'jsonPatch' : 'applyConfiguration';
      const { expression = '' } = (type === 'jsonPatch' ? jsonPatch : applyConfiguration) ?? {};
      return { type, expression: compiled(expression, type, base.declared) };
    }),
  };
}
