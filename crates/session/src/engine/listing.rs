//! Lists of the sessions of all subjects, a page at a time, for somebody who comes back for the next.

use std::fmt;

use uuid::Uuid;

use super::Sessions;
use crate::store::scan::PAGE;
use crate::{Cursor, Page, Session, SessionFilter, SessionId, StoreError};

/// Where a list goes on. Written as text it is good for every process that uses the same store, and
/// for the same one after a restart.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ListCursor {
    at: Cursor,
    /// Where the unit that begins there was shown in part.
    cut: Option<Cut>,
}

/// A unit that was shown in part.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Cut {
    /// The highest id that was shown.
    after: SessionId,
    /// Where the unit ended. Where it does not any more, it is another one, and shown in whole.
    end: Option<Cursor>,
}

/// Some of the sessions that are meant.
#[derive(Debug, Default)]
pub struct ListPage {
    /// Live sessions, in no order.
    pub sessions: Vec<Session>,
    /// Where the next page begins; none after the last.
    pub next: Option<ListCursor>,
}

impl ListCursor {
    const START: Self = Self { at: Cursor::START, cut: None };

    /// The cursor that was written like this.
    pub fn parse(text: &str) -> Option<Self> {
        let mut parts = text.split('_');
        let at = parse_point(parts.next()?)?;
        let cut = match (parts.next(), parts.next(), parts.next()) {
            (None, ..) => None,
            (Some(after), Some(end), None) => {
                let end = if end.is_empty() { None } else { Some(parse_point(end)?) };
                Some(Cut { after: Uuid::try_parse(after).ok()?.into(), end })
            }
            _ => return None,
        };
        Some(Self { at, cut })
    }
}

impl fmt::Display for ListCursor {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:x}-{:x}", self.at.part, self.at.at)?;
        let Some(Cut { after, end }) = &self.cut else { return Ok(()) };
        write!(f, "_{}_", after.uuid().simple())?;
        end.map_or(Ok(()), |end| write!(f, "{:x}-{:x}", end.part, end.at))
    }
}

fn parse_point(text: &str) -> Option<Cursor> {
    let (part, at) = text.split_once('-')?;
    let part = usize::from_str_radix(part, 16).ok()?;
    Some(Cursor::at(part, u64::from_str_radix(at, 16).ok()?))
}

impl Sessions {
    /// The sessions that are meant, `limit` at most, from the beginning or from where a page ended.
    ///
    /// Over all pages, what lives all the while is shown at least once, and once unless the store
    /// moves it meanwhile. A page is shorter than `limit` only where it is the last.
    ///
    /// # Errors
    ///
    /// [`StoreError`] where the store did not answer.
    pub async fn list_page(
        &self,
        filter: &SessionFilter,
        from: Option<ListCursor>,
        limit: usize,
    ) -> Result<ListPage, StoreError> {
        let mut page = ListPage::default();
        let (mut next, mut at_least) = (Some(from.unwrap_or(ListCursor::START)), PAGE);
        while let Some(from) = next {
            let room = limit - page.sessions.len();
            let part = self.meant_from(from, filter, at_least).await?;
            let rest = part.sessions.len().saturating_sub(room);
            if room == 0 && rest > 0 {
                page.next = Some(from);
                break;
            }
            if rest > 0 && at_least > 1 {
                // Too many to show all: unit by unit, since only a unit can be cut.
                at_least = 1;
                continue;
            }
            page.sessions.extend(part.sessions.into_iter().take(room));
            if let Some(last) = page.sessions.last().filter(|_| rest > 0) {
                let cut = Some(Cut { after: last.id, end: part.next });
                page.next = Some(ListCursor { cut, ..from });
                break;
            }
            next = part.next.map(|at| ListCursor { at, cut: None });
            tokio::task::yield_now().await;
        }
        Ok(page)
    }

    /// Those that are meant in the part of the store that begins there, in the order of their ids.
    async fn meant_from(
        &self,
        from: ListCursor,
        filter: &SessionFilter,
        at_least: usize,
    ) -> Result<Page, StoreError> {
        let Some(cut) = from.cut else {
            return self.meant_in(from.at.by_units(at_least), filter).await;
        };
        let mut unit = self.meant_in(from.at.by_units(1), filter).await?;
        if unit.next == cut.end {
            unit.sessions.retain(|session| session.id > cut.after);
        }
        Ok(unit)
    }

