import { closeSync, fstatSync, mkdirSync, openSync, readdirSync, renameSync, rmSync, writeSync } from 'node:fs';
import path from 'node:path';
import type { Clock } from '#lib/clock.ts';
import type { AuditBackend } from './auditor.ts';

export interface AuditLogOptions {
  readonly file: string;
  /** Megabytes of a file, above which it is put aside. */
  readonly maxSizeMb: number;
  /** Files put aside that are kept; 0 keeps all. */
  readonly maxBackups: number;
  /** Days for which they are kept; 0 is for ever. */
  readonly maxAgeDays: number;
  readonly clock: Clock;
  /** Told when lines are lost: a full disk, say. */
  readonly onError?: (error: unknown) => void;
}

const dayMs = 24 * 3_600_000;

/**
 * JSON lines in a file that rotates. The lines of one turn of the event loop go out in one write, so that thousands of
 * requests a second cost little and a killed server loses at most those of its last turn.
 */
export class AuditLogFile implements AuditBackend {
  readonly #options: AuditLogOptions;
  #fd: number;
  #size: number;
  #lines: string[] = [];
  #errors = 0;

  /** Throws what opening the file fails with. */
  constructor(options: AuditLogOptions) {
    this.#options = options;
    mkdirSync(path.dirname(options.file), { recursive: true, mode: 0o700 });
    this.#fd = openSync(options.file, 'a', 0o600);
    this.#size = fstatSync(this.#fd).size;
  }

  get errors(): number {
    return this.#errors;
  }

  write(line: string): void {
    if (this.#lines.push(line) === 1) setImmediate(() => this.flush());
  }

  /** Writes what has gathered. */
  flush(): void {
    const lines = this.#lines;
    if (lines.length === 0) return;
    this.#lines = [];
    const bytes = Buffer.from(`${lines.join('\n')}\n`);
    try {
      if (this.#size > 0 && this.#size + bytes.length > this.#options.maxSizeMb * 1024 * 1024) this.#rotate();
      for (let written = 0; written < bytes.length;) written += writeSync(this.#fd, bytes, written);
      this.#size += bytes.length;
    } catch (error) {
      this.#errors += lines.length;
      this.#options.onError?.(error);
    }
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.flush();
    closeSync(this.#fd);
  }

  #rotate(): void {
    const { file, clock } = this.#options;
    const { dir, name, ext } = path.parse(file);
    const stamp = new Date(clock.now()).toISOString().replaceAll(':', '-').slice(0, -1);
    let aside = path.join(dir, `${name}-${stamp}${ext}`);
    for (let n = 1; this.#backups().includes(path.basename(aside)); n++)
      aside = path.join(dir, `${name}-${stamp}.${n}${ext}`);
    renameSync(file, aside);
    closeSync(this.#fd);
    this.#fd = openSync(file, 'a', 0o600);
    this.#size = 0;
    this.#prune();
  }

  /** Names of the files put aside, the oldest first. */
  #backups(): readonly string[] {
    const { dir, name, ext } = path.parse(this.#options.file);
    return readdirSync(dir)
      .filter((each) => each.startsWith(`${name}-`) && each.endsWith(ext))
      .filter((each) => /^\d{4}-\d\d-\d\dT[\d.-]+$/.test(each.slice(name.length + 1, each.length - ext.length)))
      .toSorted();
  }

  #prune(): void {
    const { file, maxBackups, maxAgeDays, clock } = this.#options;
    const { dir, name } = path.parse(file);
    const backups = this.#backups();
    const oldest = new Date(clock.now() - maxAgeDays * dayMs).toISOString().slice(0, 10);
    const kept = maxBackups === 0 ? backups : backups.slice(-maxBackups);
    for (const each of backups) {
      const isOld = maxAgeDays > 0 && each.slice(name.length + 1, name.length + 11) < oldest;
      if (isOld || !kept.includes(each)) rmSync(path.join(dir, each), { force: true });
    }
  }
}
