import { builtinKinds } from '#api/kinds.ts';
import { builtInControllers } from '#controllers/built-in.ts';
import type { Controller } from '#controllers/controller.ts';

export interface ControllersOptions {
  /** PEM of the authority that pods shall know the API server by; not published if absent. */
  readonly authority?: string;
  /** Where nodes' pod ranges come from, a /24 each. */
  readonly clusterCidr: string;
}

/** Pretend nodes have no wires, so they may have half of 10.0.0.0/8: enough ranges for 32,768 of them. */
export const pretendClusterCidr = '10.128.0.0/9';

/** Every controller of a cluster. */
export function controllersOf({ authority, clusterCidr }: ControllersOptions): readonly Controller[] {
  return builtInControllers({
    kinds: builtinKinds,
    nodeIpam: { clusterCidr },
    ...(authority === undefined ? {} : { authority }),
  });
}
