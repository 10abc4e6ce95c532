/** What the npm package offers to programs: a whole cluster in the caller's process. */
export { startCluster } from './cluster/test-cluster.ts';
export type { Served, TestCluster, TestClusterOptions } from './cluster/test-cluster.ts';
export type {
  PluginBindCall,
  PluginCall,
  PluginNode,
  SchedulerPlugin,
  SchedulerPluginExport,
} from './scheduler/custom-plugins/scheduler-plugin.ts';
