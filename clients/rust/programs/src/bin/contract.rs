// SPDX-License-Identifier: Apache-2.0
//! The test program of the client: clients/contract/README.md has the commands.
use std::io::Write;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use cidecar::{CidPool, ErrorKind, Event, Events, Lease, Options, pace_reissue};
use programs::{base64, hex, octets};
use serde_json::{Map, Value, json};
use tokio::io::{AsyncBufReadExt, BufReader};

type Failure = Box<dyn std::error::Error + Send + Sync>;

#[derive(Default)]
struct Program {
    pool: Mutex<Option<CidPool>>,
    events: Mutex<Option<Events>>,
    held: Arc<Mutex<Vec<(u64, u64)>>>,
    /// A pool that mints, with what is left of its last lease.
    minting: tokio::sync::Mutex<Option<(CidPool, Option<Lease>)>>,
}

fn of<T>(mutex: &Mutex<T>) -> std::sync::MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

impl Program {
    fn pool(&self) -> Result<CidPool, Failure> {
        of(&self.pool)
            .clone()
            .ok_or_else(|| "there was no start".into())
    }

    async fn act(&self, command: &str, fields: &Value) -> Result<Value, Failure> {
        match command {
            "start" => self.start(fields),
            "ready" => {
                let limit = Duration::from_millis(number(fields, "timeout_ms")?);
                self.pool()?.ready_within(limit).await?;
                Ok(json!({ "cid_length": self.pool()?.cid_length()? }))
            }
            "mint" => self.mint(fields).await,
            "take" => take(&self.pool()?, number(fields, "count")?),
            "stats" => {
                let stats = self.pool()?.stats();
                Ok(json!({
                    "connected": stats.connected,
                    "level": stats.level,
                    "generation": stats.generation,
                    "dry": stats.dry,
                    "stale": stats.stale,
                    "reason": stats.reason.map(|reason| reason.to_string()),
                }))
            }
            "events" => {
                let mut events = of(&self.events);
                let next = || events.as_mut().and_then(Events::try_next);
                let all: Vec<Value> = std::iter::from_fn(next).map(told).collect();
                Ok(json!({ "events": all }))
            }
            "hold" => {
                let none = Map::new();
                let generations = fields["generations"].as_object().unwrap_or(&none);
                let each = generations.iter();
                *of(&self.held) = each
                    .map(|(generation, count)| {
                        Ok((generation.parse()?, count.as_u64().unwrap_or(0)))
                    })
                    .collect::<Result<_, Failure>>()?;
                Ok(json!({}))
            }
            "reset-token" => {
                let token = self.pool()?.reset_token(&cid(fields)?).await?;
                Ok(json!({ "token": token.map(|token| hex(&token)) }))
            }
            "is-own" => {
                let own = self.pool()?.is_own(&cid(fields)?).await?;
                Ok(json!({ "own": own }))
            }
            "pace" => {
                let within = Duration::from_millis(number(fields, "within_ms")?);
                let (began, mut at) = (Instant::now(), Vec::new());
                pace_reissue(0..number(fields, "items")? as usize, within, |_| {
                    at.push(began.elapsed().as_millis() as u64);
                })
                .await;
                Ok(json!({ "at_ms": at }))
            }
            "close" => {
                self.pool()?.close();
                Ok(json!({}))
            }
            _ => Err("no such command".into()),
        }
    }

    async fn mint(&self, fields: &Value) -> Result<Value, Failure> {
        let mut minting = self.minting.lock().await;
        let (pool, lease) = match &mut *minting {
            Some(minting) => minting,
            none => {
                let socket = fields["socket"].as_str().unwrap_or_default();
                let (pool, _) = CidPool::connect(Options::unix(socket))?;
                none.insert((pool, None))
            }
        };
        pool.ready_within(Duration::from_secs(30)).await?;
        let count = number(fields, "count")?;
        let (mut cids, mut tokens) = (Vec::new(), Vec::new());
        while (tokens.len() as u64) < count * 16 {
            match lease.as_ref().map(Lease::take) {
                Some(Ok(cid)) => {
                    cids.extend_from_slice(&cid);
                    tokens.extend_from_slice(&cid.reset_token());
                }
                Some(Err(error)) if error.kind() != ErrorKind::LeaseUsedUp => {
                    return Err(error.into());
                }
                _ => *lease = Some(pool.lease(1000).await?),
            }
        }
        Ok(json!({ "cids": base64(&cids), "tokens": base64(&tokens) }))
    }

