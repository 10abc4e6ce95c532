/** Services and Endpoints: kubernetes pkg/apis/core/validation (validateService, ValidateServiceUpdate, ValidateEndpoints). */
import { Endpoints } from '#api/core/endpoints.ts';
import { Service } from '#api/core/service.ts';
import { bad, type RecordTable } from './record.ts';
import * as words from './words.ts';

const spec = (change: object) => ({ spec: change });
const port = (change: object) => spec({ ports: [{ port: 80, ...change }] });
const onlyBalancers = "Forbidden: may only be used when `type` is 'LoadBalancer'";
const subset = (change: object) => ({ subsets: [{ addresses: [{ ip: '10.1.2.3' }], ...change }] });

export const serviceRecords: readonly RecordTable[] = [
  {
    kind: Service,
    operation: 'create',
    object: { metadata: { name: 'web' }, spec: { ports: [{ port: 80 }], selector: { app: 'web' } } },
    records: [
      bad('validateService', spec({ ports: null }), 'spec.ports: Required value'),
      bad(
        'validateServicePort',
        spec({ ports: [{ port: 80 }, { port: 81 }] }),
        'spec.ports[0].name: Required value',
        'spec.ports[1].name: Required value',
      ),
      bad(
        'validateServicePort',
        port({ name: 'Http' }),
        `spec.ports[0].name: Invalid value: "Http": ${words.dnsLabel}`,
      ),
      bad(
        'validateServicePort',
        spec({
          ports: [
            { name: 'a', port: 80 },
            { name: 'a', port: 81 },
          ],
        }),
        'spec.ports[1].name: Duplicate value: "a"',
      ),
      bad(
        'validateServicePort',
        port({ port: 70_000, targetPort: 80 }),
        `spec.ports[0].port: Invalid value: 70000: ${words.port}`,
      ),
      bad(
        'validateServicePort',
        port({ port: 0 }),
        `spec.ports[0].port: Invalid value: 0: ${words.port}`,
        `spec.ports[0].targetPort: Invalid value: 0: ${words.port}`,
      ),
      bad(
        'validateServicePort',
        port({ protocol: 'ICMP' }),
        'spec.ports[0].protocol: Unsupported value: "ICMP": supported values: "SCTP", "TCP", "UDP"',
      ),
      bad(
        'ValidatePortNumOrName',
        port({ targetPort: 'Http' }),
        `spec.ports[0].targetPort: Invalid value: "Http": ${words.portCharacters}`,
      ),
      bad(
        'validateServicePort',
        port({ appProtocol: 'a b' }),
        `spec.ports[0].appProtocol: Invalid value: "a b": ${words.namePart}`,
      ),
      {
        source: 'validateService',
        change: spec({
          ports: [
            { name: 'a', port: 80 },
            { name: 'b', port: 80 },
          ],
        }),
        causes: [
          'spec.ports[1]: Duplicate value: {"Name":"","Protocol":"TCP","AppProtocol":null,"Port":80,"TargetPort":0,"NodePort":0}',
        ],
        deviation: {
          why: 'upstream quotes a struct of its own, with the names that its fields have in Go',
          causes: ['spec.ports[1]: Duplicate value: {"protocol":"TCP","port":80}'],
        },
      },
      bad('ValidateLabels', spec({ selector: { a: '-' } }), `spec.selector: Invalid value: "-": ${words.labelValue}`),
      bad(
        'validateService',
        spec({ sessionAffinity: 'Sticky' }),
        'spec.sessionAffinity: Unsupported value: "Sticky": supported values: "ClientIP", "None"',
      ),
      bad(
        'validateAffinityTimeout',
        spec({ sessionAffinity: 'ClientIP', sessionAffinityConfig: { clientIP: { timeoutSeconds: 0 } } }),
        'spec.sessionAffinityConfig.clientIP.timeoutSeconds: Invalid value: 0: must be greater than 0 and less than 86400',
      ),
      bad(
        'validateService',
        spec({ type: 'Any' }),
        'spec.type: Unsupported value: "Any": supported values: "ClusterIP", "ExternalName", "LoadBalancer", "NodePort"',
      ),
      bad('validateService', spec({ type: 'ExternalName' }), 'spec.externalName: Required value'),
      bad(
        'validateService',
        spec({ type: 'ExternalName', externalName: 'a_b' }),
        `spec.externalName: Invalid value: "a_b": ${words.dnsSubdomain}`,
      ),
      bad(
        'validateService',
        port({ nodePort: 30_100 }),
        "spec.ports[0].nodePort: Forbidden: may not be used when `type` is 'ClusterIP'",
      ),
      bad(
        'Allocators.initNodePorts',
        spec({ type: 'NodePort', ports: [{ port: 80, nodePort: 80 }] }),
        'spec.ports[0].nodePort: Invalid value: 80: provided port is not in the valid range. The range of valid ports is 30000-32767',
      ),
      bad(
        'validateService',
        spec({ loadBalancerSourceRanges: ['10.0.0.0/8'] }),
        `spec.LoadBalancerSourceRanges: ${onlyBalancers}`,
      ),
      bad(
        'IsValidCIDRForLegacyField',
        spec({ type: 'LoadBalancer', loadBalancerSourceRanges: ['10.0.0.0'] }),
        `spec.LoadBalancerSourceRanges[0]: Invalid value: "10.0.0.0": ${words.cidr}`,
      ),
      bad(
        'validateLoadBalancerClassField',
        spec({ loadBalancerClass: 'a' }),
        `spec.loadBalancerClass: ${onlyBalancers}`,
      ),
      bad(
        'validateLoadBalancerClassField',
        spec({ type: 'LoadBalancer', loadBalancerClass: 'a b' }),
        `spec.loadBalancerClass: Invalid value: "a b": ${words.namePart}`,
      ),
      bad(
        'validateService',
        spec({ allocateLoadBalancerNodePorts: true }),
        `spec.allocateLoadBalancerNodePorts: ${onlyBalancers}`,
      ),
      bad(
        'validateServiceExternalTrafficPolicy',
        spec({ externalTrafficPolicy: 'Local' }),
        'spec.externalTrafficPolicy: Invalid value: "Local": may only be set for externally-accessible services',
      ),
      bad(
        'validateServiceExternalTrafficPolicy',
        spec({ type: 'NodePort', externalTrafficPolicy: 'Far' }),
        'spec.externalTrafficPolicy: Unsupported value: "Far": supported values: "Cluster", "Local"',
      ),
      bad(
        'validateServiceExternalTrafficPolicy',
        spec({ healthCheckNodePort: 30_000 }),
        "spec.healthCheckNodePort: Invalid value: 30000: may only be set when `type` is 'LoadBalancer' and `externalTrafficPolicy` is 'Local'",
      ),
      bad(
        'validateServiceInternalTrafficFieldsValue',
        spec({ internalTrafficPolicy: 'Far' }),
        'spec.internalTrafficPolicy: Unsupported value: "Far": supported values: "Cluster", "Local"',
      ),
      bad(
        'validateServiceTrafficDistribution',
        spec({ trafficDistribution: 'Near' }),
        'spec.trafficDistribution: Unsupported value: "Near": supported values: "PreferClose", "PreferSameZone", "PreferSameNode"',
      ),
      bad(
        'IsValidIPForLegacyField',
        spec({ externalIPs: ['x'] }),
        `spec.externalIPs[0]: Invalid value: "x": ${words.ip}`,
      ),
      bad(
        'ValidateEndpointIP',
        spec({ externalIPs: ['127.0.0.1'] }),
        'spec.externalIPs[0]: Invalid value: "127.0.0.1": may not be in the loopback range (127.0.0.0/8, ::1/128)',
      ),
      bad(
        'validateService',
        spec({ type: 'NodePort', clusterIP: 'None' }),
        `spec.clusterIPs[0]: Invalid value: "None": may not be set to 'None' for NodePort services`,
      ),
      bad(
        'ValidateServiceClusterIPsRelatedFields',
        spec({ clusterIP: 'x' }),
        `spec.clusterIPs[0]: Invalid value: "x": ${words.ip}`,
      ),
      bad(
        'ValidateServiceClusterIPsRelatedFields',
        spec({ clusterIP: '10.96.0.40', clusterIPs: ['10.96.0.41'] }),
        'spec.clusterIPs: Invalid value: ["10.96.0.41"]: first value must match `clusterIP`',
      ),
      bad(
        'ValidateServiceClusterIPsRelatedFields',
        spec({ ipFamilies: ['IPv5'] }),
        'spec.ipFamilies[0]: Unsupported value: "IPv5": supported values: "IPv4", "IPv6"',
      ),
      bad(
        'ValidateServiceClusterIPsRelatedFields',
        spec({ ipFamilyPolicy: 'Dual' }),
        'spec.ipFamilyPolicy: Unsupported value: "Dual": supported values: "PreferDualStack", "RequireDualStack", "SingleStack"',
      ),
    ],
  },
  {
    kind: Service,
    operation: 'update',
    object: {
      metadata: { name: 'there' },
      spec: { type: 'LoadBalancer', ports: [{ port: 80 }], clusterIP: '10.96.0.50', loadBalancerClass: 'a/b' },
    },
    records: [
      bad(
        'validateUpgradeDowngradeClusterIPs',
        spec({ clusterIP: '10.96.0.99' }),
        'spec.clusterIPs[0]: Invalid value: ["10.96.0.99"]: may not change once set',
      ),
      bad(
        'validateLoadBalancerClassField',
        spec({ loadBalancerClass: 'c/d' }),
        'spec.loadBalancerClass: Invalid value: "c/d": may not change once set',
      ),
      bad('validateService', spec({ ports: [] }), 'spec.ports: Required value'),
    ],
  },
  {
    kind: Endpoints,
    operation: 'create',
    object: { metadata: { name: 'web' }, subsets: [{ addresses: [{ ip: '10.1.2.3' }], ports: [{ port: 80 }] }] },
    records: [
      bad(
        'validateEndpointSubsets',
        subset({ addresses: [] }),
        'subsets[0]: Required value: must specify `addresses` or `notReadyAddresses`',
      ),
      bad(
        'validateEndpointAddress',
        subset({ addresses: [{ ip: 'x' }] }),
        `subsets[0].addresses[0].ip: Invalid value: "x": ${words.ip}`,
        'subsets[0].addresses[0].ip: Invalid value: "x": must be a valid IP address',
      ),
      bad(
        'ValidateEndpointIP',
        subset({ notReadyAddresses: [{ ip: '169.254.1.1' }] }),
        'subsets[0].notReadyAddresses[0].ip: Invalid value: "169.254.1.1": may not be in the link-local range (169.254.0.0/16, fe80::/10)',
      ),
      bad(
        'validateEndpointAddress',
        subset({ addresses: [{ ip: '10.1.2.3', hostname: 'A' }] }),
        `subsets[0].addresses[0].hostname: Invalid value: "A": ${words.dnsLabel}`,
      ),
      bad(
        'validateEndpointPort',
        subset({ ports: [{ port: 80 }, { name: 'b', port: 81 }] }),
        'subsets[0].ports[0].name: Required value',
      ),
      bad(
        'validateEndpointPort',
        subset({ ports: [{ port: 0, protocol: 'ICMP' }] }),
        `subsets[0].ports[0].port: Invalid value: 0: ${words.port}`,
        'subsets[0].ports[0].protocol: Unsupported value: "ICMP": supported values: "SCTP", "TCP", "UDP"',
      ),
    ],
  },
];
