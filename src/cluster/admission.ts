import { readFile } from 'node:fs/promises';
import path from 'node:path';
import { parsePodSecurityConfiguration } from '#apiserver/admission/pod-security/configuration.ts';
import type { PodSecurityOptions } from '#apiserver/admission/pod-security/pod-security.ts';
import { StartError } from './data-dir.ts';

/** As `tutti up` takes them; names and meanings are kube-apiserver's. */
export interface AdmissionFlags {
  /** An AdmissionConfiguration. */
  readonly configFile?: string | undefined;
  /** Plugins beyond those that are always on. */
  readonly enable?: readonly string[] | undefined;
}

/** What can be chosen of the admission plugins of a server. */
export interface AdmissionOptions {
  readonly podSecurity?: PodSecurityOptions;
  /** OwnerReferencesPermissionEnforcement. */
  readonly ownerPermissions?: boolean;
}

export const optionalPlugins = ['OwnerReferencesPermissionEnforcement'] as const;

/** Reads what was asked for. Throws StartError for a file that cannot be used. */
export async function admissionOptions({ configFile, enable = [] }: AdmissionFlags): Promise<AdmissionOptions> {
  const options = { ownerPermissions: enable.includes('OwnerReferencesPermissionEnforcement') };
  if (configFile === undefined) return options;
  try {
    return { ...options, podSecurity: await podSecurityOf(configFile) };
  } catch (error) {
    throw new StartError(
      `The admission configuration ${configFile} cannot be used: ${(error as Error).message}.`,
      error,
    );
  }
}

interface PluginConfiguration {
  readonly name?: string;
  readonly configuration?: unknown;
  /** Of another file, beside this one. */
  readonly path?: string;
}

async function podSecurityOf(file: string): Promise<PodSecurityOptions> {
  const value = (await readYaml(file)) as { readonly kind?: string; readonly plugins?: readonly PluginConfiguration[] };
  if (value.kind !== 'AdmissionConfiguration') throw new Error('it is no AdmissionConfiguration');
  let found: PodSecurityOptions = {};
  for (const { name, configuration, path: other } of value.plugins ?? []) {
    if (name !== 'PodSecurity') throw new Error(`plugin "${name ?? ''}" takes no configuration here, PodSecurity does`);
    const written = configuration ?? (await readYaml(path.resolve(path.dirname(file), other ?? '')));
    found = parsePodSecurityConfiguration(written);
  }
  return found;
}

async function readYaml(file: string): Promise<unknown> {
  const { parseYaml } = await import('#machinery/yaml.ts'); // loaded by those alone who have such a file
  const { value } = parseYaml(await readFile(file));
  if (typeof value !== 'object' || value === null) throw new Error(`${file} holds no object`);
  return value;
}
