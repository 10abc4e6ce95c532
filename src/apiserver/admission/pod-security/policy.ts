/** Which policy a namespace's labels ask for. Source: k8s.io/pod-security-admission/api (helpers.go). */
import { type FieldError, invalid } from '#machinery/field-error.ts';

const levels = ['privileged', 'baseline', 'restricted'] as const;
export type Level = (typeof levels)[number];

export interface LevelVersion {
  readonly level: Level;
  /** The minor version of Kubernetes whose policy is meant. */
  readonly version: number | 'latest';
}

export interface Policy {
  readonly enforce: LevelVersion;
  readonly audit: LevelVersion;
  readonly warn: LevelVersion;
}

export const labelPrefix = 'pod-security.kubernetes.io/';
const modes = ['enforce', 'audit', 'warn'] as const;

const privilegedLatest: LevelVersion = { level: 'privileged', version: 'latest' };
/** For namespaces that say nothing. */
export const defaultPolicy: Policy = { enforce: privilegedLatest, audit: privilegedLatest, warn: privilegedLatest };

export const formatLevel = ({ level, version }: LevelVersion): string =>
  `${level}:${version === 'latest' ? version : `v1.${version}`}`;

export const sameLevel = (a: LevelVersion, b: LevelVersion): boolean => a.level === b.level && a.version === b.version;

/** Positive if `a` is the stricter. */
export const compareLevels = (a: Level, b: Level): number => levels.indexOf(a) - levels.indexOf(b);

export const isPrivileged = (policy: Policy, ...which: readonly (keyof Policy)[]): boolean =>
  which.every((mode) => policy[mode].level === 'privileged');

const parseLevel = (text: string): Level | undefined => levels.find((level) => level === text);

function parseVersion(text: string): LevelVersion['version'] | undefined {
  if (text === 'latest') return text;
  const minor = /^v1\.(0|[1-9]\d{0,3})$/.exec(text)?.[1];
  return minor === undefined ? undefined : Number(minor);
}

/** What cannot be read is enforced as if it said `restricted`, and neither audited nor warned about. */
export function policyOf(
  labels: Readonly<Record<string, string>> | undefined,
  defaults: Policy,
): { readonly policy: Policy; readonly errors: readonly FieldError[] } {
  const errors: FieldError[] = [];
  const wrong = (label: string, value: string, detail: string) =>
    void errors.push(invalid(`metadata.labels[${label}]`, value, detail));
  const read = (mode: (typeof modes)[number]): LevelVersion => {
    let { level, version } = defaults[mode];
    const asked = labels?.[`${labelPrefix}${mode}`];
    if (asked !== undefined) {
      level = parseLevel(asked) ?? (mode === 'enforce' ? 'restricted' : 'privileged');
      if (parseLevel(asked) === undefined) wrong(`${labelPrefix}${mode}`, asked, `must be one of ${levels.join(', ')}`);
    }
    const askedVersion = labels?.[`${labelPrefix}${mode}-version`];
    if (askedVersion !== undefined) {
      version = parseVersion(askedVersion) ?? 'latest';
      if (parseVersion(askedVersion) === undefined) {
        wrong(`${labelPrefix}${mode}-version`, askedVersion, 'must be "latest" or "v1.x"');
      }
    }
    return { level, version };
  };
  const [enforce, audit] = [read('enforce'), read('audit')];
  let warn = read('warn');
  // Whoever enforces more than is warned about wants to be warned of it where nothing is refused: in templates.
  const saysEnforce = parseLevel(labels?.[`${labelPrefix}enforce`] ?? '') !== undefined;
  if (labels?.[`${labelPrefix}warn`] === undefined && saysEnforce && compareLevels(enforce.level, warn.level) > 0) {
    const keepsVersion = labels?.[`${labelPrefix}warn-version`] !== undefined;
    warn = { level: enforce.level, version: keepsVersion ? warn.version : enforce.version };
  }
  return { policy: { enforce, audit, warn }, errors };
}

/** The parts of a policy that labels ask for and that forbid something, for people. */
export function describeAsked(policy: Policy, labels: Readonly<Record<string, string>> | undefined): string {
  return modes
    .filter((mode) => {
      const asked = labels?.[`${labelPrefix}${mode}`] ?? labels?.[`${labelPrefix}${mode}-version`];
      return policy[mode].level !== 'privileged' && asked !== undefined;
    })
    .map((mode) => `${mode}=${formatLevel(policy[mode])}`)
    .join(', ');
}
