import { styleText } from 'node:util';

/** Where a command writes to, and whether it may redraw lines there. */
export interface Terminal {
  readonly isInteractive: boolean;
  readonly write: (text: string) => void;
}

export const standardOutput: Terminal = {
  isInteractive: process.stdout.isTTY && process.env['TERM'] !== 'dumb',
  write: (text) => void process.stdout.write(text),
};

const frames = ['⠋', '⠙', '⠹', '⠸', '⠼', '⠴', '⠦', '⠧', '⠇', '⠏'];
const frameMs = 80;

export const duration = (ms: number): string => (ms < 1000 ? `${Math.round(ms)} ms` : `${(ms / 1000).toFixed(1)} s`);

/**
 * Runs one step of a longer job and shows how it goes: a turning mark with the newest detail while it runs, then a
 * tick or a cross with the time it took. Without a terminal, one line a step.
 */
export async function step<T>(
  terminal: Terminal,
  title: string,
  work: (detail: (text: string) => void) => Promise<T>,
): Promise<T> {
  const start = performance.now();
  let detail = '';
  let frame = 0;
  const line = (mark: string, rest: string) => `${terminal.isInteractive ? '\r\u001b[2K' : ''}${mark} ${title}${rest}`;
  const draw = () =>
    terminal.write(
      line(styleText('cyan', frames[frame++ % frames.length]!), styleText('dim', detail === '' ? '' : `  ${detail}`)),
    );
  const timer = terminal.isInteractive ? setInterval(draw, frameMs) : undefined;
  if (terminal.isInteractive) draw();
  try {
    const result = await work((text) => {
      detail = text;
    });
    const note = detail === '' ? '' : `${detail}, `;
    terminal.write(
      `${line(styleText('green', '✔'), styleText('dim', `  ${note}${duration(performance.now() - start)}`))}\n`,
    );
    return result;
  } catch (error) {
    terminal.write(`${line(styleText('red', '✗'), styleText('dim', `  ${duration(performance.now() - start)}`))}\n`);
    throw error;
  } finally {
    clearInterval(timer);
  }
}

/** Columns as kubectl prints them: two spaces or more between, the last one ragged. */
export function table(header: readonly string[], rows: readonly (readonly string[])[]): string {
  const widths = header.map((title, i) => Math.max(title.length, ...rows.map((row) => (row[i] ?? '').length)));
  const line = (cells: readonly string[]) =>
    cells.map((cell, i) => (i === cells.length - 1 ? cell : cell.padEnd(widths[i]! + 3))).join('');
  return `${[header, ...rows].map(line).join('\n')}\n`;
}
