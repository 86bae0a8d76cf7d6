// SPDX-License-Identifier: Apache-2.0
import { createServer } from 'node:net';
import { setFlagsFromString } from 'node:v8';
import { runInNewContext } from 'node:vm';

// This is loaded into the sidecar before its program. Each connection to the socket gets the
// number of octets of JavaScript objects after a full collection. If it grows, there is a leak.
// Buffers are not counted: how many are under way at a moment is chance, and a leak of buffers
// shows in the resident memory.
setFlagsFromString('--expose-gc');
const collect: () => void = runInNewContext('gc');

const probe = createServer((asker) => {
  collect();
  asker.end(String(process.memoryUsage().heapUsed));
});
probe.listen(process.env.CIDECAR_SOAK_PROBE);
probe.unref();
