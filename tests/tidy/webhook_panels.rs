//! The panels of webhooks.

use super::{Panel, panel};

pub(super) const WEBHOOKS: &[Panel] = &[
    panel(
        "Events that wait",
        "short",
        &[(r#"max by (url) (auth_webhook_waiting{instance=~"$instance"})"#, "URL {{url}}")],
    ),
    panel(
        "Age of the oldest event that waits",
        "s",
        &[(r#"max by (url) (auth_webhook_behind_seconds{instance=~"$instance"})"#, "URL {{url}}")],
    ),
    panel(
        "Posts",
        "ops",
        &[(
            r#"sum by (url, result) (rate(auth_webhook_posts_total{instance=~"$instance"}[$__rate_interval]))"#,
            "URL {{url}} {{result}}",
        )],
    ),
    panel(
        "Events skipped",
        "short",
        &[(
            r#"sum by (url) (increase(auth_webhook_skipped_total{instance=~"$instance"}[1h]))"#,
            "URL {{url}}",
        )],
    ),
    panel(
        "Time of one post",
        "s",
        &[(
            r#"histogram_quantile(0.99, sum by (le) (rate(auth_webhook_post_duration_seconds_bucket{instance=~"$instance"}[$__rate_interval])))"#,
            "99 of 100",
        )],
    ),
];
