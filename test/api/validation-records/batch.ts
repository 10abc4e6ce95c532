/** Jobs and CronJobs: kubernetes pkg/apis/batch/validation. */
import { CronJob } from '#api/batch/cron-job.ts';
import { Job } from '#api/batch/job.ts';
import { bad, type RecordTable } from './record.ts';
import * as words from './words.ts';

const spec = (change: object) => ({ spec: change });
const long = (count: number) => 'a'.repeat(count);
const pod = { restartPolicy: 'Never', containers: [{ name: 'main', image: 'busybox:1.36' }] };
const job = { template: { spec: pod } };
const rule = (change: object) => spec({ podFailurePolicy: { rules: [change] } });
const exitCodes = (change: object) =>
  rule({ action: 'FailJob', onExitCodes: { operator: 'In', values: [1], ...change } });
const inRule = 'spec.podFailurePolicy.rules[0]';
const indexed = (change: object) => spec({ completionMode: 'Indexed', completions: 3, ...change });
const restart = (restartPolicy: string | null) => spec({ template: { spec: { restartPolicy } } });
const restartField = 'spec.template.spec.restartPolicy';
const ofJob = (change: object) => spec({ jobTemplate: { spec: change } });
const counts = ['parallelism', 'completions', 'activeDeadlineSeconds', 'backoffLimit', 'ttlSecondsAfterFinished'];

