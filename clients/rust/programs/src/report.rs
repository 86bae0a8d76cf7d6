// SPDX-License-Identifier: Apache-2.0
use std::io::{self, BufRead, Write};

use cidecar::{CidPool, Event, RollingCounts};
use serde_json::{Value, json};

/// What became of connections.
#[derive(Clone, Copy, Debug)]
pub struct Statistics {
    /// Connections that are open.
    pub open: u64,
    /// Connections that were accepted.
    pub accepted: u64,
    /// Connections that were given new CIDs after an order.
    pub moved: u64,
    /// Connections that were closed for an order.
    pub closed_for_reissue: u64,
}

impl From<RollingCounts> for Statistics {
    fn from(counts: RollingCounts) -> Self {
        Self {
            open: counts.open,
            accepted: counts.accepted,
            moved: counts.moved,
            closed_for_reissue: counts.closed_for_reissue,
        }
    }
}

fn say(line: &Value) {
    // Nobody has to read it.
    let _ = writeln!(io::stdout().lock(), "{line}");
}

/// Says that the server serves.
pub fn listening() {
    say(&json!({ "event": "listening" }));
}

/// Tells what happened to a pool: orders on the standard output, the rest on the standard error.
pub fn tell(event: Event) {
    match event {
        Event::Reissue(order) => say(&json!({
            "event": "reissue",
            "through_generation": order.through_generation,
        })),
        other => eprintln!("{other:?}"),
    }
}

/// Answers each line `statistics` of the standard input, in a thread, until the input ends.
pub fn answer_statistics(pool: CidPool, statistics: impl Fn() -> Statistics + Send + 'static) {
    std::thread::spawn(move || {
        let lines = io::stdin().lock().lines().map_while(Result::ok);
        for _ in lines.filter(|line| line.trim() == "statistics") {
            let (own, stats) = (statistics(), pool.stats());
            say(&json!({
                "event": "statistics",
                "open": own.open,
                "accepted": own.accepted,
                "moved": own.moved,
                "closed_for_reissue": own.closed_for_reissue,
                "taken": stats.taken,
                "dry": stats.made,
                "connected": stats.connected,
            }));
        }
    });
}

/// Waits until the process is asked to stop.
///
/// # Errors
/// Where the system does not tell of signals.
pub async fn stopped() -> io::Result<()> {
    use tokio::signal::unix::{SignalKind, signal};
    signal(SignalKind::terminate())?.recv().await;
    Ok(())
}
