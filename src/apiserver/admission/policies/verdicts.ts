import type { UserInfo } from '#client/client.ts';
import type { Question, Verdict, Verdicts } from '#machinery/cel/library/authorizer.ts';
import type { Authorizer } from '../../authorization/authorizer.ts';
import { objectAttributes } from '../../authorization/reviews.ts';
import { serviceAccountUser } from '../../authentication/service-account-tokens.ts';
import type { Attributes } from '../../request.ts';

/** The authorizer's answers to what the expressions of one request ask: each question is put once. */
export class AuthorizerAnswers {
  readonly #authorizer: Authorizer;
  readonly #caller: UserInfo;
  readonly #known = new Map<string, Verdict>();

  constructor(authorizer: Authorizer, caller: UserInfo) {
    this.#authorizer = authorizer;
    this.#caller = caller;
  }

  readonly known: Verdicts = (question) => this.#known.get(keyOf(question));

  async answer(question: Question): Promise<void> {
    let verdict: Verdict;
    try {
      verdict = await this.#authorizer.authorize(this.#attributes(question));
    } catch (error) {
      verdict = { allowed: false, reason: '', error: error instanceof Error ? error.message : String(error) };
    }
    this.#known.set(keyOf(question), verdict);
  }

  #attributes(question: Question): Attributes {
    const { asker, verb } = question;
    const user = asker === 'caller' ? this.#caller : accountOf(asker);
    if ('path' in question) {
      const nowhere = { kind: undefined, namespace: undefined, name: undefined, subresource: undefined };
      return { user, verb, path: question.path, ...nowhere };
    }
    const { fieldSelector, labelSelector: _unused, asker: _asker, ...asked } = question;
    return objectAttributes(user, {
      ...asked,
      version: '*',
      ...(fieldSelector === '' ? {} : { fieldSelector: { rawSelector: fieldSelector } }),
    });
  }
}

const keyOf = (question: Question) => JSON.stringify(question);

/** Source: k8s.io/apiserver/pkg/authentication/serviceaccount (UserInfo). */
function accountOf({ namespace, name }: { readonly namespace: string; readonly name: string }): UserInfo {
  return {
    username: serviceAccountUser(namespace, name),
    groups: ['system:serviceaccounts', `system:serviceaccounts:${namespace}`],
  };
}