    async fn meant_in(&self, part: Cursor, filter: &SessionFilter) -> Result<Page, StoreError> {
        let mut page = self.store().scan(part).await?;
        page.sessions.retain(|session| filter.matches(session));
        page.sessions.sort_unstable_by_key(|session| session.id);
        page.sessions.dedup_by_key(|session| session.id);
        Ok(page)
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;
    use std::sync::Arc;

    use clock::ManualClock;

    use super::super::tests::{lifetimes, login};
    use super::*;
    use crate::store::conformance::logout;
    use crate::{Binding, Kind, Lifetimes, MemoryStore};

    fn engine() -> Sessions {
        let clock = Arc::new(ManualClock::new());
        let lifetimes = Lifetimes { max_per_subject: 0, ..lifetimes() };
        let store = Arc::new(MemoryStore::new(clock.clone()));
        Sessions::new(store, clock, lifetimes, Binding::default())
    }

    async fn open(sessions: &Sessions, count: usize) -> Vec<SessionId> {
        let mut ids = Vec::new();
        for _ in 0..count {
            ids.push(sessions.issue(login("192.0.2.1")).await.unwrap().session.id);
        }
        ids
    }

    /// How often each session is shown, with what is done between two pages.
    async fn shown(
        sessions: &Sessions,
        limit: usize,
        mut between: impl AsyncFnMut(),
    ) -> BTreeMap<SessionId, usize> {
        let (mut shown, mut from) = (BTreeMap::new(), None);
        loop {
            let page = sessions.list_page(&SessionFilter::default(), from, limit).await.unwrap();
            let full = page.sessions.len() == limit;
            assert!(full || page.sessions.len() < limit && page.next.is_none(), "{from:?}");
            for session in page.sessions {
                *shown.entry(session.id).or_default() += 1;
            }
            let Some(next) = page.next else { return shown };
            from = Some(ListCursor::parse(&next.to_string()).unwrap());
            assert_eq!(from, page.next);
            between().await;
        }
    }

    #[tokio::test]
    async fn pages_are_full_but_the_last_and_show_each_session_once() {
        let sessions = engine();
        assert_eq!(shown(&sessions, 1, async || {}).await.len(), 0);
        let opened = open(&sessions, 2_500).await;
        for limit in [1, 7, 500, 2_500, 3_000] {
            let shown = shown(&sessions, limit, async || {}).await;
            assert_eq!(shown.len(), opened.len(), "{limit}");
            assert!(shown.values().all(|times| *times == 1), "{limit}");
        }
    }

    #[tokio::test]
    async fn what_stays_is_shown_once_while_others_come_and_go_between_pages() {
        let sessions = engine();
        let (mut stay, mut go) = (Vec::new(), Vec::new());
        for _ in 0..1_500 {
            stay.extend(open(&sessions, 1).await);
            go.extend(open(&sessions, 1).await);
        }
        let shown = shown(&sessions, 10, async || {
            for id in go.split_off(go.len().saturating_sub(9)) {
                assert!(sessions.store().remove(id, &logout()).await.unwrap());
                open(&sessions, 1).await;
            }
        });
        let shown = shown.await;
        assert!(stay.iter().all(|id| shown.get(id) == Some(&1)));
    }

    #[tokio::test]
    async fn a_page_has_only_what_is_meant() {
        let sessions = engine();
        open(&sessions, 900).await;
        let fixed = SessionFilter { kind: Some(Kind::Fixed), ..SessionFilter::default() };
        let page = sessions.list_page(&fixed, None, 10).await.unwrap();
        assert!(page.sessions.is_empty() && page.next.is_none());
    }

    #[test]
    fn a_cursor_that_nobody_wrote_is_none() {
        let written = "3-0_0193bbbb00007000800000000000000a_4-0";
        for good in ["0-0", "3ff-ffffffffffffffff", written, &written.replace("_4-0", "_")] {
            assert_eq!(ListCursor::parse(good).unwrap().to_string(), good);
        }
        for bad in ["", "0", "-", "0-", "g-0", "0-0_", "0-0_x_", "0-0_x_1-1", "0-10000000000000000"]
        {
            assert_eq!(ListCursor::parse(bad), None, "{bad}");
        }
        assert_eq!(ListCursor::parse(&format!("{written}_")), None);
    }
}
