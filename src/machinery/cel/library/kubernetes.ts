/**
 * What Kubernetes adds to CEL. Source: https://kubernetes.io/docs/reference/using-api/cel/#kubernetes-cel-libraries and
 * k8s.io/apiserver/pkg/cel/library.
 */
import { BlockList, isIP, isIPv4 } from 'node:net';
import { Buffer } from 'node:buffer';
import {
  dns1035LabelComplaints,
  dns1123LabelComplaints,
  dns1123SubdomainComplaints,
  labelValueComplaints,
  qualifiedNameComplaints,
} from '../../names.ts';
import { compareQuantities, formatQuantity, parseQuantity, type Quantity } from '../../quantity.ts';
import { parseTimestamp } from '../../timestamp.ts';
import { chargeRegex, chargeText, patternOf } from './standard.ts';
import type { CallContext, Library } from '../functions.ts';
import {
  BuiltMap,
  CelError,
  celCompare,
  celEquals,
  Duration,
  Opaque,
  Optional,
  Uint,
  type CelValue,
} from '../values.ts';

type List = readonly CelValue[];

function extreme(list: List, sign: 1 | -1, name: string): CelValue {
  if (list.length === 0) throw new CelError(`${name} called on empty list`);
  return list.reduce((best, item) => {
    const order = celCompare(item, best);
    if (order === undefined) throw new CelError(`no such overload: ${name}`);
    return order * sign > 0 ? item : best;
  });
}

function sum(list: List): CelValue {
  const [first] = list;
  if (first === undefined) return 0n;
  return list.slice(1).reduce<CelValue>((total, item) => {
    if (typeof total === 'bigint' && typeof item === 'bigint') return total + item;
    if (typeof total === 'number' && typeof item === 'number') return total + item;
    if (total instanceof Uint && item instanceof Uint) return new Uint(total.value + item.value);
    if (total instanceof Duration && item instanceof Duration) return new Duration(total.nanos + item.nanos);
    throw new CelError('no such overload: sum');
  }, first);
}

const over =
  (call: (list: List, ...more: never[]) => CelValue) =>
  (context: CallContext, list: List, ...more: never[]) => {
    context.charge(list.length);
    return call(list, ...more);
  };

const lists: Library = {
  'list<A>.isSorted() bool': over((list) =>
    list.every((item, i) => {
      if (i === 0) return true;
      const order = celCompare(list[i - 1]!, item);
      if (order === undefined) throw new CelError('no such overload: isSorted');
      return order <= 0;
    }),
  ),
  'list<A>.sum() A': over(sum),
  'list<A>.min() A': over((list) => extreme(list, -1, 'min')),
  'list<A>.max() A': over((list) => extreme(list, 1, 'max')),
  'list<A>.indexOf(A) int': over((list, value: CelValue) => BigInt(list.findIndex((item) => celEquals(item, value)))),
  'list<A>.lastIndexOf(A) int': over((list, value: CelValue) =>
    BigInt(list.findLastIndex((item) => celEquals(item, value))),
  ),
  ':sets.contains(list<A>, list<A>) bool': ({ charge }, list: List, sub: List) => {
    charge(list.length * sub.length);
    return sub.every((item) => list.some((each) => celEquals(each, item)));
  },
  ':sets.equivalent(list<A>, list<A>) bool': ({ charge }, a: List, b: List) => {
    charge(2 * a.length * b.length);
    const within = (x: List, y: List) => x.every((item) => y.some((each) => celEquals(each, item)));
    return within(a, b) && within(b, a);
  },
  ':sets.intersects(list<A>, list<A>) bool': ({ charge }, a: List, b: List) => {
    charge(a.length * b.length);
    return a.some((item) => b.some((each) => celEquals(each, item)));
  },
};

const regex: Library = {
  'string.find(string) string': (context, text: string, pattern: string) => {
    chargeRegex(context, text, pattern);
    const matcher = patternOf(pattern).matcher(text);
    return matcher.find() ? (matcher.group() ?? '') : '';
  },
  'string.findAll(string) list<string>': (context, text: string, pattern: string) =>
    findAll(context, text, pattern, -1n),
  'string.findAll(string, int) list<string>': findAll,
};

