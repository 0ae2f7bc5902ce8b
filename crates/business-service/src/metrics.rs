//! The auth client's counts as metrics, read from the client at each scrape.

use std::fmt;

use auth_client::{AuthClient, BatchSizes, Stats};
use prometheus_client::collector::Collector;
use prometheus_client::encoding::{DescriptorEncoder, EncodeMetric, NoLabelSet};
use prometheus_client::metrics::MetricType;
use prometheus_client::metrics::counter::ConstCounter;
use prometheus_client::metrics::gauge::ConstGauge;

/// The metrics of one client.
#[derive(Debug)]
pub(crate) struct AuthClientMetrics {
    client: AuthClient,
}

impl AuthClientMetrics {
    pub(crate) const fn new(client: AuthClient) -> Self {
        Self { client }
    }
}

impl Collector for AuthClientMetrics {
    fn encode(&self, mut encoder: DescriptorEncoder<'_>) -> fmt::Result {
        let stats = self.client.stats();
        encode_validations(&mut encoder, &stats)?;
        encode_batch_sizes(&mut encoder, &stats.batches)?;
        let breaker_open =
            stats.upstreams.iter().map(|one| (&*one.name, i64::from(one.breaker_open)));
        encode_gauge(
            &mut encoder,
            "auth_client_breaker_open",
            "Whether the circuit breaker of an auth service is open, because it failed",
            breaker_open,
        )?;
        let in_flight = stats
            .upstreams
            .iter()
            .map(|one| (&*one.name, i64::try_from(one.in_flight).unwrap_or(i64::MAX)));
        encode_gauge(
            &mut encoder,
            "auth_client_in_flight",
            "How many validations wait for an auth service or are in flight to it",
            in_flight,
        )
    }
}

fn encode_validations(encoder: &mut DescriptorEncoder<'_>, stats: &Stats) -> fmt::Result {
    let help = "How validations ended: alive, dead for a reason, or without an answer";
    let name = "auth_client_validations";
    let mut family = encoder.encode_descriptor(name, help, None, MetricType::Counter)?;
    for (result, count) in &stats.validations {
        let labels = [("result", *result)];
        ConstCounter::new(*count).encode(family.encode_family(&labels)?)?;
    }
    Ok(())
}

#[expect(
    clippy::cast_precision_loss,
    reason = "a metric is a float; there are never so many questions"
)]
fn encode_batch_sizes(encoder: &mut DescriptorEncoder<'_>, sizes: &BatchSizes) -> fmt::Result {
    let help = "How many validations one request to an auth service held";
    let name = "auth_client_batch_size";
    let mut histogram = encoder.encode_descriptor(name, help, None, MetricType::Histogram)?;
    let steps = sizes.steps.iter().map(|(most, requests)| (*most as f64, *requests));
    // No request holds more than the last step, but the exposition format demands this bucket.
    let buckets: Vec<_> = steps.chain([(f64::INFINITY, 0)]).collect();
    let requests = buckets.iter().map(|(_, requests)| requests).sum();
    histogram.encode_histogram::<NoLabelSet>(sizes.questions as f64, requests, &buckets, None)
}

fn encode_gauge<'a>(
    encoder: &mut DescriptorEncoder<'_>,
    name: &str,
    help: &str,
    values: impl Iterator<Item = (&'a str, i64)>,
) -> fmt::Result {
    let mut family = encoder.encode_descriptor(name, help, None, MetricType::Gauge)?;
    for (upstream, value) in values {
        let labels = [("upstream", upstream)];
        ConstGauge::new(value).encode(family.encode_family(&labels)?)?;
    }
    Ok(())
}
