// SPDX-License-Identifier: Apache-2.0
// Long because it is all that a pool knows and does, in one piece without any I/O.
use std::collections::HashSet;
use std::time::{Duration, SystemTime};

use crate::check;
use crate::cid::Cid;
use crate::error::{Error, ErrorKind};
use crate::event::{Event, EventQueue, Stats};
use crate::failover::{self, Form};
use crate::freshness::Freshness;
use crate::held::HeldReport;
use crate::options::CREDIT_LIMIT;
use crate::orders::{Reissue, ReissueOrders};
use crate::outbox::Outbox;
use crate::questions::Questions;
use crate::queue::BatchQueue;
use crate::wire::{self, CidBatch, Minting, SessionHello};

/// Connections by generation, as the server's hook says them.
type Held = Option<Vec<(u64, u64)>>;

/// The reasons that are kept, so that none is told twice; a sidecar can have endlessly many.
const MOST_TOLD: usize = 64;

/// What a pool knows. Times are those of [`crate::clock::since_boot`].
pub(crate) struct State {
    low_water: usize,
    high_water: usize,
    queue: BatchQueue,
    cid_length: Option<usize>,
    /// CIDs that were asked for on the present Session and have not come.
    outstanding: usize,
    credit_limit: usize,
    /// As the sidecar counts.
    pub(crate) generation: u64,
    /// What is added to that for the server, so that its generations always grow: as many as there
    /// were before the sidecar lost its state and began to count anew.
    base: u64,
    orders: ReissueOrders,
    zero_host_id: bool,
    dry: bool,
    freshness: Freshness,
    taken: u64,
    made: u64,
    pub(crate) connected: bool,
    pub(crate) reason: Option<Error>,
    /// The reasons that were told since there was a connection.
    told: HashSet<String>,
    pub(crate) events: EventQueue,
    pub(crate) outbox: Outbox,
    pub(crate) questions: Questions,
    report: HeldReport,
    /// The server said that connections gave CIDs up.
    pub(crate) held_changed: bool,
    pub(crate) closed: bool,
    /// There is something for the task that writes, for those who wait for events, or for CIDs.
    pub(crate) news: News,
}

#[derive(Default)]
pub(crate) struct News {
    pub(crate) outgoing: bool,
    pub(crate) event: bool,
    pub(crate) cids: bool,
}

impl State {
    pub(crate) fn new(low_water: u32, high_water: u32, now: Duration) -> Self {
        Self {
            low_water: low_water as usize,
            high_water: high_water as usize,
            queue: BatchQueue::default(),
            cid_length: None,
            outstanding: 0,
            credit_limit: CREDIT_LIMIT as usize,
            generation: 0,
            base: 0,
            orders: ReissueOrders::default(),
            zero_host_id: false,
            dry: false,
            freshness: Freshness::new(now),
            taken: 0,
            made: 0,
            connected: false,
            reason: None,
            told: HashSet::new(),
            events: EventQueue::default(),
            outbox: Outbox::default(),
            questions: Questions::default(),
            report: HeldReport::default(),
            held_changed: false,
            closed: false,
            news: News::default(),
        }
    }

    pub(crate) fn take(&mut self, now: Duration) -> Result<Cid, Error> {
        self.look(now);
        if self.freshness.passed() {
            return self.make_do();
        }
        let taken = self.queue.pop();
        if self.queue.size() + self.outstanding < self.low_water {
            self.ask();
        }
        let Some(cid) = taken else {
            return self.make_do();
        };
        self.taken += 1;
        if cid.routable() {
            self.orders.took(cid.generation());
        }
        Ok(cid)
    }

    /// A routable CID, if there is one.
    pub(crate) fn take_routable(&mut self, now: Duration) -> Option<Cid> {
        self.look(now);
        if self.freshness.passed() || !self.queue.next_is_routable() {
            return None;
        }
        self.take(now).ok()
    }

    /// A 0b111 CID, because there is no other.
    fn make_do(&mut self) -> Result<Cid, Error> {
        let cid = self.make()?;
        self.made += 1;
        self.fall_dry();
        Ok(cid)
    }

    pub(crate) fn make(&mut self) -> Result<Cid, Error> {
        let length = self.length()?;
        let form = Form {
            length,
            zero_host_id: self.zero_host_id,
        };
        let (cid, again) = failover::take(form, self.servers());
        if again {
            let message = format!("this process has made all 0b111 CIDs of {length} octets");
            self.tell(Event::Trouble(Error::new(ErrorKind::Exhausted, message)));
        }
        Ok(cid)
    }

    /// The present generation, as the server knows it.
    fn servers(&self) -> u64 {
        self.base.saturating_add(self.generation)
    }

    #[cfg(feature = "minting")]
    pub(crate) fn base(&self) -> u64 {
        self.base
    }

