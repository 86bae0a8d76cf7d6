// SPDX-License-Identifier: Apache-2.0
use std::collections::{HashMap, VecDeque};
use std::time::Duration;

use bytes::Bytes;
use tokio::sync::oneshot;

use crate::cid::RESET_TOKEN_LENGTH;
use crate::error::Error;
use crate::wire::{About, Answer, Outcome, Question};

/// Questions of each kind without an answer. Anybody can make a server ask by sending it packets,
/// and above 64 the Session ends.
const AT_ONCE: usize = 16;
/// Answers that are kept; the oldest goes first.
const KEPT: usize = 1024;
/// For so long an answer is kept. Peers repeat themselves for seconds.
const KEPT_FOR: Duration = Duration::from_secs(10);

/// A stateless reset token, or none where the CID is none of this server.
pub(crate) type Token = Option<[u8; RESET_TOKEN_LENGTH]>;
pub(crate) type Waiter<T> = oneshot::Receiver<Result<T, Error>>;
type Sender<T> = oneshot::Sender<Result<T, Error>>;

enum Asked {
    Token(Bytes, Vec<Sender<Token>>),
    Own(Sender<bool>),
}

/// What there is to a question for a token.
pub(crate) enum TokenAnswer {
    Known(Token),
    /// The answer will come. There may be a question to send first.
    Later(Waiter<Token>, Option<Question>),
}

/// The questions that wait for an answer on a Session, and the answers that are kept.
#[derive(Default)]
pub(crate) struct Questions {
    number: u64,
    /// A question counts as open until it is answered, also when nobody waits any more.
    open: HashMap<u64, Asked>,
    kept: HashMap<Bytes, (Token, Duration)>,
    kept_order: VecDeque<(Bytes, Duration)>,
}

impl Questions {
    /// What is known of the token of a CID, by an answer that is not too old.
    pub(crate) fn kept(&self, cid: &[u8], now: Duration) -> Option<Token> {
        let (token, at) = self.kept.get(cid)?;
        (now.saturating_sub(*at) < KEPT_FOR).then_some(*token)
    }

    /// `connected` says whether a new question can be sent.
    pub(crate) fn token_of(
        &mut self,
        cid: &[u8],
        now: Duration,
        connected: bool,
    ) -> Result<TokenAnswer, Error> {
        if let Some(token) = self.kept(cid, now) {
            return Ok(TokenAnswer::Known(token));
        }
        let (sender, waiter) = oneshot::channel();
        let mut tokens = 0;
        for asked in self.open.values_mut() {
            let Asked::Token(about, senders) = asked else {
                continue;
            };
            if about[..] == *cid {
                senders.retain(|each| !each.is_closed());
                senders.push(sender);
                return Ok(TokenAnswer::Later(waiter, None));
            }
            tokens += 1;
        }
        refuse(connected, tokens)?;
        let cid = Bytes::copy_from_slice(cid);
        let about = About::ResetTokenOf(cid.clone());
        let question = self.ask(Asked::Token(cid, vec![sender]), about);
        Ok(TokenAnswer::Later(waiter, Some(question)))
    }

    pub(crate) fn own(
        &mut self,
        cid: &[u8],
        connected: bool,
    ) -> Result<(Waiter<bool>, Question), Error> {
        let own = |asked: &&Asked| matches!(asked, Asked::Own(_));
        refuse(connected, self.open.values().filter(own).count())?;
        let (sender, waiter) = oneshot::channel();
        let about = About::Own(Bytes::copy_from_slice(cid));
        Ok((waiter, self.ask(Asked::Own(sender), about)))
    }

    fn ask(&mut self, asked: Asked, about: About) -> Question {
        self.number += 1;
        self.open.insert(self.number, asked);
        Question {
            number: self.number,
            about: Some(about),
        }
    }

    pub(crate) fn answered(&mut self, answer: Answer, now: Duration) {
        match self.open.remove(&answer.number) {
            None => {}
            Some(Asked::Own(sender)) => drop(sender.send(own_in(answer.result))),
            Some(Asked::Token(cid, senders)) => {
                let token = token_in(answer.result);
                if let Ok(token) = token {
                    self.keep(cid, token, now);
                }
                for sender in senders {
                    drop(sender.send(token.clone()));
                }
            }
        }
    }

    /// The Session is lost: no answers come any more.
    pub(crate) fn lost(&mut self) {
        let error = || Error::unavailable("the connection was lost before the answer came");
        for (_, asked) in self.open.drain() {
            match asked {
                Asked::Own(sender) => drop(sender.send(Err(error()))),
                Asked::Token(_, senders) => {
                    for sender in senders {
                        drop(sender.send(Err(error())));
                    }
                }
            }
        }
    }

    fn keep(&mut self, cid: Bytes, token: Token, now: Duration) {
        self.kept.insert(cid.clone(), (token, now));
        self.kept_order.push_back((cid, now));
        while self.kept_order.len() > KEPT {
            let Some((oldest, at)) = self.kept_order.pop_front() else {
                return;
            };
            // It may have been asked for again since.
            if self.kept.get(&oldest).is_some_and(|(_, kept)| *kept == at) {
                self.kept.remove(&oldest);
            }
        }
    }
}

