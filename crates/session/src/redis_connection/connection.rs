//! The connection to one server: made when it is first needed, and made anew once it has broken.
//!
//! INVARIANT: what may have reached the server is never sent again. What met a broken connection
//! goes out on a new one only where nothing was written to the old one in between.

use std::sync::Arc;

use futures_util::FutureExt as _;
use futures_util::future::{BoxFuture, Shared, select_ok};
use parking_lot::Mutex;
use redis::aio::MultiplexedConnection;
use redis::{
    AsyncConnectionConfig, ErrorKind, Pipeline, RedisConnectionInfo, RedisError, RedisResult, Value,
};
use rustls::pki_types::ServerName;
use socket2::{SockRef, TcpKeepalive};
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::TcpStream;
use tokio_rustls::TlsConnector;
use tokio_util::task::AbortOnDropHandle;

use super::address::{Host, RedisAddress};
use super::node::IN_FLIGHT;
use super::stream::{Counted, Writes};
use super::timeouts::{CONNECT, KEEPALIVE, UNACKNOWLEDGED};
use super::unreachable;
use crate::StoreError;

/// A connection that is made anew after it broke.
pub(super) struct ReconnectingConnection {
    connector: Arc<Connector>,
    /// The last attempt to connect, under way or over.
    attempt: Mutex<Option<Attempt>>,
}

type Attempt = Shared<BoxFuture<'static, Result<Connection, StoreError>>>;

/// How connections to a server are made.
pub(super) struct Connector {
    host: Host,
    address: RedisAddress,
    tls: Option<TlsConnector>,
}

/// A connection that many share; a cheap handle.
#[derive(Clone)]
struct Connection {
    redis: MultiplexedConnection,
    writes: Writes,
    /// Reads and writes. It ends when the connection does, and with its last handle.
    driver: Arc<AbortOnDropHandle<()>>,
}

impl ReconnectingConnection {
    /// Nothing is sent yet.
    pub(super) fn new(connector: &Arc<Connector>) -> Self {
        Self { connector: Arc::clone(connector), attempt: Mutex::default() }
    }

    /// Sends a pipeline, and receives its replies. A connection that is found broken before any of it
    /// was written is made anew.
    ///
    /// # Errors
    ///
    /// Where there is no connection, or it broke.
    ///
    /// # Cancel safety
    ///
    /// Dropped, it may or may not have been carried out; other callers have their replies.
    pub(super) async fn exchange(
        &self,
        pipeline: &Pipeline,
    ) -> Result<Vec<RedisResult<Value>>, StoreError> {
        let mut connection = self.connection().await?;
        let written = connection.writes.count();
        let mut replied = pipeline.query_async(&mut connection.redis).await;
        if replied.as_ref().is_err_and(is_broken) {
            self.give_up(&connection);
            if connection.writes.count() == written {
                connection = self.connection().await?;
                replied = pipeline.query_async(&mut connection.redis).await;
            }
        }
        replied.map_err(|error| {
            self.give_up(&connection);
            self.connector.explain(&error)
        })
    }

    /// Makes the next caller connect anew, to whatever the name leads to by then.
    pub(super) fn renew(&self) {
        *self.attempt.lock() = None;
    }

    fn give_up(&self, broken: &Connection) {
        let mut attempt = self.attempt.lock();
        let current = attempt.as_ref().and_then(Attempt::peek);
        if matches!(current, Some(Ok(current)) if Arc::ptr_eq(&current.driver, &broken.driver)) {
            *attempt = None;
        }
    }

    async fn connection(&self) -> Result<Connection, StoreError> {
        let (attempt, is_own) = self.attempt();
        match attempt.await {
            // It began before this request did, and the server may be back since.
            Err(_) if !is_own => self.attempt().0.await,
            made => made,
        }
    }

    /// The open connection, or the attempt to make one; and whether this call has begun it.
    fn attempt(&self) -> (Attempt, bool) {
        let mut current = self.attempt.lock();
        if let Some(attempt) = &*current {
            let is_usable = match attempt.peek() {
                Some(made) => made.as_ref().is_ok_and(Connection::is_open),
                None => true,
            };
            if is_usable {
                return (attempt.clone(), false);
            }
        }
        let connector = Arc::clone(&self.connector);
        // In a task of its own: the callers that wait for the connection may be cancelled sooner.
        let connecting = spawn_owned(async move { connector.connect().await });
        let attempt =
            connecting.map(|made| made.unwrap_or_else(|_| Err(unreachable("the server"))));
        let attempt = attempt.boxed().shared();
        *current = Some(attempt.clone());
        (attempt, true)
    }
}

