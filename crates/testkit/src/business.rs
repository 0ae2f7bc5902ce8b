//! business-service as its callers see it, in verbs.

use std::ops::{Deref, DerefMut};

use super::{Answer, AuthService, Launch, Listener, Process, Request};

/// A running business-service.
pub struct BusinessService {
    process: Process,
    /// The listener that people use.
    pub public: Listener,
    /// The listener for probes and metrics.
    pub internal: Listener,
}

impl BusinessService {
    /// One that uses this auth-service, with everything else as it is by default.
    pub fn start(auth: &AuthService) -> Self {
        Self::launch(&Launch::business(auth.internal.port))
    }

    /// Starts this launch.
    pub fn launch(launch: &Launch) -> Self {
        let mut process = launch.start();
        let public = process.listener("business");
        let internal = process.listener("business-internal");
        Self { process, public, internal }
    }

    /// `GET /data` with this token.
    pub fn data(&self, token: &str) -> Answer {
        self.keep_token_secret(token);
        self.public.send(Request::get("/data").bearer(token))
    }
}

impl Deref for BusinessService {
    type Target = Process;

    fn deref(&self) -> &Process {
        &self.process
    }
}

impl DerefMut for BusinessService {
    fn deref_mut(&mut self) -> &mut Process {
        &mut self.process
    }
}
