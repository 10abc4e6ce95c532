import assert from 'node:assert/strict';
import { generateKeyPairSync, X509Certificate } from 'node:crypto';
import { mkdir, readFile } from 'node:fs/promises';
import { isIP } from 'node:net';
import { hostname, networkInterfaces } from 'node:os';
import { join } from 'node:path';
import type { Clock } from '#lib/clock.ts';
import { agentClientUser, nodeGroup, nodeUser } from '#client/identities.ts';
import { writeFileAtomically } from '#lib/atomic-file.ts';
import {
  belongsTogether,
  type CertificateRequest,
  type CertificateUse,
  type Credential,
  type SignRequest,
} from '#lib/x509.ts';
import {
  issueHere,
  issueInChild,
  signHere,
  signInChild,
  type Issue,
  type Issued,
  type IssueJob,
  type SignJob,
} from './issue-certificates.ts';

/**
 * The cluster's identities: one authority, and what it has signed. Everything is PEM text, so it can go into TLS
 * options, files and kubeconfigs alike.
 */
export interface Pki {
  /** The authority's certificate: what every client and server of the cluster trusts. */
  readonly authority: string;
  /** The API server's serving certificate. */
  readonly server: Credential;
  readonly admin: Credential;
  readonly scheduler: Credential;
  readonly controllerManager: Credential;
  /** What the API server shows to agents. */
  readonly agentClient: Credential;
  /** The authority for front proxies alone, and what the API server shows to those it stands in front of. */
  readonly frontProxy: { readonly authority: string; readonly client: Credential };
  /** ES256 private key that signs service-account tokens. */
  readonly serviceAccountKey: string;
  /** A node's own identity, for both ends of TLS; made on the first call and kept. */
  node(name: string, hosts: readonly string[]): Promise<Credential>;
  /** A certificate (PEM) for somebody else's key, by the authority and never for longer than it lasts itself. */
  sign(request: SignRequest): Promise<string>;
}

const day = 24 * 3_600_000;
const authorityLifetimeMs = 3650 * day;
const leafLifetimeMs = 365 * day;
/** Certificates start in the past, for machines whose clock is behind. */
const backdateMs = 3_600_000;

/** Interfaces that come and go with containers: nobody calls an API server by their addresses. */
const containerInterface = /^(lo|veth|cni|br-|docker|tutti|flannel|vxlan|kube|cali|cilium|virbr)/;

/** Names and addresses under which clients reach an API server on this machine. */
export function serverHosts(options: { serviceIp?: string; extra?: readonly string[] } = {}): readonly string[] {
  const addresses = Object.entries(networkInterfaces())
    .filter(([name]) => !containerInterface.test(name))
    .flatMap(([, entries]) => entries ?? [])
    .filter(({ address }) => !address.startsWith('fe80:'))
    .map(({ address }) => address);
  return [
    ...new Set([
      'kubernetes',
      'kubernetes.default',
      'kubernetes.default.svc',
      'kubernetes.default.svc.cluster.local',
      'localhost',
      hostname(),
      '127.0.0.1',
      '::1',
      options.serviceIp ?? '10.96.0.1',
      ...addresses,
      ...(options.extra ?? []),
    ]),
  ];
}

interface Leaf {
  readonly file: string;
  readonly use: CertificateUse;
  readonly commonName: string;
  readonly organizations?: readonly string[];
  readonly hosts?: readonly string[];
}

/** Where credentials are kept. Reading what is not there gives undefined. */
interface Shelf {
  read(file: string): Promise<string | undefined>;
  write(file: string, content: string): Promise<void>;
}

export interface PkiOptions {
  readonly clock: Clock;
  /** What the server's certificate must be valid for; see `serverHosts()`. */
  readonly hosts: readonly string[];
  /** Nodes whose identities are made along with the rest; others follow when `Pki.node()` asks for them. */
  readonly nodes?: readonly { readonly name: string; readonly hosts: readonly string[] }[];
  /** Who signs; a child process unless given. */
  readonly issue?: Issue;
}

/**
 * Loads the identities under `dataDir/pki`, making what is missing. A certificate is made anew if it is in the last
 * third of its life, lacks a host it needs, or was not signed by the authority; the authority itself is never
 * replaced, because that would lock everybody out: an expired or damaged one is an error that says what to do.
 * Files are readable by their owner only and replaced atomically.
 */
export async function openPki(dataDir: string, options: PkiOptions): Promise<Pki> {
  const folder = join(dataDir, 'pki');
  await mkdir(folder, { recursive: true, mode: 0o700 });
  return assemble(
    folder,
    { issue: issueInChild, sign: signInChild, ...options },
    {
      read: (file) =>
        readFile(join(folder, file), 'utf8').catch((error: NodeJS.ErrnoException) => {
          if (error.code === 'ENOENT') return undefined;
          throw error;
        }),
      write: (file, content) => writeFileAtomically(join(folder, file), content),
    },
  );
}

