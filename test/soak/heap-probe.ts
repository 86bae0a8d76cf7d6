// SPDX-License-Identifier: Apache-2.0
import { createServer } from 'node:net';
import { setFlagsFromString } from 'node:v8';
import { runInNewContext } from 'node:vm';

// Loaded into the sidecar before its program: whoever connects to the socket is told how many
// octets of JavaScript objects are left after a full collection. What grows there is a leak.
// Buffers are not among them: how many are under way at a moment is chance, and a leak of
// them shows in the resident memory.
setFlagsFromString('--expose-gc');
const collect: () => void = runInNewContext('gc');

const probe = createServer((asker) => {
  collect();
  asker.end(String(process.memoryUsage().heapUsed));
});
probe.listen(process.env.CIDECAR_SOAK_PROBE);
probe.unref();