    /// The server's generation of a CID that is minted from a lease of the sidecar's generation, if
    /// that is the present one. `base` is that of the time when the lease was asked for: a
    /// generation that comes again after a lost state is another.
    #[cfg(feature = "minting")]
    pub(crate) fn mints(&mut self, generation: u64, base: u64, now: Duration) -> Option<u64> {
        self.look(now);
        if self.freshness.passed() || (generation, base) != (self.generation, self.base) {
            return None;
        }
        self.orders.took(self.servers());
        Some(self.servers())
    }

    pub(crate) fn length(&self) -> Result<usize, Error> {
        self.cid_length.ok_or_else(|| {
            let message = "the CID length is not known before the sidecar says it: await ready()";
            Error::because(message, self.reason.as_ref())
        })
    }

    /// Whether there are CIDs of the sidecar to take.
    pub(crate) fn ready(&self) -> bool {
        self.queue.size() > 0 && !self.freshness.passed()
    }

    pub(crate) fn why_not_ready(&self) -> Error {
        let message = match (&self.reason, self.connected) {
            (Some(reason), _) => return reason.clone(),
            (None, true) => "the sidecar answers, but sends no CIDs; its log says why",
            (None, false) => "the sidecar does not answer",
        };
        Error::unavailable(message)
    }

    pub(crate) fn stats(&self, now: Duration) -> Stats {
        Stats {
            connected: self.connected,
            level: self.queue.size(),
            generation: self.servers(),
            dry: self.dry,
            stale: self.freshness.passed(),
            silence: self.freshness.silence(now),
            taken: self.taken,
            made: self.made,
            reason: self.reason.clone(),
        }
    }

    /// The lowest generation of CIDs in use for which no reissue came; 0 where there are none.
    pub(crate) fn oldest_generation(&self) -> u64 {
        self.orders.oldest().saturating_sub(self.base)
    }

    /// Looks whether the CIDs of the pool have become too old. They stay in it: they are good again
    /// if it turns out that nothing has changed.
    pub(crate) fn look(&mut self, now: Duration) {
        if !self.freshness.look(now) {
            return;
        }
        let silence = self.freshness.silence(now).as_millis();
        let message = format!("nothing was heard from the sidecar for {silence} ms");
        let error = Error::because(&message, self.reason.as_ref());
        self.tell(Event::Stale(error));
        self.fall_dry();
    }

    fn fall_dry(&mut self) {
        if !self.dry {
            self.dry = true;
            self.tell(Event::Dry);
        }
    }

    fn tell(&mut self, event: Event) {
        self.events.push(event);
        self.news.event = true;
    }

    /// Takes a message of the sidecar. `held` is what the server's hook says, where `wants_held`
    /// is true of the message. An error means that the Session has to be given up.
    pub(crate) fn receive(
        &mut self,
        event: wire::Event,
        held: Held,
        now: Duration,
    ) -> Result<(), Error> {
        match (event, self.connected) {
            (wire::Event::Hello(hello), false) => self.greeted(hello, held)?,
            (wire::Event::Hello(_), true) | (_, false) => {
                let message = "the first message of the sidecar is no hello, or a later one is";
                return Err(Error::unavailable(message));
            }
            (wire::Event::Minting(minting), true) => self.minting(&minting, held),
            (wire::Event::Batch(batch), true) => {
                self.heard(now);
                return self.batch(batch);
            }
            (wire::Event::Reissue(order), true) => self.orders.order(reissue(&order, self.base)),
            (wire::Event::Answer(answer), true) => self.questions.answered(answer, now),
            (wire::Event::Alive(_), true) => {}
        }
        self.heard(now);
        Ok(())
    }

    fn heard(&mut self, now: Duration) {
        let was_stale = self.freshness.passed();
        self.freshness.heard(now);
        if was_stale && self.queue.size() > 0 {
            self.have_cids();
        }
        self.give_reissue();
    }

    fn greeted(&mut self, hello: SessionHello, held: Held) -> Result<(), Error> {
        let Some(minting) = hello.minting else {
            let message = "the hello of the sidecar does not say what is minted";
            return Err(Error::unavailable(message));
        };
        self.cid_length = Some(check::length(hello.cid_length, self.cid_length)?);
        self.freshness.limit(hello.lifetime_ms);
        if hello.credit_limit > 0 {
            self.credit_limit = hello.credit_limit as usize;
        }
        self.connected = true;
        self.told.clear();
        self.reason = None;
        self.tell(Event::Connected);
        self.made_void(&minting, held);
        Ok(())
    }

    fn minting(&mut self, minting: &Minting, held: Held) {
        if minting.makes_void {
            self.made_void(minting, held);
        } else {
            self.zero_host_id = minting.zero_host_id;
        }
    }

    fn made_void(&mut self, minting: &Minting, held: Held) {
        let generation = minting.generation;
        self.zero_host_id = minting.zero_host_id;
        if generation < self.generation {
            self.base = self.servers();
            self.orders
                .start_anew(self.base, self.base.saturating_add(generation));
        }
        self.generation = generation;
        self.queue.keep(self.servers());
        // All of it is one message: the sidecar goes by the credit that is open then.
        self.ask();
        self.outbox.acknowledge(minting.number);
        if let Some(held) = held {
            self.outbox
                .held(self.report.say(self.sidecars(held), generation));
        }
        self.news.outgoing = true;
    }

