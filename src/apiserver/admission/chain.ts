import type { ApiObject } from '#machinery/object.ts';
import type { RequestContext } from '../request.ts';
import type { AdmissionPlugin, AdmissionRequest } from './admission.ts';
import { Reinvocation } from './reinvocation.ts';

/** The admission plugins of a server, in order. */
export class AdmissionChain {
  readonly #plugins: readonly AdmissionPlugin[];

  constructor(plugins: readonly AdmissionPlugin[]) {
    this.#plugins = plugins;
  }

  /** The object as all mutating plugins leave it; each sees it twice if a late one asks for that. */
  async mutate<T extends ApiObject>(
    request: AdmissionRequest & { readonly object: T },
    context: RequestContext,
  ): Promise<T> {
    const reinvocation = new Reinvocation();
    const object = await this.#pass({ ...request, reinvocation }, context);
    if (!reinvocation.isWanted) return object;
    reinvocation.begin();
    return this.#pass({ ...request, object, reinvocation }, context);
  }

  async #pass<T extends ApiObject>(
    request: AdmissionRequest & { readonly object: T },
    context: RequestContext,
  ): Promise<T> {
    let { object } = request;
    for (const plugin of this.#plugins) {
      // A plugin returns an object of the kind it was given.
      if (plugin.mutate !== undefined) object = (await plugin.mutate({ ...request, object }, context)) as T;
    }
    return object;
  }

  /** Throws what the first refusing plugin throws. */
  async validate(request: AdmissionRequest, context: RequestContext): Promise<void> {
    for (const plugin of this.#plugins) await plugin.validate?.(request, context);
  }
}
