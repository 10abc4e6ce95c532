import { generateKeyPairSync, X509Certificate } from 'node:crypto';
import { mkdir, readFile } from 'node:fs/promises';
import { isIP } from 'node:net';
import { hostname, networkInterfaces } from 'node:os';
import { join } from 'node:path';
import type { Clock } from '#lib/clock.ts';
import { agentClientUser, nodeGroup, nodeUser } from '#client/identities.ts';
import { writeFileAtomically } from '#lib/atomic-file.ts';
import { belongsTogether, issueCertificate, type CertificateUse, type Credential } from '#lib/x509.ts';

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
  /** ES256 private key that signs service-account tokens. */
  readonly serviceAccountKey: string;
  /** A node's own identity, for both ends of TLS; made on the first call and kept. */
  node(name: string, hosts: readonly string[]): Promise<Credential>;
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
  return assemble(folder, options, {
    read: (file) =>
      readFile(join(folder, file), 'utf8').catch((error: NodeJS.ErrnoException) => {
        if (error.code === 'ENOENT') return undefined;
        throw error;
      }),
    write: (file, content) => writeFileAtomically(join(folder, file), content),
  });
}

/** The same without files, for clusters that live inside a process. */
export function ephemeralPki(options: PkiOptions): Promise<Pki> {
  const files = new Map<string, string>();
  return assemble('memory', options, {
    read: async (file) => files.get(file),
    write: async (file, content) => void files.set(file, content),
  });
}

async function assemble(where: string, { clock, hosts }: PkiOptions, shelf: Shelf): Promise<Pki> {
  const authority = await openAuthority(where, clock, shelf);
  const open = (leaf: Leaf) => openLeaf(leaf, authority, clock, shelf);
  const client = (file: string, commonName: string, organization?: string) =>
    open({ file, use: 'client', commonName, ...(organization === undefined ? {} : { organizations: [organization] }) });
  return {
    authority: authority.certificate,
    server: await open({ file: 'apiserver', use: 'server', commonName: 'kube-apiserver', hosts }),
    admin: await client('admin', 'kubernetes-admin', 'system:masters'),
    scheduler: await client('scheduler', 'system:kube-scheduler'),
    controllerManager: await client('controller-manager', 'system:kube-controller-manager'),
    agentClient: await client('apiserver-kubelet-client', agentClientUser),
    serviceAccountKey: await openServiceAccountKey(shelf),
    node: async (name, nodeHosts) =>
      open({
        file: `node-${nodeFileName(name)}`,
        use: 'peer',
        commonName: nodeUser(name),
        organizations: [nodeGroup],
        hosts: [name, ...nodeHosts],
      }),
  };
}

/** Node names are DNS subdomains; anything else must not reach the file system. */
function nodeFileName(name: string): string {
  if (!/^[a-z0-9]([-a-z0-9.]*[a-z0-9])?$/.test(name) || name.includes('..') || name.length > 253) {
    throw new Error(`Cannot make a certificate for node ${JSON.stringify(name)}: its name is no DNS subdomain`);
  }
  return name;
}

async function openAuthority(where: string, clock: Clock, shelf: Shelf): Promise<Credential> {
  const [certificate, key] = await Promise.all([shelf.read('ca.crt'), shelf.read('ca.key')]);
  // Without a server certificate nothing was ever signed: a first start that was interrupted begins again.
  const unused = certificate === undefined && (await shelf.read('apiserver.crt')) === undefined;
  if (unused) {
    const made = await issueCertificate({
      use: 'authority',
      commonName: 'tutti-ca',
      notBefore: clock.now() - backdateMs,
      notAfter: clock.now() + authorityLifetimeMs,
    });
    await store(shelf, 'ca', made);
    return made;
  }
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

async function openLeaf(leaf: Leaf, authority: Credential, clock: Clock, shelf: Shelf): Promise<Credential> {
  const [certificate, key] = await Promise.all([shelf.read(`${leaf.file}.crt`), shelf.read(`${leaf.file}.key`)]);
  if (certificate !== undefined && key !== undefined) {
    const credential = { certificate, key };
    if (isSound(credential, authority.certificate) && isCurrent(certificate, leaf, clock.now())) return credential;
  }
  const made = await issueCertificate(
    {
      ...leaf,
      notBefore: clock.now() - backdateMs,
      notAfter: Math.min(
        clock.now() + leafLifetimeMs,
        new X509Certificate(authority.certificate).validToDate.getTime(),
      ),
    },
    authority,
  );
  await store(shelf, leaf.file, made);
  return made;
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
async function store(shelf: Shelf, file: string, { certificate, key }: Credential): Promise<void> {
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
