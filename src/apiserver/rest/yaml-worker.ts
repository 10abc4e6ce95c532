import { formatJson } from '#machinery/json.ts';
import { parentPort } from 'node:worker_threads';
import { parseYaml } from '#machinery/yaml.ts';
import { StatusError } from '#machinery/status-error.ts';
import type { YamlReply } from './yaml-thread.ts';

/** The thread that reads YAML bodies. Values go back as JSON: that is quicker to take in than a copy of every node. */
parentPort?.on('message', (body: Uint8Array) => {
  parentPort?.postMessage(answerTo(body));
});

function answerTo(body: Uint8Array): YamlReply {
  try {
    const { value, duplicates } = parseYaml(body);
    return { is: 'parsed', json: formatJson(value), duplicates };
  } catch (error) {
    return error instanceof StatusError
      ? { is: 'refused', status: error.toStatus() }
      : { is: 'failed', message: error instanceof Error ? error.message : String(error) };
  }
}
