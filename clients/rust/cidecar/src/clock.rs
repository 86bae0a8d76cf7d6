// SPDX-License-Identifier: Apache-2.0
use std::time::Duration;

use rustix::time::{ClockId, clock_gettime};

/// Nobody sets this clock, and it goes on while the machine sleeps, where the system has such a
/// one.
#[cfg(target_os = "linux")]
const CLOCK: ClockId = ClockId::Boottime;
#[cfg(not(target_os = "linux"))]
const CLOCK: ClockId = ClockId::Monotonic;

/// The time since the machine was started.
pub(crate) fn since_boot() -> Duration {
    let now = clock_gettime(CLOCK);
    Duration::new(now.tv_sec.unsigned_abs(), now.tv_nsec.unsigned_abs() as u32)
}
