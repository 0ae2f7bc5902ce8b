//! Logs, to standard output, all in one format.
//!
//! Filters decide what is written, but for the lines of the target [`ALWAYS`]. A standard output
//! that is closed, full or not read costs the lines and nothing else: threads that log only
//! put their lines into a queue.

mod queue;
mod writer;

use std::fmt;
use std::io::{IsTerminal as _, Write};
use std::panic::PanicHookInfo;
use std::time::Duration;

use tracing::{Event, Metadata, Subscriber};
use tracing_subscriber::EnvFilter;
use tracing_subscriber::filter::Directive;
use tracing_subscriber::fmt::format::{self, FormatEvent, FormatFields, Writer};
use tracing_subscriber::fmt::{FmtContext, MakeWriter};
use tracing_subscriber::layer::SubscriberExt as _;
use tracing_subscriber::registry::LookupSpan;
use tracing_subscriber::util::SubscriberInitExt as _;

use crate::json_line;
use crate::request;
use crate::settings::{
    BadSetting, LOG_FORMAT, OTEL_ENDPOINT, OTEL_SERVICE_NAME, RUST_LOG, Settings,
};
use crate::traces::Traces;
use writer::StandardOutput;

pub use writer::wait_for_audit_room;
pub(crate) use writer::{drain, lost_lines};

/// How long the end of the process may wait for the last lines to be written.
const LAST_LINES: Duration = Duration::from_secs(2);

/// The target of the few lines that no filter silences:
/// `tracing::info!(target: telemetry::ALWAYS, …)`.
pub const ALWAYS: &str = http_server::PROCESS_LOG_TARGET;

/// How log lines look.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Format {
    /// For people.
    Pretty,
    /// One JSON object a line.
    Json,
}

/// Logs and traces, which run until this is dropped. Dropping it sends the last spans, then writes
/// the last lines, for two seconds each at most; that must not happen on a runtime's thread while
/// it runs.
#[derive(Debug)]
#[must_use = "the last spans and lines leave when it is dropped"]
pub struct Telemetry {
    // INVARIANT: fields are dropped in this order, so that what the first one logs is written.
    _traces: Traces,
    _lines: LastLines,
}

#[derive(Debug)]
struct LastLines;

impl Drop for LastLines {
    fn drop(&mut self) {
        drain(LAST_LINES);
    }
}

/// Where logs and traces go, and how they look: what the settings say.
pub struct Options {
    format: Option<Format>,
    filter: EnvFilter,
    collector: Option<String>,
    service_name: Option<String>,
}

impl Options {
    /// Reads `LOG_FORMAT`, `RUST_LOG`, `OTEL_EXPORTER_OTLP_ENDPOINT` and `OTEL_SERVICE_NAME`.
    ///
    /// # Errors
    ///
    /// One of them is not acceptable.
    pub fn read(settings: &Settings) -> Result<Self, BadSetting> {
        Ok(Self {
            format: settings.get(&LOG_FORMAT)?,
            filter: settings.get(&RUST_LOG)?,
            collector: settings.get(&OTEL_ENDPOINT)?,
            service_name: settings.get(&OTEL_SERVICE_NAME)?,
        })
    }
}

