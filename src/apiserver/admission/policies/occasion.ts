import { Namespace } from '#api/core/namespace.ts';
import type { Kind } from '#machinery/kind.ts';
import type { ApiObject } from '#machinery/object.ts';
import { notFoundError } from '#machinery/status-error.ts';
import type { Authorizer } from '../../authorization/authorizer.ts';
import type { Catalog } from '../../catalog.ts';
import type { Registry } from '../../registry/registry.ts';
import type { RequestContext } from '../../request.ts';
import type { AdmissionRequest } from '../admission.ts';
import { equivalentsOf } from './equivalents.ts';
import type { Surroundings } from './matching.ts';
import { namespaceValue } from './seen-request.ts';
import { AuthorizerAnswers } from './verdicts.ts';

export interface PolicyDependencies {
  readonly registry: Registry;
  readonly catalog: () => Catalog;
  readonly authorizer: Authorizer;
}

/** What all policies that look at one request share; looked up when the first of them asks. */
export class Occasion implements Surroundings {
  readonly request: AdmissionRequest;
  readonly signal: AbortSignal;
  readonly answers: AuthorizerAnswers;
  readonly #from: PolicyDependencies;
  #namespace: Promise<Namespace | undefined> | undefined;

  constructor(request: AdmissionRequest, { signal }: RequestContext, from: PolicyDependencies) {
    this.request = request;
    this.signal = signal;
    this.#from = from;
    this.answers = new AuthorizerAnswers(from.authorizer, request.attributes.user);
  }

  equivalents(kind: Kind): readonly Kind[] {
    return equivalentsOf(this.#from.catalog(), kind);
  }

  async namespaceLabels() {
    const found = await this.#found();
    return found === undefined ? undefined : (found.metadata?.labels ?? {});
  }

  /** As expressions see it; undefined where the request is in none. Throws NotFound. */
  async namespaceObject(): Promise<ApiObject | undefined> {
    const { kind, namespace } = this.request.attributes;
    if (namespace === undefined || namespace === '' || (kind?.group === '' && kind.plural === 'namespaces')) {
      return undefined;
    }
    const found = await this.#found();
    if (found === undefined) throw notFoundError(Namespace, namespace);
    return namespaceValue(found);
  }

  #found(): Promise<Namespace | undefined> {
    return (this.#namespace ??= this.#find());
  }

  async #find(): Promise<Namespace | undefined> {
    const { kind, namespace, name } = this.request.attributes;
    const wanted = kind?.group === '' && kind.plural === 'namespaces' ? name : namespace;
    if (wanted === undefined || wanted === '') return undefined;
    const namespaces = this.#from.registry.of(Namespace);
    await namespaces.cache.load(this.signal);
    const known = namespaces.cache.get({ name: wanted });
    const found = known ?? (await namespaces.find({ name: wanted }, { want: 'newest' }, this.signal));
    return found?.object;
  }
}
