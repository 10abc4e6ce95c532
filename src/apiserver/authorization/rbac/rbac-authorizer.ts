import type { UserInfo } from '#client/client.ts';
import type { Attributes } from '../../request.ts';
import type { Authorizer, Decision } from '../authorizer.ts';
import { ruleAllows, ruleConcerns, type ResolvedRules, type RuleSource } from '../rules.ts';
import type { Grant, Grants, RbacIndex } from './rbac-index.ts';

/** Callers whose rights are remembered, each with its namespace. */
const callersMax = 4_000;
/** Questions remembered a caller. */
const questionsMax = 500;

/** What a caller has, prepared for being asked the same again and again. */
interface Holder extends Grants {
  /** By verb and resource: the answer, or what is left to be compared with the object's name. */
  readonly answers: Map<string, Decision | readonly Concern[]>;
}

interface Concern {
  readonly grant: Grant;
  readonly names: readonly string[];
}

export interface RbacAuthorizerOptions {
  readonly index: RbacIndex;
  /** Resolves once the index may know everything that was acknowledged before the call; may fail. */
  readonly fresh: () => Promise<void>;
  readonly signal: AbortSignal;
}

/**
 * Allows what a role that is bound to the caller allows. What it refuses it has looked up in the newest state: who has
 * just been given a right is not turned away because a cache is a moment behind.
 * Reasons and meaning: kubernetes plugin/pkg/auth/authorizer/rbac.
 */
export function rbacAuthorizer({ index, fresh, signal }: RbacAuthorizerOptions): Authorizer & RuleSource {
  let version = -1;
  const holders = new Map<string, Holder>();

  function holderOf(user: UserInfo, namespace: string | undefined): Holder {
    if (index.version !== version) {
      holders.clear();
      ({ version } = index);
    }
    const key = JSON.stringify([namespace, user.username, user.groups]);
    let holder = holders.get(key);
    if (holder === undefined) {
      holder = { ...index.grantsOf(user, namespace), answers: new Map() };
      if (holders.size >= callersMax) holders.delete(holders.keys().next().value ?? '');
      holders.set(key, holder);
    }
    return holder;
  }

  function decide(attributes: Attributes): Decision {
    const holder = holderOf(attributes.user, attributes.namespace);
    if (attributes.kind === undefined) {
      const grant = holder.grants.find(({ rules }) => rules.some((rule) => ruleAllows(rule, attributes)));
      return grant === undefined ? refusedTo(holder) : allowedBy(grant);
    }
    const { group, plural } = attributes.kind;
    const question = `${attributes.verb} ${group}/${plural}/${attributes.subresource ?? ''}`;
    let answer = holder.answers.get(question);
    if (answer === undefined) {
      answer = prepared(holder, attributes);
      if (holder.answers.size >= questionsMax) holder.answers.clear();
      holder.answers.set(question, answer);
    }
    if ('allowed' in answer) return answer;
    const { name } = attributes;
    const concern = name === undefined ? undefined : answer.find(({ names }) => names.includes(name));
    return concern === undefined ? refusedTo(holder) : allowedBy(concern.grant);
  }

  return {
    async authorize(attributes) {
      if (index.isReady) index.catchUp();
      else await index.refresh(signal);
      const decision = decide(attributes);
      if (decision.allowed) return decision;
      const before = index.version;
      await fresh().catch(() => undefined); // an unreachable store is for the request itself to report
      if (index.isReady) index.catchUp();
      else await index.refresh(signal);
      return index.version === before ? decision : decide(attributes);
    },
    async rulesFor(user, namespace): Promise<ResolvedRules> {
      await fresh().catch(() => undefined);
      await index.refresh(signal);
      const { grants, problems } = holderOf(user, namespace);
      return { rules: grants.flatMap(({ rules }) => rules), problems };
    },
  };
}

function prepared(holder: Holder, attributes: Attributes): Decision | readonly Concern[] {
  const concerns: Concern[] = [];
  for (const grant of holder.grants) {
    for (const rule of grant.rules) {
      if (!ruleConcerns(rule, attributes)) continue;
      if ((rule.resourceNames ?? []).length === 0) return allowedBy(grant);
      concerns.push({ grant, names: rule.resourceNames ?? [] });
    }
  }
  return concerns.length === 0 ? refusedTo(holder) : concerns;
}

function allowedBy({ binding, subject }: Grant): Decision {
  const { metadata, roleRef } = binding;
  const { name = '', namespace } = metadata ?? {};
  const what = namespace === undefined ? `ClusterRoleBinding "${name}"` : `RoleBinding "${name}/${namespace}"`;
  const who =
    subject.kind === 'ServiceAccount' ? `${subject.name}/${subject.namespace ?? namespace ?? ''}` : subject.name;
  return {
    allowed: true,
    reason: `RBAC: allowed by ${what} of ${roleRef.kind} "${roleRef.name}" to ${subject.kind} "${who}"`,
  };
}

function refusedTo({ problems }: Grants): Decision {
  const distinct = [...new Set(problems)];
  if (distinct.length === 0) return { allowed: false, reason: '' };
  return { allowed: false, reason: `RBAC: ${distinct.length === 1 ? distinct[0] : `[${distinct.join(', ')}]`}` };
}
