//! Listeners that systemd has bound and hands over, by their names. Clients that connect while the
//! process is replaced wait in them for the next one.

use std::fmt;
use std::net::{SocketAddr, TcpListener};

use http_server::{Listener, StartError};
use listenfd::ListenFd;

/// What systemd handed over, until it is taken.
#[derive(Debug, Default)]
pub struct Sockets(Vec<Socket>);

#[derive(Debug)]
struct Socket {
    name: &'static str,
    listener: TcpListener,
    addr: SocketAddr,
}

/// What was handed over cannot be used; one line that says why.
#[derive(Debug, PartialEq, Eq)]
pub struct BadSockets(String);

impl fmt::Display for BadSockets {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// What the environment says of sockets.
#[derive(Clone, Copy, Debug, Default)]
struct Announced<'a> {
    pid: Option<&'a str>,
    count: Option<&'a str>,
    names: Option<&'a str>,
}

impl Sockets {
    /// Takes what was handed over to this process, which has listeners of these names. Whatever was
    /// meant for another process counts as none.
    ///
    /// # Errors
    ///
    /// A name that is not one of these or comes twice; something that is no TCP socket.
    pub(crate) fn handed_over(names: &[&'static str]) -> Result<Self, BadSockets> {
        let [pid, count, given] =
            ["LISTEN_PID", "LISTEN_FDS", "LISTEN_FDNAMES"].map(|name| std::env::var(name).ok());
        let announced =
            Announced { pid: pid.as_deref(), count: count.as_deref(), names: given.as_deref() };
        let order = announced.order(std::process::id(), names)?;
        if order.is_empty() {
            return Ok(Self::default());
        }
        let mut passed = ListenFd::from_env();
        let take = |(index, name): (usize, &'static str)| {
            let failed = |why: &dyn fmt::Display| BadSockets(format!("the socket {name}: {why}"));
            let listener = passed.take_tcp_listener(index).map_err(|error| failed(&error))?;
            let listener = listener.ok_or_else(|| failed(&"it is not there"))?;
            let addr = listener.local_addr().map_err(|error| failed(&error))?;
            Ok(Socket { name, listener, addr })
        };
        order.into_iter().enumerate().map(take).collect::<Result<_, _>>().map(Self)
    }

    /// Where the socket of this name listens, if it was handed over.
    pub(crate) fn addr(&self, name: &str) -> Option<SocketAddr> {
        self.0.iter().find(|socket| socket.name == name).map(|socket| socket.addr)
    }

    /// The listener of this name: the one that was handed over, or else one that is bound here.
    ///
    /// # Errors
    ///
    /// The address cannot be listened on, or the socket that was handed over does not listen.
    pub async fn listener(
        &mut self,
        name: &'static str,
        addr: SocketAddr,
    ) -> Result<Listener, StartError> {
        match self.0.iter().position(|socket| socket.name == name) {
            Some(index) => Listener::from_socket(name, self.0.swap_remove(index).listener),
            None => Listener::bind(name, addr).await,
        }
    }
}

impl Announced<'_> {
    /// The names of the sockets in their order, each as one of `names`; none where they are not for
    /// this process.
    fn order(&self, process: u32, names: &[&'static str]) -> Result<Vec<&'static str>, BadSockets> {
        if self.pid.and_then(|pid| pid.parse().ok()) != Some(process) {
            return Ok(Vec::new());
        }
        let count = self.count.and_then(|count| count.parse::<usize>().ok()).unwrap_or(0);
        let mut given = self.names.unwrap_or_default().split(':');
        let mut order = Vec::new();
        for _ in 0..count {
            let name = given.next().unwrap_or_default();
            let known = names.iter().find(|known| **known == name && !order.contains(*known));
            order.push(*known.ok_or_else(|| refusal(name, names))?);
        }
        Ok(order)
    }
}

fn refusal(name: &str, names: &[&str]) -> BadSockets {
    let shown: String = name.chars().filter(|c| !c.is_control()).take(100).collect();
    let names = names.join(", ");
    BadSockets(format!(
        "LISTEN_FDNAMES: \"{shown}\" is not acceptable; it takes a name for each socket \
         (FileDescriptorName= of its unit), once: {names}"
    ))
}

#[cfg(test)]
mod tests {
    use super::*;

    const NAMES: &[&str] = &["public", "internal"];

    fn order(pid: &str, count: &str, names: Option<&str>) -> Result<Vec<&'static str>, BadSockets> {
        let announced = Announced { pid: Some(pid), count: Some(count), names };
        announced.order(7, NAMES)
    }

    #[test]
    fn sockets_are_told_apart_by_their_names_whatever_their_order() {
        assert_eq!(order("7", "2", Some("internal:public")), Ok(vec!["internal", "public"]));
        assert_eq!(order("7", "1", Some("internal")), Ok(vec!["internal"]));
        assert_eq!(order("7", "1", Some("public:internal")), Ok(vec!["public"]));
        assert_eq!(order("7", "0", None), Ok(vec![]));
    }

    #[test]
    fn what_was_handed_to_another_process_counts_as_none() {
        for pid in ["8", "", "x", "77"] {
            assert_eq!(order(pid, "2", Some("what:ever")), Ok(vec![]), "{pid:?}");
        }
        assert_eq!(Announced::default().order(7, NAMES), Ok(vec![]));
    }

    #[test]
    fn a_name_that_is_none_of_ours_is_refused_and_so_is_one_that_comes_twice() {
        for names in [None, Some(""), Some("auth-service.socket"), Some("public:public")] {
            let refused = order("7", "2", names).unwrap_err().to_string();
            assert!(refused.starts_with("LISTEN_FDNAMES: "), "{refused}");
            assert!(refused.ends_with("public, internal"), "{refused}");
        }
        let refused = order("7", "1", Some("a\nb")).unwrap_err().to_string();
        assert!(!refused.contains('\n'), "{refused}");
    }
}