/** The same without files, for clusters that live inside a process. */
export function ephemeralPki(options: PkiOptions): Promise<Pki> {
  const files = new Map<string, string>();
  return assemble(
    'memory',
    { issue: issueHere, sign: signHere, ...options },
    {
      read: async (file) => files.get(file),
      write: async (file, content) => void files.set(file, content),
    },
  );
}

async function assemble(
  where: string,
  options: PkiOptions & { readonly issue: Issue; readonly sign: (job: SignJob) => Promise<string> },
  shelf: Shelf,
): Promise<Pki> {
  const { clock, issue, sign, hosts, nodes = [] } = options;
  const leaves = [
    { file: 'apiserver', use: 'server', commonName: 'kube-apiserver', hosts },
    { file: 'admin', use: 'client', commonName: 'kubernetes-admin', organizations: ['system:masters'] },
    { file: 'scheduler', use: 'client', commonName: 'system:kube-scheduler' },
    { file: 'controller-manager', use: 'client', commonName: 'system:kube-controller-manager' },
    { file: 'apiserver-kubelet-client', use: 'client', commonName: agentClientUser },
    ...nodes.map(({ name, hosts: own }) => nodeLeaf(name, own)),
  ] as const satisfies readonly Leaf[];
  const stored = await loadAuthority(where, clock, shelf);
  const front = await openFrontProxy(clock, issue, shelf);
  const { authority, credentials } = await openLeaves(stored, leaves, clock, front.issueAlong, shelf);
  const [server, admin, scheduler, controllerManager, agentClient] = credentials as readonly Credential[] &
    readonly [Credential, Credential, Credential, Credential, Credential];
  return {
    authority: authority.certificate,
    server,
    admin,
    scheduler,
    controllerManager,
    agentClient,
    frontProxy: await front.open(),
    serviceAccountKey: await openServiceAccountKey(shelf),
    node: async (name, nodeHosts) => {
      const [credential] = (await openLeaves(authority, [nodeLeaf(name, nodeHosts)], clock, issue, shelf)).credentials;
      assert(credential !== undefined);
      return credential;
    },
    sign: (request) => {
      const expiry = new X509Certificate(authority.certificate).validToDate.getTime();
      return sign({ authority, sign: { ...request, notAfter: Math.min(request.notAfter, expiry) } });
    },
  };
}

const frontProxyLeaf: Leaf = { file: 'front-proxy-client', use: 'client', commonName: 'front-proxy-client' };

/**
 * The second authority, whose certificates say "believe what I tell you about the caller": it must never be the one that
 * signs users. What is missing is made along with the rest where something else is made anyway, so that a first start
 * runs one child process. Unlike the first authority it is replaced when it is damaged: nobody else keeps it.
 */
async function openFrontProxy(clock: Clock, issue: Issue, shelf: Shelf) {
  const now = clock.now();
  const [certificate, key] = await Promise.all([shelf.read('front-proxy-ca.crt'), shelf.read('front-proxy-ca.key')]);
  const stored =
    certificate !== undefined && key !== undefined && isSound({ certificate, key }, certificate)
      ? { certificate, key }
      : undefined;
  const leaf = await loadLeaf(frontProxyLeaf, stored, now, shelf);
  const job: IssueJob | undefined =
    stored !== undefined && leaf !== undefined
      ? undefined
      : {
          authority: stored ?? {
            use: 'authority',
            commonName: 'tutti-front-proxy-ca',
            notBefore: now - backdateMs,
            notAfter: now + authorityLifetimeMs,
          },
          requests: [{ ...frontProxyLeaf, notBefore: now - backdateMs, notAfter: now + leafLifetimeMs }],
        };
  let made: Issued | undefined;
  return {
    issueAlong: async (other: IssueJob): Promise<Issued> => {
      const issued = await issue(job === undefined || made !== undefined ? other : { ...other, also: job });
      made ??= issued.also;
      return issued;
    },
    async open(): Promise<Pki['frontProxy']> {
      if (job === undefined) return { authority: stored!.certificate, client: leaf! };
      made ??= await issue(job);
      const [client] = made.credentials;
      assert(client !== undefined);
      if (stored === undefined) await store(shelf, 'front-proxy-ca', made.authority);
      await store(shelf, frontProxyLeaf.file, client);
      return { authority: made.authority.certificate, client };
    },
  };
}

function nodeLeaf(name: string, hosts: readonly string[]): Leaf {
  return {
    file: `node-${nodeFileName(name)}`,
    use: 'peer',
    commonName: nodeUser(name),
    organizations: [nodeGroup],
    hosts: [name, ...hosts],
  };
}

/** Node names are DNS subdomains; anything else must not reach the file system. */
function nodeFileName(name: string): string {
  if (!/^[a-z0-9]([-a-z0-9.]*[a-z0-9])?$/.test(name) || name.includes('..') || name.length > 253) {
    throw new Error(`Cannot make a certificate for node ${JSON.stringify(name)}: its name is no DNS subdomain`);
  }
  return name;
}

