//! What an attempt's outcome says of its host.

use pr_core::{BackendError, ErrorKind, FailedHop, NormalizedResponse, TimeoutPhase};
use url::Url;

use super::Settings;
use crate::policy::{Reply, origin::Origin};

impl Settings {
    /// Whether the host with this origin did its part; `None` if the reply says nothing of it.
    pub(super) fn judge(&self, origin: &Origin, reply: &Reply) -> Option<bool> {
        match reply {
            Ok(response) => {
                let failed = self.is_failure(response) && is_at(origin, response.url());
                Some(!failed)
            }
            Err(error) => {
                if !speaks_of_a_host(error) {
                    return None;
                }
                let elsewhere = error
                    .url()
                    .and_then(|url| Url::parse(url).ok())
                    .is_some_and(|url| !is_at(origin, &url));
                Some(elsewhere)
            }
        }
    }

    fn is_failure(&self, response: &NormalizedResponse) -> bool {
        let status = response.status_code();
        match &self.failure_statuses {
            None => status.is_server_error(),
            Some(statuses) => statuses.contains(&status),
        }
    }
}

fn is_at(origin: &Origin, url: &Url) -> bool {
    Origin::key(url).is_some_and(|key| key == origin.as_str())
}

fn speaks_of_a_host(error: &BackendError) -> bool {
    let phase = error.timeout_phase();
    match error.kind() {
        ErrorKind::Connect => !may_be_a_proxys(error),
        ErrorKind::Timeout if phase == Some(TimeoutPhase::Connect) => !may_be_a_proxys(error),
        ErrorKind::Timeout => !matches!(phase, Some(TimeoutPhase::Queue | TimeoutPhase::Batch)),
        ErrorKind::Closed => !error.is_backend_closed(),
        ErrorKind::Dns | ErrorKind::Tls | ErrorKind::Truncated | ErrorKind::Protocol => {
            error.failed_hop() != Some(FailedHop::Proxy)
        }
        _ => false,
    }
}

/// Whether it may have been a proxy that there was no connection to, or that opened none.
fn may_be_a_proxys(error: &BackendError) -> bool {
    match error.failed_hop() {
        Some(hop) => hop != FailedHop::Origin,
        None => error.proxy().is_some(),
    }
}