    fn start(&self, fields: &Value) -> Result<Value, Failure> {
        let held = self.held.clone();
        let mut options = Options::unix(fields["socket"].as_str().unwrap_or_default())
            .client_name("contract-test")
            .held(move || of(&held).clone());
        if let Some(cids) = fields["high_water"].as_u64() {
            options = options.high_water(u32::try_from(cids)?);
        }
        if let Some(server_use) = fields["server_use"].as_str() {
            options = options.server_use(octets(server_use)?);
        }
        if let Some(can) = fields["can_retire"].as_bool() {
            options = options.can_retire(can);
        }
        let (pool, events) = CidPool::connect(options)?;
        *of(&self.pool) = Some(pool);
        *of(&self.events) = Some(events);
        Ok(json!({}))
    }
}

fn number(fields: &Value, name: &str) -> Result<u64, Failure> {
    let number = fields[name].as_u64();
    number.ok_or_else(|| format!("{name} is no number").into())
}

fn cid(fields: &Value) -> Result<Vec<u8>, Failure> {
    Ok(octets(fields["cid"].as_str().unwrap_or_default())?)
}

fn take(pool: &CidPool, count: u64) -> Result<Value, Failure> {
    let (mut cids, mut tokens) = (Vec::new(), Vec::new());
    let mut runs: Vec<(u64, bool, u64)> = Vec::new();
    for _ in 0..count {
        let cid = pool.take()?;
        cids.extend_from_slice(&cid);
        tokens.extend_from_slice(&cid.reset_token());
        match runs.last_mut() {
            Some((generation, routable, count))
                if *generation == cid.generation() && *routable == cid.routable() =>
            {
                *count += 1;
            }
            _ => runs.push((cid.generation(), cid.routable(), 1)),
        }
    }
    let runs: Vec<Value> = runs
        .into_iter()
        .map(|(generation, routable, count)| {
            json!({ "generation": generation, "routable": routable, "count": count })
        })
        .collect();
    Ok(json!({ "cids": base64(&cids), "tokens": base64(&tokens), "runs": runs }))
}

fn told(event: Event) -> Value {
    match event {
        Event::Connected => json!({ "event": "connected" }),
        Event::Disconnected(_) => json!({ "event": "disconnected" }),
        Event::Stale(_) => json!({ "event": "stale" }),
        Event::Dry => json!({ "event": "dry" }),
        Event::Recovered => json!({ "event": "recovered" }),
        Event::Trouble(error) => json!({ "event": "trouble", "message": error.to_string() }),
        Event::Reissue(order) => json!({
            "event": "reissue",
            "through_generation": order.through_generation,
            "due": order.time_left().is_zero(),
        }),
        other => json!({ "event": format!("{other:?}") }),
    }
}

async fn answer(program: Arc<Program>, line: String) {
    let command: Value = serde_json::from_str(&line).unwrap_or_default();
    let result = program.act(command["do"].as_str().unwrap_or_default(), &command);
    let mut answer = match result.await {
        Ok(answer) => answer,
        Err(error) => json!({ "error": error.to_string() }),
    };
    answer["id"] = command["id"].clone();
    // Nobody reads it any more when this fails, and the input is about to end.
    let _ = writeln!(std::io::stdout().lock(), "{answer}");
}

#[tokio::main(flavor = "current_thread")]
async fn main() -> std::io::Result<()> {
    let program = Arc::new(Program::default());
    let mut lines = BufReader::new(tokio::io::stdin()).lines();
    while let Some(line) = lines.next_line().await? {
        tokio::spawn(answer(program.clone(), line));
    }
    Ok(())
}
