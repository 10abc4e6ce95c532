import type { Distributions, Metrics, Values } from '#lib/metrics.ts';
import type { PolicyDependencies } from './occasion.ts';
import { outOfBudget } from './out-of-budget.ts';

type Enforcement = 'allow' | 'deny' | 'audit' | 'warn';

/** Source of names and labels: k8s.io/apiserver/pkg/admission/plugin/policy/{validating,mutating}/metrics. */
export interface PolicyMetrics {
  /** What a binding did about one validation that is false, or that failed with `message`. */
  validated(policy: string, binding: string, message: string, enforcement: Enforcement, seconds: number): void;
  /** A mutation that was made, or that failed with `message`. */
  mutated(policy: string, binding: string, message: string | undefined, seconds: number): void;
}

export interface MeasuredDependencies extends PolicyDependencies {
  readonly policyMetrics: PolicyMetrics;
}

const bounds = [0.000_000_5, 0.001, 0.01, 0.1, 1];
/** Names are their owners'; only so many pairs of policy and binding are told apart. */
const pairsMax = 500;

export function policyMetrics(metrics: Metrics | undefined): PolicyMetrics {
  if (metrics === undefined) return { validated() {}, mutated() {} };
  const family = (name: string, what: string, more: readonly string[]): readonly [Values, Distributions] => {
    const labels = ['policy', 'policy_binding', 'error_type', ...more];
    const by = 'labeled by policy and further identified by binding';
    return [
      metrics.counter(`apiserver_${name}_check_total`, `${what} admission policy check total, ${by}.`, labels),
      metrics.histogram(
        `apiserver_${name}_check_duration_seconds`,
        `${what} admission latency for individual expressions in seconds, ${by}.`,
        labels,
        bounds,
      ),
    ];
  };
  const [validations, validationSeconds] = family('validating_admission_policy', 'Validation', ['enforcement_action']);
  const [mutations, mutationSeconds] = family('mutating_admission_policy', 'Mutation', []);
  const known = new Set<string>();
  const named = (policy: string, binding: string): readonly [string, string] => {
    const pair = `${policy}\0${binding}`;
    if (known.size < pairsMax) known.add(pair);
    return known.has(pair) ? [policy, binding] : ['other', 'other'];
  };
  return {
    validated(policy, binding, message, enforcement, seconds) {
      const labels = [...named(policy, binding), errorType(message), enforcement];
      validations.of(...labels).value++;
      validationSeconds.of(...labels).observe(seconds);
    },
    mutated(policy, binding, message, seconds) {
      const labels = [...named(policy, binding), message === undefined ? 'no_error' : errorType(message)];
      mutations.of(...labels).value++;
      mutationSeconds.of(...labels).observe(seconds);
    },
  };
}

function errorType(message: string): string {
  if (message.startsWith('compilation')) return 'compile_error';
  return message === outOfBudget ? 'out_of_budget' : 'invalid_error';
}
