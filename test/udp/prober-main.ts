// SPDX-License-Identifier: Apache-2.0
import { serveParent } from '../netns/worker.js';
import { type ProbeRequest, probe } from './prober.js';

serveParent({ probe: (request: ProbeRequest) => probe(request) });
