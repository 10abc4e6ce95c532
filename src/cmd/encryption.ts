import type { Command } from 'commander';
import { encryptionPath, type EncryptionStatus, type Rotation } from '#cluster/encryption.ts';
import { connect } from './connect.ts';
import { dataDirOption, outputOption, type DataDirOptions } from './options.ts';
import { table } from './terminal.ts';

const statusMsMax = 60_000;
/** The server itself gives a request a minute; whatever is left then is gone on with by the next call. */
const rotateMsMax = 65_000;

type Options = DataDirOptions & { readonly output?: string };

async function call(dataDir: string, method: 'GET' | 'POST', path: string, msMax: number): Promise<unknown> {
  await using client = await connect(dataDir);
  return await client.raw(method, path, { signal: AbortSignal.timeout(msMax) });
}

async function status({ dataDir, output }: Options): Promise<void> {
  const found = (await call(dataDir, 'GET', encryptionPath, statusMsMax)) as EncryptionStatus;
  if (output === 'json') {
    process.stdout.write(`${JSON.stringify(found)}\n`);
    return;
  }
  const rows = found.values.map(({ prefix, plain, sealed, unreadable }) => [
    prefix,
    Object.entries(sealed)
      .map(([key, count]) => `${count} (${key})`)
      .join(', ') || '0',
    `${plain}`,
    `${unreadable}`,
  ]);
  process.stdout.write(
    `keys     ${found.keys.join(', ')}\nfile     ${found.file}\n` +
      (found.rewriting ? 'rotation not complete: "tutti encryption rotate" goes on with it\n' : '') +
      `\n${table(['VALUES UNDER', 'ENCRYPTED', 'IN THE CLEAR', 'UNREADABLE'], rows)}`,
  );
}

async function rotate({ dataDir, output }: Options): Promise<void> {
  const done = (await call(dataDir, 'POST', `${encryptionPath}/rotate`, rotateMsMax)) as Rotation;
  if (output === 'json') {
    process.stdout.write(`${JSON.stringify(done)}\n`);
    return;
  }
  process.stdout.write(
    `${done.rewritten} values rewritten${done.key === undefined ? ' in the clear' : ` with key ${done.key}`}.\n`,
  );
  if (done.unreadable.length > 0) {
    process.stdout.write(
      `Left alone, because they cannot be read:\n${done.unreadable.map((key) => `  ${key}\n`).join('')}`,
    );
  }
}

export function registerEncryption(program: Command): void {
  const encryption = program.command('encryption').description('encryption at rest: what is encrypted, and new keys');
  encryption
    .command('status')
    .description('show the keys, and how many values lie under each')
    .addOption(dataDirOption())
    .addOption(outputOption())
    .action(status);
  encryption
    .command('rotate')
    .description('make a new key and bring every value under it; interrupted, simply run it again')
    .addOption(dataDirOption())
    .addOption(outputOption())
    .action(rotate);
}
