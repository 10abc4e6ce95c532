import type { ApiObject } from '#machinery/object.ts';
import type { Attributes, RequestContext } from '../request.ts';
import type { Reinvocation } from './reinvocation.ts';

export interface AdmissionRequest {
  readonly attributes: Attributes;
  readonly operation: 'CREATE' | 'UPDATE' | 'DELETE' | 'CONNECT';
  /** Defaulted. Undefined on DELETE; on CONNECT what is asked of the object (`PodExecOptions`), if anything. */
  readonly object: ApiObject | undefined;
  readonly stored: ApiObject | undefined;
  readonly dryRun: boolean;
  /** While the object may still be changed. */
  readonly reinvocation?: Reinvocation;
}

/** One step between authorization and validation. Refuses by throwing a StatusError. */
export interface AdmissionPlugin {
  readonly name: string;
  /** Returns the object, or a changed copy. */
  mutate?(request: AdmissionRequest, context: RequestContext): Promise<ApiObject>;
  validate?(request: AdmissionRequest, context: RequestContext): Promise<void>;
}
