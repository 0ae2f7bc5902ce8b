//! The connection to PostgreSQL: beyond loopback a server gets the password only after it has shown
//! a trusted certificate.
//! `0.0.0.0` stands for a host beyond loopback: it is none, and leads to this machine.

use std::fs;
use std::io::{Read, Write};
use std::net::{TcpListener, TcpStream};
use std::process::Command;
use std::sync::mpsc;
use std::time::Duration;

use tempfile::TempDir;

use crate::harness::{
    AuthService, DEMO, Launch, Postgres, TIMEOUT, skip_unless_installed, unused_port,
};

/// What PostgreSQL's protocol says: `SSLRequest`, and that a password is wanted in clear.
const SSL_REQUEST: [u8; 8] = [0, 0, 0, 8, 4, 210, 22, 47];
const PASSWORD_IN_CLEAR: [u8; 9] = [b'R', 0, 0, 0, 8, 0, 0, 0, 3];

/// A server that offers no TLS and wants the password; what it gets comes out of the channel.
fn greedy_server() -> (u16, mpsc::Receiver<Vec<u8>>) {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let port = listener.local_addr().unwrap().port();
    let (received, got) = mpsc::channel();
    std::thread::spawn(move || {
        for connection in listener.incoming().map_while(Result::ok) {
            let _closed = received.send(converse(connection));
        }
    });
    (port, got)
}

fn converse(mut connection: TcpStream) -> Vec<u8> {
    connection.set_read_timeout(Some(Duration::from_secs(3))).unwrap();
    let mut got = Vec::new();
    let mut buffer = [0; 1024];
    while let Ok(count @ 1..) = connection.read(&mut buffer) {
        got.extend_from_slice(&buffer[..count]);
        let answer: &[u8] = if got == SSL_REQUEST { b"N" } else { &PASSWORD_IN_CLEAR };
        if String::from_utf8_lossy(&got).contains("hunter-secret")
            || connection.write_all(answer).is_err()
        {
            break;
        }
    }
    got
}

#[test]
fn a_server_that_refuses_tls_does_not_get_the_password() {
    let (port, got) = greedy_server();
    let url = |host: &str| format!("postgres://ann:hunter-secret@{host}:{port}/users");
    for (launch, in_clear) in [
        (Launch::auth().var("AUTH_DATABASE_URL", url("0.0.0.0")), false),
        (
            Launch::auth()
                .var("AUTH_DATABASE_URL", format!("{}?sslmode=verify-full", url("127.0.0.1"))),
            false,
        ),
        (
            Launch::auth()
                .var("AUTH_DATABASE_URL", format!("{}?sslmode=require", url("0.0.0.0")))
                .var("PGSSLMODE", "disable"),
            false,
        ),
        (Launch::auth().var("AUTH_DATABASE_URL", url("0.0.0.0")).var("PGSSLMODE", "prefer"), true),
        (Launch::auth().var("AUTH_DATABASE_URL", url("127.0.0.1")), true),
    ] {
        let output = launch.arg("users").arg("list").run();
        assert_eq!((output.code, output.lines().len()), (Some(1), 1), "{output:?}");
        assert!(!format!("{output:?}").contains("hunter-secret"), "{output:?}");
        let got = got.recv_timeout(TIMEOUT).unwrap();
        if in_clear {
            assert!(String::from_utf8_lossy(&got).contains("hunter-secret"), "it was said so");
        } else {
            assert_eq!(got, SSL_REQUEST, "{output:?}");
            assert!(output.stderr.contains("no TLS connection"), "{output:?}");
        }
    }
}

/// An authority, and a certificate of its for the address `0.0.0.0`.
fn certificates() -> TempDir {
    let directory = TempDir::with_prefix("reinflate-e2e-").unwrap();
    let openssl = |arguments: &str| {
        let mut command = Command::new("openssl");
        command.args(arguments.split(' ')).current_dir(directory.path());
        let done = command.output().unwrap();
        assert!(done.status.success(), "{done:?}");
    };
    let names = "subjectAltName=IP:0.0.0.0\nbasicConstraints=CA:FALSE\n";
    fs::write(directory.path().join("names"), names).unwrap();
    openssl("req -x509 -newkey rsa:2048 -nodes -keyout ca.key -out ca.pem -days 2 -subj /CN=ca");
    openssl("req -newkey rsa:2048 -nodes -keyout server.key -out server.csr -subj /CN=server");
    openssl(
        "x509 -req -in server.csr -CA ca.pem -CAkey ca.key -CAcreateserial -out server.crt -days 2 -extfile names",
    );
    directory
}

#[test]
fn a_server_is_believed_by_a_certificate_of_an_authority_that_was_named() {
    if skip_unless_installed("openssl") {
        return;
    }
    let certificates = certificates();
    let port = unused_port();
    let Some(_server) = Postgres::start_with_tls(certificates.path(), port) else { return };
    let authority = certificates.path().join("ca.pem").display().to_string();
    let remote = format!("postgres://postgres@0.0.0.0:{port}/postgres");
    let on = |url: &str| Launch::auth().var("AUTH_DATABASE_URL", url);

    let unknown = on(&remote).run();
    assert_eq!(unknown.code, Some(1), "{unknown:?}");
    assert!(unknown.stderr.contains("certificate"), "{unknown:?}");
    let another = format!(
        "postgres://postgres@127.0.0.1:{port}/postgres?sslmode=verify-full&sslrootcert={authority}"
    );
    let another = on(&another).run();
    assert_eq!(another.code, Some(1), "a certificate of another host: {another:?}");

    for (launch, warned) in [
        (on(&format!("{remote}?sslrootcert={authority}")), false),
        (on(&remote).var("SSL_CERT_FILE", &authority), false),
        (on(&remote).var("PGSSLROOTCERT", &authority), false),
        (on(&format!("{remote}?sslmode=require")), true),
        (on(&remote).var("PGSSLMODE", "disable"), true),
    ] {
        let auth = AuthService::launch(&launch);
        auth.login(DEMO.0, DEMO.1);
        let warnings = auth.log_lines_with("beyond loopback", usize::from(warned));
        let warnings = warnings.iter().filter(|line| line.contains("sslmode=")).count();
        assert_eq!(warnings, usize::from(warned), "{:?}", auth.output());
    }
}
