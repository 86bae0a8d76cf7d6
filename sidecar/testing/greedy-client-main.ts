// SPDX-License-Identifier: Apache-2.0
import { credentials } from '@grpc/grpc-js';
import { SidecarServiceClient } from '../../proto/gen/cidecar/v1/sidecar.js';

// A client in a process of its own, which a test can stop. It takes all the CIDs that it can get.
// Its arguments are the socket and the number of streams.

const [socket = '', streams = '1'] = process.argv.slice(2);
const client = new SidecarServiceClient(`unix:${socket}`, credentials.createInsecure());
let served = 0;
for (let i = 0; i < Number(streams); i++) {
  const stream = client.issueStream();
  let fresh = true;
  stream.on('error', () => {});
  stream.on('data', ({ event }) => {
    if (event?.$case !== 'batch') return;
    stream.write({ credit: event.value.count, acknowledgedGeneration: 0 });
    if (fresh) served += 1;
    fresh = false;
    if (served === Number(streams)) process.stdout.write('served\n');
  });
  stream.write({ credit: 65_536, acknowledgedGeneration: 0 });
}
