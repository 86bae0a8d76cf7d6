// SPDX-License-Identifier: Apache-2.0
export * from './errors.js';
export * from './secret.js';
export * from './types.js';
