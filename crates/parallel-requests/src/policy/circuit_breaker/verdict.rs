//! What an attempt's outcome says of its host.

use pr_core::{ErrorKind, NormalizedResponse, TimeoutPhase};
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
                if !speaks_of_a_host(error.kind(), error.timeout_phase())
                    || error.is_backend_closed()
                {
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

fn speaks_of_a_host(kind: ErrorKind, phase: Option<TimeoutPhase>) -> bool {
    match kind {
        ErrorKind::Dns
        | ErrorKind::Connect
        | ErrorKind::Tls
        | ErrorKind::Closed
        | ErrorKind::Truncated
        | ErrorKind::Protocol => true,
        ErrorKind::Timeout => !matches!(phase, Some(TimeoutPhase::Queue | TimeoutPhase::Batch)),
        _ => false,
    }
}
