import type { ScopeRequirement } from './quota-evaluator.ts';

/** Whether one of an object's values of a scope (its priority class) is what a requirement asks for. */
export function matchesValues({ operator, values = [] }: ScopeRequirement, own: readonly string[]): boolean {
  switch (operator) {
    case 'In':
      return own.some((value) => values.includes(value));
    case 'NotIn':
      return own.length === 0 || own.some((value) => !values.includes(value));
    case 'DoesNotExist':
      return own.length === 0;
    default:
      return own.length > 0;
  }
}