/// Begins to log as `LOG_FORMAT` and `RUST_LOG` say, and to export traces to where
/// `OTEL_EXPORTER_OTLP_ENDPOINT` says, as those of the service with this name and version. Panics
/// are logged from then on. Of several calls in one process, the first holds.
///
/// # Errors
///
/// One of the settings is not acceptable.
pub fn init(settings: &Settings, service: (&str, &'static str)) -> Result<Telemetry, BadSetting> {
    let Options { format, filter, collector, service_name } = Options::read(settings)?;
    let terminal = std::io::stdout().is_terminal();
    let format = format.unwrap_or(if terminal { Format::Pretty } else { Format::Json });
    let colour = terminal && std::env::var_os("NO_COLOR").is_none_or(|v| v.is_empty());
    if subscriber(format, filter, colour, StandardOutput::start()).try_init().is_ok() {
        std::panic::set_hook(Box::new(log_panic));
    }
    let traces = collector.map(|url| Traces::to(&url, service, service_name)).transpose();
    let traces = traces.unwrap_or_else(|error| {
        tracing::error!(%error, "traces are not exported");
        None
    });
    Ok(Telemetry { _traces: traces.unwrap_or_default(), _lines: LastLines })
}

pub(crate) fn format(text: &str) -> Option<Format> {
    match text {
        "pretty" => Some(Format::Pretty),
        "json" => Some(Format::Json),
        _ => None,
    }
}

/// The filter that the text describes, widened so that it never silences [`ALWAYS`], and narrowed
/// by what writes whole paths, in which a caller may have put a token.
pub(crate) fn filter(text: &str) -> Option<EnvFilter> {
    let filter = EnvFilter::builder().parse(text).ok()?;
    let always: Directive = format!("{ALWAYS}=info").parse().ok()?;
    let paths: Directive = "tower_http::csrf=off".parse().ok()?;
    Some(filter.add_directive(always).add_directive(paths))
}

/// A base URL. Errors of the exporter name it, so there is no password in it.
pub(crate) fn http_url(text: &str) -> Option<String> {
    let url: http::Uri = text.parse().ok()?;
    let http = matches!(url.scheme_str(), Some("http" | "https"));
    let bare = url.query().is_none() && !url.authority()?.as_str().contains('@');
    (http && bare && url.host().is_some_and(|host| !host.is_empty())).then(|| text.to_owned())
}

/// What [`init`] logs with, for who keeps lines elsewhere: whatever `filter` lets through, one line
/// each, which names the request that it was written for.
pub fn subscriber<W>(
    format: Format,
    filter: EnvFilter,
    colour: bool,
    writer: W,
) -> Box<dyn tracing::Subscriber + Send + Sync>
where
    W: for<'a> MakeWriter<'a> + Send + Sync + 'static,
{
    let writer = Lines { inner: writer };
    // A line that cannot be written must not be reported on standard error, which may be closed too.
    let layer = tracing_subscriber::fmt::layer().with_writer(writer).log_internal_errors(false);
    let registry = tracing_subscriber::registry().with(filter);
    match format {
        Format::Pretty => {
            let lines = Named { inner: format::format().with_ansi(colour), json: false };
            Box::new(registry.with(layer.with_ansi(colour).event_format(lines)))
        }
        Format::Json => {
            let lines = format::json().flatten_event(true).with_current_span(false);
            let lines = Named { inner: lines, json: true };
            let layer = layer.fmt_fields(format::JsonFields::new()).event_format(lines);
            Box::new(registry.with(layer))
        }
    }
}

/// Lines that name the request that they were written for.
struct Named<F> {
    inner: F,
    json: bool,
}

impl<S, N, F> FormatEvent<S, N> for Named<F>
where
    S: Subscriber + for<'a> LookupSpan<'a>,
    N: for<'a> FormatFields<'a> + 'static,
    F: FormatEvent<S, N>,
{
    fn format_event(
        &self,
        context: &FmtContext<'_, S, N>,
        mut writer: Writer<'_>,
        event: &Event<'_>,
    ) -> fmt::Result {
        let Some(id) = request::current() else {
            return self.inner.format_event(context, writer, event);
        };
        // An id has no character that would have to be escaped.
        let id = id.as_str();
        if !self.json {
            write!(writer, "{id} ")?;
            return self.inner.format_event(context, writer, event);
        }
        let mut line = String::new();
        self.inner.format_event(context, Writer::new(&mut line), event)?;
        let members = line.strip_prefix('{').ok_or(fmt::Error)?;
        write!(writer, "{{\"request_id\":\"{id}\",{members}")
    }
}

/// Writes lines whole and each as one, and ignores failures: there is no other place to report them.
struct Lines<W> {
    inner: W,
}

struct Line<W> {
    inner: W,
}

impl<'a, W: MakeWriter<'a>> MakeWriter<'a> for Lines<W> {
    type Writer = Line<W::Writer>;

    fn make_writer(&'a self) -> Self::Writer {
        Line { inner: self.inner.make_writer() }
    }

    fn make_writer_for(&'a self, of: &Metadata<'_>) -> Self::Writer {
        Line { inner: self.inner.make_writer_for(of) }
    }
}

impl<W: Write> Write for Line<W> {
    fn write(&mut self, line: &[u8]) -> std::io::Result<usize> {
        let _ = match std::str::from_utf8(line) {
            Ok(text) => self.inner.write_all(json_line(text).as_bytes()),
            Err(_) => self.inner.write_all(line),
        };
        Ok(line.len())
    }

