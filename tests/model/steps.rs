//! The steps of a client's request, and what a client may see.

use super::store::{MAKER, SESSIONS, SINGLE_USE};
use super::{Mistake, Promise, Request, State, Step};

impl State {
    /// One use of a session by a client that has its token.
    fn touch(&mut self, session: usize, secret: u8) -> Step {
        let Some(record) = self.store.find(session) else {
            if !self.answered.may_be_over[session] {
                self.wrong = Some("a session that nobody ended is dead");
            }
            return Step::Idle;
        };
        if record.secret != secret {
            return Step::Idle;
        }
        let answered = &self.answered;
        if answered.ended[session] || record.generation < answered.generation {
            self.wrong = Some("a session lives whose end was answered");
        } else if session == MAKER && secret < answered.secret {
            self.wrong = Some("a token lives whose rotation was answered");
        }
        if session == SINGLE_USE {
            self.answered.may_be_over[session] = true;
            self.store.end_when_written(session);
            return Step::Waits(Promise::UsedUp);
        }
        Step::Loaded(session, record)
    }

    /// Ends the session at once; nobody is promised anything where there is none.
    pub(super) fn end(&mut self, session: usize) {
        self.answered.may_be_over[session] = true;
        self.store.end(session);
    }

    fn make_room(&mut self, newest: usize) {
        if let Some(session) = self.store.beyond_cap(newest) {
            self.answered.may_be_over[session] = true;
            self.store.end_when_written(session);
        }
    }

    pub(super) fn begin(&mut self, request: Request) -> Step {
        match request {
            Request::Touch(session, secret) => self.touch(session, secret),
            Request::End(session) if self.store.find(session).is_some() => {
                self.end(session);
                Step::Waits(Promise::Ended(session))
            }
            Request::Rotate if self.store.find(MAKER).is_some() => {
                self.store.rotate(MAKER);
                Step::Waits(Promise::Rotated)
            }
            Request::Mint => {
                self.store.find(MAKER).map_or(Step::Idle, |maker| Step::Mints(maker.generation))
            }
            Request::Login => Step::LogsIn(self.generation),
            Request::EndAll => {
                self.generation += 1;
                Step::Lists(self.generation, self.store.below(self.generation))
            }
            Request::End(_) | Request::Rotate => Step::Idle,
        }
    }

    pub(super) fn go_on(&mut self, step: Step, mistake: Mistake) -> Step {
        match step {
            Step::Loaded(session, copy) => {
                if mistake == Mistake::TouchUpserts {
                    self.store.save(session, copy);
                }
                Step::Idle
            }
            Step::Mints(generation) => Step::Inserted(self.store.insert(generation)),
            Step::LogsIn(generation) => {
                let session = self.store.insert(generation);
                self.make_room(session);
                Step::Waits(Promise::LoggedIn(session, generation))
            }
            Step::Inserted(session) => {
                if self.store.find(MAKER).is_none_or(|maker| maker.is_ending) {
                    self.end(session);
                    return Step::Idle;
                }
                self.make_room(session);
                Step::Waits(Promise::Opened(session))
            }
            Step::LooksAgain(session, generation) => {
                if generation == self.generation || mistake == Mistake::LooksOnce {
                    self.answered.opened[session] = true;
                } else {
                    self.end(session);
                }
                Step::Idle
            }
            Step::Lists(generation, sessions) => {
                for session in sessions {
                    self.end(session);
                }
                if mistake == Mistake::EndsOnce {
                    return Step::Waits(Promise::EndedAll(generation));
                }
                Step::ListsAgain(generation)
            }
            Step::ListsAgain(generation) => {
                for session in self.store.below(generation) {
                    self.end(session);
                }
                Step::Waits(Promise::EndedAll(generation))
            }
            Step::Idle | Step::Waits(_) => step,
        }
    }

    fn answer(&mut self, promise: Promise) -> Step {
        let answered = &mut self.answered;
        match promise {
            Promise::Ended(session) => answered.ended[session] = true,
            Promise::Rotated => answered.secret += 1,
            Promise::Opened(session) => answered.opened[session] = true,
            Promise::LoggedIn(session, generation) => return Step::LooksAgain(session, generation),
            Promise::EndedAll(generation) => {
                answered.generation = answered.generation.max(generation);
            }
            Promise::UsedUp => {
                answered.single_uses += 1;
                if answered.single_uses > 1 {
                    self.wrong = Some("a token was used twice that may be used once");
                }
            }
        }
        Step::Idle
    }

    pub(super) fn answer_all(&mut self) {
        for client in 0..2 {
            if let (Step::Waits(promise), _) = self.clients[client] {
                self.clients[client].0 = self.answer(promise);
            }
        }
    }

    /// The requests that a client can make now; one for what is being written waits.
    pub(super) fn requests(&self) -> Vec<Request> {
        let waits = |session| self.store.find(session).is_some_and(|record| record.is_writing);
        let free = |session: &usize| self.answered.opened[*session] && !waits(*session);
        let mut requests = vec![Request::EndAll];
        for session in (0..SESSIONS).filter(free) {
            let latest = self.store.find(session).map_or(0, |record| record.secret);
            requests.extend((0..=latest).map(|secret| Request::Touch(session, secret)));
            requests.push(Request::End(session));
        }
        if free(&MAKER) {
            requests.extend([Request::Rotate, Request::Mint]);
        }
        if self.store.opened + self.clients.iter().filter(|client| client.0.opens()).count()
            < SESSIONS
        {
            requests.push(Request::Login);
        } else {
            requests.retain(|request| *request != Request::Mint);
        }
        requests
    }
}

impl Step {
    pub(super) const fn opens(&self) -> bool {
        matches!(self, Self::Mints(_) | Self::LogsIn(_))
    }
}
