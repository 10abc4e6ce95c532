/**
 * The shapes of names, with the complaints clients know. Every check returns the complaints, none if the value is fine.
 * Source: k8s.io/apimachinery v0.35 pkg/util/validation and pkg/api/validate/content.
 */
export type Complaints = readonly string[];

const none: Complaints = [];

export const labelLengthMax = 63;
export const subdomainLengthMax = 253;

const dnsLabel = '[a-z0-9]([-a-z0-9]*[a-z0-9])?';
const dnsSubdomain = `${dnsLabel}(\\.${dnsLabel})*`;
const dns1035Label = '[a-z]([-a-z0-9]*[a-z0-9])?';
const qualifiedPart = '([A-Za-z0-9][-A-Za-z0-9_.]*)?[A-Za-z0-9]';
const percent = '[0-9]+%';
const headerName = '[-A-Za-z0-9]+';
const configKey = '[-._a-zA-Z0-9]+';

const domainPath = "[A-Za-z0-9/\\-._~%!$&'()*+,;=:]+";
const domainPathRegExp = new RegExp(`^${domainPath}$`);
const dnsLabelRegExp = new RegExp(`^${dnsLabel}$`);
const dns1035LabelRegExp = new RegExp(`^${dns1035Label}$`);
const qualifiedPartRegExp = new RegExp(`^${qualifiedPart}$`);
const percentRegExp = new RegExp(`^${percent}$`);
const headerNameRegExp = new RegExp(`^${headerName}$`);
const configKeyRegExp = new RegExp(`^${configKey}$`);

/** Upstream's closing words for a value that misses a pattern: examples, then the pattern. */
export function patternComplaint(text: string, pattern: string, ...examples: readonly string[]): string {
  if (examples.length === 0) return `${text} (regex used for validation is '${pattern}')`;
  return `${text} (e.g. ${examples.map((example) => `'${example}'`).join(',  or ')}, regex used for validation is '${pattern}')`;
}

export const rangeComplaint = (low: number, high: number) => `must be between ${low} and ${high}, inclusive`;
export const emptyComplaint = 'must be non-empty';
export const negativeComplaint = 'must be greater than or equal to 0';
export const positiveComplaint = 'must be greater than zero';
export const immutableComplaint = 'field is immutable';
const lengthComplaint = (max: number) => `must be no more than ${max} characters`;
const bytesComplaint = (max: number) => `must be no more than ${max} bytes`;

/** Checked label by label, so that a long hostile name costs linear time. */
function isSubdomain(value: string): boolean {
  return value.split('.').every((label) => dnsLabelRegExp.test(label));
}

/** RFC 1123 label: namespaces, container and volume names. */
export function dns1123LabelComplaints(value: string): Complaints {
  if (value.length <= labelLengthMax && dnsLabelRegExp.test(value)) return none;
  const complaints: string[] = [];
  if (value.length > labelLengthMax) complaints.push(lengthComplaint(labelLengthMax));
  if (!dnsLabelRegExp.test(value)) {
    complaints.push(
      isSubdomain(value)
        ? 'must not contain dots'
        : patternComplaint(
            "a lowercase RFC 1123 label must consist of lower case alphanumeric characters or '-', and must start and end with an alphanumeric character",
            dnsLabel,
            'my-name',
            '123-abc',
          ),
    );
  }
  return complaints;
}

/** RFC 1123 subdomain: the names of most objects. */
export function dns1123SubdomainComplaints(value: string): Complaints {
  const complaints: string[] = [];
  if (value.length > subdomainLengthMax) complaints.push(lengthComplaint(subdomainLengthMax));
  if (!isSubdomain(value)) {
    complaints.push(
      patternComplaint(
        "a lowercase RFC 1123 subdomain must consist of lower case alphanumeric characters, '-' or '.', and must start and end with an alphanumeric character",
        dnsSubdomain,
        'example.com',
      ),
    );
  }
  return complaints;
}

/** A subdomain whose first label is `*`: hosts of Ingresses. */
export function wildcardSubdomainComplaints(value: string): Complaints {
  const complaints: string[] = [];
  if (value.length > subdomainLengthMax) complaints.push(lengthComplaint(subdomainLengthMax));
  if (!value.startsWith('*.') || !isSubdomain(value.slice('*.'.length))) {
    complaints.push(
      patternComplaint(
        "a wildcard DNS-1123 subdomain must start with '*.', followed by a valid DNS subdomain, which must consist of lower case alphanumeric characters, '-' or '.' and end with an alphanumeric character",
        `\\*\\.${dnsSubdomain}`,
        '*.example.com',
      ),
    );
  }
  return complaints;
}

/** `example.com/controller`: who is meant by the name of an ingress controller or a signer. */
export function domainPathComplaints(value: string): Complaints {
  const slash = value.indexOf('/');
  if (slash < 0 || slash === value.length - 1) {
    return ['must be a domain-prefixed path (such as "acme.io/foo")'];
  }
  const path = value.slice(slash + 1);
  return [
    ...dns1123SubdomainComplaints(value.slice(0, slash)),
    ...(domainPathRegExp.test(path) ? [] : [patternComplaint('Invalid path', domainPath)]),
  ];
}

/** DNS-1035 label: a label that starts with a letter. */
export function dns1035LabelComplaints(value: string): Complaints {
  const complaints: string[] = [];
  if (value.length > labelLengthMax) complaints.push(lengthComplaint(labelLengthMax));
  if (!dns1035LabelRegExp.test(value)) {
    complaints.push(
      patternComplaint(
        "a DNS-1035 label must consist of lower case alphanumeric characters or '-', start with an alphabetic character, and end with an alphanumeric character",
        dns1035Label,
        'my-name',
        'abc-123',
      ),
    );
  }
  return complaints;
}

