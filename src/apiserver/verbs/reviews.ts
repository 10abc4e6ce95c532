import type { UserInfo } from '#client/client.ts';
import type { LocalSubjectAccessReview } from '#api/authorization/local-subject-access-review.ts';
import type { SelfSubjectAccessReview } from '#api/authorization/self-subject-access-review.ts';
import type { SelfSubjectRulesReview } from '#api/authorization/self-subject-rules-review.ts';
import type { SubjectAccessReview } from '#api/authorization/subject-access-review.ts';
import type { TokenReview } from '#api/authentication/token-review.ts';
import type { Kind } from '#machinery/kind.ts';
import type { ApiObject } from '#machinery/object.ts';
import { methodNotAllowed } from '#machinery/status-error.ts';
import type { TokenAuthenticator } from '../authentication/bearer-token.ts';
import { reviewToken } from '../authentication/token-review.ts';
import type { Authorizer } from '../authorization/authorizer.ts';
import {
  reviewAccess,
  reviewLocalAccess,
  reviewRules,
  reviewSelf,
  reviewSelfAccess,
} from '../authorization/reviews.ts';
import type { RuleSource } from '../authorization/rules.ts';

/** What reviews are answered from. */
export interface ReviewSources {
  readonly authorizer: Authorizer;
  readonly rules: () => readonly RuleSource[];
  /** Undefined where there are no tokens to review. */
  readonly tokens: TokenAuthenticator | undefined;
  readonly audiences: readonly string[];
}

/** True for kinds that are answered and not stored. */
export function isReview({ group }: Kind): boolean {
  return group === 'authorization.k8s.io' || group === 'authentication.k8s.io';
}

/** Answers a review object. */
export async function answerReview(
  kind: Kind,
  review: ApiObject,
  { user, namespace }: { readonly user: UserInfo; readonly namespace: string | undefined },
  { authorizer, rules, tokens, audiences }: ReviewSources,
): Promise<ApiObject> {
  // Each body conforms to its own kind by now.
  switch (kind.kind) {
    case 'SelfSubjectAccessReview':
      return reviewSelfAccess(review as SelfSubjectAccessReview, user, authorizer);
    case 'SubjectAccessReview':
      return reviewAccess(review as SubjectAccessReview, authorizer);
    case 'LocalSubjectAccessReview':
      return reviewLocalAccess(review as LocalSubjectAccessReview, namespace ?? '', authorizer);
    case 'SelfSubjectRulesReview':
      return reviewRules(review as SelfSubjectRulesReview, user, rules());
    case 'SelfSubjectReview':
      return reviewSelf(review, user);
    case 'TokenReview':
      if (tokens !== undefined) return reviewToken(review as TokenReview, tokens, audiences);
      break;
    default:
      break;
  }
  throw methodNotAllowed(`this server does not answer ${kind.kind}`);
}
