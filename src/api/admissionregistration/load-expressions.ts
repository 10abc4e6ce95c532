import type * as expressionsModule from './expression-rules.ts';

/** CEL is loaded with the first policy: a server without policies does not pay for it. */
let expressions: typeof expressionsModule | undefined;

/** Must have ended before `loadedExpressions()` is asked for. */
export async function loadExpressions(): Promise<void> {
  expressions ??= await import('./expression-rules.ts');
}

export function loadedExpressions(): typeof expressionsModule {
  if (expressions === undefined) throw new Error('CEL must be loaded before expressions are compiled');
  return expressions;
}