export const batchRecords: readonly RecordTable[] = [
  {
    kind: Job,
    operation: 'create',
    object: { metadata: { name: 'once' }, spec: job },
    records: [
      ...counts.map((name) =>
        bad('validateJobSpec', spec({ [name]: -1 }), `spec.${name}: Invalid value: -1: ${words.negative}`),
      ),
      bad(
        'validateJobSpec',
        spec({ completionMode: 'Any' }),
        'spec.completionMode: Unsupported value: "Any": supported values: "NonIndexed", "Indexed"',
      ),
      bad(
        'validateJobSpec',
        spec({ completionMode: 'Indexed', parallelism: 2 }),
        'spec.completions: Required value: when completion mode is Indexed',
      ),
      bad(
        'validateJobSpec',
        indexed({ parallelism: 100_001 }),
        'spec.parallelism: Invalid value: 100001: must be less than or equal to 100000 when completion mode is Indexed',
      ),
      bad(
        'validateJobSpec',
        spec({ backoffLimitPerIndex: 1 }),
        'spec.backoffLimitPerIndex: Invalid value: 1: requires indexed completion mode',
      ),
      bad(
        'validateJobSpec',
        spec({ maxFailedIndexes: 1 }),
        'spec.backoffLimitPerIndex: Required value: when maxFailedIndexes is specified',
        'spec.maxFailedIndexes: Invalid value: 1: requires indexed completion mode',
      ),
      bad(
        'validateJobSpec',
        indexed({ backoffLimitPerIndex: 1, maxFailedIndexes: 4 }),
        'spec.maxFailedIndexes: Invalid value: 4: must be less than or equal to completions',
      ),
      bad(
        'IsDomainPrefixedPath',
        spec({ managedBy: 'mine' }),
        'spec.managedBy: Invalid value: "mine": must be a domain-prefixed path (such as "acme.io/foo")',
      ),
      bad(
        'validatePodReplacementPolicy',
        spec({ podReplacementPolicy: 'Any' }),
        'spec.podReplacementPolicy: Unsupported value: "Any": supported values: "Failed", "TerminatingOrFailed"',
      ),
      bad(
        'validatePodReplacementPolicy',
        spec({
          podReplacementPolicy: 'TerminatingOrFailed',
          podFailurePolicy: { rules: [{ action: 'FailJob', onExitCodes: { operator: 'In', values: [1] } }] },
        }),
        'spec.podReplacementPolicy: Unsupported value: "TerminatingOrFailed": supported values: "Failed"',
      ),
      bad('validateJobSpec', restart('Always'), `${restartField}: Required value: valid values: "OnFailure", "Never"`),
      bad('validateJobSpec', restart(null), `${restartField}: Required value: valid values: "OnFailure", "Never"`),
      bad(
        'validateJobSpec',
        restart('Sometimes'),
        `${restartField}: Unsupported value: "Sometimes": supported values: "Always", "OnFailure", "Never"`,
        `${restartField}: Unsupported value: "Sometimes": supported values: "OnFailure", "Never"`,
      ),
      bad(
        'validateJobSpec',
        spec({
          template: { spec: { restartPolicy: 'OnFailure' } },
          podFailurePolicy: { rules: [{ action: 'FailJob', onExitCodes: { operator: 'In', values: [1] } }] },
        }),
        `${restartField}: Invalid value: "OnFailure": only "Never" is supported when podFailurePolicy is specified`,
      ),
      bad(
        'validateContainers',
        spec({ template: { spec: { containers: [] } } }),
        'spec.template.spec.containers: Required value',
      ),
      bad(
        'validatePodFailurePolicyRule',
        rule({ onExitCodes: { operator: 'In', values: [1] } }),
        `${inRule}.action: Required value: valid values: ["Count" "FailIndex" "FailJob" "Ignore"]`,
      ),
      bad(
        'validatePodFailurePolicyRule',
        rule({ action: 'Any', onExitCodes: { operator: 'In', values: [1] } }),
        `${inRule}.action: Unsupported value: "Any": supported values: "Count", "FailIndex", "FailJob", "Ignore"`,
      ),
      bad(
        'validatePodFailurePolicyRule',
        rule({ action: 'FailIndex', onExitCodes: { operator: 'In', values: [1] } }),
        `${inRule}.action: Invalid value: "FailIndex": requires the backoffLimitPerIndex to be set`,
      ),
      bad(
        'validatePodFailurePolicyRule',
        rule({ action: 'FailJob' }),
        `${inRule}: Invalid value: specifying one of OnExitCodes and OnPodConditions is required`,
      ),
      bad(
        'validatePodFailurePolicyRule',
        rule({
          action: 'FailJob',
          onExitCodes: { operator: 'In', values: [1] },
          onPodConditions: [{ type: 'DisruptionTarget' }],
        }),
        `${inRule}: Invalid value: specifying both OnExitCodes and OnPodConditions is not supported`,
      ),
      bad(
        'validatePodFailurePolicyRuleOnExitCodes',
        exitCodes({ operator: 'Is' }),
        `${inRule}.onExitCodes.operator: Unsupported value: "Is": supported values: "In", "NotIn"`,
      ),
      bad(
        'validatePodFailurePolicyRuleOnExitCodes',
        exitCodes({ containerName: 'other' }),
        `${inRule}.onExitCodes.containerName: Invalid value: "other": must be one of the container or initContainer names in the pod template`,
      ),
      bad(
        'validatePodFailurePolicyRuleOnExitCodes',
        exitCodes({ values: [] }),
        `${inRule}.onExitCodes.values: Invalid value: []: at least one value is required`,
      ),
      bad(
        'validatePodFailurePolicyRuleOnExitCodes',
        exitCodes({ values: [0] }),
        `${inRule}.onExitCodes.values[0]: Invalid value: 0: must not be 0 for the In operator`,
      ),
      bad(
        'validatePodFailurePolicyRuleOnExitCodes',
        exitCodes({ values: [1, 1] }),
        `${inRule}.onExitCodes.values[1]: Duplicate value: 1`,
      ),
      bad(
        'validatePodFailurePolicyRuleOnExitCodes',
        exitCodes({ values: [3, 1] }),
        `${inRule}.onExitCodes.values: Invalid value: [3,1]: must be ordered`,
      ),
      bad(
        'validatePodFailurePolicyRuleOnPodConditions',
        rule({ action: 'FailJob', onPodConditions: [{ type: 'a b', status: 'Maybe' }] }),
        `${inRule}.onPodConditions[0].type: Invalid value: "a b": ${words.namePart}`,
        `${inRule}.onPodConditions[0].status: Unsupported value: "Maybe": supported values: "False", "True", "Unknown"`,
      ),
      bad(
        'validateSuccessPolicy',
        indexed({ successPolicy: { rules: [] } }),
        'spec.successPolicy.rules: Required value: at least one rules must be specified when the successPolicy is specified',
      ),
      bad(
        'validateSuccessPolicyRule',
        indexed({ successPolicy: { rules: [{}] } }),
        'spec.successPolicy.rules[0]: Required value: at least one of succeededCount or succeededIndexes must be specified',
      ),
      bad(
        'validateSuccessPolicyRule',
        indexed({ successPolicy: { rules: [{ succeededCount: 4 }] } }),
        'spec.successPolicy.rules[0].succeededCount: Invalid value: 4: must be less than or equal to 3 (the number of specified completions)',
      ),
      bad(
        'ValidateJob',
        { metadata: { name: long(62) }, ...indexed({}) },
        `metadata.name: Invalid value: "${long(62)}": will not able to create pod with invalid DNS label: ${long(62)}-2`,
      ),
      {
        source: 'ValidateLabels',
        change: { metadata: { name: long(64) } },
        causes: [`spec.template.labels: Invalid value: "${long(64)}": must be no more than 63 bytes`],
        deviation: {
          why: "a job takes over its pods' labels before it is checked, upstream when it is read the next time",
          causes: [
            `metadata.labels: Invalid value: "${long(64)}": must be no more than 63 bytes`,
            `spec.template.labels: Invalid value: "${long(64)}": must be no more than 63 bytes`,
          ],
        },
      },
    ],
  },
  {
    kind: Job,
    operation: 'update',
    object: {
      metadata: { name: 'there' },
      spec: {
        ...job,
        completions: 2,
        managedBy: 'example.com/me',
        podFailurePolicy: { rules: [{ action: 'FailJob', onExitCodes: { operator: 'In', values: [1] } }] },
      },
    },
    records: [
      bad('ValidateJobSpecUpdate', spec({ completions: 3 }), 'spec.completions: Invalid value: 3: field is immutable'),
      bad(
        'ValidateJobSpecUpdate',
        spec({ podFailurePolicy: null }),
        'spec.podFailurePolicy: Invalid value: null: field is immutable',
      ),
      bad(
        'ValidateJobSpecUpdate',
        spec({ managedBy: 'example.com/you' }),
        'spec.managedBy: Invalid value: "example.com/you": field is immutable',
      ),
      bad(
        'ValidateJobSpecUpdate',
        spec({ completionMode: 'Indexed' }),
        'spec.completionMode: Invalid value: "Indexed": field is immutable',
      ),
    ],
  },
  {
    kind: CronJob,
    operation: 'create',
    object: { metadata: { name: 'often' }, spec: { schedule: '*/5 * * * *', jobTemplate: { spec: job } } },
    records: [
      bad('validateCronJobSpec', spec({ schedule: null }), 'spec.schedule: Required value'),
      bad(
        'validateScheduleFormat',
        spec({ schedule: 'daily' }),
        'spec.schedule: Invalid value: "daily": expected exactly 5 fields, found 1: [daily]',
      ),
      bad(
        'validateScheduleFormat',
        spec({ schedule: '61 * * * *' }),
        'spec.schedule: Invalid value: "61 * * * *": end of range (61) above maximum (59): 61',
      ),
      bad(
        'validateScheduleFormat',
        spec({ schedule: 'TZ=UTC 0 * * * *' }),
        'spec.schedule: Invalid value: "TZ=UTC 0 * * * *": cannot use TZ or CRON_TZ in schedule, use timeZone field instead',
      ),
      bad(
        'validateTimeZone',
        spec({ timeZone: '' }),
        'spec.timeZone: Invalid value: "": timeZone must be nil or non-empty string',
      ),
      bad(
        'validateTimeZone',
        spec({ timeZone: 'Nowhere/City' }),
        'spec.timeZone: Invalid value: "Nowhere/City": unknown time zone Nowhere/City',
      ),
      bad(
        'validateTimeZone',
        spec({ timeZone: 'Local' }),
        'spec.timeZone: Invalid value: "Local": timeZone must be an explicit time zone as defined in https://www.iana.org/time-zones',
      ),
      bad(
        'validateConcurrencyPolicy',
        spec({ concurrencyPolicy: 'Any' }),
        'spec.concurrencyPolicy: Unsupported value: "Any": supported values: "Allow", "Forbid", "Replace"',
      ),
      bad(
        'validateCronJobSpec',
        spec({ startingDeadlineSeconds: -1 }),
        `spec.startingDeadlineSeconds: Invalid value: -1: ${words.negative}`,
      ),
      bad(
        'validateCronJobSpec',
        spec({ successfulJobsHistoryLimit: -1, failedJobsHistoryLimit: -1 }),
        `spec.successfulJobsHistoryLimit: Invalid value: -1: ${words.negative}`,
        `spec.failedJobsHistoryLimit: Invalid value: -1: ${words.negative}`,
      ),
      bad(
        'validateJobSpec',
        ofJob({ template: { spec: { restartPolicy: 'Always' } } }),
        'spec.jobTemplate.spec.template.spec.restartPolicy: Required value: valid values: "OnFailure", "Never"',
      ),
      bad(
        'ValidateJobTemplateSpec',
        ofJob({ selector: { matchLabels: { a: 'b' } } }),
        'spec.jobTemplate.spec.selector: Invalid value: {"matchLabels":{"a":"b"}}: `selector` will be auto-generated',
      ),
      bad(
        'ValidateJobTemplateSpec',
        ofJob({ manualSelector: true }),
        'spec.jobTemplate.spec.manualSelector: Unsupported value: true: supported values: "nil", "false"',
      ),
    ],
  },
];
