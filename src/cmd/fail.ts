import { styleText } from 'node:util';

/** A failure that the user can mend: printed without a stack, with what to do next. */
export class UsageError extends Error {
  readonly fix: string;
  constructor(message: string, fix: string) {
    super(message);
    this.name = 'UsageError';
    this.fix = fix;
  }
}

/** One line of what failed, one of what to do; a stack only for what should never happen. */
export function explain(error: unknown): string {
  const cross = styleText('red', '✗', { stream: process.stderr });
  if (error instanceof UsageError) return `${cross} ${error.message}\n  → ${error.fix}\n`;
  if (error instanceof Error) {
    const isExpected = error.name === 'StartError' || error.name === 'StatusError' || error.name === 'StoreUnavailable';
    return isExpected ? `${cross} ${error.message}\n` : `${cross} ${error.stack ?? error.message}\n`;
  }
  return `${cross} ${String(error)}\n`;
}
