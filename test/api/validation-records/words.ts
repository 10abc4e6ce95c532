/** Upstream's longer texts, from apimachinery v0.35: pkg/util/validation and pkg/api/validate/content. */
const pattern = (regExp: string) => `regex used for validation is '${regExp}')`;

const dns = '[a-z0-9]([-a-z0-9]*[a-z0-9])?';
export const dnsLabel = `a lowercase RFC 1123 label must consist of lower case alphanumeric characters or '-', and must start and end with an alphanumeric character (e.g. 'my-name',  or '123-abc', ${pattern(dns)}`;
export const dnsSubdomain = `a lowercase RFC 1123 subdomain must consist of lower case alphanumeric characters, '-' or '.', and must start and end with an alphanumeric character (e.g. 'example.com', ${pattern(`${dns}(\\.${dns})*`)}`;
const underscored = '_?[a-z0-9]([-_a-z0-9]*[a-z0-9])?';
export const dnsSubdomainUnderscored = `a lowercase RFC 1123 subdomain must consist of lower case alphanumeric characters, '_', '-' or '.', and must start and end with an alphanumeric character (e.g. 'example.com', ${pattern(`${underscored}(\\.${underscored})*`)}`;
export const dns1035 = `a DNS-1035 label must consist of lower case alphanumeric characters or '-', start with an alphabetic character, and end with an alphanumeric character (e.g. 'my-name',  or 'abc-123', ${pattern('[a-z]([-a-z0-9]*[a-z0-9])?')}`;

const key = '([A-Za-z0-9][-A-Za-z0-9_.]*)?[A-Za-z0-9]';
const keyText = `must consist of alphanumeric characters, '-', '_' or '.', and must start and end with an alphanumeric character (e.g. 'MyName',  or 'my.name',  or '123-abc', ${pattern(key)}`;
export const namePart = `name part ${keyText}`;
export const tooManySlashes = `a valid label key ${keyText} with an optional DNS subdomain prefix and '/' (e.g. 'example.com/MyName')`;
export const labelValue = `a valid label must be an empty string or consist of alphanumeric characters, '-', '_' or '.', and must start and end with an alphanumeric character (e.g. 'MyValue',  or 'my_value',  or '12345', ${pattern(`(${key})?`)}`;
export const configKey = `a valid config key must consist of alphanumeric characters, '-', '_' or '.' (e.g. 'key.name',  or 'KEY_NAME',  or 'key-name', ${pattern('[-._a-zA-Z0-9]+')}`;
export const environmentName =
  "a valid environment variable name must consist only of printable ASCII characters other than '='";
export const headerName = `a valid HTTP header must consist of alphanumeric characters or '-' (e.g. 'X-Header-Name', ${pattern('[-A-Za-z0-9]+')}`;

export const negative = 'must be greater than or equal to 0';
export const notPositive = 'must be greater than zero';
export const port = 'must be between 1 and 65535, inclusive';
export const id = 'must be between 0 and 2147483647, inclusive';
export const mode = 'must be a number between 0 and 0777 (octal), both inclusive';
export const ip = 'must be a valid IP address, (e.g. 10.9.8.7 or 2001:db8::ffff)';
export const portCharacters = 'must contain only alpha-numeric characters (a-z, 0-9), and hyphens (-)';
export const portLetter = 'must contain at least one letter (a-z)';
export const valuesNeeded = "must be specified when `operator` is 'In' or 'NotIn'";
export const valuesForbidden = "may not be specified when `operator` is 'Exists' or 'DoesNotExist'";
export const notAnOperator = 'not a valid selector operator';
export const cidr = 'must be a valid CIDR value, (e.g. 10.9.8.0/24 or 2001:db8::/64)';
export const wildcard = `a wildcard DNS-1123 subdomain must start with '*.', followed by a valid DNS subdomain, which must consist of lower case alphanumeric characters, '-' or '.' and end with an alphanumeric character (e.g. '*.example.com', ${pattern(`\\*\\.${dns}(\\.${dns})*`)}`;
export const percent = `a valid percent string must be a numeric string followed by an ending '%' (e.g. '1%',  or '93%', ${pattern('[0-9]+%')}`;
