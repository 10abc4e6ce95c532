import { closeSync, fstatSync, mkdirSync, openSync, renameSync, writeSync } from 'node:fs';
import path from 'node:path';
import { pino, type Logger } from 'pino';
import type { Log } from '#lib/log.ts';
import { redactFields, redactText } from '#lib/redact.ts';

/** A log file that has grown beyond this is put aside as `NAME.1`, and the one before it goes. */
const logBytesMax = 20 * 1024 * 1024;

/** Lines to a file that rotates; a full disk loses lines, never the process. */
class RotatingFile {
  readonly #file: string;
  #fd: number;
  #size: number;

  constructor(file: string) {
    mkdirSync(path.dirname(file), { recursive: true, mode: 0o700 });
    this.#file = file;
    this.#fd = openSync(file, 'a', 0o600);
    this.#size = fstatSync(this.#fd).size;
  }

  write(line: string): void {
    try {
      if (this.#size > logBytesMax) {
        renameSync(this.#file, `${this.#file}.1`);
        closeSync(this.#fd);
        this.#fd = openSync(this.#file, 'a', 0o600);
        this.#size = 0;
      }
      this.#size += writeSync(this.#fd, line);
    } catch {
      // There is nobody left to tell.
    }
  }
}

/** pino has the object first and the message second. */
function logOn(logger: Logger): Log {
  return {
    debug: (message, fields) => logger.debug(fields ?? {}, message),
    info: (message, fields) => logger.info(fields ?? {}, message),
    warn: (message, fields) => logger.warn(fields ?? {}, message),
    error: (message, fields) => logger.error(fields ?? {}, message),
    child: (fields) => logOn(logger.child(fields)),
  };
}

export type LogLevel = 'debug' | 'info' | 'warn' | 'error';

/** A logger that writes JSON lines to `file`. */
export function fileLog(file: string, level: LogLevel): Log {
  const out = new RotatingFile(file);
  return logOn(
    pino(
      {
        level,
        base: null,
        timestamp: pino.stdTimeFunctions.isoTime,
        serializers: { error: pino.stdSerializers.err },
        formatters: { level: (label) => ({ level: label }), log: redactFields },
      },
      // Once more as text: what stands in messages, errors and their stacks has no names to go by.
      { write: (line) => out.write(redactText(line)) },
    ),
  );
}
