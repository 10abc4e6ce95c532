import assert from 'node:assert/strict';
import { once } from 'node:events';
import { createRequire } from 'node:module';
import path from 'node:path';
import { PassThrough, type Duplex } from 'node:stream';
import { after, before, describe, test } from 'node:test';
import { unless } from './support/needs.ts';
import { Tutti } from './support/tutti.ts';

/** The part of dockerode that is used here; it comes without types. */
interface DockerodeContainer {
  readonly id: string;
  start(): Promise<unknown>;
  wait(): Promise<{ StatusCode: number }>;
  remove(options?: object): Promise<unknown>;
  logs(options: object): Promise<Buffer | NodeJS.ReadableStream>;
  inspect(): Promise<{ State: { Status: string } }>;
  exec(options: object): Promise<{ start(options: object): Promise<Duplex>; inspect(): Promise<{ ExitCode: number }> }>;
}
interface DockerodeClient {
  run(
    image: string,
    command: string[],
    output: unknown,
    options: object,
  ): Promise<[{ StatusCode: number }, DockerodeContainer]>;
  createContainer(options: object): Promise<DockerodeContainer>;
  listContainers(options?: object): Promise<{ Id: string; Names: string[] }[]>;
  readonly modem: { demuxStream(from: NodeJS.ReadableStream, out: PassThrough, err: PassThrough): void };
}
const Dockerode = createRequire(import.meta.url)('dockerode') as new (options: {
  socketPath: string;
}) => DockerodeClient;

const image = 'dockerode-test:1';

function collector(): PassThrough & { text(): string } {
  const chunks: Buffer[] = [];
  const stream = new PassThrough();
  stream.on('data', (chunk: Buffer) => chunks.push(chunk));
  return Object.assign(stream, { text: () => Buffer.concat(chunks).toString() });
}

describe('dockerode on a cluster', { skip: unless('root', 'containerd', 'cni', 'nft') }, () => {
  let tutti: Tutti;
  let docker: DockerodeClient;
  before(async () => {
    tutti = await Tutti.up(['--dialect', 'docker']);
    await tutti.busyboxImage(image);
    docker = new Dockerode({ socketPath: path.join(tutti.dataDir, 'docker.sock') });
  });
  after(async () => tutti?.[Symbol.asyncDispose]());

  test('run() shows the output and gives the exit code', async () => {
    const [out, err] = [collector(), collector()];
    const [{ StatusCode }, container] = await docker.run(image, ['sh', '-c', 'echo out; echo err >&2; exit 2'], [out, err], { Tty: false }); // prettier-ignore
    assert.deepEqual([StatusCode, out.text(), err.text()], [2, 'out\n', 'err\n']);
    await container.remove();
    const terminal = collector();
    const [ended, other] = await docker.run(image, ['echo', 'on a terminal'], terminal, {
      HostConfig: { AutoRemove: false },
    });
    assert.deepEqual([ended.StatusCode, terminal.text()], [0, 'on a terminal\r\n']);
    await other.remove();
  });

  test('exec, with and without a hijacked connection, and logs', async () => {
    const container = await docker.createContainer({
      Image: image,
      Cmd: ['sh', '-c', 'echo hello; exec sleep 1000'],
      name: 'ode',
    });
    await container.start();
    for (const hijack of [true, false]) {
      const exec = await container.exec({
        Cmd: ['sh', '-c', 'echo o; echo e >&2; exit 6'],
        AttachStdout: true,
        AttachStderr: true,
      });
      const stream = await exec.start({ hijack });
      const [out, err] = [collector(), collector()];
      docker.modem.demuxStream(stream, out, err);
      await once(stream, 'end');
      assert.deepEqual([out.text(), err.text(), (await exec.inspect()).ExitCode], ['o\n', 'e\n', 6]);
    }
    const exec = await container.exec({ Cmd: ['cat'], AttachStdin: true, AttachStdout: true });
    const stream = await exec.start({ hijack: true, stdin: true });
    const [out, err] = [collector(), collector()];
    docker.modem.demuxStream(stream, out, err);
    stream.end('typed');
    await once(stream, 'end');
    assert.equal(out.text(), 'typed');
    const logs = await container.logs({ stdout: true, stderr: true });
    assert.equal((logs as Buffer).subarray(8).toString(), 'hello\n');
    assert.deepEqual((await docker.listContainers()).map(({ Names }) => Names), [['/ode']]); // prettier-ignore
    const waiting = container.wait();
    await container.remove({ force: true });
    assert.equal((await waiting).StatusCode, 137);
    assert.deepEqual(await docker.listContainers({ all: true }), []);
  });
});
