/**
 * What expressions may ask of the server's authorizer. Source: k8s.io/apiserver/pkg/cel/library (authz.go, cost.go).
 *
 * Authorizers take time and expressions do not wait: a question that has no answer yet ends the evaluation by throwing
 * `Unanswered`, and whoever runs it answers and runs it again. What a check costs bounds how often that can happen.
 */
import { dns1123LabelComplaints, dns1123SubdomainComplaints } from '../../names.ts';
import type { CallContext, Library } from '../functions.ts';
import { CelError, Opaque } from '../values.ts';

/** Source: authz checks may leave the process (cost.go). */
const checkCost = 350_000;

/** Whom a question is about: who makes the request, or a service account. */
export type Asker = 'caller' | { readonly namespace: string; readonly name: string };

export interface ResourceQuestion {
  readonly asker: Asker;
  readonly verb: string;
  readonly group: string;
  readonly resource: string;
  readonly subresource: string;
  readonly namespace: string;
  readonly name: string;
  readonly fieldSelector: string;
  readonly labelSelector: string;
}
export interface PathQuestion {
  readonly asker: Asker;
  readonly verb: string;
  readonly path: string;
}
export type Question = ResourceQuestion | PathQuestion;

export interface Verdict {
  readonly allowed: boolean;
  readonly reason: string;
  /** Set if the authorizer could not tell. */
  readonly error?: string;
}

/** What is known of the authorizer's answers; undefined for what nobody has asked yet. */
export type Verdicts = (question: Question) => Verdict | undefined;

/** Ends an evaluation that needs an answer first. No CelError: nothing in an expression absorbs it. */
export class Unanswered extends Error {
  readonly question: Question;
  constructor(question: Question) {
    super('a question for the authorizer has no answer yet');
    this.name = 'Unanswered';
    this.question = question;
  }
}

export class AuthorizerValue extends Opaque {
  readonly typeName = 'kubernetes.authorization.Authorizer';
  readonly verdicts: Verdicts;
  readonly asker: Asker;
  constructor(verdicts: Verdicts, asker: Asker = 'caller') {
    super();
    this.verdicts = verdicts;
    this.asker = asker;
  }
}

class PathCheck extends Opaque {
  readonly typeName = 'kubernetes.authorization.PathCheck';
  readonly authorizer: AuthorizerValue;
  readonly path: string;
  constructor(authorizer: AuthorizerValue, path: string) {
    super();
    this.authorizer = authorizer;
    this.path = path;
  }
}

class GroupCheck extends Opaque {
  readonly typeName = 'kubernetes.authorization.GroupCheck';
  readonly authorizer: AuthorizerValue;
  readonly group: string;
  constructor(authorizer: AuthorizerValue, group: string) {
    super();
    this.authorizer = authorizer;
    this.group = group;
  }
}

export type ResourcePlace = Omit<ResourceQuestion, 'asker' | 'verb'>;

/** One resource, or one object, that something may be done to: also `authorizer.requestResource`. */
export class ResourceCheck extends Opaque {
  readonly typeName = 'kubernetes.authorization.ResourceCheck';
  readonly authorizer: AuthorizerValue;
  readonly place: ResourcePlace;
  constructor(authorizer: AuthorizerValue, place: ResourcePlace) {
    super();
    this.authorizer = authorizer;
    this.place = place;
  }
  with(change: Partial<ResourcePlace>): ResourceCheck {
    return new ResourceCheck(this.authorizer, { ...this.place, ...change });
  }
}

class Decision extends Opaque {
  readonly typeName = 'kubernetes.authorization.Decision';
  readonly verdict: Verdict;
  constructor(verdict: Verdict) {
    super();
    this.verdict = verdict;
  }
}

function decided({ charge }: CallContext, verdicts: Verdicts, question: Question): Decision {
  charge(checkCost);
  const verdict = verdicts(question);
  if (verdict === undefined) throw new Unanswered(question);
  return new Decision(verdict);
}

function mustBeGiven(what: string, text: string): void {
  if (text.trim() === '') throw new CelError(`${what} must not be empty`);
}

const [authorizer, pathCheck, groupCheck, resourceCheck, decision] = [
  'kubernetes.authorization.Authorizer',
  'kubernetes.authorization.PathCheck',
  'kubernetes.authorization.GroupCheck',
  'kubernetes.authorization.ResourceCheck',
  'kubernetes.authorization.Decision',
] as const;

const nowhere = { subresource: '', namespace: '', name: '', fieldSelector: '', labelSelector: '' } as const;

export const authorizerLibrary: Library = {
  [`${authorizer}.path(string) ${pathCheck}`]: (_, of: AuthorizerValue, path: string) => {
    mustBeGiven('path', path);
    return new PathCheck(of, path);
  },
  [`${authorizer}.group(string) ${groupCheck}`]: (_, of: AuthorizerValue, group: string) => new GroupCheck(of, group),
  [`${authorizer}.serviceAccount(string, string) ${authorizer}`]: (
    _,
    { verdicts }: AuthorizerValue,
    namespace: string,
    name: string,
  ) => {
    if (dns1123SubdomainComplaints(name).length > 0) throw new CelError('Invalid service account name');
    if (dns1123LabelComplaints(namespace).length > 0) throw new CelError('Invalid service account namespace');
    return new AuthorizerValue(verdicts, { namespace, name });
  },
  [`${groupCheck}.resource(string) ${resourceCheck}`]: (_, { authorizer: of, group }: GroupCheck, resource: string) => {
    mustBeGiven('resource', resource);
    return new ResourceCheck(of, { group, resource, ...nowhere });
  },
  [`${resourceCheck}.subresource(string) ${resourceCheck}`]: (_, check: ResourceCheck, subresource: string) =>
    check.with({ subresource }),
  [`${resourceCheck}.namespace(string) ${resourceCheck}`]: (_, check: ResourceCheck, namespace: string) =>
    check.with({ namespace }),
  [`${resourceCheck}.name(string) ${resourceCheck}`]: (_, check: ResourceCheck, name: string) => check.with({ name }),
  [`${resourceCheck}.fieldSelector(string) ${resourceCheck}`]: (_, check: ResourceCheck, fieldSelector: string) =>
    check.with({ fieldSelector }),
  [`${resourceCheck}.labelSelector(string) ${resourceCheck}`]: (_, check: ResourceCheck, labelSelector: string) =>
    check.with({ labelSelector }),
  [`${pathCheck}.check(string) ${decision}`]: (context, { authorizer: of, path }: PathCheck, verb: string) =>
    decided(context, of.verdicts, { asker: of.asker, verb, path }),
  [`${resourceCheck}.check(string) ${decision}`]: (context, { authorizer: of, place }: ResourceCheck, verb: string) =>
    decided(context, of.verdicts, { asker: of.asker, verb, ...place }),
  [`${decision}.errored() bool`]: (_, { verdict }: Decision) => verdict.error !== undefined,
  [`${decision}.error() string`]: (_, { verdict }: Decision) => verdict.error ?? '',
  [`${decision}.allowed() bool`]: (_, { verdict }: Decision) => verdict.allowed,
  [`${decision}.reason() string`]: (_, { verdict }: Decision) => verdict.reason,
};