function findAll(context: CallContext, text: string, pattern: string, limit: bigint): readonly string[] {
  chargeRegex(context, text, pattern);
  const matcher = patternOf(pattern).matcher(text);
  const found: string[] = [];
  while ((limit < 0n || BigInt(found.length) < limit) && matcher.find()) found.push(matcher.group() ?? '');
  return found;
}

/** A URL as Go's url.ParseRequestURI reads it: absolute, or a path. */
class Url extends Opaque {
  readonly typeName = 'kubernetes.URL';
  readonly scheme: string;
  readonly host: string;
  readonly path: string;
  readonly query: string;
  readonly text: string;

  constructor(text: string) {
    super();
    this.text = text;
    const match = /^(?:([a-zA-Z][a-zA-Z0-9+.-]*):\/\/([^/?#]*))?([^?#]*)(?:\?([^#]*))?$/.exec(text);
    const valid = match !== null && !/[\s<>"\\^`{|}]/.test(text) && (match[1] !== undefined || text.startsWith('/'));
    if (!valid)
      throw new CelError(
        `URL parse error during conversion from string: parse ${JSON.stringify(text)}: invalid URI for request`,
      );
    const [, scheme = '', host = '', path = '', query = ''] = match;
    if (/[^0-9]/.test(/:([^\]:]*)$/.exec(host)?.[1] ?? '')) {
      throw new CelError(`URL parse error during conversion from string: parse ${JSON.stringify(text)}: invalid port`);
    }
    this.scheme = scheme.toLowerCase();
    this.host = host.includes('@') ? host.slice(host.lastIndexOf('@') + 1) : host;
    this.path = path;
    this.query = query;
  }

  get hostname(): string {
    const bracket = /^\[([^\]]*)\]/.exec(this.host);
    return bracket?.[1] ?? this.host.replace(/:\d*$/, '');
  }

  get port(): string {
    return /:(\d*)$/.exec(this.host.replace(/^\[[^\]]*\]/, ''))?.[1] ?? '';
  }

  override equals(other: Opaque): boolean {
    return other instanceof Url && other.text === this.text;
  }
}

const parses = (make: () => unknown): boolean => {
  try {
    make();
    return true;
  } catch (error) {
    if (error instanceof CelError) return false;
    throw error;
  }
};

const urls: Library = {
  'url(string) kubernetes.URL': (context, text: string) => {
    chargeText(context, text);
    return new Url(text);
  },
  'isURL(string) bool': (context, text: string) => {
    chargeText(context, text);
    return parses(() => new Url(text));
  },
  'kubernetes.URL.getScheme() string': (_, url: Url) => url.scheme,
  'kubernetes.URL.getHost() string': (_, url: Url) => url.host,
  'kubernetes.URL.getHostname() string': (_, url: Url) => url.hostname,
  'kubernetes.URL.getPort() string': (_, url: Url) => url.port,
  'kubernetes.URL.getEscapedPath() string': (_, url: Url) => encodeURI(decodeURI(url.path)),
  'kubernetes.URL.getQuery() map<string, list<string>>': (_, url: Url) => {
    const map = new BuiltMap();
    const query = new URLSearchParams(url.query);
    for (const key of new Set(query.keys())) map.set(key, query.getAll(key));
    return map;
  },
};

/** An amount with its own format, compared by value. */
class Amount extends Opaque {
  readonly typeName = 'kubernetes.Quantity';
  readonly quantity: Quantity;

  constructor(quantity: Quantity) {
    super();
    this.quantity = quantity;
  }

  static parse(text: string): Amount {
    try {
      return new Amount(parseQuantity(text));
    } catch (error) {
      throw new CelError(error instanceof Error ? error.message : String(error));
    }
  }

  get text(): string {
    return formatQuantity(this.quantity);
  }

