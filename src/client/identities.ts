/** The user as whom API servers come to agents; agents let nobody else in. */
export const agentClientUser = 'kube-apiserver-kubelet-client';

/** The user and group of an agent: the same certificate proves it as a client and as a server. */
export const nodeGroup = 'system:nodes';
export const nodeUser = (name: string): string => `system:node:${name}`;

/** Where an agent listens unless its Node says otherwise: the kubelet's port. */
export const agentPort = 10250;
