/** Source: kubernetes pkg/apis/batch/validation (ValidateCronJobSpec). */
import { invalid, notSupported, required } from '#machinery/field-error.ts';
import type { FieldError } from '#machinery/field-error.ts';
import { dns1123SubdomainComplaints } from '#machinery/names.ts';
import { choice, nonNegative } from '../rules/fields.ts';
import { scheduleComplaint } from './cron-schedule.ts';
import { jobSpecErrors } from './job-rules.ts';
import type * as types from './types.generated.ts';

/** Jobs are named after their CronJob and the minute, and their pods' labels after them: 63 - 11 characters are left. */
const nameLengthMax = 52;

export function cronJobNameComplaints(name: string): readonly string[] {
  const complaints = dns1123SubdomainComplaints(name);
  return name.length > nameLengthMax ? [...complaints, `must be no more than ${nameLengthMax} characters`] : complaints;
}

export function cronJobErrors({ spec }: types.CronJob): FieldError[] {
  const template = spec.jobTemplate?.spec;
  const errors = [
    ...scheduleErrors(spec),
    ...nonNegative('spec.startingDeadlineSeconds', spec.startingDeadlineSeconds),
    ...choice('spec.concurrencyPolicy', spec.concurrencyPolicy, ['Allow', 'Forbid', 'Replace']),
    ...nonNegative('spec.successfulJobsHistoryLimit', spec.successfulJobsHistoryLimit),
    ...nonNegative('spec.failedJobsHistoryLimit', spec.failedJobsHistoryLimit),
  ];
  if (template === undefined) return [...errors, required('spec.jobTemplate.spec.template.spec.containers')];
  errors.push(...jobSpecErrors('spec.jobTemplate.spec', template));
  if (template.selector !== undefined) {
    const why = '`selector` will be auto-generated';
    errors.push(invalid('spec.jobTemplate.spec.selector', template.selector, why));
  }
  if (template.manualSelector === true) {
    errors.push(notSupported('spec.jobTemplate.spec.manualSelector', true, ['nil', 'false']));
  }
  return errors;
}

function scheduleErrors({ schedule, timeZone }: types.CronJobSpec): FieldError[] {
  if (schedule === '') return [required('spec.schedule')];
  const errors: FieldError[] = [];
  if (schedule.includes('TZ')) {
    errors.push(invalid('spec.schedule', schedule, 'cannot use TZ or CRON_TZ in schedule, use timeZone field instead'));
  } else {
    const complaint = scheduleComplaint(schedule);
    if (complaint !== undefined) errors.push(invalid('spec.schedule', schedule, complaint));
  }
  if (timeZone === undefined) return errors;
  if (timeZone === '') errors.push(invalid('spec.timeZone', timeZone, 'timeZone must be nil or non-empty string'));
  else if (timeZone.toLowerCase() === 'local') {
    errors.push(
      invalid(
        'spec.timeZone',
        timeZone,
        'timeZone must be an explicit time zone as defined in https://www.iana.org/time-zones',
      ),
    );
  } else if (!isTimeZone(timeZone)) errors.push(invalid('spec.timeZone', timeZone, `unknown time zone ${timeZone}`));
  return errors;
}

function isTimeZone(name: string): boolean {
  try {
    // Offsets such as +01:00 are no names of zones.
    return /^[A-Za-z]/.test(name) && Boolean(new Intl.DateTimeFormat('en', { timeZone: name }));
  } catch {
    return false;
  }
}