fn refuse(connected: bool, open: usize) -> Result<(), Error> {
    if !connected {
        return Err(Error::unavailable("the sidecar is out of reach"));
    }
    if open < AT_ONCE {
        return Ok(());
    }
    let message = format!("{AT_ONCE} questions wait for an answer, as many as may");
    Err(Error::unavailable(message))
}

/// With these codes the sidecar says that the CID is none for which this server may answer.
fn is_not_ours(code: &str) -> bool {
    let codes = [
        "FOREIGN_CID",
        "CONFIG_UNKNOWN",
        "CID_UNKNOWN",
        "ARGUMENT_INVALID",
    ];
    codes.contains(&code)
}

fn token_in(result: Option<Outcome>) -> Result<Token, Error> {
    match result {
        Some(Outcome::ResetToken(token)) => <[u8; RESET_TOKEN_LENGTH]>::try_from(&token[..])
            .map(Some)
            .map_err(|_| Error::unavailable("the sidecar's token does not have 16 octets")),
        Some(Outcome::Refusal(refusal)) if is_not_ours(&refusal.code) => Ok(None),
        other => Err(no_answer(other)),
    }
}

fn own_in(result: Option<Outcome>) -> Result<bool, Error> {
    match result {
        Some(Outcome::Own(own)) => Ok(own),
        other => Err(no_answer(other)),
    }
}

fn no_answer(result: Option<Outcome>) -> Error {
    match result {
        Some(Outcome::Refusal(refusal)) => {
            Error::unavailable(refusal.message).with_code(Some(refusal.code))
        }
        _ => Error::unavailable("the sidecar's answer does not fit the question"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::wire::Refusal;

    const NOW: Duration = Duration::from_secs(100);

    fn ask(questions: &mut Questions, cid: &[u8]) -> (Waiter<Token>, Option<Question>) {
        match questions.token_of(cid, NOW, true).expect("there is room") {
            TokenAnswer::Later(waiter, question) => (waiter, question),
            TokenAnswer::Known(_) => panic!("nothing was answered"),
        }
    }

    fn refusal(code: &str) -> Option<Outcome> {
        Some(Outcome::Refusal(Refusal {
            code: code.into(),
            message: "no".into(),
        }))
    }

    #[test]
    fn asks_once_and_keeps_the_answer_for_ten_seconds() {
        let mut questions = Questions::default();
        let (mut first, question) = ask(&mut questions, b"cid");
        let (mut second, none) = ask(&mut questions, b"cid");
        assert!(none.is_none(), "the question is on its way");
        let number = question.expect("it has to be sent").number;
        let result = Some(Outcome::ResetToken(Bytes::from_static(&[3; 16])));
        questions.answered(Answer { number, result }, NOW);
        for waiter in [&mut first, &mut second] {
            assert_eq!(waiter.try_recv(), Ok(Ok(Some([3; 16]))));
        }
        let after = |ms| NOW + Duration::from_millis(ms);
        assert_eq!(questions.kept(b"cid", after(9_999)), Some(Some([3; 16])));
        assert_eq!(questions.kept(b"cid", after(10_000)), None);
    }

    #[test]
    fn what_is_not_ours_is_no_token_and_another_refusal_an_error() {
        for code in [
            "FOREIGN_CID",
            "CONFIG_UNKNOWN",
            "CID_UNKNOWN",
            "ARGUMENT_INVALID",
        ] {
            assert_eq!(token_in(refusal(code)), Ok(None));
        }
        let error = token_in(refusal("STATE_UNWRITABLE")).expect_err("it may come later");
        assert_eq!(error.code(), Some("STATE_UNWRITABLE"));
        let short = Some(Outcome::ResetToken(Bytes::from_static(&[3; 15])));
        assert!(token_in(short).is_err());
        assert!(token_in(None).is_err());
    }

    #[test]
    fn has_16_questions_open_also_where_nobody_waits_any_more() {
        let mut questions = Questions::default();
        for number in 0..16u8 {
            drop(ask(&mut questions, &[number]));
        }
        assert!(questions.token_of(b"one more", NOW, true).is_err());
        assert!(questions.own(b"of another kind", true).is_ok());
        questions.lost();
        assert!(questions.token_of(b"one more", NOW, true).is_ok());
        assert!(questions.token_of(b"another", NOW, false).is_err());
    }

    #[test]
    fn tells_those_who_wait_that_the_session_is_lost() {
        let mut questions = Questions::default();
        let (mut waiter, _) = ask(&mut questions, b"cid");
        questions.lost();
        assert!(matches!(waiter.try_recv(), Ok(Err(_))));
    }

    #[test]
    fn keeps_1024_answers() {
        let mut questions = Questions::default();
        for number in 0..1030u32 {
            let cid = Bytes::copy_from_slice(&number.to_be_bytes());
            questions.keep(cid, None, NOW);
        }
        assert_eq!(questions.kept(&5u32.to_be_bytes(), NOW), None);
        assert_eq!(questions.kept(&6u32.to_be_bytes(), NOW), Some(None));
        assert_eq!(questions.kept.len(), KEPT);
    }
}
