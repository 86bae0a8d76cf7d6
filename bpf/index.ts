// SPDX-License-Identifier: Apache-2.0
export * from './binding/index.js';
export * from './tables/index.js';
