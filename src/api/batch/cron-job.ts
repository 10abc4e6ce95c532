import { age } from '#machinery/human-duration.ts';
import type { Kind } from '#machinery/kind.ts';
import { withTemplateDefaults } from '../apps/workload-rules.ts';
import { definition } from '../definitions.ts';
import { boolean, ageColumn, column, containerColumns, integer, nameColumn, selectorColumn } from '../rules/columns.ts';
import { mapField, withDefaults } from '../rules/defaulting.ts';
import { resetStatus } from '../rules/reset-status.ts';
import { cronJobErrors, cronJobNameComplaints } from './cron-job-rules.ts';
import type * as types from './types.generated.ts';

export type CronJob = types.CronJob;
export const CronJob: Kind<CronJob> = {
  group: 'batch',
  version: 'v1',
  kind: 'CronJob',
  plural: 'cronjobs',
  singular: 'cronjob',
  shortNames: ['cj'],
  categories: ['all'],
  namespaced: true,
  get schema() {
    return definition('io.k8s.api.batch.v1.CronJob');
  },
  hasGeneration: true,
  subresources: {
    status: true,
  },
  validateName: cronJobNameComplaints,
  /** The jobs themselves get their defaults when they are made. */
  defaults(cronJob) {
    return mapField(cronJob, 'spec', (spec) =>
      mapField(
        withDefaults(spec, {
          concurrencyPolicy: 'Allow',
          suspend: false,
          successfulJobsHistoryLimit: 3,
          failedJobsHistoryLimit: 1,
        }),
        'jobTemplate',
        (template) => mapField(template, 'spec', withTemplateDefaults),
      ),
    );
  },
  prepareForCreate: resetStatus,
  validate: cronJobErrors,
  columns: [
    nameColumn,
    column('Schedule', 'When jobs are made.', ({ spec }) => spec.schedule),
    column('Timezone', 'Time zone of the schedule.', ({ spec }) => spec.timeZone ?? '<none>'),
    boolean('Suspend', 'Whether no jobs are made for now.', ({ spec }) => spec.suspend ?? false),
    integer('Active', 'Number of jobs that run.', ({ status }) => (status?.active ?? []).length),
    column('Last Schedule', 'When a job was made last.', ({ status }, now) =>
      status?.lastScheduleTime === undefined ? '<none>' : age(status.lastScheduleTime, now),
    ),
    ageColumn,
    ...containerColumns(({ spec }: types.CronJob) => spec.jobTemplate?.spec?.template),
    selectorColumn(({ spec }: types.CronJob) => spec.jobTemplate?.spec?.selector),
  ],
};