    /// What the server says it holds, by the sidecar's generations. What is from before the sidecar
    /// lost its state is of generation 0.
    fn sidecars(&self, held: Vec<(u64, u64)>) -> Vec<(u64, u64)> {
        let each = held.into_iter();
        each.map(|(generation, connections)| (generation.saturating_sub(self.base), connections))
            .collect()
    }

    fn batch(&mut self, mut batch: CidBatch) -> Result<(), Error> {
        check::batch(&batch, self.cid_length, self.outstanding)?;
        self.outstanding -= batch.count as usize;
        if batch.generation != self.generation {
            self.ask();
            return Ok(());
        }
        batch.generation = self.servers();
        self.queue.push(batch);
        self.have_cids();
        self.give_reissue();
        Ok(())
    }

    fn ask(&mut self) {
        let most = self.credit_limit.saturating_sub(self.outstanding);
        let wanted = self.high_water - (self.queue.size() + self.outstanding).min(self.high_water);
        let credit = wanted.min(most);
        if self.connected && credit > 0 {
            self.outstanding += credit;
            self.outbox.credit(credit as u32);
            self.news.outgoing = true;
        }
    }

    fn have_cids(&mut self) {
        self.news.cids = true;
        if self.queue.next_is_routable() && self.dry {
            self.dry = false;
            self.tell(Event::Recovered);
        }
    }

    /// The CIDs for an order can be used up by the time that it comes. A server that obeys at once
    /// must not replace void CIDs by ones that are void too, nor routable ones by 0b111 CIDs.
    fn give_reissue(&mut self) {
        if !self.queue.next_is_routable() || self.freshness.passed() {
            return;
        }
        if let Some(order) = self.orders.next(self.servers()) {
            self.tell(Event::Reissue(order));
        }
    }

    /// Whether it is to be asked which CIDs connections hold.
    pub(crate) fn wants_held(&mut self) -> bool {
        let changed = std::mem::take(&mut self.held_changed);
        self.connected && (self.report.is_due(self.generation) || changed)
    }

    pub(crate) fn held_is(&mut self, held: Vec<(u64, u64)>) {
        if !self.connected {
            return;
        }
        if let Some(report) = self.report.changed(self.sidecars(held), self.generation) {
            self.outbox.held(report);
            self.news.outgoing = true;
        }
    }

    /// What the sidecar sent cannot be used.
    pub(crate) fn trouble(&mut self, error: Error) {
        if !self.connected {
            self.reason = Some(error.clone());
        }
        if self.connected || self.is_news(&error) {
            self.tell(Event::Trouble(error));
        }
    }

    /// Whether this was not told since there was a connection. It counts as told now.
    fn is_news(&mut self, error: &Error) -> bool {
        if self.told.len() >= MOST_TOLD {
            self.told.clear();
        }
        self.told.insert(error.to_string())
    }

    /// The server's hook panicked, so that nothing can be said of what connections hold.
    pub(crate) fn hook_panicked(&mut self) {
        let message = "the hook that says what connections hold panicked: rotations wait for it";
        let error = Error::new(ErrorKind::HookPanicked, message);
        if self.is_news(&error) {
            self.tell(Event::Trouble(error));
        }
    }

    /// There is no Session any more, or none came about.
    pub(crate) fn lost(&mut self, reason: Option<Error>) {
        self.outstanding = 0;
        self.outbox.clear();
        self.questions.lost();
        if std::mem::take(&mut self.connected) {
            // One that had begun is tried again at once, and the reason is old by then.
            self.reason.clone_from(&reason);
            self.tell(Event::Disconnected(reason));
        } else if let Some(reason) = reason {
            self.trouble(reason);
        }
    }
}

/// Whether the server is to be asked for connections by generation before the message is taken.
pub(crate) fn wants_held(event: &wire::Event) -> bool {
    match event {
        wire::Event::Hello(_) => true,
        wire::Event::Minting(minting) => minting.makes_void,
        _ => false,
    }
}

fn reissue(order: &wire::Reissue, base: u64) -> Reissue {
    let deadline = order.deadline.and_then(|deadline| {
        let seconds = u64::try_from(deadline.seconds).ok()?;
        let after = Duration::new(seconds, u32::try_from(deadline.nanos).ok()?);
        SystemTime::UNIX_EPOCH.checked_add(after)
    });
    Reissue {
        through_generation: base.saturating_add(order.through_generation),
        present_generation: 0, // It is known when the order is given.
        // Without a time that can be read it is due now.
        deadline: deadline.unwrap_or(SystemTime::UNIX_EPOCH),
    }
}

#[cfg(test)]
#[path = "state_tests.rs"]
mod tests;
