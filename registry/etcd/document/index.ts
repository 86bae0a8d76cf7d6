// SPDX-License-Identifier: Apache-2.0
export { type Applied, apply } from './apply.js';
export { type ExportOptions, exportDocument, exportKeys } from './export.js';
export {
  type ApplyOptions,
  type GivenDocument,
  type Preparation,
  prepareApply,
} from './prepare.js';
export { type Resealed, type ResealOptions, reseal } from './reseal.js';
