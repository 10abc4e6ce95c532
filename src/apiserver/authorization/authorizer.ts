import type { Attributes } from '../request.ts';

export type Decision =
  | { readonly allowed: true; readonly reason: string }
  | { readonly allowed: false; readonly reason: string };

/** Decides whether a caller may do one thing. */
export interface Authorizer {
  authorize(attributes: Attributes): Promise<Decision>;
}
