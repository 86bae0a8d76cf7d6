// SPDX-License-Identifier: Apache-2.0
import { writeFileSync } from 'node:fs';
import { aesHeader } from './aes-header.js';

writeFileSync(new URL('../kernel/aes_tables.h', import.meta.url), aesHeader());
