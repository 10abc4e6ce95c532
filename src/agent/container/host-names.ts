import type { Pod } from '#api/core/pod.ts';

const hostnameLengthMax = 63;

/** The pod's short host name. */
export function hostnameOf({ metadata, spec }: Pod): string {
  const wanted =
    spec.hostnameOverride ?? (spec.hostname === undefined || spec.hostname === '' ? undefined : spec.hostname);
  return (wanted ?? metadata?.name ?? '').slice(0, hostnameLengthMax).replace(/[-.]+$/, '');
}

/** The pod's name in cluster DNS, if it has a subdomain. */
export function fqdnOf(pod: Pod, clusterDomain: string): string | undefined {
  const { subdomain } = pod.spec;
  if (subdomain === undefined || subdomain === '') return undefined;
  return `${hostnameOf(pod)}.${subdomain}.${pod.metadata?.namespace ?? ''}.svc.${clusterDomain}`;
}

/** The /etc/hosts that a pod's containers share; pods on the host's network start from the host's own. */
export function hostsFile(pod: Pod, podIps: readonly string[], clusterDomain: string, hostFile: string): string {
  const lines = ['# Kubernetes-managed hosts file.'];
  if (pod.spec.hostNetwork === true)
    lines.splice(0, 1, '# Kubernetes-managed hosts file (host network).', hostFile.trimEnd());
  else {
    lines.push('127.0.0.1\tlocalhost', '::1\tlocalhost ip6-localhost ip6-loopback');
    lines.push('fe00::\tip6-localnet', 'fe00::\tip6-mcastprefix', 'fe00::1\tip6-allnodes', 'fe00::2\tip6-allrouters');
    const fqdn = fqdnOf(pod, clusterDomain);
    for (const ip of podIps) lines.push(`${ip}\t${fqdn === undefined ? '' : `${fqdn}\t`}${hostnameOf(pod)}`);
  }
  const { hostAliases = [] } = pod.spec;
  if (hostAliases.length > 0) lines.push('', '# Entries added by HostAliases.');
  for (const { ip, hostnames = [] } of hostAliases) lines.push([ip, ...hostnames].join('\t'));
  return `${lines.join('\n')}\n`;
}
