import { Option } from 'commander';
import { type AdmissionFlags, optionalPlugins } from '#cluster/admission.ts';
import { UsageError } from './fail.ts';

/** What commander makes of the flags below. */
export interface PolicyFlags {
  readonly admissionControlConfigFile?: string;
  readonly enableAdmissionPlugins?: readonly string[];
  readonly eventTtl?: number;
  readonly etcdCompactionInterval?: number;
  readonly tracingConfigFile?: string;
}

const unitsMs: Readonly<Record<string, number>> = { s: 1_000, m: 60_000, h: 3_600_000, d: 86_400_000 };

/** `90m`, `1h30m`, `7d`: as Go writes durations, and days. */
export function durationMs(flag: string): (text: string) => number {
  return (text) => {
    const parts = [...text.matchAll(/(\d{1,6})([smhd])/g)];
    const isWhole = parts.length > 0 && parts.map(([part]) => part).join('') === text;
    const total = parts.reduce((sum, [, count = '', unit = '']) => sum + Number(count) * (unitsMs[unit] ?? 0), 0);
    if (isWhole && total > 0) return total;
    throw new UsageError(`${flag} must be a duration such as 90m, 72h or 7d, not "${text}".`, 'see "tutti up --help"');
  };
}

/** Names are kube-apiserver's. */
export const policyFlags: readonly Option[] = [
  new Option(
    '--admission-control-config-file <file>',
    'defaults and exemptions of PodSecurity (AdmissionConfiguration)',
  ),
  new Option('--enable-admission-plugins <name...>', 'admission plugins beyond those that are always on').choices(
    optionalPlugins,
  ),
  new Option('--tracing-config-file <file>', 'where spans go (TracingConfiguration; OTLP over HTTP)'),
  new Option('--event-ttl <duration>', 'how long events are kept (72h)').argParser(durationMs('--event-ttl')),
  new Option(
    '--etcd-compaction-interval <duration>',
    'how long past revisions can be listed and watched from (5m)',
  ).argParser(durationMs('--etcd-compaction-interval')),
];

export function admissionFlagsOf(flags: PolicyFlags): AdmissionFlags {
  return { configFile: flags.admissionControlConfigFile, enable: flags.enableAdmissionPlugins };
}
