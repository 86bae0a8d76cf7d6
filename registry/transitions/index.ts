// SPDX-License-Identifier: Apache-2.0
export {
  SEVERITY_TEXT,
  type Severity,
  TRANSITION_NAMES,
  TRANSITIONS,
  type TransitionName,
} from './catalogue.js';
export { firstState } from './first-state.js';
export { Found, type Transition } from './found.js';
export { TransitionGuard } from './guard.js';
export { isLossy, transitions, transitionsInSlices } from './transitions.js';
