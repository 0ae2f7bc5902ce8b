//! nginx with a small file, and with `auth_request` before the same file: the auth service's
//! forward-auth door is asked over connections that are kept.

use std::fs;
use std::net::SocketAddr;

use anyhow::Result;

use crate::http::Connection;
use crate::process::{Server, free_port};
use crate::services::{AuthService, Starter};

const BODY: &str = r#"{"data":{"message":"Hello user-1@example.com","user":"user-1@example.com"}}"#;

/// Nothing is logged and no connection is given up: what could slow nginx down is off.
const CONFIGURATION: &str = r#"
user root;
worker_processes WORKERS;
worker_rlimit_nofile 8192;
error_log stderr;
pid nginx.pid;
daemon off;

events {
    worker_connections 4096;
}

http {
    access_log off;
    server_tokens off;
    keepalive_requests 1000000000;
    keepalive_timeout 1h;
    open_file_cache max=16;
    open_file_cache_valid 1h;
    default_type application/json;
    client_body_temp_path temporary;
    proxy_temp_path temporary;
    fastcgi_temp_path temporary;
    uwsgi_temp_path temporary;
    scgi_temp_path temporary;

    upstream auth {
        server AUTH;
        keepalive 256;
        keepalive_requests 1000000000;
        keepalive_timeout 1h;
    }

    server {
        listen 127.0.0.1:PORT backlog=1024;
        root ROOT;

        location = /data.json {
        }

        location = /protected.json {
            auth_request /.auth;
        }

        location = /.auth {
            internal;
            proxy_pass http://auth/authz/auth-request;
            proxy_http_version 1.1;
            proxy_pass_request_body off;
            proxy_set_header Content-Length "";
            proxy_set_header Connection "";
        }
    }
}
"#;

/// Starts nginx in front of an auth service.
pub(crate) fn start(starter: Starter<'_>, auth: &AuthService) -> Result<(Server, SocketAddr)> {
    let directory = starter.paths.scratch.join("nginx");
    fs::create_dir_all(&directory)?;
    for name in ["data.json", "protected.json"] {
        fs::write(directory.join(name), BODY)?;
    }
    let port = free_port()?;
    let configuration = CONFIGURATION
        .replace("WORKERS", &starter.pinning.visible_cores().to_string())
        .replace("AUTH", &auth.internal.to_string())
        .replace("PORT", &port.to_string())
        .replace("ROOT", &directory.to_string_lossy());
    let file = directory.join("nginx.conf");
    fs::write(&file, configuration)?;
    let mut command = starter.pinning.server("nginx");
    command.arg("-p").arg(&directory).arg("-c").arg(&file);
    let mut server = Server::start(command, directory.join("nginx.log"))?;
    let address = SocketAddr::from(([127, 0, 0, 1], port));
    server.wait(|| Connection::open(address).ok())?;
    Ok((server, address))
}