    fn flush(&mut self) -> std::io::Result<()> {
        let _ = self.inner.flush();
        Ok(())
    }
}

/// One line for a panic, within whatever span it happened in.
fn log_panic(info: &PanicHookInfo<'_>) {
    let message = info.payload_as_str().unwrap_or("a panic without a message");
    let location = info.location().map(ToString::to_string).unwrap_or_default();
    let thread = std::thread::current();
    let thread = thread.name().unwrap_or("unnamed");
    tracing::error!(target: ALWAYS, location, thread, "panicked: {message}");
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use parking_lot::Mutex;

    use super::*;

    #[derive(Clone, Default)]
    struct Stored(Arc<Mutex<Vec<u8>>>);

    impl Write for Stored {
        fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
            self.0.lock().extend_from_slice(bytes);
            Ok(bytes.len())
        }

        fn flush(&mut self) -> std::io::Result<()> {
            Ok(())
        }
    }

    struct Closed;

    impl Write for Closed {
        fn write(&mut self, _: &[u8]) -> std::io::Result<usize> {
            Err(std::io::ErrorKind::BrokenPipe.into())
        }

        fn flush(&mut self) -> std::io::Result<()> {
            Err(std::io::ErrorKind::BrokenPipe.into())
        }
    }

    /// Subscribers of several threads share what is cached of the lines below.
    static ONE_AT_A_TIME: Mutex<()> = Mutex::new(());

    fn logged(format: Format, rust_log: &str) -> String {
        let _alone = ONE_AT_A_TIME.lock();
        let stored = Stored::default();
        let writer = stored.clone();
        let subscriber =
            subscriber(format, filter(rust_log).unwrap(), false, move || writer.clone());
        tracing::subscriber::with_default(subscriber, || {
            tracing::info!(target: ALWAYS, "listening on http://127.0.0.1:1 (public)");
            tracing::debug!("a detail");
            tracing::error!(count = 2, "a failure");
        });
        String::from_utf8(stored.0.lock().clone()).unwrap()
    }

    #[test]
    fn the_listening_line_comes_out_whatever_the_filter_says() {
        for rust_log in ["off", "error", "process=off", "something=trace", "info"] {
            for format in [Format::Pretty, Format::Json] {
                let text = logged(format, rust_log);
                assert!(text.contains("listening on http://127.0.0.1:1 (public)"), "{rust_log}");
                assert!(!text.contains("a detail"), "{rust_log}: {text}");
            }
        }
        assert!(!logged(Format::Json, "off").contains("a failure"));
        assert!(logged(Format::Pretty, "debug").contains("a detail"));
    }

    #[test]
    fn every_line_is_an_object() {
        let text = logged(Format::Json, "info");
        let lines: Vec<serde_json::Value> =
            text.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
        assert_eq!(lines.len(), 2);
        assert_eq!(lines[0]["message"], "listening on http://127.0.0.1:1 (public)");
        assert_eq!(lines[1]["count"], 2);
    }

    #[test]
    fn a_closed_output_costs_the_lines_and_nothing_else() {
        let _alone = ONE_AT_A_TIME.lock();
        let subscriber = subscriber(Format::Json, filter("info").unwrap(), false, || Closed);
        tracing::subscriber::with_default(subscriber, || tracing::error!("nobody reads this"));
        assert!(Line { inner: Closed }.write(b"x").is_ok_and(|n| n == 1));
    }

    #[test]
    fn a_filter_that_cannot_be_read_is_refused() {
        assert!(filter("info,sqlx=warn").is_some());
        for text in ["a=b=c", "info,x=loud", "[", "=x"] {
            assert!(filter(text).is_none(), "{text}");
        }
    }

    #[test]
    fn an_exporters_address_is_an_http_url() {
        for text in ["http://localhost:4317", "https://otel.example/v1"] {
            assert!(http_url(text).is_some(), "{text}");
        }
        for text in [
            "",
            "localhost",
            "localhost:4317",
            "ftp://host",
            "http://",
            "/path",
            "http://ann:s3cret@host:4318",
            "http://host?x=y",
        ] {
            assert!(http_url(text).is_none(), "{text}");
        }
    }
}