  compare(other: Opaque): number {
    return other instanceof Amount ? compareQuantities(this.text, other.text) : NaN;
  }

  override equals(other: Opaque): boolean {
    return other instanceof Amount && other.quantity.nanos === this.quantity.nanos;
  }

  plus(other: Amount | bigint, sign: 1n | -1n): Amount {
    const nanos = typeof other === 'bigint' ? other * 1_000_000_000n : other.quantity.nanos;
    return new Amount({ ...this.quantity, nanos: this.quantity.nanos + sign * nanos });
  }
}

const billion = 1_000_000_000n;
const order = (holds: (order: number) => boolean) => (_: CallContext, a: Amount, b: Amount) => holds(a.compare(b));
const quantities: Library = {
  'quantity(string) kubernetes.Quantity': (_, text: string) => Amount.parse(text),
  'isQuantity(string) bool': (_, text: string) => parses(() => Amount.parse(text)),
  'kubernetes.Quantity.sign() int': (_, { quantity: { nanos } }: Amount) => (nanos > 0n ? 1n : nanos < 0n ? -1n : 0n),
  'kubernetes.Quantity.isGreaterThan(kubernetes.Quantity) bool': order((sign) => sign > 0),
  'kubernetes.Quantity.isLessThan(kubernetes.Quantity) bool': order((sign) => sign < 0),
  'kubernetes.Quantity.compareTo(kubernetes.Quantity) int': (_, a: Amount, b: Amount) => BigInt(a.compare(b)),
  'kubernetes.Quantity.asApproximateFloat() double': (_, { quantity }: Amount) => Number(quantity.nanos) / 1e9,
  'kubernetes.Quantity.asInteger() int': (_, { quantity: { nanos } }: Amount) => {
    if (nanos % billion !== 0n) throw new CelError('cannot convert value to integer');
    return nanos / billion;
  },
  'kubernetes.Quantity.isInteger() bool': (_, { quantity: { nanos } }: Amount) => nanos % billion === 0n,
  'kubernetes.Quantity.add(kubernetes.Quantity) kubernetes.Quantity': (_, a: Amount, b: Amount) => a.plus(b, 1n),
  'kubernetes.Quantity.add(int) kubernetes.Quantity': (_, a: Amount, b: bigint) => a.plus(b, 1n),
  'kubernetes.Quantity.sub(kubernetes.Quantity) kubernetes.Quantity': (_, a: Amount, b: Amount) => a.plus(b, -1n),
  'kubernetes.Quantity.sub(int) kubernetes.Quantity': (_, a: Amount, b: bigint) => a.plus(b, -1n),
};

/** The shortest way to write an address. */
function canonical(address: string): string {
  if (isIPv4(address)) return address;
  return new URL(`http://[${address}]`).hostname.slice(1, -1);
}

class Ip extends Opaque {
  readonly typeName = 'net.IP';
  readonly text: string;

  constructor(text: string) {
    super();
    const mapped = /^::ffff:\d+\.\d+\.\d+\.\d+$/i.test(text);
    if (isIP(text) === 0 || text.includes('%') || mapped) {
      throw new CelError(
        mapped
          ? `IPv4-mapped IPv6 address ${JSON.stringify(text)} is not allowed`
          : `IP Address ${JSON.stringify(text)} parse error during conversion from string: ParseAddr(${JSON.stringify(text)}): unable to parse IP`,
      );
    }
    this.text = canonical(text);
  }

  get family(): 'ipv4' | 'ipv6' {
    return isIPv4(this.text) ? 'ipv4' : 'ipv6';
  }

  isIn(...subnets: readonly string[]): boolean {
    return subnets.some((subnet) => new Cidr(subnet).contains(this));
  }

  override equals(other: Opaque): boolean {
    return other instanceof Ip && other.text === this.text;
  }
}

class Cidr extends Opaque {
  readonly typeName = 'net.CIDR';
  readonly ip: Ip;
  readonly bits: number;