/** Undefined if there has never been one. */
async function loadAuthority(where: string, clock: Clock, shelf: Shelf): Promise<Credential | undefined> {
  const [certificate, key] = await Promise.all([shelf.read('ca.crt'), shelf.read('ca.key')]);
  // Without a server certificate nothing was ever signed: a first start that was interrupted begins again.
  if (certificate === undefined && (await shelf.read('apiserver.crt')) === undefined) return undefined;
  const remedy = `restore ${where} from a backup, or move the folder away to start with a new authority (every kubeconfig and node then needs new credentials)`;
  if (certificate === undefined || key === undefined) {
    throw new Error(
      `The cluster's authority is incomplete: ca.${key === undefined ? 'key' : 'crt'} is missing; ${remedy}`,
    );
  }
  const credential = { certificate, key };
  if (!isSound(credential, certificate)) {
    throw new Error(`The cluster's authority is damaged: ca.crt and ca.key do not belong together; ${remedy}`);
  }
  const expiry = new X509Certificate(certificate).validToDate;
  if (expiry.getTime() <= clock.now()) {
    throw new Error(`The cluster's authority expired on ${expiry.toISOString()}; ${remedy}`);
  }
  return credential;
}

/** The credentials of `leaves`, in their order; those that are missing or no longer good are made, all at once. */
async function openLeaves(
  stored: Credential | undefined,
  leaves: readonly Leaf[],
  clock: Clock,
  issue: Issue,
  shelf: Shelf,
): Promise<{ readonly authority: Credential; readonly credentials: readonly Credential[] }> {
  const now = clock.now();
  const found = await Promise.all(leaves.map((leaf) => loadLeaf(leaf, stored, now, shelf)));
  const missing = leaves.filter((_, index) => found[index] === undefined);
  if (stored !== undefined && missing.length === 0) {
    return { authority: stored, credentials: found.filter((credential) => credential !== undefined) };
  }
  const expiry = stored === undefined ? Infinity : new X509Certificate(stored.certificate).validToDate.getTime();
  const authorityRequest: CertificateRequest = {
    use: 'authority',
    commonName: 'tutti-ca',
    notBefore: now - backdateMs,
    notAfter: now + authorityLifetimeMs,
  };
  const { authority, credentials } = await issue({
    authority: stored ?? authorityRequest,
    requests: missing.map((leaf) => ({
      ...leaf,
      notBefore: now - backdateMs,
      notAfter: Math.min(now + leafLifetimeMs, expiry),
    })),
  });
  if (stored === undefined) await store(shelf, 'ca', authority);
  const made = new Map(missing.map((leaf, index) => [leaf, credentials[index]]));
  await Promise.all(missing.map((leaf) => store(shelf, leaf.file, made.get(leaf))));
  const all = leaves.map((leaf, index) => found[index] ?? made.get(leaf));
  return { authority, credentials: all.filter((credential) => credential !== undefined) };
}

async function loadLeaf(
  leaf: Leaf,
  authority: Credential | undefined,
  now: number,
  shelf: Shelf,
): Promise<Credential | undefined> {
  if (authority === undefined) return undefined;
  const [certificate, key] = await Promise.all([shelf.read(`${leaf.file}.crt`), shelf.read(`${leaf.file}.key`)]);
  if (certificate === undefined || key === undefined) return undefined;
  const credential = { certificate, key };
  return isSound(credential, authority.certificate) && isCurrent(certificate, leaf, now) ? credential : undefined;
}

/** True if the certificate has more than a third of its life left and is good for every host of `leaf`. */
export function isCurrent(certificate: string, leaf: Pick<Leaf, 'commonName' | 'hosts'>, now: number): boolean {
  const parsed = new X509Certificate(certificate);
  const [from, until] = [parsed.validFromDate.getTime(), parsed.validToDate.getTime()];
  return (
    now >= from &&
    until - now > (until - from) / 3 &&
    parsed.toLegacyObject().subject.CN === leaf.commonName &&
    (leaf.hosts ?? []).every(
      (host) => (isIP(host) === 0 ? parsed.checkHost(host, { wildcards: false }) : parsed.checkIP(host)) !== undefined,
    )
  );
}

function isSound(credential: Credential, authority: string): boolean {
  try {
    return belongsTogether(credential, authority);
  } catch {
    return false; // not PEM at all: a torn copy or an editor's accident
  }
}

/** The key goes first: a certificate without its key would look like an accident on the next start. */
async function store(shelf: Shelf, file: string, credential: Credential | undefined): Promise<void> {
  assert(credential !== undefined, `no certificate was made for ${file}`);
  const { certificate, key } = credential;
  await shelf.write(`${file}.key`, key);
  await shelf.write(`${file}.crt`, certificate);
}

async function openServiceAccountKey(shelf: Shelf): Promise<string> {
  const stored = await shelf.read('service-account.key');
  if (stored !== undefined) return stored;
  const { privateKey } = generateKeyPairSync('ec', { namedCurve: 'P-256' });
  const pem = privateKey.export({ type: 'pkcs8', format: 'pem' }).toString();
  await shelf.write('service-account.key', pem);
  return pem;
}
