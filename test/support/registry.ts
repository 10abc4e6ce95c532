import { createHash } from 'node:crypto';
import { once } from 'node:events';
import { createServer } from 'node:http';
import { mkdtempSync, readdirSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { layerOfDirectory, writeImageArchive, type ImageConfig } from '#agent/image-archive.ts';
import { run } from './command.ts';

interface Blob {
  readonly bytes: Buffer;
  readonly type: string;
}

/**
 * A read-only registry on loopback: enough of the OCI distribution specification for a container runtime to pull
 * from. With `credentials` (`user:password`) it serves nobody else.
 */
export class Registry implements AsyncDisposable {
  readonly #blobs = new Map<string, Blob>();
  readonly #tags = new Map<string, string>();
  readonly #credentials: string | undefined;
  /** Paths that were served, in order. */
  readonly served: string[] = [];
  readonly #server = createServer((request, response) => {
    const { url = '/', headers, method } = request;
    if (this.#credentials !== undefined) {
      const expected = `Basic ${Buffer.from(this.#credentials).toString('base64')}`;
      if (headers.authorization !== expected) {
        response.writeHead(401, { 'www-authenticate': 'Basic realm="registry"' }).end();
        return;
      }
    }
    const [, name = '', sort = '', reference = ''] = /^\/v2\/(.+)\/(manifests|blobs)\/([^/]+)$/.exec(url) ?? [];
    const digest = sort === 'manifests' ? (this.#tags.get(`${name}:${reference}`) ?? reference) : reference;
    const blob = this.#blobs.get(digest);
    if (url === '/v2/') response.writeHead(200).end();
    else if (blob === undefined)
      response.writeHead(404, { 'content-type': 'application/json' }).end('{"errors":[{"code":"MANIFEST_UNKNOWN"}]}');
    else {
      this.served.push(url);
      response.writeHead(200, {
        'content-type': blob.type,
        'content-length': blob.bytes.length,
        'docker-content-digest': digest,
      });
      response.end(method === 'HEAD' ? undefined : blob.bytes);
    }
  });

  private constructor(credentials: string | undefined) {
    this.#credentials = credentials;
  }

  static async start(credentials?: string): Promise<Registry> {
    const registry = new Registry(credentials);
    registry.#server.listen(0, '127.0.0.1');
    await once(registry.#server, 'listening');
    return registry;
  }

  /** `127.0.0.1:PORT`: what goes in front of an image's name. */
  get host(): string {
    const address = this.#server.address();
    if (typeof address !== 'object' || address === null) throw new Error('The registry does not listen');
    return `127.0.0.1:${address.port}`;
  }

  /** Makes the files of a directory available as `name:tag`. */
  async push(name: string, tag: string, dir: string, config: ImageConfig): Promise<void> {
    const scratch = mkdtempSync(path.join(tmpdir(), 'tutti-registry-'));
    try {
      const archive = path.join(scratch, 'image.tar');
      await writeImageArchive(`${name}:${tag}`, await layerOfDirectory(dir), config, archive);
      await run('tar', ['-xf', archive, '-C', scratch]);
      const blobs = path.join(scratch, 'blobs', 'sha256');
      for (const hex of readdirSync(blobs)) {
        const bytes = readFileSync(path.join(blobs, hex));
        this.#blobs.set(`sha256:${hex}`, { bytes, type: 'application/octet-stream' });
      }
      const index = JSON.parse(readFileSync(path.join(scratch, 'index.json'), 'utf8')) as {
        manifests: { digest: string; mediaType: string }[];
      };
      const [manifest] = index.manifests;
      const bytes = this.#blobs.get(manifest?.digest ?? '')?.bytes;
      if (manifest === undefined || bytes === undefined) throw new Error('The archive has no manifest');
      const digest = `sha256:${createHash('sha256').update(bytes).digest('hex')}`;
      this.#blobs.set(digest, { bytes, type: manifest.mediaType });
      this.#tags.set(`${name}:${tag}`, digest);
    } finally {
      rmSync(scratch, { recursive: true, force: true });
    }
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#server.closeAllConnections();
    this.#server.close();
    await once(this.#server, 'close');
  }
}
