// SPDX-License-Identifier: Apache-2.0
//! What the client costs: `bench --sidecar SOCKET --count N`.
use std::error::Error;
use std::fs;
use std::hint::black_box;
use std::time::{Duration, Instant};

use cidecar::{CidPool, Options};
use serde_json::json;
use tokio::time::sleep;

/// CIDs that are taken from a full pool, in so many parts of so many.
const PARTS: u32 = 300;
const PART: u32 = 200;
const READY_WITHIN: Duration = Duration::from_secs(30);

type Failure = Box<dyn Error>;

/// A line of /proc/self/status, in its unit.
fn status(name: &str) -> Result<u64, Failure> {
    let text = fs::read_to_string("/proc/self/status")?;
    let line = text.lines().find(|line| line.starts_with(name));
    let number = line.and_then(|line| line.split_whitespace().nth(1));
    Ok(number.ok_or("the system has no such line")?.parse()?)
}

fn argument(name: &str) -> Result<String, Failure> {
    let mut arguments = std::env::args().skip_while(|argument| argument != name);
    let value = arguments.nth(1);
    value.ok_or_else(|| format!("{name} is missing; --sidecar SOCKET --count N").into())
}

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), Failure> {
    let (sidecar, count) = (argument("--sidecar")?, argument("--count")?.parse::<u64>()?);
    let (memory, threads) = (status("VmRSS")?, status("Threads")?);
    let (pool, events) = CidPool::connect(Options::unix(sidecar).high_water(65_536))?;
    drop(events);
    pool.ready_within(READY_WITHIN).await?;
    while pool.stats().level < 65_536 {
        sleep(Duration::from_millis(1)).await;
    }
    let memory = (status("VmRSS")? - memory) * 1024;
    let threads = status("Threads")? - threads;

    // The median, because other processes take the processor away in some of the parts.
    let mut parts = Vec::new();
    for _ in 0..PARTS {
        let began = Instant::now();
        for _ in 0..PART {
            black_box(pool.take()?);
        }
        parts.push(began.elapsed().as_secs_f64() * 1e9 / f64::from(PART));
    }
    parts.sort_by(f64::total_cmp);
    let take_ns = parts[parts.len() / 2];

    let began = Instant::now();
    let mut taken = 0;
    while taken < count {
        match pool.take_routable() {
            Some(cid) => {
                black_box(cid);
                taken += 1;
            }
            None => tokio::task::yield_now().await,
        }
        // So that what the sidecar sends is read.
        if taken % 1024 == 0 {
            tokio::task::yield_now().await;
        }
    }
    let cids_per_second = count as f64 / began.elapsed().as_secs_f64();
    println!(
        "{}",
        json!({
            "take_ns": take_ns,
            "cids_per_second": cids_per_second,
            "memory_octets": memory,
            "threads": threads,
        })
    );
    Ok(())
}
