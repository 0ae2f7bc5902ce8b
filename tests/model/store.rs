//! The store of a model: what is in memory, what is in the file, and what is on its way there.

/// How many sessions there may ever be, and how many a user may have at once.
pub(crate) const SESSIONS: usize = 5;
pub(crate) const CAP: usize = 3;
/// The sessions that there are at first: one that mints and is rotated, one that may be used once.
pub(crate) const MAKER: usize = 0;
pub(crate) const SINGLE_USE: usize = 1;

/// What is stored of a session.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub(crate) struct Record {
    pub(crate) generation: u8,
    /// How often it was rotated.
    pub(crate) secret: u8,
    /// Whether its secret, or its end, is being written.
    pub(crate) is_writing: bool,
    /// Whether it ends with what is being written.
    pub(crate) is_ending: bool,
}

/// What is to be written.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
enum Change {
    Put(usize, Record),
    End(usize),
}

type Sessions = [Option<Record>; SESSIONS];

/// The store.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(crate) struct Store {
    memory: Sessions,
    file: Sessions,
    journal: Vec<Change>,
    /// How many sessions were ever opened.
    pub(crate) opened: usize,
}

impl Store {
    pub(crate) fn new() -> Self {
        let mut sessions = [None; SESSIONS];
        (sessions[MAKER], sessions[SINGLE_USE]) =
            (Some(Record::default()), Some(Record::default()));
        Self { memory: sessions, file: sessions, journal: Vec::new(), opened: 2 }
    }

    /// The session as it stands to those who ask.
    pub(crate) fn find(&self, session: usize) -> Option<Record> {
        self.memory[session]
    }

    /// Takes in a new session, whose number is returned.
    pub(crate) fn insert(&mut self, generation: u8) -> usize {
        let (session, record) = (self.opened, Record { generation, ..Record::default() });
        self.opened += 1;
        self.memory[session] = Some(record);
        self.journal.push(Change::Put(session, record));
        session
    }

    /// Ends the session, which is not held back: it shows at once.
    pub(crate) fn end(&mut self, session: usize) {
        if self.memory[session].take().is_some() {
            self.journal.push(Change::End(session));
        }
    }

    /// Ends the session once that is written: a single use, or its user's cap.
    pub(crate) fn end_when_written(&mut self, session: usize) {
        if let Some(record) = &mut self.memory[session] {
            (record.is_writing, record.is_ending) = (true, true);
            self.journal.push(Change::End(session));
        }
    }

    /// Gives the session another secret, which nobody may present before it is written.
    pub(crate) fn rotate(&mut self, session: usize) {
        if let Some(record) = &mut self.memory[session] {
            record.secret += 1;
            self.journal.push(Change::Put(session, *record));
            record.is_writing = true;
        }
    }

    /// Saves a copy of the session, which no store should.
    pub(crate) fn save(&mut self, session: usize, copy: Record) {
        self.memory[session] = Some(copy);
    }

    /// The session that must make room for a new one, if any must.
    pub(crate) fn beyond_cap(&self, newest: usize) -> Option<usize> {
        let lives = |session: &usize| self.memory[*session].is_some_and(|record| !record.is_ending);
        let live: Vec<usize> = (0..SESSIONS).filter(lives).collect();
        (live.len() > CAP).then(|| live.into_iter().find(|session| *session != newest))?
    }

    /// How many live.
    pub(crate) fn live(&self) -> usize {
        self.memory.iter().flatten().filter(|record| !record.is_ending).count()
    }

    /// The sessions of a generation below this one.
    pub(crate) fn below(&self, generation: u8) -> Vec<usize> {
        let is_below = |session: &usize| {
            self.memory[*session].is_some_and(|record| record.generation < generation)
        };
        (0..SESSIONS).filter(is_below).collect()
    }

    pub(crate) fn is_written(&self) -> bool {
        self.journal.is_empty()
    }

    /// Writes all that waits, in its order, and lets go of what was held back.
    pub(crate) fn commit(&mut self) {
        for change in std::mem::take(&mut self.journal) {
            match change {
                Change::Put(session, record) => self.file[session] = Some(record),
                Change::End(session) => {
                    self.file[session] = None;
                    if self.memory[session].is_some_and(|record| record.is_ending) {
                        self.memory[session] = None;
                    }
                }
            }
        }
        self.memory.iter_mut().flatten().for_each(|record| record.is_writing = false);
    }

    /// The process dies and is started again with what is in the file.
    pub(crate) fn crash(&mut self) {
        self.memory = self.file;
        self.journal.clear();
    }
}
