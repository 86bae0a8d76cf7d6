// SPDX-License-Identifier: Apache-2.0
use crate::wire::{HeldCids, Question, SessionRequest};

/// What is to be said to the sidecar. What is added before the message can be sent goes out in one
/// message, so a sidecar that reads nothing costs no memory.
#[derive(Default)]
pub(crate) struct Outbox {
    credit: u32,
    acknowledged: u64,
    held: Option<HeldCids>,
    questions: Vec<Question>,
}

impl Outbox {
    pub(crate) fn credit(&mut self, more: u32) {
        self.credit += more;
    }

    pub(crate) fn acknowledge(&mut self, minting: u64) {
        self.acknowledged = minting;
    }

    pub(crate) fn held(&mut self, held: HeldCids) {
        self.held = Some(held);
    }

    pub(crate) fn ask(&mut self, question: Question) {
        self.questions.push(question);
    }

    /// The next message, if there is something to say.
    pub(crate) fn next(&mut self) -> Option<SessionRequest> {
        let Self {
            credit,
            acknowledged,
            held,
            questions,
        } = std::mem::take(self);
        let request = SessionRequest {
            open: None,
            credit,
            held,
            acknowledged_minting: acknowledged,
            questions,
        };
        (request != SessionRequest::default()).then_some(request)
    }

    pub(crate) fn clear(&mut self) {
        *self = Self::default();
    }
}