  constructor(text: string) {
    super();
    const [address = '', bits = '', ...rest] = text.split('/');
    const valid = rest.length === 0 && /^(0|[1-9]\d{0,2})$/.test(bits) && isIP(address) !== 0;
    if (!valid || Number(bits) > (isIPv4(address) ? 32 : 128)) {
      throw new CelError(
        `network address parse error during conversion from string: netip.ParsePrefix(${JSON.stringify(text)}): unable to parse`,
      );
    }
    this.ip = new Ip(address);
    this.bits = Number(bits);
  }

  contains(ip: Ip): boolean {
    if (ip.family !== this.ip.family) return false;
    const range = new BlockList();
    range.addSubnet(this.ip.text, this.bits, this.ip.family);
    return range.check(ip.text, ip.family);
  }

  get masked(): Cidr {
    const bytes = bytesOf(this.ip);
    const kept = bytes.map((byte, i) => byte & (0xff << Math.max(0, Math.min(8, 8 * (i + 1) - this.bits))) & 0xff);
    return new Cidr(`${textOf(kept)}/${this.bits}`);
  }

  override equals(other: Opaque): boolean {
    return other instanceof Cidr && other.bits === this.bits && other.ip.equals(this.ip);
  }
}

function bytesOf({ text, family }: Ip): readonly number[] {
  if (family === 'ipv4') return text.split('.').map(Number);
  const [head = '', tail] = text.split('::');
  const groups = (part: string | undefined) =>
    part === undefined || part === '' ? [] : part.split(':').map((each) => Number.parseInt(each, 16));
  const [first, last] = [groups(head), groups(tail)];
  const all =
    tail === undefined
      ? first
      : [...first, ...Array.from({ length: 8 - first.length - last.length }, () => 0), ...last];
  return all.flatMap((group) => [group >> 8, group & 0xff]);
}

function textOf(bytes: readonly number[]): string {
  if (bytes.length === 4) return bytes.join('.');
  return canonical(
    Buffer.from(bytes)
      .toString('hex')
      .replaceAll(/(....)(?=.)/g, '$1:'),
  );
}

const network: Library = {
  'ip(string) net.IP': (_, text: string) => new Ip(text),
  'ip(net.CIDR) net.IP': (_, cidr: Cidr) => cidr.ip,
  'isIP(string) bool': (_, text: string) => parses(() => new Ip(text)),
  ':ip.isCanonical(string) bool': (_, text: string) => new Ip(text).text === text,
  'net.IP.family() int': (_, ip: Ip) => (ip.family === 'ipv4' ? 4n : 6n),
  'net.IP.isUnspecified() bool': (_, { text }: Ip) => text === '0.0.0.0' || text === '::',
  'net.IP.isLoopback() bool': (_, ip: Ip) => ip.isIn('127.0.0.0/8', '::1/128'),
  'net.IP.isLinkLocalMulticast() bool': (_, ip: Ip) => ip.isIn('224.0.0.0/24', 'ff02::/16'),
  'net.IP.isLinkLocalUnicast() bool': (_, ip: Ip) => ip.isIn('169.254.0.0/16', 'fe80::/10'),
  'net.IP.isGlobalUnicast() bool': (_, ip: Ip) =>
    !ip.isIn(
      '0.0.0.0/32',
      '255.255.255.255/32',
      '::/128',
      '127.0.0.0/8',
      '::1/128',
      '224.0.0.0/4',
      'ff00::/8',
      '169.254.0.0/16',
      'fe80::/10',
    ),
  'cidr(string) net.CIDR': (_, text: string) => new Cidr(text),
  'isCIDR(string) bool': (_, text: string) => parses(() => new Cidr(text)),
  'net.CIDR.containsIP(net.IP) bool': (_, cidr: Cidr, ip: Ip) => cidr.contains(ip),
  'net.CIDR.containsIP(string) bool': (_, cidr: Cidr, ip: string) => cidr.contains(new Ip(ip)),
  'net.CIDR.containsCIDR(net.CIDR) bool': (_, cidr: Cidr, other: Cidr) =>
    other.bits >= cidr.bits && cidr.contains(other.ip),
  'net.CIDR.containsCIDR(string) bool': (_, cidr: Cidr, text: string) => {
    const other = new Cidr(text);
    return other.bits >= cidr.bits && cidr.contains(other.ip);
  },
  'net.CIDR.ip() net.IP': (_, cidr: Cidr) => cidr.ip,
  'net.CIDR.masked() net.CIDR': (_, cidr: Cidr) => cidr.masked,
  'net.CIDR.prefixLength() int': (_, cidr: Cidr) => BigInt(cidr.bits),
};
/** `string(ip)` and `string(cidr)`, beside the standard conversions. */
const networkText: Library = {
  'string(net.IP) string': (_, ip: Ip) => ip.text,
  'string(net.CIDR) string': (_, cidr: Cidr) => `${cidr.ip.text}/${cidr.bits}`,
};

/** A named format: `format.dns1123Label().validate(x)`. */
class Format extends Opaque {
  readonly typeName = 'kubernetes.NamedFormat';
  readonly complaintsOf: (text: string) => readonly string[];
  constructor(complaintsOf: (text: string) => readonly string[]) {
    super();
    this.complaintsOf = complaintsOf;
  }
}

const prefixed = (check: (text: string) => readonly string[]) => (text: string) =>
  check(text.endsWith('-') ? `${text.slice(0, -1)}a` : text);
const matching = (pattern: RegExp, complaint: string) => (text: string) => (pattern.test(text) ? [] : [complaint]);
const formats: Readonly<Record<string, (text: string) => readonly string[]>> = {
  dns1123Label: dns1123LabelComplaints,
  dns1123Subdomain: dns1123SubdomainComplaints,
  dns1035Label: dns1035LabelComplaints,
  qualifiedName: qualifiedNameComplaints,
  dns1123LabelPrefix: prefixed(dns1123LabelComplaints),
  dns1123SubdomainPrefix: prefixed(dns1123SubdomainComplaints),
  dns1035LabelPrefix: prefixed(dns1035LabelComplaints),
  labelValue: labelValueComplaints,
  uri: (text) => (parses(() => new Url(text)) ? [] : ['must be a valid URI']),
  uuid: matching(
    /^[0-9a-fA-F]{8}-[0-9a-fA-F]{4}-[0-9a-fA-F]{4}-[0-9a-fA-F]{4}-[0-9a-fA-F]{12}$/,
    'does not match the UUID format',
  ),
  byte: matching(/^(?:[A-Za-z0-9+/]{4})*(?:[A-Za-z0-9+/]{2}==|[A-Za-z0-9+/]{3}=)?$/, 'invalid base64'),
  date: (text) =>
    /^\d{4}-\d{2}-\d{2}$/.test(text) && parseTimestamp(`${text}T00:00:00Z`) !== undefined ? [] : ['invalid date'],
  datetime: (text) => (parseTimestamp(text) === undefined ? ['invalid datetime'] : []),
};

const named: Library = {
  ...Object.fromEntries(
    Object.entries(formats).map(([name, complaintsOf]) => [
      `:format.${name}() kubernetes.NamedFormat`,
      () => new Format(complaintsOf),
    ]),
  ),
  ':format.named(string) optional<kubernetes.NamedFormat>': (_, name: string) => {
    const complaintsOf = Object.hasOwn(formats, name) ? formats[name] : undefined;
    return new Optional(complaintsOf && new Format(complaintsOf));
  },
  'kubernetes.NamedFormat.validate(string) optional<list<string>>': (context, format: Format, text: string) => {
    chargeText(context, text);
    const complaints = format.complaintsOf(text);
    return new Optional(complaints.length === 0 ? undefined : complaints);
  },
};

/** https://semver.org; leniently, a leading `v` and missing parts are read too. */
class Semver extends Opaque {
  readonly typeName = 'kubernetes.Semver';
  readonly parts: readonly [bigint, bigint, bigint];
  readonly before: readonly string[];

