/** Source: kubernetes pkg/apis/batch/v1/defaults.go and pkg/registry/batch/job (strategy.go). */
import { withTemplateDefaults } from '../apps/workload-rules.ts';
import { mapField, mapItems, withDefaults } from '../rules/defaulting.ts';
import type * as types from './types.generated.ts';

const controllerUidLabel = 'batch.kubernetes.io/controller-uid';
const jobNameLabel = 'batch.kubernetes.io/job-name';
/** The labels as they were called before they had a prefix; old clients select by them. */
const plainControllerUidLabel = 'controller-uid';
const plainJobNameLabel = 'job-name';

const backoffLimit = 6;
const noBackoffLimit = 2147483647;

export function defaultJob(job: types.Job): types.Job {
  const labels = job.spec?.template?.metadata?.labels;
  const result = mapField(job, 'spec', (spec) =>
    withTemplateDefaults(mapField(defaultSpec(spec), 'podFailurePolicy', defaultPolicy)),
  );
  if (labels === undefined || Object.keys(job.metadata?.labels ?? {}).length > 0) return result;
  return { ...result, metadata: { ...result.metadata, labels } };
}

function defaultSpec(spec: types.JobSpec): types.JobSpec {
  const single = spec.completions === undefined && spec.parallelism === undefined;
  return withDefaults(spec, {
    ...(single ? { completions: 1 } : {}),
    parallelism: 1,
    backoffLimit: spec.backoffLimitPerIndex === undefined ? backoffLimit : noBackoffLimit,
    completionMode: 'NonIndexed',
    suspend: false,
    manualSelector: false,
    podReplacementPolicy: spec.podFailurePolicy === undefined ? 'TerminatingOrFailed' : 'Failed',
  });
}

function defaultPolicy(policy: types.PodFailurePolicy): types.PodFailurePolicy {
  return mapField(policy, 'rules', (rules) =>
    mapItems(rules, (rule) =>
      mapField(rule, 'onPodConditions', (patterns) =>
        mapItems(patterns, (pattern) => ((pattern.status ?? '') === '' ? { ...pattern, status: 'True' } : pattern)),
      ),
    ),
  );
}

/** What a job's own pods are known by. */
export const generatedLabels = (uid: string, name: string): Readonly<Record<string, string>> => ({
  [controllerUidLabel]: uid,
  [plainControllerUidLabel]: uid,
  [jobNameLabel]: name,
  [plainJobNameLabel]: name,
});

/** A new job has no status, and unless the client does it itself, selects its pods by its own uid. */
export function prepareNewJob(job: types.Job): types.Job {
  const fresh = { ...job, status: {} };
  const [uid, name] = [job.metadata?.uid ?? '', job.metadata?.name ?? ''];
  if (job.spec?.manualSelector === true || uid === '') return fresh;
  const { template, selector } = job.spec;
  const labels = withDefaults<Record<string, string>>({ ...template?.metadata?.labels }, generatedLabels(uid, name));
  return {
    ...fresh,
    spec: {
      ...job.spec,
      template: { ...template, metadata: { ...template?.metadata, labels } },
      selector: {
        ...selector,
        matchLabels: withDefaults<Record<string, string>>({ ...selector?.matchLabels }, { [controllerUidLabel]: uid }),
      },
    },
  };
}
