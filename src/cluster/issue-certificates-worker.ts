/** The process behind `issueInChild()`: reads a job from stdin, writes what was issued to stdout. */
import { json } from 'node:stream/consumers';
import { issueHere, signHere, type IssueJob, type SignJob } from './issue-certificates.ts';

const job = (await json(process.stdin)) as IssueJob | SignJob;
process.stdout.write(JSON.stringify('sign' in job ? await signHere(job) : await issueHere(job)));
