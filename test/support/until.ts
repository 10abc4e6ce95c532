const pollMs = 50;

/** Asks again and again until `condition` gives something other than undefined or false; fails after `timeoutMs`. */
export async function until<T>(
  what: string,
  condition: () => Promise<T | undefined | false> | T | undefined | false,
  timeoutMs = 30_000,
): Promise<T> {
  const end = performance.now() + timeoutMs;
  let failure: unknown;
  for (;;) {
    try {
      const value = await condition();
      if (value !== undefined && value !== false) return value;
      failure = undefined;
    } catch (error) {
      failure = error;
    }
    if (performance.now() > end) throw new Error(`Not within ${timeoutMs} ms: ${what}`, { cause: failure });
    await new Promise((resolve) => setTimeout(resolve, pollMs));
  }
}
