import type { Kind } from '#machinery/kind.ts';
import { definition } from '../definitions.ts';
import { ageColumn, column, containerColumns, nameColumn, selectorColumn } from '../rules/columns.ts';
import { completions, duration, jobStatus } from './job-columns.ts';
import { defaultJob, prepareNewJob } from './job-preparation.ts';
import { jobErrors, jobUpdateErrors } from './job-rules.ts';
import type * as types from './types.generated.ts';

export type Job = types.Job;
export const Job: Kind<Job> = {
  group: 'batch',
  version: 'v1',
  kind: 'Job',
  plural: 'jobs',
  singular: 'job',
  categories: ['all'],
  namespaced: true,
  get schema() {
    return definition('io.k8s.api.batch.v1.Job');
  },
  hasGeneration: true,
  subresources: {
    status: true,
  },
  defaults: defaultJob,
  prepareForCreate: prepareNewJob,
  validate: jobErrors,
  validateUpdate: jobUpdateErrors,
  columns: [
    nameColumn,
    column('Status', 'Where the job is in its life.', jobStatus),
    column('Completions', 'How many pods succeeded, of how many.', completions),
    column('Duration', 'How long the job ran.', duration),
    ageColumn,
    ...containerColumns(({ spec }: types.Job) => spec.template),
    selectorColumn(({ spec }: types.Job) => spec.selector),
  ],
  selectableFields: { 'status.successful': ({ status }) => String(status?.succeeded ?? 0) },
};