  constructor(text: string, normalize: boolean) {
    super();
    const lenient = text
      .trim()
      .replace(/^v/, '')
      .replace(/^(\d+)(?:\.(\d+))?(?:\.(\d+))?(?=$|[-+])/, (_, a: string, b = '0', c = '0') =>
        [a, b, c].map((part) => part.replace(/^0+(?=\d)/, '')).join('.'),
      );
    const match =
      /^(0|[1-9]\d*)\.(0|[1-9]\d*)\.(0|[1-9]\d*)(?:-([0-9A-Za-z-]+(?:\.[0-9A-Za-z-]+)*))?(?:\+[0-9A-Za-z-]+(?:\.[0-9A-Za-z-]+)*)?$/.exec(
        normalize ? lenient : text,
      );
    const before = match?.[4]?.split('.') ?? [];
    if (match === null || text.length > 256 || before.some((part) => /^0\d+$/.test(part))) {
      throw new CelError(`No Major.Minor.Patch elements found`);
    }
    this.parts = [BigInt(match[1]!), BigInt(match[2]!), BigInt(match[3]!)];
    this.before = before;
  }

  compare(other: Opaque): number {
    if (!(other instanceof Semver)) return NaN;
    for (const i of [0, 1, 2] as const) {
      if (this.parts[i] !== other.parts[i]) return this.parts[i] < other.parts[i] ? -1 : 1;
    }
    const [mine, theirs] = [this.before, other.before];
    if (mine.length === 0 || theirs.length === 0) return Math.sign(theirs.length - mine.length);
    for (const [i, part] of mine.entries()) {
      const against = theirs[i];
      if (against === undefined) return 1;
      if (part === against) continue;
      const [x, y] = [/^\d+$/.test(part), /^\d+$/.test(against)];
      if (x && y) return BigInt(part) < BigInt(against) ? -1 : 1;
      if (x !== y) return x ? -1 : 1;
      return part < against ? -1 : 1;
    }
    return Math.sign(mine.length - theirs.length);
  }