/// Runs a task that its handle aborts when it is dropped.
#[expect(clippy::disallowed_methods, reason = "the handle tells its owner how the task ended")]
fn spawn_owned<F>(task: F) -> AbortOnDropHandle<F::Output>
where
    F: Future<Output: Send> + Send + 'static,
{
    AbortOnDropHandle::new(tokio::spawn(task))
}

/// Whether the connection has ended; what became of what was sent is unknown.
fn is_broken(error: &RedisError) -> bool {
    error.is_io_error()
}

impl Connection {
    fn is_open(&self) -> bool {
        !self.driver.is_finished()
    }

    async fn establish<S>(redis: &RedisConnectionInfo, stream: S) -> RedisResult<Self>
    where
        S: AsyncRead + AsyncWrite + Unpin + Send + 'static,
    {
        let config = AsyncConnectionConfig::new()
            // Whoever sends a command limits the time.
            .set_response_timeout(None)
            // Room for all whom the bound admits, so that none of them waits for it.
            .set_pipeline_buffer_size(IN_FLIGHT);
        let (stream, writes) = Counted::new(stream);
        let (redis, driver) = MultiplexedConnection::new_with_config(redis, stream, config).await?;
        let driver = Arc::new(spawn_owned(driver));
        Ok(Self { redis, writes, driver })
    }
}

impl Connector {
    /// For this server.
    ///
    /// # Errors
    ///
    /// Where TLS is wanted and the system's root certificates cannot be read.
    pub(super) fn new(address: &RedisAddress, host: &Host) -> Result<Self, StoreError> {
        let tls = if address.is_encrypted() { Some(tls_connector()?) } else { None };
        Ok(Self { host: host.clone(), address: address.clone(), tls })
    }

    async fn connect(&self) -> Result<Connection, StoreError> {
        match tokio::time::timeout(CONNECT, self.open()).await {
            Ok(opened) => opened.map_err(|error| self.explain(&error)),
            Err(_) => Err(StoreError(format!("connecting to {} timed out", self.host))),
        }
    }

    async fn open(&self) -> RedisResult<Connection> {
        let tcp = self.tcp().await?;
        // The password of this moment: it may have been replaced.
        let redis = self.address.redis();
        let Some(tls) = &self.tls else {
            return Connection::establish(&redis, tcp).await;
        };
        let name = ServerName::try_from(self.host.0.clone()).map_err(std::io::Error::other)?;
        Connection::establish(&redis, tls.connect(name, tcp).await?).await
    }

    /// The address that answers first, of those that the name leads to.
    async fn tcp(&self) -> std::io::Result<TcpStream> {
        let Host(name, port) = &self.host;
        let addresses = tokio::net::lookup_host((name.as_str(), *port)).await?;
        let mut connecting = addresses.map(|to| TcpStream::connect(to).boxed()).peekable();
        if connecting.peek().is_none() {
            return Err(std::io::ErrorKind::AddrNotAvailable.into());
        }
        let (tcp, _) = select_ok(connecting).await?;
        tcp.set_nodelay(true)?;
        let socket = SockRef::from(&tcp);
        // What lies between may drop an idle connection without a word.
        let keepalive = TcpKeepalive::new().with_time(KEEPALIVE).with_interval(UNACKNOWLEDGED);
        socket.set_tcp_keepalive(&keepalive)?;
        #[cfg(target_os = "linux")]
        socket.set_tcp_user_timeout(Some(UNACKNOWLEDGED))?;
        Ok(tcp)
    }

    fn explain(&self, error: &RedisError) -> StoreError {
        match error.kind() {
            ErrorKind::Parse => StoreError(format!("{}: the server there is not Redis", self.host)),
            _ => StoreError(format!("{}: {error}", self.host)),
        }
    }
}

/// Certificates are held against the system's roots; `SSL_CERT_FILE` names others.
fn tls_connector() -> Result<TlsConnector, StoreError> {
    let mut roots = rustls::RootCertStore::empty();
    let found = rustls_native_certs::load_native_certs();
    // Single ones that cannot be read are missed only by those servers that need them.
    roots.add_parsable_certificates(found.certs);
    if roots.is_empty() {
        return Err(StoreError("the system's root certificates cannot be read".to_owned()));
    }
    let config =
        rustls::ClientConfig::builder().with_root_certificates(roots).with_no_client_auth();
    Ok(TlsConnector::from(Arc::new(config)))
}

#[cfg(test)]
mod tests;
