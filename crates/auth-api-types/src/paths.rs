//! The paths that both sides of the wire name.

/// Asks whether a token is alive (internal listener).
pub const VALIDATE_TOKEN: &str = "/validateToken";
/// What backends keep in a session (internal listener).
pub const SESSION_DATA: &str = "/session/data";
/// Whether the process lives.
pub const LIVEZ: &str = "/livez";
/// Whether the process is ready to serve.
pub const READYZ: &str = "/readyz";
/// The metrics, as Prometheus text.
pub const METRICS: &str = "/metrics";
/// The description of the API, OpenAPI 3.1.
pub const OPENAPI: &str = "/openapi.json";
