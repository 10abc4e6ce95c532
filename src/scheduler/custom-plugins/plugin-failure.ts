/** A plugin did not do what was asked of it: it threw, answered nonsense, took too long, or its thread is down. */
export class PluginFailure extends Error {
  override readonly name = 'PluginFailure';

  constructor(plugin: string, what: string, cause?: unknown) {
    super(`plugin "${plugin}": ${what}`, { cause });
  }
}
