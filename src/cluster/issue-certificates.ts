import { execFile } from 'node:child_process';
import { fileURLToPath } from 'node:url';
import {
  issueCertificate,
  signCertificate,
  type CertificateRequest,
  type Credential,
  type SignRequest,
} from '#lib/x509.ts';

/** What to sign, and by whom: an authority that is there, or one to be made first. */
export interface IssueJob {
  readonly authority: Credential | CertificateRequest;
  readonly requests: readonly CertificateRequest[];
  /** What another authority is to sign on this occasion. */
  readonly also?: IssueJob;
}

export interface Issued {
  readonly authority: Credential;
  readonly credentials: readonly Credential[];
  readonly also?: Issued;
}

export type Issue = (job: IssueJob) => Promise<Issued>;

/** Signs in this process. */
export async function issueHere({ authority: given, requests, also }: IssueJob): Promise<Issued> {
  const authority = 'certificate' in given ? given : await issueCertificate(given);
  const credentials: Credential[] = [];
  for (const request of requests) credentials.push(await issueCertificate(request, authority));
  return { authority, credentials, ...(also === undefined ? {} : { also: await issueHere(also) }) };
}

/** A certificate for a key that somebody else has. */
export interface SignJob {
  readonly authority: Credential;
  readonly sign: SignRequest;
}

/** The certificate as PEM, signed in this process. */
export const signHere = ({ authority, sign }: SignJob): Promise<string> => signCertificate(sign, authority);

const childMsMax = 30_000;
const replyBytesMax = 16 * 1024 * 1024;

/**
 * Signs in a process of its own that lives for a moment: the X.509 library keeps 25 to 40 MB, which a server that
 * needs it once a year should not hold. Keys travel through pipes, never through arguments or files.
 */
export const issueInChild = (job: IssueJob): Promise<Issued> => inChild<Issued>(job);

/** The same for a certificate whose key is somebody else's. */
export const signInChild = (job: SignJob): Promise<string> => inChild<string>(job);

function inChild<T>(job: IssueJob | SignJob): Promise<T> {
  const file = import.meta.url.endsWith('.ts') ? './issue-certificates-worker.ts' : './issue-certificates-worker.js';
  const program = fileURLToPath(new URL(file, import.meta.url));
  return new Promise((resolve, reject) => {
    const options = { timeout: childMsMax, maxBuffer: replyBytesMax };
    const child = execFile(process.execPath, [program], options, (error, stdout, stderr) => {
      if (error !== null)
        return reject(new Error(`Cannot make certificates: ${stderr.trim() || error.message}`, { cause: error }));
      resolve(JSON.parse(stdout) as T);
    });
    child.stdin?.on('error', () => {}); // the exit code tells
    child.stdin?.end(JSON.stringify(job));
  });
}
