// SPDX-License-Identifier: Apache-2.0
export {
  SEVERITY_TEXT,
  type Severity,
  TRANSITION_NAMES,
  TRANSITIONS,
  type TransitionName,
} from './catalogue.js';
export type { Transition } from './found.js';
export { isLossy, transitions, transitionsInSlices } from './transitions.js';