const qualifiedPartText =
  "must consist of alphanumeric characters, '-', '_' or '.', and must start and end with an alphanumeric character";
const qualifiedPartComplaint = (what: string) =>
  `${what} ${patternComplaint(qualifiedPartText, qualifiedPart, 'MyName', 'my.name', '123-abc')}`;

/** Upstream counts bytes here, and characters where a subdomain stands alone. */
const prefixComplaints = (prefix: string) =>
  dns1123SubdomainComplaints(prefix).map((complaint) =>
    complaint === lengthComplaint(subdomainLengthMax) ? bytesComplaint(subdomainLengthMax) : complaint,
  );

/** `[prefix/]name`: keys of labels, annotations and taints, finalizers, resource names, condition types. */
export function qualifiedNameComplaints(value: string): Complaints {
  const parts = value.split('/');
  const complaints: string[] = [];
  if (parts.length > 2) {
    return [
      `${qualifiedPartComplaint('a valid label key')} with an optional DNS subdomain prefix and '/' (e.g. 'example.com/MyName')`,
    ];
  }
  const name = parts.at(-1) ?? '';
  if (parts.length === 2) {
    const prefix = parts[0] ?? '';
    if (prefix === '') complaints.push(`prefix part ${emptyComplaint}`);
    else complaints.push(...prefixComplaints(prefix).map((complaint) => `prefix part ${complaint}`));
  }
  if (name === '') complaints.push(`name part ${emptyComplaint}`);
  else if (name.length > labelLengthMax) complaints.push(`name part ${bytesComplaint(labelLengthMax)}`);
  if (!qualifiedPartRegExp.test(name)) complaints.push(qualifiedPartComplaint('name part'));
  return complaints;
}

export function labelValueComplaints(value: string): Complaints {
  if (value === '') return none;
  const complaints: string[] = [];
  if (value.length > labelLengthMax) complaints.push(bytesComplaint(labelLengthMax));
  if (!qualifiedPartRegExp.test(value)) {
    complaints.push(
      patternComplaint(
        "a valid label must be an empty string or consist of alphanumeric characters, '-', '_' or '.', and must start and end with an alphanumeric character",
        `(${qualifiedPart})?`,
        'MyValue',
        'my_value',
        '12345',
      ),
    );
  }
  return complaints;
}

/** IANA service name: names of container and service target ports. */
export function portNameComplaints(value: string): Complaints {
  const complaints: string[] = [];
  if (value.length > 15) complaints.push(lengthComplaint(15));
  if (!/^[-a-z0-9]+$/.test(value)) {
    complaints.push('must contain only alpha-numeric characters (a-z, 0-9), and hyphens (-)');
  }
  if (!/[a-z]/.test(value)) complaints.push('must contain at least one letter (a-z)');
  if (value.includes('--')) complaints.push('must not contain consecutive hyphens');
  if (value.startsWith('-') || value.endsWith('-')) complaints.push('must not begin or end with a hyphen');
  return complaints;
}

export function portNumberComplaints(port: number): Complaints {
  return port >= 1 && port <= 65535 ? none : [rangeComplaint(1, 65535)];
}

/** Users and groups: 0 to 2^31 - 1. */
export function idComplaints(id: number): Complaints {
  return id >= 0 && id <= 2147483647 ? none : [rangeComplaint(0, 2147483647)];
}

export function percentComplaints(value: string): Complaints {
  return percentRegExp.test(value)
    ? none
    : [
        patternComplaint(
          "a valid percent string must be a numeric string followed by an ending '%'",
          percent,
          '1%',
          '93%',
        ),
      ];
}

export function headerNameComplaints(value: string): Complaints {
  return headerNameRegExp.test(value)
    ? none
    : [
        patternComplaint(
          "a valid HTTP header must consist of alphanumeric characters or '-'",
          headerName,
          'X-Header-Name',
        ),
      ];
}

/** Since v1.34 any printable ASCII but `=`. */
export function environmentNameComplaints(value: string): Complaints {
  if (value === '') return [`environment variable name ${emptyComplaint}`];
  return /^[ -<>-~]+$/.test(value)
    ? none
    : ["a valid environment variable name must consist only of printable ASCII characters other than '='"];
}

/** Keys of ConfigMaps and Secrets: usable as file names. */
export function configKeyComplaints(value: string): Complaints {
  const complaints: string[] = [];
  if (value.length > subdomainLengthMax) complaints.push(lengthComplaint(subdomainLengthMax));
  if (!configKeyRegExp.test(value)) {
    complaints.push(
      patternComplaint(
        "a valid config key must consist of alphanumeric characters, '-', '_' or '.'",
        configKey,
        'key.name',
        'KEY_NAME',
        'key-name',
      ),
    );
  }
  if (value === '.') complaints.push("must not be '.'");
  else if (value === '..') complaints.push("must not be '..'");
  else if (value.startsWith('..')) complaints.push("must not start with '..'");
  return complaints;
}

/** Names that only have to be usable as one segment of a URL path: roles, role bindings. */
export function pathSegmentComplaints(value: string): Complaints {
  if (value === '.' || value === '..') return [`may not be '${value}'`];
  return ['/', '%'].filter((part) => value.includes(part)).map((part) => `may not contain '${part}'`);
}
