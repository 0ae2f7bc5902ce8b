//! A PostgreSQL of our own, with a database for each case.

use std::ops::{Deref, DerefMut};
use std::sync::atomic::{AtomicU32, Ordering};

use sqlx::{Connection, Executor, PgConnection};
use testkit::Postgres;
use tokio::runtime::Runtime;

pub(super) struct Server {
    postgres: Postgres,
    databases: AtomicU32,
}

impl Server {
    /// Starts one, or says that the tests are skipped where there is none to start.
    pub(super) fn start() -> Option<Self> {
        Some(Self { postgres: Postgres::start()?, databases: AtomicU32::new(0) })
    }

    pub(super) fn fresh_database(&self, runtime: &Runtime) -> String {
        let name = format!("case{}", self.databases.fetch_add(1, Ordering::Relaxed));
        let create = format!("CREATE DATABASE {name}");
        runtime.block_on(async {
            let mut connection = PgConnection::connect(&self.url()).await.unwrap();
            connection.execute(sqlx::AssertSqlSafe(create)).await.unwrap();
        });
        self.url_of(&name)
    }
}

impl Deref for Server {
    type Target = Postgres;

    fn deref(&self) -> &Postgres {
        &self.postgres
    }
}

impl DerefMut for Server {
    fn deref_mut(&mut self) -> &mut Postgres {
        &mut self.postgres
    }
}
