// SPDX-License-Identifier: Apache-2.0
export { PassedTime } from './clock.js';
export { contentsOf, type PoolContents } from './contents.js';
export { decide } from './decide.js';
export type { RotationDecision, Step, StepName, StillOn, Wait } from './decision.js';
export { type Intent, withIntent } from './intents.js';
export type { SealNewKey } from './new-config.js';
export { decidePolicy } from './policy.js';
export { contentsWanted, progressOf, type RotationProgress } from './progress.js';
export * from './record.js';
export {
  type RotationLog,
  RotationLoop,
  type RotationLoopOptions,
  readContents,
} from './rotation-loop.js';
export { RotationPicture, type RotationView, type SeenConfig } from './rotation-picture.js';
export type { DecideOptions, Situation } from './situation.js';
export { describeNext, describeRecord, describeWait } from './words.js';
