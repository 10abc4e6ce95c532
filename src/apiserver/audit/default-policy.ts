/**
 * What is audited unless a policy says otherwise: who changed what, and who reached into a pod, without any content.
 * Leases and Events are left out: they are the cluster talking to itself, many times a minute, and change nothing else.
 */
export const defaultPolicy = {
  apiVersion: 'audit.k8s.io/v1',
  kind: 'Policy',
  omitStages: ['RequestReceived', 'ResponseStarted'],
  rules: [
    {
      level: 'None',
      userGroups: ['system:nodes', 'system:serviceaccounts:kube-system'],
      resources: [
        { group: 'coordination.k8s.io', resources: ['leases'] },
        { group: '', resources: ['events'] },
        { group: 'events.k8s.io', resources: ['events'] },
      ],
    },
    {
      level: 'Metadata',
      resources: [
        {
          group: '',
          resources: ['pods/exec', 'pods/attach', 'pods/portforward', 'pods/proxy', 'services/proxy', 'nodes/proxy'],
        },
      ],
    },
    { level: 'Metadata', verbs: ['create', 'update', 'patch', 'delete', 'deletecollection', 'post', 'put'] },
  ],
} as const;
