/** The process behind `issueInChild()`: reads a job from stdin, writes what was issued to stdout. */
import { json } from 'node:stream/consumers';
import { issueHere, type IssueJob } from './issue-certificates.ts';

process.stdout.write(JSON.stringify(await issueHere((await json(process.stdin)) as IssueJob)));