  override equals(other: Opaque): boolean {
    return this.compare(other) === 0;
  }
}

const semvers: Library = {
  'semver(string) kubernetes.Semver': (_, text: string) => new Semver(text, false),
  'semver(string, bool) kubernetes.Semver': (_, text: string, normalize: boolean) => new Semver(text, normalize),
  'isSemver(string) bool': (_, text: string) => parses(() => new Semver(text, false)),
  'isSemver(string, bool) bool': (_, text: string, normalize: boolean) => parses(() => new Semver(text, normalize)),
  'kubernetes.Semver.major() int': (_, { parts }: Semver) => parts[0],
  'kubernetes.Semver.minor() int': (_, { parts }: Semver) => parts[1],
  'kubernetes.Semver.patch() int': (_, { parts }: Semver) => parts[2],
  'kubernetes.Semver.isLessThan(kubernetes.Semver) bool': (_, a: Semver, b: Semver) => a.compare(b) < 0,
  'kubernetes.Semver.isGreaterThan(kubernetes.Semver) bool': (_, a: Semver, b: Semver) => a.compare(b) > 0,
  'kubernetes.Semver.compareTo(kubernetes.Semver) int': (_, a: Semver, b: Semver) => BigInt(a.compare(b)),
};

/** Keys of a JSON pointer. Source: k8s.io/apiserver/pkg/cel/library (jsonpatch.go). */
const jsonPatch: Library = {
  ':jsonpatch.escapeKey(string) string': (context, text: string) => {
    chargeText(context, text);
    return text.replaceAll('~', '~0').replaceAll('/', '~1');
  },
};

export const kubernetesLibrary: Library = {
  ...lists,
  ...regex,
  ...urls,
  ...quantities,
  ...network,
  ...named,
  ...semvers,
  ...jsonPatch,
};
/** Overloads that must be looked at before the standard ones. */
export const kubernetesConversions: Library = networkText;
