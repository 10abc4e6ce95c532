/**
 * Patterns in Go's syntax, matched in linear time: whoever may create a definition must not be able to hold up the
 * server with a pattern and a text that fit each other badly. The engine is loaded with the first pattern.
 */
import { createRequire } from 'node:module';
import type * as re2 from 're2js';

/** Patterns kept compiled at most. */
const patternsMax = 1_000;

const require = createRequire(import.meta.url);
const compiled = new Map<string, re2.RE2JS>();

/** Throws an Error that says what is wrong with the pattern, in Go's words. */
export function patternOf(text: string): re2.RE2JS {
  let pattern = compiled.get(text);
  if (pattern !== undefined) return pattern;
  const engine = require('re2js') as typeof re2;
  pattern = engine.RE2JS.compile(text);
  if (compiled.size >= patternsMax) compiled.delete(compiled.keys().next().value!);
  compiled.set(text, pattern);
  return pattern;
}

/** True if the pattern occurs anywhere in `text`; false for a pattern that cannot be read. */
export function containsPattern(pattern: string, text: string): boolean {
  try {
    return patternOf(pattern).matcher(text).find();
  } catch {
    return false;
  }
}
