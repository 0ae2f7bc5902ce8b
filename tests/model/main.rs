//! Two clients and one crash in every order: a model of how sessions are opened, used, rotated and
//! ended, gone through to the last state. It is of the durable store, and of what the service does
//! around it; the steps of a model are those between which others may come.
//!
//! ```text
//! cargo test --test model                      # two requests of each client: a second
//! MODEL_REQUESTS=3 cargo test --test model     # three of each: half a minute
//! ```

mod steps;
mod store;

use stateright::{Checker, Model, Property};

use self::store::{CAP, MAKER, Record, SESSIONS, SINGLE_USE, Store};

/// How many requests each client makes, unless `MODEL_REQUESTS` says another number.
const REQUESTS: u8 = 2;

/// What a careless author would do.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Mistake {
    None,
    /// A use saves the copy that it read.
    TouchUpserts,
    /// What must be written is answered before.
    AnswersEarly,
    /// A login looks at its user's generation before it opens the session only.
    LooksOnce,
    /// Whoever ends all of a user's sessions looks for them once.
    EndsOnce,
}

/// What a client asks for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
enum Request {
    /// A use of the session, with the secret of so many rotations.
    Touch(usize, u8),
    End(usize),
    Rotate,
    Mint,
    Login,
    /// The password is changed, which ends all sessions.
    EndAll,
}

/// How far a client's request is.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
enum Step {
    Idle,
    /// A use has read this.
    Loaded(usize, Record),
    /// The generation was read: of the maker, or of the user.
    Mints(u8),
    LogsIn(u8),
    /// It is in, and its maker is not looked at yet.
    Inserted(usize),
    /// It is written, and its user is not looked at again yet.
    LooksAgain(usize, u8),
    /// All of these are to end, of a generation below.
    Lists(u8, Vec<usize>),
    /// They have; it looks once more.
    ListsAgain(u8),
    /// The answer waits for what is being written.
    Waits(Promise),
}

/// What an answer promises.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
enum Promise {
    Ended(usize),
    UsedUp,
    Rotated,
    Opened(usize),
    LoggedIn(usize, u8),
    EndedAll(u8),
}

/// What was answered.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
struct Answered {
    opened: [bool; SESSIONS],
    ended: [bool; SESSIONS],
    /// Something may have ended it.
    may_be_over: [bool; SESSIONS],
    secret: u8,
    single_uses: u8,
    /// All sessions of a generation below this one have ended.
    generation: u8,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash)]
struct State {
    store: Store,
    generation: u8,
    clients: [(Step, u8); 2],
    has_crashed: bool,
    answered: Answered,
    /// What a client saw and must not have seen.
    wrong: Option<&'static str>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
enum Action {
    Begin(usize, Request),
    GoOn(usize),
    Commit,
    Crash,
}

struct Sessions {
    mistake: Mistake,
    requests: u8,
}

impl Model for Sessions {
    type State = State;
    type Action = Action;

    fn init_states(&self) -> Vec<State> {
        let mut opened = [false; SESSIONS];
        (opened[MAKER], opened[SINGLE_USE]) = (true, true);
        vec![State {
            store: Store::new(),
            generation: 0,
            clients: [(Step::Idle, self.requests), (Step::Idle, self.requests)],
            has_crashed: false,
            answered: Answered { opened, ..Answered::default() },
            wrong: None,
        }]
    }

    fn actions(&self, state: &State, actions: &mut Vec<Action>) {
        for (client, (step, left)) in state.clients.iter().enumerate() {
            match step {
                Step::Idle if *left > 0 => {
                    let requests = state.requests().into_iter();
                    actions.extend(requests.map(|request| Action::Begin(client, request)));
                }
                Step::Idle | Step::Waits(_) => {}
                _ => actions.push(Action::GoOn(client)),
            }
        }
        if !state.store.is_written() {
            actions.push(Action::Commit);
        }
        if !state.has_crashed {
            actions.push(Action::Crash);
        }
    }

    fn next_state(&self, last: &State, action: Action) -> Option<State> {
        let mut state = last.clone();
        match action {
            Action::Begin(client, request) => {
                state.clients[client].1 -= 1;
                state.clients[client].0 = state.begin(request);
            }
            Action::GoOn(client) => {
                let step = std::mem::replace(&mut state.clients[client].0, Step::Idle);
                state.clients[client].0 = state.go_on(step, self.mistake);
            }
            Action::Commit => {
                state.store.commit();
                state.answer_all();
            }
            Action::Crash => {
                state.has_crashed = true;
                state.store.crash();
                // Before anybody is let in, what was to end by generation does.
                for session in state.store.below(state.generation) {
                    state.end(session);
                }
                state.clients.iter_mut().for_each(|client| client.0 = Step::Idle);
            }
        }
        if self.mistake == Mistake::AnswersEarly || state.store.is_written() {
            state.answer_all();
        }
        Some(state)
    }

    fn properties(&self) -> Vec<Property<Self>> {
        vec![
            Property::always("no client sees what it must not", |_, state: &State| {
                state.wrong.is_none()
            }),
            Property::always("no user has more sessions than the cap", |_, state: &State| {
                // What is opened and what makes room for it may be in two commits, and a crash between.
                let unsettled =
                    state.has_crashed || state.clients.iter().any(|client| client.0 != Step::Idle);
                state.store.live() <= if unsettled { CAP + state.clients.len() } else { CAP }
            }),
            Property::sometimes("a login is answered after a crash", |_, state: &State| {
                state.has_crashed && state.answered.opened[2..].contains(&true)
            }),
            Property::sometimes("a session ends for the cap", |_, state: &State| {
                state.store.opened == SESSIONS && state.answered.may_be_over[MAKER]
            }),
            Property::sometimes("all ends while another is opened", |_, state: &State| {
                state.answered.generation > 0 && state.clients.iter().any(|c| c.0.opens())
            }),
        ]
    }
}

fn gone_through(mistake: Mistake) -> impl Checker<Sessions> {
    let requests = std::env::var("MODEL_REQUESTS").ok().and_then(|number| number.parse().ok());
    let model = Sessions { mistake, requests: requests.unwrap_or(REQUESTS) };
    model.checker().threads(2).spawn_bfs().join()
}

#[test]
fn nothing_is_wrong_in_any_order_of_two_clients_and_a_crash() {
    let checker = gone_through(Mistake::None);
    eprintln!(
        "{} states, {} of them different",
        checker.state_count(),
        checker.unique_state_count()
    );
    checker.assert_properties();
}

#[test]
fn each_mistake_is_found() {
    use Mistake::{AnswersEarly, EndsOnce, LooksOnce, TouchUpserts};
    for mistake in [TouchUpserts, AnswersEarly, LooksOnce, EndsOnce] {
        let checker = gone_through(mistake);
        let path = checker.discovery("no client sees what it must not");
        let path = path.unwrap_or_else(|| panic!("{mistake:?} is not found"));
        let steps = path.clone().into_actions();
        let wrong = path.last_state().wrong.unwrap();
        eprintln!("{mistake:?}: {wrong}, in {} steps: {steps:?}", steps.len());
    }
}
