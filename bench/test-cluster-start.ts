/** Starts one in-process cluster in a fresh process; prints how long loading the code and starting took. */
const begin = performance.now();
const { startCluster } = await import('#cluster/test-cluster.ts');
const loaded = performance.now();
const cluster = await startCluster({ nodes: 3 });
const started = performance.now();
await cluster[Symbol.asyncDispose]();
console.log(JSON.stringify({ importMs: loaded - begin, startMs: started - loaded }));
